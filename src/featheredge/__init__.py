"""Very small edge-detection and salient-object networks, fast on an ordinary CPU.

The public names are resolved when they are first used, so that `import featheredge` is quick.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featheredge.catalog import list_models
    from featheredge.compose import cutout
    from featheredge.image import load as load_image
    from featheredge.models.build import create_model
    from featheredge.session import Session, edges, saliency

__version__ = "0.1.0"

__all__ = [
    "Session",
    "create_model",
    "cutout",
    "edges",
    "list_models",
    "load_image",
    "saliency",
]

_ORIGINS = {
    "Session": ("featheredge.session", "Session"),
    "create_model": ("featheredge.models.build", "create_model"),
    "cutout": ("featheredge.compose", "cutout"),
    "edges": ("featheredge.session", "edges"),
    "list_models": ("featheredge.catalog", "list_models"),
    "load_image": ("featheredge.image", "load"),
    "saliency": ("featheredge.session", "saliency"),
}


def __getattr__(name: str) -> object:
    if name not in _ORIGINS:
        raise AttributeError(f"module 'featheredge' has no attribute {name!r}")
    module, attribute = _ORIGINS[name]
    try:
        value: object = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        from featheredge.errors import ProviderError

        raise ProviderError(
            f"featheredge.{name} needs {error.name}: pip install 'featheredge[lab]'"
        ) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
