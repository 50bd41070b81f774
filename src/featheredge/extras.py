"""Optional dependencies: which extra installs which modules, and the error if one is missing.

A function that needs an optional module calls `require` before it imports the module. For all
other imports, `explain` converts a ModuleNotFoundError to the same error.
"""

import importlib.util

from featheredge.errors import MissingExtraError

INSTALL = "pip install 'featheredge[{extra}]'"

MODULES = {
    "lab": ("torch", "lightning_fabric", "pydantic", "safetensors", "onnx", "onnxscript"),
    "eval": ("numba", "scipy", "matplotlib"),
    "heic": ("pi_heif",),
    "video": ("av",),
    "openvino": ("openvino", "nncf"),
    "hub": ("huggingface_hub",),
    "speed": ("isal",),
    "ray": ("ray", "pyarrow", "fsspec"),
    "serve": ("fastapi", "uvicorn", "python_multipart", "prometheus_client"),
}
"""The importable modules that each extra installs."""

_ALSO_IN_LAB = ("google", "onnx_ir", "sklearn")


def require(extra: str, purpose: str, *modules: str) -> None:
    """Check that the modules of an extra are installed, without importing them.

    Args:
        extra: A key of `MODULES`.
        purpose: What needs the modules, as the subject of a sentence, such as "a plot".
        *modules: The modules to check; all modules of the extra by default.

    Raises:
        MissingExtraError: A module is missing; the message has the install command.
    """
    missing = [name for name in modules or MODULES[extra] if not is_installed(name)]
    if missing:
        raise MissingExtraError(_sentence(extra, purpose, missing))


def is_installed(module: str) -> bool:
    """Return whether a module can be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # blocked, or half-initialised
        return False


def explain(error: ModuleNotFoundError, purpose: str) -> MissingExtraError | None:
    """Return the error to raise for a missing module; None if no extra installs the module.

    Args:
        error: The error of the import.
        purpose: What needs the module, as the subject of a sentence.
    """
    module = (error.name or "").partition(".")[0]
    for extra in ("eval", "heic", "hub", "openvino", "ray", "serve", "video", "lab"):
        if module in MODULES[extra] or (extra == "lab" and module in _ALSO_IN_LAB):
            return MissingExtraError(_sentence(extra, purpose, [module]))
    return None


def _sentence(extra: str, purpose: str, missing: list[str]) -> str:
    named = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    verb = "is" if len(missing) == 1 else "are"
    return (
        f"{purpose} needs {named}, which {verb} not installed; type: {INSTALL.format(extra=extra)}"
    )
