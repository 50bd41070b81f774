"""What starting up costs: neither the package nor `--help` may load what only the work needs."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import featheredge
from featheredge.errors import UnknownModelError

HEAVY = {"torch", "numba", "matplotlib", "onnxruntime", "scipy", "lightning_fabric", "pydantic"}


def loaded_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after running `code`."""
    code += "\nimport sys\nsys.stderr.write(' '.join(sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stderr.split()}


RUN_HELP = """
import sys
import tomllib
from pathlib import Path
from featheredge.cli import main
sys.argv = ["featheredge", *{arguments}]
try:
    main()
except SystemExit as done:
    assert not done.code, done.code
"""


def test_importing_the_package_loads_nothing_heavy():
    loaded = loaded_after("import featheredge; featheredge.__version__; dir(featheredge)")
    assert not loaded & (HEAVY | {"numpy", "PIL", "cyclopts", "rich"})


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["edges", "--help"]])
def test_help_loads_nothing_heavy(arguments):
    loaded = loaded_after(RUN_HELP.format(arguments=arguments))
    assert "cyclopts" in loaded
    assert not loaded & (HEAVY | {"numpy", "PIL"})


def test_running_a_network_needs_no_lab(toy_onnx):
    code = (
        "import numpy, featheredge\n"
        f"featheredge.edges(numpy.zeros((8, 8)), model={str(toy_onnx)!r})"
    )
    loaded = loaded_after(code)
    assert "onnxruntime" in loaded
    assert not loaded & (HEAVY - {"onnxruntime"})


def test_public_names():
    assert set(featheredge.__all__) <= set(dir(featheredge))
    for name in featheredge.__all__:
        assert getattr(featheredge, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'egdes'"):
        featheredge.egdes  # noqa: B018


def test_what_can_be_built_and_what_is_shipped(noise):
    import torch

    names = featheredge.list_networks()
    assert {entry.name for entry in featheredge.list_models()} < set(names)
    assert featheredge.list_networks("rcf*") == ["rcf"]
    network = featheredge.create_model("mobile-edge-xs", pretrained=True).eval()
    image = noise(40, 56)
    with torch.no_grad():
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
        map = network(network.normalise(pixels)).final.sigmoid()[0, 0]
    expected = featheredge.edges(image, model="mobile-edge-xs")
    assert abs(map.numpy() - expected).max() < 1e-4
    with pytest.raises(UnknownModelError, match=r"no weights are shipped for 'rcf'.*mobile-edge"):
        featheredge.create_model("rcf", pretrained=True)


def test_a_missing_lab_is_named():
    code = (
        "import sys\nsys.modules['torch'] = None\nimport featheredge\n"
        "from featheredge.errors import MissingExtraError\n"
        "try:\n    featheredge.create_model\nexcept MissingExtraError as error:\n"
        "    assert 'featheredge[lab]' in str(error), error\n"
        "else:\n    raise AssertionError('no error')\n"
    )
    loaded_after(code)


def test_every_runtime_module_stands_behind_the_wall():
    """The layers are exhaustive; this ties the wall's list to them."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    wall, layers, *_ = project["tool"]["importlinter"]["contracts"]
    modules = {f"featheredge.{name}" for layer in layers["layers"] for name in layer.split(" | ")}
    lab = {name for name in wall["forbidden_modules"] if name.startswith("featheredge.")}
    front = {"featheredge.__main__", "featheredge.cli"}
    assert modules - lab - front == set(wall["source_modules"])
