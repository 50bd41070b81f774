"""Session: any size, tiles, batches, and what it refuses."""

import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import featheredge
from conftest import INPUT_PX, METADATA, SALIENCY, STRIDE, toy_map, write_network
from featheredge import catalog
from featheredge.errors import (
    ArgumentError,
    ImageError,
    ProviderError,
    UnknownModelError,
    WeightsError,
)
from featheredge.resize import resize
from featheredge.session import Session


@pytest.fixture(scope="module")
def toy(toy_onnx):
    return Session(toy_onnx)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 2), (8, 8), (9, 16), (33, 57)])
def test_any_size_gives_a_map_of_that_size(toy, noise, size):
    image = noise(*size)
    map = toy(image)
    assert map.shape == size
    assert map.dtype == np.float32
    np.testing.assert_allclose(map, toy_map(image), atol=1e-5)


def test_facts_come_from_the_file(toy):
    assert (toy.name, toy.task, toy.stride, toy.input_px) == ("toy", "edges", STRIDE, None)


def whole_picture_map(image: np.ndarray) -> np.ndarray:
    """What the toy saliency network must return: seen as a square, its map stretched back."""
    square = Image.fromarray(image).resize((INPUT_PX, INPUT_PX), Image.Resampling.BILINEAR)
    map = Image.fromarray(toy_map(np.asarray(square)).astype(np.float32))
    return np.asarray(map.resize(image.shape[1::-1], Image.Resampling.BILINEAR))


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (9, 300), (200, 33)])
def test_saliency_sees_the_whole_picture_as_a_square(toy_saliency_onnx, noise, size):
    image = noise(*size)
    session = Session(toy_saliency_onnx, tile_px=64, overlap_px=8)
    assert (session.task, session.input_px) == ("saliency", INPUT_PX)
    map = session(image)
    assert (map.shape, map.dtype) == (size, np.float32)
    np.testing.assert_allclose(map, whole_picture_map(image), atol=1e-5)
    np.testing.assert_array_equal(featheredge.saliency(image, model=toy_saliency_onnx), map)


def test_a_saliency_map_can_have_another_size_than_its_picture(toy_saliency_onnx, toy_onnx, noise):
    image = noise(200, 150)
    session = Session(toy_saliency_onnx)
    own = session(image, size=(INPUT_PX, INPUT_PX))  # not resized
    np.testing.assert_allclose(resize(own, 200, 150), session(image), atol=1e-6)
    with pytest.raises(ArgumentError, match="toy processes images at their own size"):
        Session(toy_onnx)(image, size=(20, 15))


def test_a_white_picture_stays_within_0_to_1(toy_saliency_onnx):
    map = featheredge.saliency(np.full((99, 301, 3), 255, np.uint8), model=toy_saliency_onnx)
    assert map.max() <= 1
    np.testing.assert_allclose(map, 1, atol=1e-6)


def test_pictures_of_any_shapes_go_through_a_saliency_network_together(toy_saliency_onnx, noise):
    images = [noise(20, 30), noise(50, 9), noise(64, 64), noise(1, 2), noise(300, 200)]
    maps = list(Session(toy_saliency_onnx).batch(iter(images), size=2))
    assert len(maps) == len(images)
    for image, map in zip(images, maps, strict=True):
        np.testing.assert_allclose(map, whole_picture_map(image), atol=1e-5)


@settings(max_examples=25)
@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    tile_px=st.sampled_from([64, 72, 128]),
    overlap_px=st.sampled_from([0, 8, 32]),
)
def test_tiles_of_a_local_network_change_nothing(toy_onnx, height, width, tile_px, overlap_px):
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    tiled = Session(toy_onnx, tile_px=tile_px, overlap_px=overlap_px)
    np.testing.assert_allclose(tiled(image), toy_map(image), atol=1e-5)


def test_what_a_tile_cannot_see_is_discarded(tmp_path, noise):
    """A view of 4 + 7 px fits in what a 64 px overlap discards: no seam at all."""
    path = write_network(tmp_path / "blur.onnx", radius_px=4)
    image = noise(200, 210)
    whole = Session(path)(image)
    np.testing.assert_allclose(Session(path, tile_px=128, overlap_px=64)(image), whole, atol=1e-5)
    assert np.abs(Session(path, tile_px=128, overlap_px=0)(image) - whole).max() > 0.01


@pytest.mark.parametrize("size", [1, 2, 8])
def test_a_batch_is_the_images_one_by_one(toy, noise, size):
    images = [noise(20, 30, 0), noise(20, 30, 1), noise(20, 30, 2), noise(9, 9), noise(20, 30, 3)]
    maps = list(toy.batch(iter(images), size=size))
    assert len(maps) == len(images)
    for image, map in zip(images, maps, strict=True):
        np.testing.assert_allclose(map, toy(image), atol=1e-6)


def test_a_batch_reads_images_as_they_are_needed(toy, noise):
    def images():
        yield noise(8, 8)
        raise ImageError("the second is bad")

    maps = toy.batch(images())
    assert next(maps).shape == (8, 8)
    with pytest.raises(ImageError, match="second"):
        next(maps)


