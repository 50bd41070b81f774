"""A server app on toy networks, and a picture with an object that they see.

Imports of the server are inside the fixtures: where its extra is missing, `serving` skips the
tests with the reason.
"""

from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture(scope="session")
def make_app(toy_onnx, toy_saliency_onnx) -> Callable:
    """A function that makes an app with small limits; keywords change its settings."""
    from featheredge.server.app import create_app
    from featheredge.server.settings import Settings

    small = {"workers": 1, "queue": 4, "max_mb": 1, "max_megapixels": 0.5}
    networks = {"models": (toy_onnx, toy_saliency_onnx)}
    return lambda **changes: create_app(Settings(**{**small, **networks, **changes}))


@pytest.fixture(scope="session")
def app(make_app):
    return make_app()


@pytest.fixture(scope="session")
def pixels() -> np.ndarray:
    """A bright disc on a dark ground, (48, 64, 3)."""
    rows, columns = np.mgrid[:48, :64]
    disc = (rows - 24) ** 2 + (columns - 30) ** 2 < 200
    shades = np.random.default_rng(0).integers(0, 30, (48, 64, 3), dtype=np.uint8)
    return np.where(disc[..., None], 255 - shades, shades).astype(np.uint8)
