"""What is in a release: recorded checksums, equal bytes in every build, and a package that runs."""

import hashlib
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from featheredge import catalog

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "featheredge"
PHOTO = ROOT / "examples" / "coffee.jpg"

needs_build = pytest.mark.skipif(
    not (find_spec("build") and find_spec("hatchling")),
    reason="needs build and hatchling: pip install '.[dev]'",
)


def recorded_sums() -> dict[str, str]:
    lines = (PACKAGE / "SHA256SUMS").read_text("utf-8").splitlines()
    return {path: digest for digest, _, path in (line.partition("  ") for line in lines)}


def run(*command: object, **options: Any) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    return done.stdout


def test_every_data_file_has_the_recorded_sum():
    sums = recorded_sums()
    for path, digest in sums.items():
        assert hashlib.sha256((PACKAGE / path).read_bytes()).hexdigest() == digest, path
    folders = ("weights", "server/page", "server/reference")
    files = [path for folder in folders for path in (PACKAGE / folder).rglob("*") if path.is_file()]
    assert {path.relative_to(PACKAGE).as_posix() for path in files} == set(sums)
    weights = {path: digest for path, digest in sums.items() if path.startswith("weights/")}
    assert weights == {f"weights/{entry.file}": entry.sha256 for entry in catalog.ENTRIES}


def build(source: Path, output: Path) -> tuple[Path, Path]:
    """Build in a copy of the files that git knows, at another path and time in each call."""
    copy = output / "source"
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=source)
    for name in listed.splitlines():
        if (source / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((source / name).read_bytes())
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    command = (sys.executable, "-m", "build", "--no-isolation", "--outdir", output, copy)
    run(*command, env=environment)
    (wheel,), (sdist,) = output.glob("*.whl"), output.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    if not (ROOT / ".git").exists():
        pytest.skip("needs the repository: git lists the files of a release")
    return build(ROOT, tmp_path_factory.mktemp("first"))


@pytest.mark.slow
@needs_build
def test_two_builds_have_the_same_bytes(built, tmp_path):
    for first, second in zip(built, build(ROOT, tmp_path), strict=True):
        assert first.name == second.name
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.slow
@needs_build
def test_the_archives_have_all_data_and_nothing_else(built):
    wheel, sdist = built
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        for path, digest in recorded_sums().items():
            data = archive.read(f"featheredge/{path}")
            assert hashlib.sha256(data).hexdigest() == digest, path
    assert {name.split("/")[0].split("-")[0] for name in names} == {"featheredge"}
    assert not any("__pycache__" in name or name.startswith("tests") for name in names)
    with tarfile.open(sdist) as archive:
        tops = {name.split("/")[1] for name in archive.getnames()}
    assert tops == {
        *("src", "tests", "examples", "pyproject.toml", "PKG-INFO", ".gitignore"),
        *("README.md", "CHANGELOG.md", "LICENSE", "SECURITY.md", "CONTRIBUTING.md"),
    }


@pytest.mark.slow
@needs_build
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_it_runs_in_an_empty_environment(built, tmp_path, kind):
    """Only what the package itself asks for is installed; the source is out of reach."""
    venv.create(tmp_path / "env", with_pip=True)
    programs = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    outside = {"env": environment, "cwd": tmp_path}
    run(programs / "python", "-m", "pip", "install", "--quiet", built[kind == "sdist"], **outside)
    run(programs / "featheredge", "edges", PHOTO, "-o", tmp_path / "edges.png", **outside)
    run(programs / "featheredge", "cutout", PHOTO, "-o", tmp_path / "cut.png", **outside)
    with Image.open(tmp_path / "edges.png") as edges, Image.open(tmp_path / "cut.png") as cut:
        assert (edges.mode, edges.size) == ("L", (600, 400))
        assert (cut.mode, cut.size) == ("RGBA", (600, 400))
    code = "import featheredge, sys; print(featheredge.__file__, 'torch' in sys.modules)"
    said = run(programs / "python", "-c", code, **outside)
    assert str(tmp_path) in said
    assert said.endswith("False\n")
    run(programs / "python", "-m", "pip", "check", **outside)
