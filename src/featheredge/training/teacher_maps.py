"""Store teachers' maps of whole pictures, once, for students to learn from many times.

A student sees random crops, turned and scaled; the stored map is cut, turned and scaled with them,
which costs nothing beside running the teacher on each crop.

Shapes: H W pixels of a picture, T teachers.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, NonNegativeFloat
from pydantic.dataclasses import dataclass
from torch import Tensor

from featheredge import image
from featheredge.data.pairs import to_tensor
from featheredge.errors import ArgumentError, OutputError
from featheredge.files import write_bytes, write_json
from featheredge.png import save_map
from featheredge.run_folder import locked
from featheredge.text_files import read_json
from featheredge.training.teacher import Teacher, weighted_mean

#: Says whose maps a folder holds.
NOTE = "teacher.json"

#: Names the pictures that were refused, one `ID reason` a line, so that no run computes them again.
REFUSED = "refused.txt"

#: Between these a map is unsure whether a pixel is inside.
_UNSURE = (0.1, 0.9)

Progress = Callable[[int, int], None]


Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config={"extra": "forbid"})
class Selection:
    """Limits on the maps of pictures to keep. By default, all pictures are kept.

    Attributes:
        max_disagreement: Largest mean absolute difference of two teachers' maps, in [0, 1].
        min_object: Smallest share of pixels above 1/2 in the mean map; below it, the teachers see
            nothing.
        max_unsure: Largest ratio of pixels between 0.1 and 0.9 to pixels above 1/2.
    """

    max_disagreement: Share = 1.0
    min_object: Share = 0.0
    max_unsure: NonNegativeFloat = float("inf")

    def refuse(self, maps: Tensor, mean: Tensor) -> str | None:
        """Return why a picture is refused, or None if it is kept.

        Args:
            maps: (T, H, W), each teacher's map in [0, 1].
            mean: (H, W), their mean.
        """
        if (maps.amax(0) - maps.amin(0)).mean() > self.max_disagreement:
            return "disagreement"
        inside = (mean > 0.5).float().mean()
        if inside < self.min_object:
            return "nothing seen"
        unsure = ((mean > _UNSURE[0]) & (mean < _UNSURE[1])).float().mean()
        return "unsure" if unsure > self.max_unsure * inside else None


def store_maps(
    teachers: Sequence[Teacher],
    pictures: Sequence[Path],
    folder: Path,
    *,
    weights: Sequence[float] = (),
    selection: Selection | None = None,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Write the teachers' mean map of every picture to `folder/ID.png` in 8 bits, round(255 p).

    Existing maps are kept, so an interrupted run resumes where it stopped.

    Args:
        teachers: One or more teachers.
        pictures: Files; their stems are the IDs.
        folder: Folder for the maps; created if absent.
        weights: A positive number for each teacher; empty for equal weights.
        selection: Limits on the pictures to keep.
        progress: Called with the number of pictures done and their total.

    Returns:
        The number of refused pictures for each reason.

    Raises:
        ArgumentError: The numbers of weights and of teachers differ.
        OutputError: The folder holds maps of other teachers or of another selection, another
            process works in it, or two pictures have one name.
        ImageError: A picture cannot be read, or a map cannot be written.
    """
    selection = selection or Selection()
    if weights and len(weights) != len(teachers):
        raise ArgumentError(
            f"{len(weights)} weights for {len(teachers)} teachers; give one for each"
        )
    _refuse_twins(pictures)
    with locked(folder):
        _claim(folder, teachers, weights, selection)
        refused = _store_missing(teachers, pictures, folder, weights, selection, progress)
    wanted = {picture.stem for picture in pictures}
    reasons = [reason for stem, reason in refused.items() if stem in wanted]
    return {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}


def _store_missing(
    teachers: Sequence[Teacher],
    pictures: Sequence[Path],
    folder: Path,
    weights: Sequence[float],
    selection: Selection,
    progress: Progress | None,
) -> dict[str, str]:
    """Write the maps that do not exist; return ID -> reason of all refused pictures."""
    for teacher in teachers:
        teacher.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    refused = _read_refused(folder / REFUSED)
    for done, picture in enumerate(pictures, start=1):
        path = folder / f"{picture.stem}.png"
        if not path.exists() and picture.stem not in refused:
            maps = torch.stack([_map_of(teacher, picture) for teacher in teachers])
            mean = weighted_mean(maps, weights)
            reason = selection.refuse(maps, mean)
            if reason is None:
                save_map(mean.numpy(), path)
            else:
                refused[picture.stem] = reason
                _write_refused(folder / REFUSED, refused)
        if progress:
            progress(done, len(pictures))
    return refused


def _map_of(teacher: Teacher, picture: Path) -> Tensor:
    """Return a teacher's map of a picture, (H, W)."""
    pixels = to_tensor(image.load(picture))[None]
    map: Tensor = teacher(pixels.contiguous(memory_format=torch.channels_last))[0, 0]
    return map


def _read_refused(path: Path) -> dict[str, str]:
    """Read the reasons why an earlier run refused pictures, by ID."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return dict(line.split(" ", 1) for line in lines)


def _write_refused(path: Path, refused: dict[str, str]) -> None:
    write_bytes(path, "".join(f"{id} {reason}\n" for id, reason in refused.items()).encode())


def _refuse_twins(pictures: Sequence[Path]) -> None:
    first: dict[str, Path] = {}
    for picture in pictures:
        if first.setdefault(picture.stem, picture) != picture:
            raise OutputError(
                f"{first[picture.stem]} and {picture} would both become {picture.stem}.png; "
                "label them into different folders"
            )


def _claim(
    folder: Path, teachers: Sequence[Teacher], weights: Sequence[float], selection: Selection
) -> None:
    """Record the teachers in the folder, or check that its maps are from the same ones."""
    wanted = {
        "teachers": [teacher.fingerprint() for teacher in teachers],
        "averaging": str(teachers[0].averaging),
        "weights": list(weights),
        "selection": str(selection),
    }
    note = folder / NOTE
    if not note.exists():
        write_json(note, wanted)
    elif read_json(note) != wanted:
        raise OutputError(
            f"{folder}: holds maps of other teachers, scales, weights or selection (see {NOTE}); "
            "give another folder"
        )
