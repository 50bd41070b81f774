"""Three ComfyUI nodes: edges, a mask, and a cut-out.

An IMAGE in ComfyUI is a (B, H, W, 3) float32 tensor in [0, 1], a MASK a (B, H, W) float32 tensor.

Shapes: `B` images of a batch; `H W` pixels.
"""

from typing import Any

import numpy as np
import torch

import featheredge as fe
from featheredge.compose import cut_out
from featheredge.errors import NoObjectError
from featheredge.looks import EDGE_LOOKS, draw
from featheredge.maps import cached_session

_LOOKS = [name for name, look in EDGE_LOOKS.items() if look.suffix == ".png"]


class FeatheredgeEdges:
    """Find edges and draw them, for example as the picture of a ControlNet."""

    CATEGORY = "featheredge"
    FUNCTION = "run"
    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the inputs as ComfyUI describes them."""
        models = [entry.name for entry in fe.list_models() if entry.task == "edges"]
        return {
            "required": {
                "image": ("IMAGE",),
                "model": (models,),
                "look": (_LOOKS,),
                "size": ("INT", {"default": 1024, "min": 64, "max": 8192, "step": 64}),
                "threads": ("INT", {"default": 1, "min": 1, "max": 64}),
            }
        }

    def run(
        self, image: torch.Tensor, model: str, look: str, size: int, threads: int
    ) -> tuple[torch.Tensor]:
        """Draw the edges of every image; `size` is the longer side that the network sees."""
        drawings = []
        for pixels in map(fe.load_image, image):
            found = fe.edges(pixels, model=model, size=size, threads=threads)
            drawing = draw("edges", look, pixels, found)
            assert isinstance(drawing, np.ndarray)  # text only for SVG, which is not in the list
            drawings.append(fe.load_image(drawing))
        return (_to_tensor(drawings),)


class FeatheredgeMask:
    """Find the salient object: its mask, with sharp borders."""

    CATEGORY = "featheredge"
    FUNCTION = "run"
    RETURN_TYPES = ("MASK",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the inputs as ComfyUI describes them."""
        return _object_inputs()

    def run(self, image: torch.Tensor, model: str, threads: int) -> tuple[torch.Tensor]:
        """Return the opacity of the object in every image; nothing found is an empty mask."""
        masks = [
            fe.subject_mask(pixels, fe.saliency(pixels, model=model, threads=threads))
            for pixels in map(fe.load_image, image)
        ]
        return (torch.from_numpy(np.stack(masks)),)


class FeatheredgeCutout:
    """Cut the salient object out: its colours, its mask, and how sure the network is."""

    CATEGORY = "featheredge"
    FUNCTION = "run"
    RETURN_TYPES = ("IMAGE", "MASK", "FLOAT")
    RETURN_NAMES = ("image", "mask", "confidence")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the inputs as ComfyUI describes them."""
        return _object_inputs()

    def run(
        self, image: torch.Tensor, model: str, threads: int
    ) -> tuple[torch.Tensor, torch.Tensor, float]:
        """Cut every image out; the confidence is the lowest of the batch, 0 without an object."""
        session = cached_session(model, "saliency", threads)
        colours, masks, lowest = [], [], 1.0
        for pixels in map(fe.load_image, image):
            try:
                cut = cut_out(pixels, session)
            except NoObjectError:
                colours.append(np.zeros_like(pixels))
                masks.append(np.zeros(pixels.shape[:2], np.uint8))
                lowest = 0.0
                continue
            colours.append(cut.pixels[..., :3])
            masks.append(cut.mask)
            lowest = min(lowest, cut.confidence)
        return _to_tensor(colours), _to_tensor(masks), lowest


def _object_inputs() -> dict[str, Any]:
    models = [entry.name for entry in fe.list_models() if entry.task == "saliency"]
    return {
        "required": {
            "image": ("IMAGE",),
            "model": (models,),
            "threads": ("INT", {"default": 1, "min": 1, "max": 64}),
        }
    }


def _to_tensor(images: list[np.ndarray]) -> torch.Tensor:
    """Convert 8-bit images of equal size to a float32 tensor in [0, 1]."""
    return torch.from_numpy(np.stack(images).astype(np.float32) / 255)


NODE_CLASS_MAPPINGS = {
    "FeatheredgeEdges": FeatheredgeEdges,
    "FeatheredgeMask": FeatheredgeMask,
    "FeatheredgeCutout": FeatheredgeCutout,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "FeatheredgeEdges": "Edges (featheredge)",
    "FeatheredgeMask": "Object mask (featheredge)",
    "FeatheredgeCutout": "Cut-out (featheredge)",
}
