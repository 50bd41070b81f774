"""Every example in a docstring runs, in a folder with the example photos."""

import doctest
import importlib
import shutil

import pytest

import featheredge
from doc_pages import ROOT

MODULES = sorted(
    ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
    for path in (ROOT / "src").rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)


@pytest.mark.parametrize(
    "module",
    [
        pytest.param(name, marks=pytest.mark.slow) if ".metrics." in name else name  # they compile
        for name in MODULES
    ],
)
def test_examples_of_docstrings_run(module, tmp_path, monkeypatch):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    failed, attempted = doctest.testmod(importlib.import_module(module))
    assert attempted
    assert not failed


def test_every_public_function_of_the_runtime_has_an_example():
    lab = {"create_model", "list_networks"}
    for name in set(featheredge.__all__) - lab:
        assert ">>> " in getattr(featheredge, name).__doc__, f"featheredge.{name} has no example"
