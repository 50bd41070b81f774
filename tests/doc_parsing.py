"""Whether a command would be understood, without running anything.

Programs that stand in for pip and make call `check`, so it must start no program itself.
"""

import re
import shlex
import tomllib

from doc_pages import ROOT
from featheredge.cli import app

#: Commands of the shell and of other programs, which are taken as they are.
OTHERS = {
    ".", "./edges", "apt-get", "bash", "cd", "curl", "docker", "export", "ffmpeg", "g++",
    "git", "mkdir", "mv", "node", "npm", "sbatch", "source", "tar", "unzip",
}  # fmt: skip


def check(command: str) -> str | None:
    """What is wrong with a command; None where it parses."""
    words = [word for word in _without_redirection(command) if "=" not in word or "-" in word]
    match words:
        case ["featheredge", *arguments]:
            return _verb(_without_redirection(command)[1:] or arguments)
        case ["python", script, *arguments] if script.endswith(".py"):
            return _script(script, arguments)
        case ["python", "-m", *_]:
            return None
        case ["pip", "install", *packages]:
            return _extras(packages)
        case ["make", *targets]:
            return _targets(targets)
        case [name, *_] if name in OTHERS:
            return None
    return f"no way to check {command!r}"


def _without_redirection(command: str) -> list[str]:
    words = shlex.split(command)
    for sign in ("<", ">"):
        while sign in words:
            del words[words.index(sign) : words.index(sign) + 2]
    return words


def _verb(arguments: list[str]) -> str | None:
    if arguments[0] == "eval" and arguments[1] not in ("edges", "saliency"):
        found = [_parsed(["eval", task, *arguments[1:]]) for task in ("edges", "saliency")]
        return None if None in found else found[0]
    return _parsed(arguments)


def _parsed(arguments: list[str]) -> str | None:
    from cyclopts import CycloptsError

    try:
        app.parse_args(arguments, print_error=False, exit_on_error=False)
    except CycloptsError as error:
        return str(error)
    return None


def _script(script: str, arguments: list[str]) -> str | None:
    """Options are looked up in the source: a `--help` would import torch for each."""
    path = ROOT / script
    if not path.is_file():
        return f"no file {script}"
    source = path.read_text("utf-8")
    unknown = [a for a in arguments if re.match(r"--?[a-z]", a) and f'"{a}"' not in source]
    return f"{script} has no {', '.join(unknown)}" if unknown else None


def _extras(packages: list[str]) -> str | None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = {extra for p in packages for extra in "".join(re.findall(r"\[(.*?)\]", p)).split(",")}
    unknown = asked - {"", *project["optional-dependencies"]}
    return f"no extra called {', '.join(unknown)}" if unknown else None


def _targets(targets: list[str]) -> str | None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    known = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    unknown = set(targets) - known
    return f"the Makefile has no {', '.join(unknown)}" if unknown else None
