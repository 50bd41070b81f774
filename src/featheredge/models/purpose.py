"""Read the task and the input size of a trained network."""

from pathlib import Path

from pydantic import TypeAdapter

from featheredge import catalog
from featheredge.errors import WeightsError
from featheredge.models.build import CONFIG_FILE
from featheredge.models.network import Purpose
from featheredge.session import Session
from featheredge.text_files import read_json


def read_purpose(source: str) -> Purpose | None:
    """Read the task and the input size of a trained network.

    Args:
        source: An argument of `featheredge.models.build.load_trained`.

    Returns:
        The purpose; None if it is not stored, which holds for NAME:FILE and for folders of earlier
        versions.

    Raises:
        WeightsError: A file is missing or damaged.
    """
    if Path(source).is_dir():
        return _of_folder(Path(source))
    if any(entry.name == source for entry in catalog.list_models()):
        session = Session(source)
        return Purpose(session.task, session.input_px)
    return None


def _of_folder(folder: Path) -> Purpose | None:
    try:
        stored = read_json(folder / CONFIG_FILE)
        fields = {key: stored[key] for key in ("task", "input_px") if key in stored}
        return TypeAdapter(Purpose).validate_python(fields) if fields else None
    except (OSError, ValueError, TypeError) as cause:
        raise WeightsError(
            f"{folder}: cannot read {CONFIG_FILE} of a saved network: {cause}"
        ) from cause
