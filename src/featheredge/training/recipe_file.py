"""Recipe files: found by name or path, read, changed by settings, and stored in run folders."""

import difflib
import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from featheredge.errors import RecipeError
from featheredge.files import write_bytes
from featheredge.run_folder import RECIPE_FILE, RECIPES_DIR
from featheredge.text_files import read_json
from featheredge.text_files import read_toml as read_table
from featheredge.training.old_recipes import upgrade
from featheredge.training.recipe_check import Section

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            'expected at most 100 letters, digits, ".", "_" and "-", a letter or digit first: '
            "runs/NAME is the run folder"
        )
    return name


#: The name of a run, and of its folder.
RunName = Annotated[str, AfterValidator(_check_name)]


def find_recipe(recipe: str) -> Path:
    """Return the path of a recipe file, or of the shipped recipe of that name.

    Raises:
        RecipeError: It is neither a .toml file nor a shipped name; the message has similar names.
    """
    path = Path(recipe)
    if path.suffix == ".toml":
        return path
    shipped = RECIPES_DIR / f"{recipe}.toml"
    if not shipped.is_file():
        names = sorted(file.stem for file in RECIPES_DIR.glob("*.toml"))
        near = difflib.get_close_matches(recipe, names, n=3, cutoff=0.5)
        raise RecipeError(
            f"no shipped recipe is called {recipe!r}; give one of {', '.join(near or names)}, or a "
            ".toml file"
        )
    return shipped


def read_toml(path: Path, settings: Sequence[str] = ()) -> dict[str, Any]:
    """Read a TOML file and apply `key.subkey=value` settings (values as in TOML, or bare text).

    Raises:
        RecipeError: The file is unreadable or not TOML, or a setting has another form.
    """
    try:
        table = read_table(path)
    except OSError as cause:
        raise RecipeError(f"{path}: cannot be read: {cause.strerror}") from cause
    except ValueError as cause:
        raise RecipeError(f"{path}: not a TOML file: {cause}") from cause
    for setting in settings:
        _apply(table, setting)
    return table


def named_like(path: Path, settings: Sequence[str] = ()) -> dict[str, Any]:
    """Read a file as `read_toml` does; a recipe without a name gets the name of its file."""
    return {"name": path.stem, **read_toml(path, settings)}


def claim(folder: Path, recipe: Section) -> None:
    """Write the recipe into a run folder.

    Raises:
        RecipeError: The folder holds a run of another recipe.
    """
    refuse_another(folder, recipe)
    write_bytes(folder / RECIPE_FILE, recipe.model_dump_json(indent=1).encode())


def refuse_another(folder: Path, recipe: Section) -> None:
    """Check that a run folder is free, or holds a run of this recipe.

    Raises:
        RecipeError: It holds a run of another recipe.
    """
    path = folder / RECIPE_FILE
    if not path.exists():
        return
    stored = _stored_recipe(path, type(recipe))
    if _what_is_run(stored) != _what_is_run(recipe):
        raise RecipeError(
            f"{folder}: holds a run of another recipe (see {path.name}); give another folder "
            "with --output, or remove this one to start again"
        )


def _stored_recipe(path: Path, kind: type[Section]) -> Section | None:
    """Read the recipe of a run; None if this version cannot read it.

    Settings may have been added since the run began, and others may have been renamed.
    """
    try:
        stored = json.dumps(upgrade(read_json(path)).table)
        return kind.model_validate_json(stored)
    except (ValueError, TypeError, AttributeError):
        return None


def _what_is_run(recipe: Section | None) -> dict[str, Any] | None:
    """Return all that decides a run: not its description, nor where decoded pictures are."""
    if recipe is None:
        return None
    return recipe.model_dump(exclude={"about": True, "data": {"cache"}})


def _apply(table: dict[str, Any], setting: str) -> None:
    """Set one `key.subkey=value` in a parsed recipe."""
    dotted, equals, text = setting.partition("=")
    *parents, key = dotted.strip().split(".")
    if not equals or not key:
        raise RecipeError(f"--set {setting}: expected key.subkey=value, as in optimiser.lr=1e-3")
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise RecipeError(f"--set {setting}: {parent} is a value, not a section")
    table[key] = _parse(text.strip())


def _parse(text: str) -> Any:
    """Parse a TOML value; other text, such as a path, is returned unchanged."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
