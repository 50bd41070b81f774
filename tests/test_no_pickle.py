"""No source file can unpickle: a pickle from elsewhere runs any code."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "tools", "examples", "benchmarks")
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}

#: Functions that can unpickle -> the argument that they must have, and its value.
LOADERS = {
    "torch.load": None,
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
    "pd.read_pickle": None,
}

#: What is allowed, because the bytes come from a process of the same command, or from a file that
#: only a developer converts.
ALLOWED = {
    "src/featheredge/cluster/run.py": ["pickle"],
    "benchmarks/trees.py": ["pickle"],
    "tools/convert_lite0.py": ["torch.load"],
}


def findings(source: str) -> list[str]:
    """What in a source could unpickle."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            if (node.module or "").split(".")[0] in MODULES or names & set(LOADERS):
                found.append(str(node.module))
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            needed = LOADERS.get(name, ())
            given = {(k.arg, getattr(k.value, "value", None)) for k in node.keywords}
            if needed is None or (needed and needed not in given):
                found.append(name)
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_source_unpickles(folder):
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths
    found = {path.relative_to(ROOT).as_posix(): findings(path.read_text("utf-8")) for path in paths}
    allowed = {path: what for path, what in ALLOWED.items() if path.startswith(f"{folder}/")}
    assert {path: what for path, what in found.items() if what} == allowed


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import pickle", ["pickle"]),
        ("from pickle import loads", ["pickle"]),
        ("from torch import load", ["torch"]),
        ("torch.load(f, weights_only=True)", ["torch.load"]),
        ("np.load(f)", ["np.load"]),
        ("np.load(f, allow_pickle=True)", ["np.load"]),
        ("np.load(f, allow_pickle=False)", []),
        ("json.load(f)", []),
    ],
)
def test_the_search_finds_what_unpickles(source, expected):
    assert findings(source) == expected