def test_large_images_in_a_batch_are_tiled(toy_onnx, noise):
    images = [noise(100, 70, seed) for seed in range(3)]
    maps = Session(toy_onnx, tile_px=64, overlap_px=8).batch(images, size=2)
    for image, map in zip(images, maps, strict=True):
        np.testing.assert_allclose(map, toy_map(image), atol=1e-5)


def test_edges_takes_a_path_and_keeps_the_network(toy_onnx, noise):
    image = noise(16, 16)
    map = featheredge.edges(image, model=toy_onnx)
    np.testing.assert_allclose(map, toy_map(image), atol=1e-5)
    np.testing.assert_array_equal(featheredge.edges(image, model=str(toy_onnx)), map)


def test_a_network_for_another_task_is_refused(toy_onnx, toy_saliency_onnx, noise):
    with pytest.raises(WeightsError, match=r"bright is a network for 'saliency'; .* 'edges'"):
        featheredge.edges(noise(8, 8), model=toy_saliency_onnx)
    with pytest.raises(WeightsError, match=r"toy is a network for 'edges'; .* 'saliency'"):
        featheredge.saliency(noise(8, 8), model=toy_onnx)
    with pytest.raises(WeightsError, match="another model"):
        Session(toy_onnx, task="saliency")


def test_without_a_shipped_saliency_network_one_must_be_named(entry, noise):
    with pytest.raises(UnknownModelError, match=r"no model for 'saliency'.*\.onnx"):
        featheredge.saliency(noise(8, 8))


@pytest.mark.parametrize(
    ("metadata", "cause"),
    [
        (None, "no featheredge metadata"),
        ("not JSON", "expected a JSON object"),
        ("[]", "expected a JSON object"),
        ('{"name": "toy", "task": "edges"}', "expected a JSON object"),
        ('{"name": "toy", "task": "edges", "stride": 0}', "expected a JSON object"),
        ('{"name": "toy", "task": "edges", "stride": "8"}', "expected a JSON object"),
        (SALIENCY.replace("64", "60"), r"input_px \(a multiple of stride"),
        (SALIENCY.replace("64", "0"), "expected a JSON object"),
        (SALIENCY.replace("64", "64.0"), "expected a JSON object"),
        (SALIENCY.replace("64", "true"), "expected a JSON object"),
        (SALIENCY.replace("64", "8000000000"), "at most 8192"),
        (METADATA.replace("8", "1000000000"), "at most 1024"),
        ("[" * 100_000, "expected a JSON object"),
        ('{"name": "' + "x" * 10_000, "expected a JSON object"),
    ],
)
def test_files_without_our_metadata_are_refused(tmp_path, metadata, cause):
    path = write_network(tmp_path / "foreign.onnx", metadata)
    with pytest.raises(WeightsError, match=cause) as caught:
        Session(path)
    assert str(path) in str(caught.value)


def test_other_inputs_and_outputs_are_refused(tmp_path):
    from onnx import TensorProto, helper, save

    port = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", port[:1], port[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"featheredge": METADATA})
    save(model, tmp_path / "relu.onnx")
    with pytest.raises(WeightsError, match=r"tensor\(float\).*expected image"):
        Session(tmp_path / "relu.onnx")


def test_damaged_and_missing_files_are_refused(tmp_path):
    (tmp_path / "noise.onnx").write_bytes(b"\x00\x01garbage")
    with pytest.raises(WeightsError, match=r"not an \.onnx file"):
        Session(tmp_path / "noise.onnx")
    with pytest.raises(WeightsError, match="No such file"):
        Session(str(tmp_path / "missing.onnx"))


def test_absent_provider_is_an_error_that_lists_those_there(toy_onnx):
    with pytest.raises(ProviderError, match=r"'quantum' is not available; .* cpu"):
        Session(toy_onnx, provider="quantum")


@pytest.mark.parametrize(
    "arguments",
    [{"threads": 0}, {"threads": 100_000}, {"tile_px": 64, "overlap_px": 40}, {"overlap_px": -64}],
)
def test_numbers_out_of_range_are_refused(toy_onnx, arguments):
    with pytest.raises(ArgumentError, match=next(reversed(arguments))):
        Session(toy_onnx, **arguments)


def test_batch_size_is_checked(toy):
    with pytest.raises(ArgumentError, match="size is 0"):
        next(toy.batch([], size=0))


def test_names_come_from_the_catalog(entry, noise):
    assert Session("toy").name == Session().name == "toy"
    with pytest.raises(UnknownModelError, match="did you mean toy"):
        Session("tou")


def test_the_hash_is_checked(entry, monkeypatch, tmp_path, toy_onnx):
    changed = tmp_path / "changed.onnx"
    changed.write_bytes(toy_onnx.read_bytes() + b"\x00")
    monkeypatch.setattr(catalog, "ENTRIES", (replace(entry, file=str(changed)),))
    with pytest.raises(WeightsError, match=f"sha256 .* expected {entry.sha256}"):
        Session("toy")
    changed.unlink()
    with pytest.raises(WeightsError, match="missing"):
        Session("toy")


