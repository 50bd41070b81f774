"""One picture from the content of its file to the content of its output file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

from PIL import Image

from featheredge.animation import Frames, read_frames
from featheredge.errors import FeatheredgeError, OutputError
from featheredge.image import MAX_MEGAPIXELS, ImageSource, open_image
from featheredge.image_metadata import NO_METADATA, ImageMetadata, read_metadata
from featheredge.inputs import PictureFile
from featheredge.output_format import OutputFormat

Notes: TypeAlias = Mapping[str, int | float]
"""What a reader should know about a picture, by name: counts (int), such as dropped parts, which
are added over the frames of an animation, and levels (float), of which the lowest counts."""
NO_NOTES: Notes = MappingProxyType({})

FramesOption = Literal["all", "first"]


class Drawn(NamedTuple):
    """What a verb makes of one picture.

    Attributes:
        image: A picture of mode L, RGB or RGBA, or the content of a file in a format of its own.
        notes: Notes for the summary and for --json.
    """

    image: Image.Image | bytes
    notes: Notes = NO_NOTES


Draw: TypeAlias = Callable[[ImageSource], Drawn]
"""Computes the output of one picture: a file with its name, or one frame of an animation."""


class Output(NamedTuple):
    """The result of `work` for one file.

    Attributes:
        content: The bytes of the output file.
        notes: Notes for the summary and for --json.
    """

    content: bytes
    notes: Notes = NO_NOTES


@dataclass(frozen=True)
class PictureWork:
    """Converts the content of an input file to the content of its output file.

    Attributes:
        draw: Computes the output picture.
        format: The format of the output file.
        frames: "all" processes each frame of an animation; "first" makes one picture of it.
        keep_metadata: Whether EXIF and the colour profile are carried to the output.
        max_megapixels: Limit of all frames of an animation together.
    """

    draw: Draw
    format: OutputFormat = field(default_factory=OutputFormat)
    frames: FramesOption = "all"
    keep_metadata: bool = False
    max_megapixels: float = MAX_MEGAPIXELS

    def __call__(self, picture: PictureFile) -> Output:
        """Process one file.

        Raises:
            FeatheredgeError: The file cannot be read, or its output cannot be made.
        """
        header = open_image(picture, picture.name)
        metadata = read_metadata(header) if self.keep_metadata else NO_METADATA
        frames = None
        if self.frames == "all":
            frames = read_frames(header, picture.name, self.max_megapixels)
        if frames:
            return self._animation(frames, picture.name, metadata)
        picture.seek(0)
        image, notes = self.draw(picture)
        if isinstance(image, bytes):
            return Output(image, notes)
        with _named(picture.name):
            return Output(self.format.encode(image, metadata), notes)

    def _animation(self, frames: Frames, name: str, metadata: ImageMetadata) -> Output:
        """Process the frames of an animation one by one."""
        images: list[Image.Image] = []
        notes: list[Notes] = [{"frames": frames.count}]
        for number, frame in enumerate(frames, start=1):
            with _named(f"{name}, frame {number}"):
                image, about = self.draw(frame)
                if isinstance(image, bytes):
                    raise OutputError("this output has no animations; add --frames first")
            images.append(image)
            notes.append(about)
        with _named(name):
            content = self.format.encode_animation(images, frames.animation, metadata)
        return Output(content, _merged(notes))


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Put the name of the picture before the message of an error that does not have it."""
    try:
        yield
    except FeatheredgeError as error:
        raise type(error)(f"{name}: {error}") from error


def _merged(notes: Sequence[Notes]) -> Notes:
    """Add counts, and take the lowest of levels."""
    merged: dict[str, int | float] = {}
    for about in notes:
        for key, value in about.items():
            before = merged.get(key)
            if before is None:
                merged[key] = value
            else:
                merged[key] = before + value if isinstance(value, int) else min(before, value)
    return merged
