"""What pages say besides code: links, paths, generated parts, and English that reads at once."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from doc_pages import PAGES, ROOT, prose

#: Phrases that readers had to read twice, and what to write instead.
STILTED = {
    r"is said\b": "is set, or: names",
    r"\bsaid by\b": "set by",
    r"goes? on where": "resume",
    r"going on from": "continue from, start from",
    r"\bgo(es)? on with\b": "resume, continue",
    r"\banew\b": "again",
    r"\bso many\b": "n, or the number",
    r"\bone's own\b": "your own",
    r"\bof your own is\b": "your own ... is",
    r"\bthere are lasso\b": "choose one of",
    r"what is there\b": "what is available",
    r"\bis not there\b": "does not exist, is not available",
    r"what is to be left\b": "what to keep",
    r"\bas it (is|stands|came)\b": "unchanged",
    r"\bas they are\b": "unchanged",
    r"\bhow often\b.{0,20}\bevery\b": "rounds",
    r"\bunless it says otherwise\b": "by default",
    r"\bare to make\b": "make",
    r"\bby which nothing\b": "nothing ... on them",
    r"\bin turns\b": "interleaved",
    r"\bheld against\b": "compared with",
    r"\bby way of\b": "through",
    r"\btold for\b": "counted for",
    r"\bor so for longer\b": "fine-tuned longer",
    r"\bbut for\b": "except",
    r"\bwere mended\b|\bto mend\b": "fixed",
    r"\bwants? an accelerator\b": "needs",
    r"\bhow well layers answer\b": "errors of the layers",
}


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def stilted(text: str) -> list[str]:
    """What a text should not say, with the words to write instead."""
    flat = re.sub(r"\s+", " ", text)
    return [
        f"{found[0]!r}: write {instead}"
        for phrase, instead in STILTED.items()
        for found in re.finditer(phrase, flat, re.IGNORECASE)
    ]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_page_reads_at_once(page):
    shown = re.sub(r"^```text\n.*?^```", "", prose(page), flags=re.DOTALL | re.MULTILINE)
    assert not stilted(shown)


def test_source_reads_at_once():
    files = sorted((ROOT / "src").rglob("*.py")) + sorted((ROOT / "src").rglob("*.toml"))
    found = {name(file): stilted(file.read_text("utf-8")) for file in files}
    assert not {file: phrases for file, phrases in found.items() if phrases}


def test_stilted_phrase_is_found_across_lines():
    assert stilted("The run goes on\nwhere it was.")
    assert not stilted("The run resumes where it stopped.")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{name(page)} links to {target}"


def test_paths_in_pages_exist():
    paths = {
        path
        for page in PAGES
        for path in re.findall(r"`((?:src|tests|tools|benchmarks|examples)/[\w./-]+)`", prose(page))
    }
    assert {"src/featheredge/image.py", "tools/pysod_reference.py"} <= paths
    assert not [path for path in sorted(paths) if not (ROOT / path).exists()]


def test_no_page_is_missing_from_the_site():
    nav = (ROOT / "mkdocs.yml").read_text("utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert f": {page.name}\n" in nav


@pytest.mark.parametrize(
    "tool",
    [
        "layout_tree.py",
        "model_cards.py",
        pytest.param("recipe_reference.py", marks=pytest.mark.slow),
    ],
)
def test_generated_part_is_fresh(tool):
    command = [sys.executable, ROOT / "tools" / tool, "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
