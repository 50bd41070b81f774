"""Constraints for pip that pin what the package needs to its lower bounds, for `make test-min`.

    python tools/lowest_versions.py > lowest.txt
    pip install -c lowest.txt -e ".[dev]"

The bounds are those of pyproject.toml. The tools of the extras `dev`, `docs` and `release` keep the
versions of constraints.txt. So does PyTorch, because `pip install torch` with another version would
fetch the build for CUDA.
"""

import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
TOOLS = ("dev", "docs", "release")


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    tested = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    sys.stdout.write("\n".join(lowest_versions(project, tested)) + "\n")


def lowest_versions(project: dict[str, Any], tested: Iterable[str]) -> list[str]:
    """Return a line `name==version` for every dependency of a project and of its extras.

    Args:
        project: The table [project] of a pyproject.toml.
        tested: Lines `name==version` for tools and PyTorch; other lines are ignored.

    Raises:
        ValueError: A dependency has no lower bound, or two different ones.
    """
    extras = project.get("optional-dependencies", {})
    needed = [line for name, extra in extras.items() if name not in TOOLS for line in extra]
    bounds: dict[str, str] = {}
    for requirement in map(Requirement, [*project["dependencies"], *needed]):
        if bounds.setdefault(requirement.name, _bound(requirement)) != _bound(requirement):
            raise ValueError(f"{requirement.name} has two lower bounds; give one")
    pins = dict(line.split("==") for line in tested if "==" in line)
    kept = {name: pin for name, pin in pins.items() if name not in bounds or name == "torch"}
    return sorted(f"{name}=={version}" for name, version in (bounds | kept).items())


def _bound(requirement: Requirement) -> str:
    """Return the version after `>=`."""
    for specifier in requirement.specifier:
        if specifier.operator == ">=":
            return specifier.version
    raise ValueError(f"{requirement} has no lower bound; give one with >=")


if __name__ == "__main__":
    main()