def test_a_session_leaves_the_callers_arithmetic_alone(toy_onnx):
    """ONNX Runtime can flush denormals to zero, but it then stays so in the calling thread too."""
    code = (
        "import sys, numpy, featheredge\n"
        "featheredge.edges(numpy.zeros((8, 8)), model=sys.argv[1])\n"
        "assert numpy.float32(2e-38) * numpy.float32(0.1) > 0\n"
    )
    subprocess.run([sys.executable, "-c", code, str(toy_onnx)], check=True)


def test_metadata_that_is_not_text_is_refused(tmp_path, toy_onnx):
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(toy_onnx.read_bytes().replace(b'{"name": "toy"', b'{"name": "\xff\xfey"'))
    with pytest.raises(WeightsError, match=r"damaged\.onnx"):
        Session(damaged)


@pytest.mark.parametrize("factor", [2.0, -1.0, float("nan")])
def test_values_that_are_no_probabilities_are_an_error(tmp_path, toy_onnx, noise, factor):
    path = tmp_path / "damaged.onnx"
    half = np.float32(0.5).tobytes()
    content = toy_onnx.read_bytes()
    assert content.count(half) == 1
    path.write_bytes(content.replace(half, np.float32(factor).tobytes()))
    session = Session(path, tile_px=64, overlap_px=8)
    bright = np.maximum(noise(16, 16), 200)
    for image in (bright, np.tile(bright, (10, 10, 1))):
        with pytest.raises(WeightsError, match=r"values from .* expected 0 to 1"):
            session(image)
    with pytest.raises(WeightsError, match="expected 0 to 1"):
        list(session.batch([bright, bright], size=2))


def test_a_network_that_fails_is_an_error_without_a_banner(toy_onnx, noise, capfd):
    session = Session(toy_onnx)
    session.stride = 1  # as if the metadata were wrong
    with pytest.raises(WeightsError, match="toy: the network fails on 9x9 pixels"):
        session(noise(9, 9))
    assert capfd.readouterr() == ("", "")


def test_a_file_that_does_not_load_prints_no_banner(tmp_path, capfd):
    (tmp_path / "noise.onnx").write_bytes(b"\x08\x08garbage" * 9)
    with pytest.raises(WeightsError):
        Session(tmp_path / "noise.onnx")
    assert capfd.readouterr() == ("", "")


def test_a_replaced_file_is_loaded_again(tmp_path, noise):
    path = write_network(tmp_path / "my.onnx")
    image = noise(40, 40)
    first = featheredge.edges(image, model=str(path))
    write_network(path, radius_px=4)
    second = featheredge.edges(image, model=str(path))
    np.testing.assert_array_equal(second, Session(path)(image))
    assert np.abs(first - second).max() > 0.01


def test_functions_take_a_session_and_a_limit(toy_onnx, toy_saliency_onnx, noise):
    image = noise(20, 20)
    for function, path in (
        (featheredge.edges, toy_onnx),
        (featheredge.saliency, toy_saliency_onnx),
    ):
        session = Session(path)
        np.testing.assert_array_equal(function(image, model=session), session(image))
        with pytest.raises(ImageError, match="megapixels"):
            function(image, model=session, max_megapixels=1e-4)
    with pytest.raises(WeightsError, match="another model"):
        featheredge.edges(image, model=Session(toy_saliency_onnx))


def test_a_batch_keeps_the_limit(toy, toy_saliency_onnx, noise):
    for session in (toy, Session(toy_saliency_onnx)):
        with pytest.raises(ImageError, match="megapixels"):
            list(session.batch([noise(20, 20)], max_megapixels=1e-4))


def test_a_list_names_batch(toy, noise):
    for call in (toy, featheredge.edges, featheredge.cutout):
        with pytest.raises(ImageError, match=r"list of 2.*\.batch"):
            call([noise(8, 8), noise(8, 8)])


@pytest.mark.parametrize("image", ["a.png", b"PNG"])
def test_a_batch_of_one_path_names_the_session(toy, image):
    with pytest.raises(ArgumentError, match=f"batch got one {type(image).__name__};"):
        next(toy.batch(image))


def test_a_session_says_what_it_is_and_can_be_pickled(toy_onnx, noise):
    session = Session(toy_onnx, threads=2, tile_px=64, overlap_px=8)
    shown = f"Session({str(toy_onnx)!r}, task='edges', threads=2, provider='cpu', precision='fp32')"
    assert repr(session) == shown
    again = pickle.loads(pickle.dumps(session))
    assert repr(again) == shown
    image = noise(100, 90)
    np.testing.assert_array_equal(again(image), session(image))


def test_a_path_with_nul_is_refused(toy):
    with pytest.raises(WeightsError, match="not a path"):
        featheredge.edges(np.zeros((8, 8)), model="a\0.onnx")
    with pytest.raises(ImageError, match="null"):
        toy("a\0.png")


def test_a_folder_is_no_model():
    with pytest.raises(WeightsError, match=r"models/ is not the name .* not an \.onnx"):
        Session("models/")
