"""What `featheredge doctor` looks at: this installation, and whether every network in it runs."""

import importlib.metadata
import importlib.util
import os
import platform
from dataclasses import dataclass

import numpy as np

from featheredge import catalog
from featheredge.errors import FeatheredgeError
from featheredge.session import Session
from featheredge.weights_file import PROVIDERS

BASE_PACKAGES = ("featheredge", "numpy", "pillow", "onnxruntime", "cyclopts")
EXTRAS = {"lab": "torch", "eval": "numba"}
"""Extra -> the module that tells whether it is installed."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; `ok` is None where it is for information only."""

    name: str
    found: str
    ok: bool | None = None


def examine() -> list[Check]:
    """Look at versions, CPU and providers, run every network of the catalog once, list extras."""
    return [*_machine(), *_packages(), *_providers(), *_networks(), *_extras()]


def _machine() -> list[Check]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [
        Check("python", f"{platform.python_version()} on {platform.platform()}"),
        Check("cpu", f"{platform.machine()}, {cores} usable threads"),
    ]


def _packages() -> list[Check]:
    checks = []
    for name in BASE_PACKAGES:
        try:
            checks.append(Check(name, importlib.metadata.version(name), ok=True))
        except importlib.metadata.PackageNotFoundError:
            checks.append(Check(name, f"not installed: pip install {name}", ok=False))
    return checks


def _providers() -> list[Check]:
    import onnxruntime

    there = onnxruntime.get_available_providers()
    names = [name for name, full_name in PROVIDERS.items() if full_name in there]
    return [Check("providers", ", ".join(names), ok="cpu" in names)]


def _networks() -> list[Check]:
    if not catalog.ENTRIES:
        return [Check("networks", "none is shipped; reinstall featheredge", ok=False)]
    return [_network(entry.name) for entry in catalog.ENTRIES]


def _network(name: str) -> Check:
    """Load a network, which checks its sha256, and run it on a picture with one vertical edge."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, 32:] = 255
    try:
        map = Session(name)(picture)
    except FeatheredgeError as error:
        return Check(name, str(error), ok=False)
    if not (np.isfinite(map).all() and map.min() >= 0 and map.max() <= 1):
        return Check(name, f"runs, but its map holds {map.min()} to {map.max()}", ok=False)
    return Check(name, "sha256 matches, runs", ok=True)


def _extras() -> list[Check]:
    return [
        Check(
            f"featheredge[{extra}]",
            "installed"
            if importlib.util.find_spec(module)
            else f"not installed: pip install 'featheredge[{extra}]'",
        )
        for extra, module in EXTRAS.items()
    ]
