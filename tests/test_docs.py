"""Every command in the README and every Python example in the documentation is run as it stands."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from conftest import SALIENCY, write_network
from featheredge import catalog
from featheredge.image import load, save_map
from toys import write_bsds, write_recipe

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.M)


def readme_commands() -> list[str]:
    lines = "\n".join(blocks(ROOT / "README.md", "bash")).splitlines()
    commands = [re.sub(r"\s+#.*", "", line).strip() for line in lines]
    return [command for command in commands if command]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    """A user's folder: some photos, a recipe, a data set, maps of its test split, the examples."""
    folder = tmp_path_factory.mktemp("user")
    shutil.copytree(ROOT / "examples", folder / "examples")
    (folder / "holiday").mkdir()
    for name in ("photo.jpg", "other.jpg", "holiday/beach.jpg", "holiday/hill.jpg"):
        shutil.copy(ROOT / "examples/cat.jpg", folder / name)
    bsds = folder / "data/bsds500"
    for seed, split in enumerate(("train", "val", "test")):
        write_bsds(bsds, split, 3, seed)
    write_recipe(folder, bsds, "my-recipe", batch_size=3)
    for image in (bsds / "images/test").glob("*.jpg"):
        save_map(load(image)[..., 0].astype("float32") / 255, folder / "maps" / f"{image.stem}.png")
    for entry in catalog.list_models():
        shutil.copy(catalog.weights_path(entry), folder / f"{entry.name}.onnx")
    write_network(folder / "my-saliency.onnx", SALIENCY)
    return folder


def run(command: str, folder: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("command", readme_commands())
def test_readme_command(command, workspace):
    if command.startswith("make "):
        run(f"make --dry-run {command.removeprefix('make ')}", ROOT)
    elif command.startswith("pip install "):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        assert set(re.findall(r"\[(.*?)\]", command)) <= set(project["optional-dependencies"])
    else:
        assert command.startswith("featheredge "), f"no way to check {command!r}"
        run(command, workspace)


@pytest.mark.parametrize(
    ("page", "code"),
    [
        pytest.param(page, code, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, code in enumerate(blocks(page, "python"))
    ],
)
def test_python_example(page, code, workspace):
    (workspace / "example.py").write_text(code, "utf-8")
    run(f"{sys.executable} example.py", workspace)


def test_readme_shows_both_languages():
    assert len(readme_commands()) > 8
    assert blocks(ROOT / "README.md", "python")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
