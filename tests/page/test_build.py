"""The committed page, without Node: built from these sources, complete, small, exported whole."""

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from featheredge import catalog
from featheredge.errors import OutputError
from featheredge.server.page_files import PAGE, export, models_index

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "page"
LIMIT_MB = 20


def sources_digest() -> str:
    """Return the digest that page/vite.config.ts writes into build.json."""
    files = [path.relative_to(SOURCES).as_posix() for path in (SOURCES / "src").rglob("*.*")]
    files += ["index.html", "public/icon.svg", "package-lock.json", "vite.config.ts"]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file}\0".encode() + (SOURCES / file).read_bytes() + b"\0")
    return digest.hexdigest()


def test_build_is_from_these_sources():
    record = json.loads((PAGE / "build.json").read_text("utf-8"))
    assert record["sources"] == sources_digest(), "the sources changed: type `make page`"


def test_build_is_complete_and_has_nothing_else():
    record = json.loads((PAGE / "build.json").read_text("utf-8"))
    files = {path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*") if path.is_file()}
    assert files == {*record["files"], "index.html", "sw.js", "build.json"}
    for file in ("index.html", "sw.js"):
        assert "http" not in (PAGE / file).read_text("utf-8").replace("http-equiv", "")


def test_export_is_whole_and_small(exported):
    assert (exported / "index.html").read_bytes() == (PAGE / "index.html").read_bytes()
    models = json.loads((exported / "models/models.json").read_text("utf-8"))["models"]
    assert [model["name"] for model in models] == [entry.name for entry in catalog.ENTRIES]
    for model in models:
        weights = gzip.decompress((exported / "models" / model["file"]).read_bytes())
        assert len(weights) == model["bytes"]
        assert hashlib.sha256(weights).hexdigest() == model["sha256"]
    size = sum(path.stat().st_size for path in exported.rglob("*") if path.is_file())
    assert size < LIMIT_MB * 1e6


def test_index_states_how_each_network_sees_a_picture():
    models = {model["name"]: model for model in models_index()["models"]}
    assert models["feather-saliency"]["input_px"] == 320
    assert models["mobile-edge-s"]["input_px"] is None
    assert models["mobile-edge-s"]["stride"] == 16
    assert [name for name, model in models.items() if model["default"]] == [
        "mobile-edge-s",
        "feather-saliency",
    ]


def test_export_leaves_files_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="has files; give a new folder"):
        export(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_export_that_fails_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "WEIGHTS_DIR", tmp_path / "gone")
    with pytest.raises(Exception, match="missing"):
        export(tmp_path / "site")
    assert list(tmp_path.iterdir()) == []
