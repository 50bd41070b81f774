"""Every block of code of every page runs, in order, in a scratch folder; the rest must parse."""

import shutil
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from doc_pages import PAGES, ROOT, RUN, SHOWN, Block, blocks, commands
from doc_parsing import check

#: Blocks that no test runs. Change the number by hand, so that nobody skips one by accident.
NUM_SKIPPED = 74


def name(page: Path) -> str:
    return page.relative_to(ROOT).with_suffix("").as_posix()


def run_page(page: Path, kinds: set[str], template: Path, folder: Path, run) -> None:
    """Run the blocks of these kinds; files are always written, pending blocks may fail."""
    shutil.copytree(template, folder, dirs_exist_ok=True)
    pending = []
    for block in blocks(page):
        if block.kind == "file":
            path = folder / block.about
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.code, "utf-8")
        elif block.kind in kinds and block.language in RUN:
            problem = run(block, folder)
            if problem and block.kind == "pending":
                pending.append(f"{block}: {block.about}")
            elif problem:
                pytest.fail(problem)
    if pending:
        pytest.xfail("; ".join(pending))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_page_runs(page, template, tmp_path, run):
    run_page(page, {"run", "pending"}, template, tmp_path, run)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(b.kind == "slow" for b in blocks(page))], ids=name
)
def test_page_runs_with_its_slow_blocks(page, lab_template, tmp_path, run):
    run_page(page, {"run", "pending", "slow"}, lab_template, tmp_path, run)


def not_run() -> list[Block]:
    return [b for page in PAGES for b in blocks(page) if b.kind == "skip"]


@pytest.mark.parametrize("block", not_run(), ids=str)
def test_skipped_block_parses(block):
    assert block.about.startswith(("needs ", "takes ")), f"{block}: say why it is skipped"
    if block.language == "python":
        compile(block.code, str(block), "exec")
    else:
        problems = {command: check(command) for command in commands(block.code)}
        assert not {command: p for command, p in problems.items() if p}


def test_every_block_is_accounted_for():
    every = [block for page in PAGES for block in blocks(page)]
    for block in every:
        assert block.language in (*RUN, *SHOWN), f"{block}: name the language"
        if block.kind in ("skip", "slow"):
            assert block.language in RUN, f"{block}: nothing runs it anyway"
    kinds = Counter(block.kind for block in every if block.language in RUN)
    assert kinds["skip"] == NUM_SKIPPED, f"skipped blocks: {kinds['skip']}"
    assert kinds["run"] + kinds["slow"] > kinds["skip"]


@pytest.mark.parametrize(
    "block",
    [b for page in PAGES for b in blocks(page) if b.language == "toml"],
    ids=str,
)
def test_toml_block_parses(block):
    assert tomllib.loads(block.code)


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("featheredge edges photo.jpg --thn", "thn"),
        ("featheredge eval mobile-edge data --splt val", "splt"),
        ("python tools/draw_curves.py mobile-edge --bdsd data", "--bdsd"),
        ("python tools/no_such.py", "no file"),
        ('pip install ".[evaluation]"', "evaluation"),
        ("make domo", "domo"),
        ("fetheredge edges photo.jpg", "no way"),
    ],
)
def test_typo_is_found(command, problem):
    assert problem in (check(command) or "")
