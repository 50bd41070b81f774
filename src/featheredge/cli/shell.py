"""The verbs `completion` and `tour`, which help people at the command line."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from featheredge.cli.examples import EXAMPLES
from featheredge.errors import ArgumentError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

SHELLS = ("bash", "zsh", "fish")

#: The zsh script of cyclopts only defines a function, for a file of the same name in fpath. These
#: lines make it work when it is sourced, and in a file called _featheredge.
_ZSH_START = """\
if [[ $funcstack[1] == _featheredge ]]; then
  _cyclopts_featheredge "$@"
else
  compdef _cyclopts_featheredge featheredge
fi
"""

_STEPS = (
    ("Edges of a photo, white on black:", "edges cat.jpg"),
    ("Edges thinned to lines:", "edges cat.jpg -o lines.png --as thin --threshold 0.5"),
    ("What stands out:", "saliency cat.jpg"),
    ("The object alone, on a transparent background:", "cutout cat.jpg"),
    ("The object before a blurred background:", "cutout cat.jpg -o blur.png --background blur"),
    ("Many photos at once:", "edges *.jpg -o edges"),
    ("The networks that are inside the package:", "models"),
    ("Whether this installation works:", "doctor"),
    ("A recipe to train on your own data:", "new-recipe saliency"),
)
"""What each command of the tour shows, and its arguments."""


def completion_verb(app: App) -> "Callable[..., None]":
    """Return the verb `completion` for a command line.

    Args:
        app: The command line whose verbs and options the shell completes.
    """

    def completion(shell: Literal["bash", "zsh", "fish"] | None = None, /) -> None:
        """Print a script that completes verbs and options with the Tab key.

        bash: add `source <(featheredge completion bash)` to ~/.bashrc.
        zsh: add `source <(featheredge completion zsh)` to ~/.zshrc, after compinit.
        fish: featheredge completion fish > ~/.config/fish/completions/featheredge.fish

        Args:
            shell: Default: the shell of the variable SHELL.
        """
        wanted = shell or Path(os.environ.get("SHELL", "")).name
        if wanted not in SHELLS:
            raise ArgumentError(
                f"the shell is {wanted or 'unknown'}; type one of "
                f"{', '.join(f'featheredge completion {name}' for name in SHELLS)}"
            )
        sys.stdout.write(completion_script(app, wanted))

    return completion


def completion_script(app: App, shell: str) -> str:
    """Return the script that completes the verbs and options of a command line in a shell."""
    script = app.generate_completion(prog_name="featheredge", shell=shell)  # type: ignore[arg-type]
    return f"{script}\n{_ZSH_START}" if shell == "zsh" else script


def tour(*, output: Annotated[Path, Parameter(alias="-o")] = Path("featheredge-tour")) -> int:
    """Show what the command can do: run it on two photos in a new folder, and print each command.

    Takes less than a minute. Verbs that need data of yours are printed and not run.

    Args:
        output: The new folder.
    """
    from shutil import copy

    from featheredge.photos import PHOTOS

    if output.exists():
        raise OutputError(f"{output} exists; give another name: featheredge tour -o FOLDER")
    output.mkdir(parents=True)
    for photo in PHOTOS:
        copy(photo, output)
    _print(f"Two photos are in {output}. Each line with $ is a command that you can type there.")
    failed = [command for title, command in _STEPS if not _run(title, command, output)]
    ran = {command.split()[0] for _, command in _STEPS}
    _print("\nWith data of your own:")
    for verb, examples in EXAMPLES.items():
        if verb not in {*ran, "tour"}:
            _print(f"  $ {examples[0]}")
    _print("\n`featheredge VERB --help` explains the options of a verb.")
    _print(f"Now look at the pictures in {output}: {', '.join(_pictures(output))}")
    return int(bool(failed))


def _run(title: str, command: str, folder: Path) -> bool:
    """Print and run a command in the folder; return whether it succeeded."""
    _print(f"\n{title}\n$ featheredge {command}")
    words = [sys.executable, "-m", "featheredge", *command.split()]
    return subprocess.run(words, cwd=folder, check=False).returncode == 0


def _pictures(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.png"))


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()  # before the output of the next command
