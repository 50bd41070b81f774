"""Recipe files: TOML, found by name or path, changed by settings, checked key by key, noted."""

import tomllib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from featheredge.errors import RecipeError
from featheredge.files import write_bytes
from featheredge.run_folder import RECIPE_FILE, RECIPES_DIR


class Section(BaseModel):
    """A part of a recipe: it never changes, and a key that it does not have is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_Kind = TypeVar("_Kind", bound=Section)


def find_recipe(recipe: str) -> Path:
    """The file itself, or the shipped recipe of that name.

    Raises:
        RecipeError: neither a .toml file nor a name; the names are listed.
    """
    path = Path(recipe)
    if path.suffix == ".toml":
        return path
    shipped = RECIPES_DIR / f"{recipe}.toml"
    if not shipped.is_file():
        names = ", ".join(sorted(file.stem for file in RECIPES_DIR.glob("*.toml")))
        raise RecipeError(f"no recipe is called {recipe!r}; shipped: {names}; or give a .toml file")
    return shipped


def read_toml(path: Path, settings: Sequence[str] = ()) -> dict[str, Any]:
    """Read a file and apply `key.subkey=value` settings (values as in TOML, or bare text).

    Raises:
        RecipeError: unreadable file, not TOML, or a setting that is not written so.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as cause:
        raise RecipeError(f"{path}: cannot be read: {cause.strerror}") from cause
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
        raise RecipeError(f"{path}: not a TOML file: {cause}") from cause
    for setting in settings:
        _apply(table, setting)
    return table


def check(
    kind: type[_Kind], table: dict[str, Any], source: object, *, silent: Collection[str] = ()
) -> _Kind:
    """A recipe of this kind from a parsed file.

    Args:
        kind: the class of the recipe.
        table: what the file says.
        source: what messages call it.
        silent: parts of a key's path that its writer never wrote, such as the kinds of a union.

    Raises:
        RecipeError: every key and value that the recipe does not have.
    """
    try:
        return kind.model_validate(table)
    except ValidationError as cause:
        lines = (
            f"{'.'.join(str(part) for part in e['loc'] if part not in silent)}: {e['msg']}"
            for e in cause.errors()
        )
        raise RecipeError(f"{source}: " + "; ".join(lines)) from None


def claim(folder: Path, recipe: Section) -> None:
    """Note the recipe in a run folder, or check that the run there has the same one.

    Raises:
        RecipeError: it has another.
    """
    note = folder / RECIPE_FILE
    wanted = recipe.model_dump_json(indent=1)
    if note.exists() and _noted(note, type(recipe)) != wanted:
        raise RecipeError(
            f"{folder}: holds a run of another recipe (see {note.name}); give another folder, or "
            "remove this one to start again"
        )
    write_bytes(note, wanted.encode())


def _noted(note: Path, kind: type[Section]) -> str | None:
    """The recipe of a run as it would be noted now: settings with defaults may have come since."""
    try:
        return kind.model_validate_json(note.read_bytes()).model_dump_json(indent=1)
    except ValidationError:
        return None


def _apply(table: dict[str, Any], setting: str) -> None:
    """Set one `key.subkey=value` in a parsed recipe."""
    dotted, equals, text = setting.partition("=")
    *parents, key = dotted.strip().split(".")
    if not equals or not key:
        raise RecipeError(f"a setting is written key.subkey=value; got {setting!r}")
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise RecipeError(f"{setting!r}: {parent} is a value, not a section")
    table[key] = _parse(text.strip())


def _parse(text: str) -> Any:
    """A TOML value, or the text itself where it is none (a path, say)."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
