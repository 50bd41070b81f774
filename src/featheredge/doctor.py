"""The checks of `featheredge doctor`: versions, providers, shipped networks and extras."""

import importlib.metadata
import platform
from dataclasses import dataclass

import numpy as np

from featheredge import catalog
from featheredge.cpu_threads import MOST_MEASURED, auto_threads
from featheredge.errors import FeatheredgeError
from featheredge.extras import INSTALL, MODULES, is_installed
from featheredge.providers import OPENVINO, available_providers
from featheredge.session import Session
from featheredge.timing import cpu_features, cpu_model, load_1_min, num_cores

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
    return [*_machine(), *_packages(), *_choices(), *_networks(), *_extras()]


def _machine() -> list[Check]:
    return [
        Check("python", f"{platform.python_version()} on {platform.platform()}"),
        Check("cpu", f"{cpu_model()}, {num_cores()} usable threads"),
        Check("cpu features", ", ".join(cpu_features()) or "unknown"),
    ]


def _packages() -> list[Check]:
    checks = []
    for name in BASE_PACKAGES:
        try:
            checks.append(Check(name, importlib.metadata.version(name), ok=True))
        except importlib.metadata.PackageNotFoundError:
            checks.append(Check(name, f"not installed: pip install {name}", ok=False))
    return checks


def _choices() -> list[Check]:
    """Say which provider, precision and threads a session takes, and why."""
    names = available_providers()
    load, cores = load_1_min() or 0.0, num_cores()
    auto = auto_threads(cores, load)
    return [
        Check("providers", ", ".join(names), ok="cpu" in names),
        Check("default", "provider cpu, precision fp32, 1 thread: needs no extra"),
        Check("precision bf16", _bfloat16()),
        Check(
            "threads auto",
            f"{auto}: {cores} cores less a load of {load:.1f}, at least 1, at most {MOST_MEASURED}",
        ),
    ]


def _bfloat16() -> str:
    """Say whether bfloat16 can be used, and what is missing if not."""
    if not is_installed(OPENVINO):
        return f"needs provider openvino: {INSTALL.format(extra=OPENVINO)}"
    from featheredge.openvino_runtime import cpu_precisions

    if "bf16" not in cpu_precisions():
        return "this processor has no bfloat16 (avx512_bf16 or amx_bf16)"
    return "available: add --provider openvino --precision bf16"


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
