"""The checks of `featheredge doctor`: versions, providers, shipped networks and extras."""

import importlib.metadata
import platform
from dataclasses import dataclass

import numpy as np

from featheredge import catalog
from featheredge.errors import FeatheredgeError
from featheredge.extras import INSTALL, MODULES, is_installed
from featheredge.session import Session
from featheredge.timing import cpu_model, num_cores
from featheredge.weights_file import PROVIDERS

BASE_PACKAGES = ("featheredge", "numpy", "pillow", "onnxruntime", "cyclopts")


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: What was checked.
        found: What was found.
        ok: Whether it is in order; None for information only.
    """

    name: str
    found: str
    ok: bool | None = None


def examine() -> list[Check]:
    """Check versions, CPU, providers and extras, and run every shipped network once."""
    return [*_machine(), *_packages(), *_providers(), *_networks(), *_extras()]


def _machine() -> list[Check]:
    return [
        Check("python", f"{platform.python_version()} on {platform.platform()}"),
        Check("cpu", f"{cpu_model()}, {num_cores()} usable threads"),
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

    available = onnxruntime.get_available_providers()
    names = [name for name, full_name in PROVIDERS.items() if full_name in available]
    return [Check("providers", ", ".join(names), ok="cpu" in names)]


def _networks() -> list[Check]:
    if not catalog.ENTRIES:
        return [Check("networks", "no network is shipped; reinstall featheredge", ok=False)]
    return [_network(entry.name) for entry in catalog.ENTRIES]


def _network(name: str) -> Check:
    """Load a network, which checks its sha256, and run it on an image with one vertical edge."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, 32:] = 255
    try:
        Session(name)(image)
    except FeatheredgeError as error:
        return Check(name, str(error), ok=False)
    return Check(name, "sha256 matches, runs", ok=True)


def _extras() -> list[Check]:
    return [
        Check(
            f"featheredge[{extra}]",
            "installed"
            if all(map(is_installed, modules))
            else f"not installed: {INSTALL.format(extra=extra)}",
        )
        for extra, modules in MODULES.items()
    ]
