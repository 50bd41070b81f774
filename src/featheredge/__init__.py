"""Very small edge-detection and salient-object networks, fast on an ordinary CPU.

A public name is imported on its first use, so that `import featheredge` is quick.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featheredge.catalog import list_models
    from featheredge.compose import cutout, subject_mask
    from featheredge.cutout_confidence import confidence
    from featheredge.image import load as load_image
    from featheredge.maps import edges, saliency
    from featheredge.models.build import create_model, list_networks
    from featheredge.nms import suppress as thin
    from featheredge.opacity import soft_mask
    from featheredge.png import binarise, save_map, to_image
    from featheredge.session import Session

__version__ = "0.1.0"

__all__ = [
    "Session",
    "binarise",
    "confidence",
    "create_model",
    "cutout",
    "edges",
    "list_models",
    "list_networks",
    "load_image",
    "saliency",
    "save_map",
    "soft_mask",
    "subject_mask",
    "thin",
    "to_image",
]

_ORIGINS = {
    "Session": ("featheredge.session", "Session"),
    "binarise": ("featheredge.png", "binarise"),
    "confidence": ("featheredge.cutout_confidence", "confidence"),
    "create_model": ("featheredge.models.build", "create_model"),
    "cutout": ("featheredge.compose", "cutout"),
    "edges": ("featheredge.maps", "edges"),
    "list_models": ("featheredge.catalog", "list_models"),
    "list_networks": ("featheredge.models.build", "list_networks"),
    "load_image": ("featheredge.image", "load"),
    "saliency": ("featheredge.maps", "saliency"),
    "save_map": ("featheredge.png", "save_map"),
    "soft_mask": ("featheredge.opacity", "soft_mask"),
    "subject_mask": ("featheredge.compose", "subject_mask"),
    "thin": ("featheredge.nms", "suppress"),
    "to_image": ("featheredge.png", "to_image"),
}


def __getattr__(name: str) -> object:
    if name not in _ORIGINS:
        raise AttributeError(f"module 'featheredge' has no attribute {name!r}")
    module, attribute = _ORIGINS[name]
    try:
        value: object = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        from featheredge.extras import explain

        missing_extra = explain(error, f"featheredge.{name}")
        if missing_extra is None:
            raise
        raise missing_extra from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
