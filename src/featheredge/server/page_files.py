"""The web page as plain files: with the networks beside it, any static host can serve it."""

import gzip
import json
import shutil
import tempfile
from pathlib import Path

from featheredge import catalog
from featheredge.errors import OutputError
from featheredge.weights_file import open_network

PAGE = Path(__file__).parent / "page"
"""The built page: HTML, JavaScript and ONNX Runtime for WebAssembly, made from `page/`."""


def export(folder: Path) -> list[Path]:
    """Write the page and all shipped networks into a new folder, for any static host.

    Args:
        folder: The folder to make. It must not exist or must be empty.

    Returns:
        The files that were written.

    Raises:
        OutputError: The folder has files, cannot be written, or this installation has no page.
    """
    if not (PAGE / "index.html").is_file():
        raise OutputError(f"{PAGE} has no page; reinstall featheredge, or type `make page`")
    try:
        if folder.exists() and any(folder.iterdir()):
            raise OutputError(f"{folder} has files; give a new folder")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".featheredge-page-") as beside:
            made = Path(beside) / "page"
            shutil.copytree(PAGE, made)
            _write_models(made / "models")
            made.replace(folder)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return sorted(path for path in folder.rglob("*") if path.is_file())


def models_index() -> dict[str, list[dict[str, object]]]:
    """Return what the page reads as `models/models.json`: the shipped networks, defaults first."""
    return {"models": [_described(entry) for entry in catalog.ENTRIES]}


def _write_models(folder: Path) -> None:
    folder.mkdir()
    for entry in catalog.ENTRIES:
        weights = catalog.weights_path(entry).read_bytes()
        # Many static hosts do not compress files when they send them.
        (folder / _stored(entry)).write_bytes(gzip.compress(weights, mtime=0))
    index = json.dumps(models_index(), indent=1)
    (folder / "models.json").write_text(f"{index}\n", encoding="utf-8")


def _stored(entry: catalog.Entry) -> str:
    return f"{entry.file}.gz"


def _described(entry: catalog.Entry) -> dict[str, object]:
    _, metadata = open_network(entry.name, entry.task, threads=1, provider="cpu", precision="fp32")
    return {
        "name": entry.name,
        "task": entry.task,
        "default": entry == catalog.default(entry.task),
        "file": _stored(entry),
        "bytes": catalog.weights_path(entry).stat().st_size,
        "sha256": entry.sha256,
        "stride": metadata.stride,
        "input_px": metadata.input_px,
        "licence": entry.licence,
        "notes": entry.notes,
    }
