"""The ComfyUI nodes, loaded and called as ComfyUI does."""

import importlib.util
import sys
from typing import Any

import numpy as np
import pytest

import featheredge as fe
from doc_pages import ROOT

FOLDER = ROOT / "examples/comfyui_featheredge"


@pytest.fixture(scope="module")
def nodes() -> Any:
    """The package, imported by path as ComfyUI imports a folder of custom_nodes."""
    pytest.importorskip("torch")
    spec = importlib.util.spec_from_file_location("comfy_node", FOLDER / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["comfy_node"] = module
    spec.loader.exec_module(module)
    yield module
    for name in [name for name in sys.modules if name.startswith("comfy_node")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return fe.load_image(ROOT / "examples/cat.jpg")


def call(node: Any, **inputs: Any) -> Any:
    """Check the inputs against INPUT_TYPES, fill in defaults, and run the node."""
    required = node.INPUT_TYPES()["required"]
    for name, (kind, *options) in required.items():
        default = kind[0] if isinstance(kind, list) else (options or [{}])[0].get("default")
        inputs.setdefault(name, default)
    assert inputs.keys() == required.keys()
    return getattr(node(), node.FUNCTION)(**inputs)


def test_every_node_has_what_comfyui_reads(nodes):
    assert nodes.NODE_CLASS_MAPPINGS.keys() == nodes.NODE_DISPLAY_NAME_MAPPINGS.keys()
    for node in nodes.NODE_CLASS_MAPPINGS.values():
        assert node.CATEGORY == "featheredge"
        assert node.RETURN_TYPES
        assert callable(getattr(node, node.FUNCTION))


def test_edges_of_a_batch(nodes, photo):
    import torch

    batch = torch.from_numpy(np.stack([photo, photo[:, ::-1]])).float() / 255
    (drawn,) = call(nodes.NODE_CLASS_MAPPINGS["FeatheredgeEdges"], image=batch)
    assert drawn.shape == batch.shape
    assert drawn.dtype == torch.float32
    expected = fe.edges(photo, model=fe.list_models("mobile*")[0].name)
    np.testing.assert_allclose(drawn[0, ..., 0], expected, atol=0.5 / 255 + 1e-6)


def test_masks_and_cutouts(nodes, photo):
    import torch

    batch = torch.from_numpy(photo[None]).float() / 255
    (mask,) = call(nodes.NODE_CLASS_MAPPINGS["FeatheredgeMask"], image=batch)
    assert mask.shape == batch.shape[:3]
    image, alpha, confidence = call(nodes.NODE_CLASS_MAPPINGS["FeatheredgeCutout"], image=batch)
    assert image.shape == batch.shape
    np.testing.assert_allclose(alpha, mask, atol=0.5 / 255 + 1e-6)
    assert confidence == fe.confidence(fe.saliency(photo))
    empty = torch.zeros(1, 32, 32, 3)
    _, alpha, confidence = call(nodes.NODE_CLASS_MAPPINGS["FeatheredgeCutout"], image=empty)
    assert not alpha.any()
    assert confidence == 0
