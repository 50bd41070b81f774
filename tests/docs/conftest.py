"""A user's folder that the pages' commands run in: photos, small data sets, maps, networks."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clips import square, write_clip
from doc_pages import ROOT, Block
from toys import write_bsds

TIMEOUT_S = 600

#: Programs that a page calls but a test does not let loose: they are checked and not run.
STUB = """#!{python}
import sys
sys.path[:0] = [{tests!r}, {source!r}]
import doc_parsing
sys.exit(doc_parsing.check(" ".join([{name!r}, *sys.argv[1:]])))
"""


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every page starts from."""
    folder = tmp_path_factory.mktemp("template")
    shutil.copytree(ROOT / "examples", folder / "examples")
    (folder / "holiday").mkdir()
    for name in ("photo.jpg", "other.jpg", "beach.jpg", "holiday/hill.jpg", "holiday/sea.jpg"):
        shutil.copy(ROOT / "examples/cat.jpg", folder / name)
    bsds = folder / "data/bsds500"
    for seed, split in enumerate(("train", "val", "test")):
        write_bsds(bsds, split, 3, seed)
        for file in sorted(bsds.glob(f"*/{split}/*")):
            file.rename(file.with_stem(f"{split}-{file.stem}"))  # IDs differ as in the real one
    _write_masks(folder / "data/msra10k", 6)
    _write_masks(folder / "data/my-objects", 6)
    write_clip(folder / "clip.mp4", [square(index) for index in range(8)], sound="aac")
    (folder / "maps").mkdir()
    for image in (bsds / "images/test").glob("*.jpg"):
        Image.open(image).convert("L").save(folder / f"maps/{image.stem}.png")
    (folder / "masks").mkdir()
    (folder / "saliency-maps").mkdir()
    for mask in (folder / "data/msra10k/masks").glob("*.png"):
        shutil.copy(mask, folder / "masks")
        shutil.copy(mask, folder / "saliency-maps")
    for name in ("pip", "make"):
        _write_stub(folder / "bin" / name)
    return folder


@pytest.fixture(scope="session")
def lab_template(template: Path) -> Path:
    """The same with a checkpoint as authors publish them; writing it needs torch."""
    import torch

    state = {"module.conv1_1.weight": torch.zeros(2, 3, 3, 3)}
    torch.save({"state_dict": state}, template / "data/table5_pidinet.pth")
    _write_onnx(template / "big.onnx")
    return template


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Block, Path], str | None]:
    """Runs a block in a folder; returns what went wrong, None where nothing did."""
    cache = tmp_path_factory.mktemp("cache")

    def run_block(block: Block, folder: Path) -> str | None:
        programs = [str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        environment = {
            **os.environ,
            "PATH": os.pathsep.join(programs),
            "XDG_CACHE_HOME": str(cache),
        }
        command = {
            "bash": ["bash", "-euo", "pipefail", "-c", block.code],
            "python": [sys.executable, "-c", block.code],
        }[block.language]
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        if done.returncode == 0:
            return None
        return f"{block}\n{block.code}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"

    return run_block


def _write_masks(root: Path, count: int) -> None:
    """Bright squares on a dark ground, their masks, and a list for each of two splits."""
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
    for index in range(count):
        mask = np.zeros((48, 64), np.uint8)
        mask[10 + index : 34, 16 : 40 + index] = 255
        picture = rng.integers(0, 60, (48, 64, 3), np.uint8) + (mask[..., None] // 255) * 150
        Image.fromarray(picture.astype(np.uint8)).save(root / f"images/{index}.jpg")
        Image.fromarray(mask).save(root / f"masks/{index}.png")
    names = [str(index) for index in range(count)]
    (root / "train.txt").write_text("\n".join(names[:-2]), "utf-8")
    (root / "val.txt").write_text("\n".join(names[-2:]), "utf-8")


def _write_onnx(path: Path) -> None:
    """A network of another project: one 1x1 layer, (1, 3, 64, 64) -> logits (1, 1, 64, 64)."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.full((1, 3, 1, 1), 0.5, np.float32), "weight")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weight"], ["map"])],
        "big",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("map", TensorProto.FLOAT, [1, 1, 64, 64])],
        [weight],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)


def _write_stub(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    text = STUB.format(
        python=sys.executable,
        tests=str(ROOT / "tests"),
        source=str(ROOT / "src"),
        name=path.name,
    )
    path.write_text(text, "utf-8")
    path.chmod(0o755)
