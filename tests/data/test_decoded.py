"""Decoded pictures in a file: the same numbers, decoded once, never half, never out of date."""

import errno
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from featheredge.data import decoded
from featheredge.data.pairs import Decoded, EdgePairs, MaskPairs, TeacherPairs
from featheredge.errors import EvaluationError, OutputError
from toys import write_bsds, write_masks


@pytest.fixture
def root(tmp_path) -> Path:
    write_masks(tmp_path)
    for split in ("train", "val"):
        write_bsds(tmp_path / "bsds", split, 3)
    (tmp_path / "maps").mkdir()
    for index in range(3):
        size = Image.open(tmp_path / f"images/{index}.png").size
        Image.new("L", size, 60 * index + 40).save(tmp_path / f"maps/{index}.png")
    return tmp_path


def masks(root: Path, **options) -> MaskPairs:
    return MaskPairs(root, ("train",), **options)


def every_kind(root: Path) -> list[Decoded]:
    return [
        EdgePairs(root / "bsds", ("train", "val")),
        masks(root),
        masks(root, taught_by_masks=True),
        masks(root, maps=root / "maps"),
        TeacherPairs("saliency", root / "images", root / "maps"),
        TeacherPairs("edges", root / "images", root / "maps"),
    ]


def refuse(self, index):
    raise AssertionError("decoded again")


def test_pairs_are_the_same_from_a_file_and_decoded_once(root, monkeypatch):
    cache, calls = root / "cache", []
    for pairs in every_kind(root):
        pairs.keep_in(cache, lambda done, total: calls.append((done, total)))
        assert calls[-1] == (len(pairs), len(pairs))
    assert len(list(cache.iterdir())) == 6, "sets do not share files"
    plain = [[pairs[index] for index in range(len(pairs))] for pairs in every_kind(root)]
    for kind in (EdgePairs, MaskPairs, TeacherPairs):
        monkeypatch.setattr(kind, "_read", refuse)
    for pairs, wanted in zip(every_kind(root), plain, strict=True):
        pairs.keep_in(cache)
        for index in reversed(range(len(pairs))):
            for ours, theirs in zip(pairs[index], wanted[index], strict=True):
                assert torch.equal(ours, theirs)


def test_no_pictures_need_no_file(root):
    EdgePairs(root / "bsds", ()).keep_in(root / "cache")
    assert not (root / "cache").exists()


@pytest.mark.parametrize("changed", ["images/1.png", "masks/1.png"])
def test_a_changed_original_is_noticed(root, changed):
    masks(root).keep_in(root / "cache")
    pixels = np.asarray(Image.open(root / changed))
    Image.fromarray(255 - pixels).save(root / changed)
    os.utime(root / changed, ns=(1, 1))  # even if it became older
    pairs = masks(root)
    with pytest.warns(UserWarning, match="changed since they were decoded"):
        pairs.keep_in(root / "cache")
    for ours, theirs in zip(pairs[1], masks(root)[1], strict=True):
        assert torch.equal(ours, theirs)
    assert len(list((root / "cache").iterdir())) == 1


def test_a_half_written_file_is_never_used(root, monkeypatch):
    read = MaskPairs._read

    def fails_at_last(self, index):
        if index == 2:
            raise KeyboardInterrupt
        return read(self, index)

    monkeypatch.setattr(MaskPairs, "_read", fails_at_last)
    with pytest.raises(KeyboardInterrupt):
        masks(root).keep_in(root / "cache")
    monkeypatch.setattr(MaskPairs, "_read", read)
    (folder,) = (root / "cache").iterdir()
    assert not list(folder.iterdir())
    leftover = folder / ".pictures.bin.0123abcd.bin"  # of a killed process
    leftover.write_bytes(b"half")
    masks(root).keep_in(root / "cache")
    assert not leftover.exists()
    assert {path.name for path in folder.iterdir()} == {"pictures.bin", "index.json"}


@pytest.mark.parametrize("damage", ["cut", "without index", "without pictures"])
def test_a_damaged_file_is_decoded_again(root, damage):
    masks(root).keep_in(root / "cache")
    (folder,) = (root / "cache").iterdir()
    path = folder / "pictures.bin"
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[:-1])
    elif damage == "without index":
        (folder / "index.json").unlink()
    else:
        path.unlink()
    masks(root).keep_in(root / "cache")
    assert path.read_bytes() == whole


def test_one_of_several_decodes_and_the_others_wait(root, monkeypatch):
    read, seen = MaskPairs._read, []
    ready = threading.Barrier(3)

    def counted(self, index):
        seen.append(index)
        return read(self, index)

    def work(results: list[torch.Tensor]) -> None:
        pairs = masks(root)
        ready.wait(timeout=30)
        pairs.keep_in(root / "cache")
        results.append(pairs[2][0])

    monkeypatch.setattr(MaskPairs, "_read", counted)
    results: list[torch.Tensor] = []
    threads = [threading.Thread(target=work, args=(results,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(seen) == [0, 1, 2]
    assert len(results) == 3
    assert all(torch.equal(result, results[0]) for result in results)


def test_a_full_disk_is_an_error_that_leaves_nothing(root, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(decoded.np, "ascontiguousarray", full)
    with pytest.raises(OutputError, match=r"No space left on device; .*data\.cache"):
        masks(root).keep_in(root / "cache")
    (folder,) = (root / "cache").iterdir()
    assert not list(folder.iterdir())


def test_a_file_that_vanishes_or_shrinks_during_a_run_is_named(root):
    pairs = masks(root)
    pairs.keep_in(root / "cache")
    (path,) = (root / "cache").rglob("pictures.bin")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(EvaluationError, match=r"pictures\.bin: became shorter"):
        pairs[2]
    path.unlink()
    with pytest.raises(EvaluationError, match=r"pictures\.bin: vanished"):
        pairs[0]
