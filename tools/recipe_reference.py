"""Print the reference of recipes: every key, its type, its default and its meaning."""

import inspect
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from page_block import run
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from featheredge.runs.prune_recipe import PruneRecipe
from featheredge.training.losses import EdgeLoss, SaliencyLoss
from featheredge.training.recipe import Recipe

NAMES: dict[Any, str] = {
    str: "string",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "path",
}
#: Which task a section is for, where each task has its own.
TASKS: dict[type, str] = {
    EdgeLoss: ' with task = "edges"',
    SaliencyLoss: ' with task = "saliency"',
}
BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}


def main() -> None:
    run("recipe_reference.py", "recipes.md", lambda: "\n".join(_reference()))


def _reference() -> Iterator[str]:
    shown: dict[type, str] = {}
    for title, recipe in (("Recipes for training", Recipe), ("Recipes for pruning", PruneRecipe)):
        yield f"## {title}"
        yield ""
        yield from _section(recipe, "", shown)


def _section(section: type, path: str, shown: dict[type, str]) -> Iterator[str]:
    """The table of one class, then those of the sections in it; each class is shown once."""
    summary, meanings = _docstring(section)
    kinds = _literal_of_kind(section)
    if path:
        yield f"### [{path}]{kinds}{TASKS.get(section, '')}"
        yield ""
        if section in shown:
            yield f"The keys are those of [{shown[section]}] above."
            yield ""
            return
        shown[section] = path
        yield summary
        yield ""
    nested: list[tuple[str, type]] = []
    rows = []
    for key, field in _fields(section).items():
        inner = list(_sections_in(field.annotation))
        star = ".NAME" if get_origin(field.annotation) is dict else ""
        nested += [(f"{path}.{key}{star}".lstrip("."), each) for each in inner]
        kind = "section" if inner else _type(field.annotation, field.metadata)
        rows.append(f"| `{key}` | {kind} | {_default(field)} | {meanings.get(key, '')} |")
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    yield from rows
    yield ""
    for name, each in nested:
        yield from _section(each, name, shown)


def _fields(section: type) -> Mapping[str, FieldInfo]:
    found: Mapping[str, FieldInfo] = section.__pydantic_fields__  # type: ignore[attr-defined]
    return found


def _literal_of_kind(section: type) -> str:
    """Which `kind` a section is for, where its key allows a single value."""
    field = _fields(section).get("kind")
    values = get_args(field.annotation) if field is not None else ()
    return f' with kind = "{values[0]}"' if len(values) == 1 else ""


def _sections_in(annotation: Any) -> Iterator[type]:
    """The classes of recipe sections that an annotation names."""
    if hasattr(annotation, "__pydantic_fields__"):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections_in(argument)


def _docstring(section: type) -> tuple[str, dict[str, str]]:
    """The first paragraph, and the text of each attribute."""
    text = inspect.getdoc(section) or ""
    summary, _, attributes = text.partition("Attributes:\n")
    meanings: dict[str, str] = {}
    name = ""
    for line in attributes.splitlines():
        if line.startswith("    ") and not line.startswith("     "):
            name, _, start = line.strip().partition(": ")
            meanings[name] = start
        elif line.strip():
            meanings[name] += f" {line.strip()}"
    plain = summary.strip().replace("``", "`").replace("\n\n", "\0").replace("\n", " ")
    return plain.replace("\0", "\n\n"), {
        k: _cell(v[:1].upper() + v[1:]) for k, v in meanings.items()
    }


def _type(annotation: Any, metadata: list[Any]) -> str:
    """An annotation in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0], [*metadata, *arguments[1:]])
    if origin is Literal:
        return " or ".join(f'`"{value}"`' for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(each, metadata) for each in arguments if each is not type(None))
    if origin is tuple:
        several = "" if arguments[-1] is Ellipsis else f"{len(arguments)} "
        return f"list of {several}{_plural(arguments[0])}"
    if origin is not None and issubclass(origin, Mapping):
        return "table" if arguments[1] is Any else f"table of {_plural(arguments[1])}"
    return f"{NAMES.get(annotation, getattr(annotation, '__name__', '?'))}{_bounds(metadata)}"


def _plural(annotation: Any) -> str:
    """What a list holds: "numbers above 0"."""
    metadata = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    bare = get_args(annotation)[0] if metadata else annotation
    return f"{_type(bare, [])}s{_bounds(list(metadata))}"


def _bounds(metadata: list[Any]) -> str:
    found = [
        f"{word} {getattr(part, bound):g}"
        for part in _flat(metadata)
        for bound, word in BOUNDS.items()
        if getattr(part, bound, None) is not None
    ]
    return " " + ", ".join(found) if found else ""


def _flat(metadata: list[Any]) -> Iterator[Any]:
    """The constraints, those inside a `Field` too."""
    for part in metadata:
        yield from part.metadata if isinstance(part, FieldInfo) else [part]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if value is None or value is PydanticUndefined or hasattr(value, "__pydantic_fields__"):
        return ""
    return f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + "}"
    return f'"{value}"' if isinstance(value, str | Path) else f"{value:g}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("``", "`")


if __name__ == "__main__":
    main()
