"""Optional dependencies: which extra installs which modules, and what to say when one is missing.

Every function that needs an optional module calls `require` before its first import of it.
`explain` covers the rest: it turns the import error of such a module into the same sentence.
"""

import importlib.util

from featheredge.errors import MissingExtraError

INSTALL = "pip install 'featheredge[{extra}]'"

MODULES = {
    "lab": ("torch", "lightning_fabric", "kornia", "pydantic", "safetensors", "onnx", "onnxscript"),
    "eval": ("numba", "scipy", "matplotlib"),
    "heic": ("pi_heif",),
}
"""Extra -> the modules that it installs and that are looked for, as they are imported."""

_ALSO_IN_LAB = ("google", "onnx_ir", "sklearn")


def require(extra: str, purpose: str, *modules: str) -> None:
    """Check that an extra is installed, without importing anything.

    Args:
        extra: A key of `MODULES`.
        purpose: What needs it, as the subject of a sentence, such as "a plot".
        *modules: The modules to look for; left out, all of the extra.

    Raises:
        MissingExtraError: A module is missing; the message has the command that installs it.
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
    """Return the error to raise for a module that was not found; None if no extra installs it.

    Args:
        error: What the import raised.
        purpose: What needs the module, as the subject of a sentence.
    """
    module = (error.name or "").partition(".")[0]
    for extra in ("eval", "heic", "lab"):
        if module in MODULES[extra] or (extra == "lab" and module in _ALSO_IN_LAB):
            return MissingExtraError(_sentence(extra, purpose, [module]))
    return None


def _sentence(extra: str, purpose: str, missing: list[str]) -> str:
    named = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    verb = "is" if len(missing) == 1 else "are"
    return (
        f"{purpose} needs {named}, which {verb} not installed; type: {INSTALL.format(extra=extra)}"
    )
