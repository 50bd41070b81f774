"""Checks of a parsed recipe: all problems at once, each with what to type instead."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from featheredge.errors import RecipeError
from featheredge.training.old_recipes import upgrade


class Section(BaseModel):
    """A part of a recipe. It is immutable, and a key that it does not have is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_Kind = TypeVar("_Kind", bound=Section)

#: The longest value that a message repeats, in characters.
_SHOWN = 60


def check(kind: type[_Kind], table: dict[str, Any], source: object) -> _Kind:
    """Make a recipe from a parsed file.

    Args:
        kind: The class of the recipe.
        table: The content of the file.
        source: What messages call it.

    Raises:
        RecipeError: The recipe has problems; the message lists all of them.
    """
    changes = upgrade(table).changes
    if changes:
        raise RecipeError(
            f"{source}: a recipe of an earlier version; to use it, " + ", ".join(changes)
        )
    required: dict[str, Any] = {
        key: {} for key, field in _fields(kind).items() if _is_required_section(field)
    }
    try:
        return kind.model_validate({**required, **table})
    except ValidationError as cause:
        problems = [_problem(kind, error) for error in cause.errors()]
    if len(problems) == 1:
        raise RecipeError(f"{source}: {problems[0]}")
    raise RecipeError("\n  ".join([f"{source}: {len(problems)} problems", *problems]))


def _problem(kind: type, error: Mapping[str, Any]) -> str:
    """Describe a problem in one line: where it is, what was found, and what is allowed."""
    path = [str(part) for part in error["loc"]]
    where = ".".join(path)
    if error["type"] == "missing":
        return f"{where}: missing; add {_example(kind, path)}"
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{where}: unknown key; {_suggestion(kind, path)}"
    message = error["msg"].removeprefix("Value error, ")
    if isinstance(error["input"], str | int | float):
        value = repr(error["input"])
        message += f"; got {value if len(value) <= _SHOWN else value[:_SHOWN] + '...'}"
    return f"{where}: {message}" if where else message


def _example(kind: type, path: list[str]) -> str:
    """Return an example of a missing key."""
    *parents, key = path
    annotation = _fields_at(kind, parents)[key].annotation
    values = get_args(annotation) if get_origin(annotation) is Literal else ("...",)
    written = " or ".join(f'{key} = "{value}"' for value in values)
    return f"{written} under [{'.'.join(parents)}]" if parents else written


def _suggestion(kind: type, path: list[str]) -> str:
    """Return the likely key: a similar one in this section, or the same one in another."""
    *parents, key = path
    here = list(_fields_at(kind, parents))
    dotted = {".".join([*parents, name]): name for name in here}
    near = difflib.get_close_matches(key, here, n=1, cutoff=0.5)
    meant = [name for name in dotted if dotted[name] in near] or [
        name for name in _dotted_keys(kind) if name.split(".")[-1] == key
    ]
    if meant:
        return f"did you mean {' or '.join(meant)}?"
    return f"the keys of {'[' + '.'.join(parents) + ']' if parents else 'a recipe'} are " + (
        ", ".join(here)
    )


def _fields_at(kind: type, path: list[str]) -> Mapping[str, FieldInfo]:
    """Return the fields of the section at a path of keys; none if a value is there."""
    fields = _fields(kind)
    for key in path:
        field = fields.get(key)
        if field is None:  # the name of an entry, as in training.NAME
            continue
        sections = list(_sections(field.annotation))
        fields = {name: f for section in sections for name, f in _fields(section).items()}
    return fields


def _dotted_keys(kind: type, prefix: str = "") -> Iterator[str]:
    """Return every key of a recipe, such as "optimiser.lr"."""
    for key, field in _fields(kind).items():
        yield prefix + key
        for section in _sections(field.annotation):
            yield from _dotted_keys(section, f"{prefix}{key}.")


def _is_required_section(field: FieldInfo) -> bool:
    return field.is_required() and bool(_fields(field.annotation))


def _sections(annotation: Any) -> Iterator[type]:
    """Return the sections in a type annotation, also those inside `| None` and tables."""
    if _fields(annotation):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections(argument)


def _fields(section: Any) -> Mapping[str, FieldInfo]:
    """Return the keys of a section, which is a `Section` or a dataclass."""
    found: Mapping[str, FieldInfo] = getattr(section, "__pydantic_fields__", {})
    return found
