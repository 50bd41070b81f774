"""The verb `new-recipe`, which writes a minimal recipe for your own data."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Path as PathKind

from featheredge.errors import OutputError


def new_recipe(
    task: Literal["edges", "saliency"],
    /,
    *,
    output: Annotated[Path | None, Parameter(alias="-o", validator=PathKind(ext=("toml",)))] = None,
    force: Annotated[bool, Parameter(alias="-f", negative="")] = False,
) -> None:
    """Write a minimal recipe, with comments, for training on your own data.

    Args:
        task: The task of the network.
        output: The .toml file to write. Default: my-edges.toml or my-saliency.toml.
        force: Replace an existing file.
    """
    from featheredge.files import write_bytes
    from featheredge.run_folder import MINIMAL_RECIPES_DIR

    path = output or Path(f"my-{task}.toml")
    if path.exists() and not force:
        raise OutputError(f"{path} exists; give another name, or add -f to replace it")
    text = (MINIMAL_RECIPES_DIR / f"{task}.toml").read_text("utf-8")
    text = text.replace("FILE", str(path)).replace("NAME", path.stem)
    write_bytes(path, text.encode())
    sys.stdout.write(f"{path}\n")
    sys.stderr.write(f"set data.root in it, then type: featheredge train {path} --dry-run\n")
