"""With the runtime half alone: everything imports; what needs an extra says how to install it."""

import json
import subprocess
import sys

import pytest

from featheredge.cli import app
from featheredge.errors import MissingExtraError
from featheredge.extras import MODULES, explain, require

OPTIONAL = (*sum(MODULES.values(), ()), "google", "onnx_ir", "sklearn")

#: Runs code in a process that has none of the optional modules, as after `pip install featheredge`.
WITHOUT_EXTRAS = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {OPTIONAL!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_EXTRAS + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def verb(*arguments: object) -> subprocess.CompletedProcess[str]:
    return run("from featheredge.cli import main\nmain()", *arguments)


VERBS = [name for name in app if not name.startswith("-")]


def test_every_verb_has_help():
    code = """
import contextlib, io, json
from featheredge.cli import app
said = {}
for verb in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        app([verb, "--help"])
    said[verb] = out.getvalue()
print(json.dumps(said))
"""
    assert len(VERBS) >= 11
    done = run(code, *VERBS)
    assert done.returncode == 0, done.stderr
    for name, said in json.loads(done.stdout).items():
        assert f"featheredge {name}" in said


@pytest.mark.parametrize(
    ("extra", "arguments"),
    [
        ("lab", ["train", "mobile-edge"]),
        ("lab", ["prune", "prune-rcf"]),
        ("lab", ["export", "runs/x/model", "-o", "x.onnx"]),
        ("lab", ["label", "rcf", ".", "-o", "maps"]),
        ("lab", ["report", "runs"]),
        ("lab", ["report", "--plot", "x.png"]),
        (
            "lab",
            ["reproduce", "edge-distillation", "--data", ".", "--backbone", "x", "--teacher", "x"],
        ),
        ("eval", ["eval", "edges", "{maps}", "{masks}", "--max-dist", "0.01"]),
        ("eval", ["eval", "saliency", "{maps}", "{masks}"]),
        ("ray", ["edges", "{maps}", "-o", "{masks}", "--engine", "ray"]),
        ("eval", ["eval", "mobile-edge-xs", "bsds500:nowhere"]),  # before any work
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_verb_without_its_extra_is_one_sentence(tmp_path, noise, extra, arguments):
    from featheredge.png import save_map

    places = {name: tmp_path / name for name in ("maps", "masks")}
    for place in places.values():
        save_map((noise(9, 9)[..., 0] > 99).astype(float), place / "1.png")
    done = verb(*(argument.format(**places) for argument in arguments))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("featheredge: ")
    assert f"not installed; type: pip install 'featheredge[{extra}]'" in line


def test_every_public_function_works_or_names_its_extra(toy_onnx, toy_saliency_onnx, tmp_path):
    code = """
import featheredge as fe, numpy as np, pathlib
edges, bright, folder = sys.argv[1:]
image = np.zeros((20, 30, 3), np.uint8)
image[5:15, 5:15] = 255
map = fe.edges(image, model=edges)
calls = {
    "Session": lambda: fe.Session(edges)(image),
    "binarise": lambda: fe.binarise(map, 0.5),
    "confidence": lambda: fe.confidence(map),
    "create_model": lambda: fe.create_model("mobile-edge"),
    "cutout": lambda: fe.cutout(image, model=bright),
    "edges": lambda: fe.edges(image, model=edges),
    "list_models": fe.list_models,
    "list_networks": lambda: fe.list_networks(),
    "load_image": lambda: fe.load_image(image),
    "saliency": lambda: fe.saliency(image, model=bright),
    "save_map": lambda: fe.save_map(map, pathlib.Path(folder) / "map.png"),
    "soft_mask": lambda: fe.soft_mask(map),
    "subject_mask": lambda: fe.subject_mask(image, map),
    "thin": lambda: fe.thin(map),
    "to_image": lambda: fe.to_image(map),
}
assert sorted(calls) == fe.__all__, fe.__all__
for name, call in calls.items():
    try:
        call()
    except fe.errors.MissingExtraError as error:
        assert "pip install 'featheredge[lab]'" in str(error), error
        print(name)
"""
    done = run("import featheredge.errors\n" + code, toy_onnx, toy_saliency_onnx, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["create_model", "list_networks"]
    assert (tmp_path / "map.png").is_file()


def test_the_doctor_lists_every_extra():
    done = verb("doctor")
    for extra in MODULES:
        assert f"not installed: pip install 'featheredge[{extra}]'" in done.stdout


def test_what_is_installed_passes():
    require("eval", "a test", "numba")
    with pytest.raises(MissingExtraError, match=r"a test needs nothing_here, which is not inst"):
        require("eval", "a test", "numba", "nothing_here")


def test_only_modules_of_extras_are_explained():
    assert explain(ModuleNotFoundError("No module named 'x'", name="x"), "this") is None
    found = explain(ModuleNotFoundError("No module", name="torch.nn"), "this")
    assert "this needs torch, which is not installed" in str(found)
