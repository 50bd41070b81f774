"""MATLAB files are read as scipy reads them, unless they declare more than they have."""

import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from featheredge import mat_file
from featheredge.datasets.bsds500 import boundaries
from featheredge.errors import EvaluationError
from featheredge.mat_file import read_mat
from featheredge.metrics.map_files import read_prediction
from toys import write_annotations

HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data.ljust(-(-len(data) // 8) * 8, b"\0")


def array(kind: int, dims: list[int], *parts: bytes) -> bytes:
    """An array of a class; cells are 1, structures 2, double 6."""
    flags = element(6, struct.pack("<II", kind, 0))
    sizes = element(5, struct.pack(f"<{len(dims)}i", *dims))
    return element(14, flags + sizes + element(1, b"groundTruth") + b"".join(parts))


@pytest.mark.parametrize("options", [{}, {"do_compression": True}, {"format": "4"}])
def test_arrays_are_those_of_scipy(tmp_path, options):
    path = tmp_path / "x.mat"
    values = np.arange(12.0).reshape(3, 4)
    savemat(path, {"a": values, "b": values > 3}, **options)
    ours, scipys = read_mat(path), loadmat(path)
    assert ours.keys() == scipys.keys()
    np.testing.assert_array_equal(ours["a"], values)


def test_cells_and_structures_are_read(tmp_path):
    maps = [np.eye(6, dtype=bool), np.ones((6, 6), bool)]
    write_annotations(tmp_path / "x.mat", maps)
    np.testing.assert_array_equal(boundaries(tmp_path / "x.mat"), np.stack(maps))


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 6, 9])
@pytest.mark.parametrize("dims", [[1, 10**9], [2**30, 2**30], [40_000, 40_000], [-1, 5]])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_declared_size_that_is_not_there_is_refused(tmp_path, kind, dims, compressed):
    path, data = tmp_path / "x.mat", array(kind, dims)
    if compressed:
        packed = zlib.compress(data)
        data = struct.pack("<II", 15, len(packed)) + packed
    path.write_bytes(HEADER + data)
    with pytest.raises(ValueError, match=r"an array of (size|the class|structures)"):
        read_mat(path)
    with pytest.raises(EvaluationError, match=r"x\.mat: not a BSDS500 annotation file"):
        boundaries(path)
    with pytest.raises(EvaluationError, match=r"x\.mat: cannot be read as a map"):
        read_prediction(path)


@pytest.mark.parametrize("type", [0, 8, 10, 14, 15, 19, 200, 60_000])
def test_numbers_of_an_unknown_type_are_refused(tmp_path, type):
    """scipy 1.17 crashes on some of them."""
    (tmp_path / "x.mat").write_bytes(HEADER + array(6, [1, 2], element(type, bytes(16))))
    with pytest.raises(ValueError, match="an element of the type"):
        read_mat(tmp_path / "x.mat")


@pytest.mark.parametrize("kind", [6, 4, 5, 1, 2, 16, 17, 0, 99])
def test_an_array_with_other_parts_than_its_class_has_is_refused(tmp_path, kind):
    """scipy would read beyond the array."""
    numbers = element(9, bytes(8))
    for count in (0, 2, 5):
        data = array(kind, [1, 1], *[numbers] * count)
        (tmp_path / "x.mat").write_bytes(HEADER + data)
        with pytest.raises(ValueError, match=r"an (array|element) of"):
            read_mat(tmp_path / "x.mat")


def test_an_array_that_ends_in_its_head_is_refused(tmp_path):
    (tmp_path / "x.mat").write_bytes(HEADER + element(14, element(6, bytes(8))))
    with pytest.raises(ValueError, match="without a head"):
        read_mat(tmp_path / "x.mat")


def test_cells_in_cells_are_checked(tmp_path):
    inner = array(1, [1, 10**9])
    (tmp_path / "x.mat").write_bytes(HEADER + array(1, [1, 1], inner))
    with pytest.raises(ValueError, match="an array of size"):
        read_mat(tmp_path / "x.mat")
    deep = b""
    for _ in range(100):
        deep = array(1, [1, 1], deep)
    (tmp_path / "x.mat").write_bytes(HEADER + deep)
    with pytest.raises(ValueError, match="levels of cells"):
        read_mat(tmp_path / "x.mat")


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch):
    packed = zlib.compress(bytes(5_000_000))
    (tmp_path / "x.mat").write_bytes(HEADER + struct.pack("<II", 15, len(packed)) + packed)
    monkeypatch.setattr(mat_file, "_MAX_EXPANDED", 4_000_000)
    with pytest.raises(ValueError, match="expands to more than 4 MB"):
        read_mat(tmp_path / "x.mat")


@settings(max_examples=100, deadline=None)
@given(position=st.integers(0, 2000), value=st.integers(0, 255), end=st.integers(0, 300))
def test_damaged_annotations_are_errors_of_ours(tmp_path_factory, position, value, end):
    path = tmp_path_factory.mktemp("mat") / "x.mat"
    write_annotations(path, [np.eye(6, dtype=bool)] * 2)
    data = bytearray(path.read_bytes())
    data[position % len(data)] = value
    path.write_bytes(data[: len(data) - end])
    with suppress(EvaluationError):  # no other error
        boundaries(path)
