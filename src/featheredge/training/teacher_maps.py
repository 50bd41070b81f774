"""Store a teacher's maps of whole pictures, once, for students to learn from many times.

A student sees random crops, turned and scaled; the stored map is cut, turned and scaled with them,
which costs nothing beside running the teacher on each crop.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from featheredge import image
from featheredge.data.pairs import to_tensor
from featheredge.errors import OutputError
from featheredge.files import write_json
from featheredge.training.teacher import Teacher

#: Says whose maps a folder holds.
NOTE = "teacher.json"

Progress = Callable[[int, int], None]


def label(
    teacher: Teacher, pictures: Sequence[Path], folder: Path, progress: Progress | None = None
) -> None:
    """Write the teacher's map of every picture to `folder/ID.png`, as `featheredge edges` does.

    Maps that are there already stay, so an interrupted run goes on where it stopped.

    Args:
        teacher: whose maps.
        pictures: files; their stems are the IDs.
        folder: where to; made if absent.
        progress: called with the number of pictures done and their total.

    Raises:
        OutputError: the folder holds maps of another teacher, or two pictures have one name.
        ImageError: a picture cannot be read, or a map cannot be written.
    """
    _refuse_twins(pictures)
    _claim(folder, teacher)
    teacher.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for done, picture in enumerate(pictures, start=1):
        path = folder / f"{picture.stem}.png"
        if not path.exists():
            pixels = to_tensor(image.load(picture))[None]
            pixels = pixels.contiguous(memory_format=torch.channels_last)
            image.save_map(teacher(pixels)[0, 0].numpy(), path)
        if progress:
            progress(done, len(pictures))


def _refuse_twins(pictures: Sequence[Path]) -> None:
    first: dict[str, Path] = {}
    for picture in pictures:
        if first.setdefault(picture.stem, picture) != picture:
            raise OutputError(
                f"{first[picture.stem]} and {picture} would both become {picture.stem}.png; "
                "label them into different folders"
            )


def _claim(folder: Path, teacher: Teacher) -> None:
    """Note the teacher in the folder, or check that the maps there are its own."""
    note, fingerprint = folder / NOTE, teacher.fingerprint()
    if not note.exists():
        facts = {"teacher": fingerprint, "averaging": str(teacher.averaging)}
        write_json(note, facts)
    elif json.loads(note.read_bytes())["teacher"] != fingerprint:
        raise OutputError(
            f"{folder}: holds the maps of another teacher, or of other scales (see {NOTE}); give "
            "another folder"
        )
