"""Help, completion and the tour: what a person at the command line leans on."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from doc_parsing import check
from featheredge.cli import app
from featheredge.cli.examples import EXAMPLES
from featheredge.cli.shell import completion_script

ROOT = Path(__file__).parents[2]


def verbs() -> set[str]:
    return {name for name in app if not name.startswith("-")}


def run(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "featheredge", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_every_verb_has_examples_that_parse():
    assert set(EXAMPLES) == verbs()
    commands = [command for examples in EXAMPLES.values() for command in examples]
    assert {command: check(command) for command in commands if check(command)} == {}
    for verb, examples in EXAMPLES.items():
        assert all(f"featheredge {verb}" in command for command in examples)


def test_recipes_of_the_examples_are_shipped():
    shipped = {path.stem for path in (ROOT / "src/featheredge/recipes").glob("*.toml")}
    named = re.findall(r"featheredge prune (\S+)", " ".join(EXAMPLES["prune"]))
    assert set(named) <= shipped


@pytest.mark.parametrize("verb", sorted(EXAMPLES))
def test_help_shows_the_examples(verb, capsys):
    app([verb, "--help"], result_action="return_value")
    out = capsys.readouterr().out
    assert "Example" in out
    flat = re.sub(r"\s+", " ", out)
    assert all(command in flat for command in EXAMPLES[verb])


@pytest.fixture(scope="module")
def scripts(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("completion")
    for shell in ("bash", "zsh", "fish"):
        script = completion_script(app, shell)
        (folder / f"featheredge.{shell}").write_text(script)
    return folder


def complete(shell: str, script: Path, line: str) -> set[str]:
    """What a shell offers for the last word of a line."""
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}: apt-get install {shell}")
    code = {
        "bash": 'source "$1"; read -ra COMP_WORDS <<< "$2"; [[ $2 == *" " ]] && COMP_WORDS+=("");'
        "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); complete -p featheredge >&2 || exit 1;"
        '_featheredge; printf "%s\\n" "${COMPREPLY[@]}"',
        "fish": 'source $argv[1]; complete -C "$argv[2]"',
    }[shell]
    words = {
        "bash": ["bash", "-c", code, "bash", str(script), line],
        "fish": ["fish", "-c", code, str(script), line],
    }[shell]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return {offer.partition("\t")[0].strip() for offer in done.stdout.splitlines()}


@pytest.mark.parametrize("shell", ["bash", "fish"])
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("featheredge ed", {"edges"}),
        ("featheredge edges --inv", {"--invert"}),
        ("featheredge video --as side", {"side-by-side"}),
        ("featheredge eval sal", {"saliency"}),
    ],
)
def test_completion_offers(scripts, shell, line, offered):
    assert complete(shell, scripts / f"featheredge.{shell}", line) == offered


def test_bash_offers_every_verb(scripts):
    assert complete("bash", scripts / "featheredge.bash", "featheredge ") >= verbs()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_parses(scripts, shell):
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}: apt-get install {shell}")
    script = scripts / f"featheredge.{shell}"
    subprocess.run([shell, "-n", script], check=True)
    assert all(verb in script.read_text() for verb in verbs())


def test_zsh_registers_the_function_when_it_is_sourced(scripts):
    """Whether zsh completes was tried by hand: it needs a terminal."""
    if not shutil.which("zsh"):
        pytest.skip("needs zsh: apt-get install zsh")
    code = 'compdef() { print "$@" }; source "$1"; whence -w _cyclopts_featheredge'
    words = ["zsh", "-f", "-c", code, "zsh", str(scripts / "featheredge.zsh")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "_cyclopts_featheredge featheredge",
        "_cyclopts_featheredge: function",
    ]


def test_completion_takes_the_shell_of_the_user(monkeypatch):
    done = run("completion", env={"SHELL": "/bin/bash", "PYTHONPATH": ":".join(sys.path)})
    assert "complete" in done.stdout
    unknown = run("completion", env={"SHELL": "/bin/tcsh", "PYTHONPATH": ":".join(sys.path)})
    assert unknown.returncode == 1
    assert "the shell is tcsh; type one of featheredge completion bash" in unknown.stderr


#: Hides the packages of all extras from every Python that has its folder on the path.
WITHOUT_EXTRAS = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "onnx", "scipy", "numba", "matplotlib", "pydantic"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
"""


@pytest.mark.slow
def test_the_tour_runs_without_extras_and_shows_every_verb(tmp_path):
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(WITHOUT_EXTRAS)
    path = os.pathsep.join([str(hidden), *sys.path])
    done = run("tour", cwd=tmp_path, env=os.environ | {"PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    shown = set(re.findall(r"\$ .*?featheredge ([\w-]+)", done.stdout))
    assert shown | {"tour"} == verbs()
    folder = tmp_path / "featheredge-tour"
    pictures = {path.name for path in folder.glob("*.png")}
    assert pictures == {
        "blur.png", "cat_cutout.png", "cat_edges.png", "cat_saliency.png", "lines.png",
    }  # fmt: skip
    again = run("tour", cwd=tmp_path)
    assert again.returncode == 1
    assert "featheredge-tour exists; give another name: featheredge tour -o FOLDER" in again.stderr
