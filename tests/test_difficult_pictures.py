"""Difficult pictures and maps: constant, one pixel, very long, saturated, with NaN."""

import numpy as np
import pytest

import featheredge as fe
from featheredge import catalog
from featheredge.errors import EvaluationError, ImageError, NoObjectError
from featheredge.metrics.edge_metric import EdgeMetric
from featheredge.metrics.saliency_metric import SaliencyMetric
from featheredge.metrics.saliency_protocol import SaliencyProtocol
from featheredge.refine import refine
from featheredge.session import Session
from featheredge.subject import select_subject

COLOURS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (255, 0, 0),
    "cyan": (0, 255, 255),
}
SHAPES = [(1, 1), (1, 9), (9, 1), (40, 56)]
LONG = [(20_000, 16), (16, 20_000)]


def constant(shape: tuple[int, int], colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((*shape, 3), colour, np.uint8)


USES = {
    "thin": fe.thin,
    "binarise": fe.binarise,
    "soft_mask": fe.soft_mask,
    "confidence": fe.confidence,
    "to_image": fe.to_image,
    "select_subject": select_subject,
    "refine": lambda map: refine(map, constant(map.shape, COLOURS["grey"])),
    "subject_mask": lambda map: fe.subject_mask(constant(map.shape, COLOURS["grey"]), map),
}


def assert_map(map: np.ndarray, shape: tuple[int, int]) -> None:
    assert map.shape == shape
    assert map.dtype == np.float32
    assert 0 <= map.min() <= map.max() <= 1  # false if a value is NaN


@pytest.mark.parametrize("entry", catalog.ENTRIES, ids=lambda entry: entry.name)
def test_shipped_networks_have_maps_of_constant_pictures(entry):
    session = Session(entry.name)
    for shape in SHAPES:
        for colour in COLOURS.values():
            assert_map(session(constant(shape, colour)), shape)


@pytest.mark.parametrize("colour", COLOURS.values(), ids=COLOURS)
def test_a_constant_picture_has_no_object(colour):
    for shape in SHAPES:
        with pytest.raises(NoObjectError, match="no salient object"):
            fe.cutout(constant(shape, colour))


@pytest.mark.parametrize("shape", LONG)
def test_a_very_long_picture_goes_through_every_step(noise, shape):
    """In tiles for edges; at 1/39 of its length for saliency."""
    image = noise(*shape)
    edges, saliency = fe.edges(image), fe.saliency(image)
    for map in (edges, fe.thin(edges), saliency, refine(saliency, image)):
        assert_map(map, shape)
    assert fe.thin(edges).any()


@pytest.mark.parametrize("shape", LONG)
def test_tiles_of_a_very_long_picture_change_nothing(toy_onnx, noise, shape):
    whole = Session(toy_onnx, tile_px=32_000)(noise(*shape))
    tiled = Session(toy_onnx, tile_px=512, overlap_px=64)(noise(*shape))
    np.testing.assert_allclose(tiled, whole, atol=1e-6)


@pytest.mark.parametrize("shape", [*SHAPES, (2, 300), (300, 2)])
@pytest.mark.parametrize("level", [0, 1 / 3, 1])
def test_a_constant_map_on_any_picture_stays_constant(noise, shape, level):
    """Without an edge in the map, edges of the picture have nothing to move."""
    map = np.full(shape, level, np.float32)
    for image in (noise(*shape), constant(shape, COLOURS["red"])):
        np.testing.assert_allclose(refine(map, image), level, atol=1e-4)


def test_a_constant_picture_moves_no_border_outwards():
    """Without a guide the map is smoothed: far from its border, 0 and 1 stay 0 and 1."""
    map = np.zeros((96, 96), np.float32)
    map[:, :48] = 1
    refined = refine(map, constant((96, 96), COLOURS["black"]))
    assert_map(refined, (96, 96))
    np.testing.assert_allclose(refined[:, :40], 1, atol=1e-4)
    np.testing.assert_allclose(refined[:, 56:], 0, atol=1e-4)
    assert (np.diff(refined, axis=1) <= 1e-6).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1.5, -0.5])
@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_map_with_a_value_that_is_no_probability_is_refused(use, bad):
    map = np.full((20, 30), 0.6, np.float32)
    map[3, 4] = bad
    with pytest.raises(ImageError, match=r"map: .*expected (values in )?\[0, 1\]"):
        use(map)


def test_nan_is_refused_as_a_picture_a_limit_and_an_annotation(noise):
    image = np.full((20, 30), 0.5, np.float32)
    image[3, 4] = np.nan
    with pytest.raises(ImageError, match="contains NaN"):
        fe.edges(image)
    with pytest.raises(ImageError, match="over the limit of nan"):
        fe.load_image(noise(4, 4), max_megapixels=np.nan)
    with pytest.raises(EvaluationError, match="the annotation has 1 NaN values"):
        EdgeMetric().update(np.zeros((20, 30)), [image])
    with pytest.raises(EvaluationError, match="dtype float32; expected bool"):
        SaliencyMetric().update(np.zeros((20, 30)), image)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (3, 400), (30, 40)])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("annotated", [False, True])
def test_edge_scores_of_constant_maps_are_finite(shape, level, annotated):
    """Nothing predicted has precision 0, nothing annotated has recall 0: never 0 / 0."""
    metric = EdgeMetric()
    metric.update(np.full(shape, level), [np.full(shape, annotated)])
    scores = metric.compute()
    for value in (scores.ods.f, scores.ods.precision, scores.ois.f, scores.ap, scores.r50):
        assert 0 <= value <= 1.01  # the benchmark's AP can reach 1.01
    if not (level and annotated):
        assert scores.ods.f == 0


@pytest.mark.parametrize("protocol", ["pysod", "salmetric"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (3, 400)])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("salient", [False, True])
def test_saliency_scores_of_constant_maps_are_finite(protocol, shape, level, salient):
    metric = SaliencyMetric(SaliencyProtocol(protocol))
    metric.update(np.full(shape, level), np.full(shape, salient))
    scores = metric.compute()
    for name in ("mae", "s_measure", "weighted_f", "max_f", "mean_f", "adaptive_f"):
        assert 0 <= scores.to_dict()[name] <= 1, name
    num_pixels = np.prod(shape)
    assert 0 <= scores.to_dict()["max_e"] <= num_pixels / max(num_pixels - 1, 1)
    assert scores.mae == pytest.approx(abs(level - salient), abs=1 / 255)


@pytest.mark.slow
@pytest.mark.parametrize("shape", LONG)
def test_scores_of_a_very_long_map_are_those_of_a_perfect_one(shape):
    mask = np.zeros(shape, np.bool_)
    mask[shape[0] // 2, :] = mask[:, shape[1] // 2] = True
    edges = EdgeMetric()
    edges.update(mask, [mask])
    saliency = SaliencyMetric()
    saliency.update(mask, mask)
    assert edges.compute().ods.recall == pytest.approx(1, abs=0.01)
    assert saliency.compute().mae == 0
    assert saliency.compute().to_dict()["max_f"] == pytest.approx(1)
