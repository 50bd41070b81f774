"""Output formats: PNG, WebP, JPEG and AVIF files, of one picture or of an animation."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from PIL import Image, __version__, features

from featheredge.address import Place
from featheredge.errors import ArgumentError, OutputError
from featheredge.image_metadata import NO_METADATA, ImageMetadata
from featheredge.png import encode_png
from featheredge.stages import stage

Format = Literal["png", "webp", "jpg", "avif"]
FORMATS: tuple[Format, ...] = get_args(Format)

_DEFAULT_QUALITY = {"jpg": 92, "avif": 80}


@dataclass(frozen=True)
class Animation:
    """How the frames of an animation are shown.

    Attributes:
        durations_ms: How long each frame is shown.
        loop: How many times it is shown; 0 is without end.
    """

    durations_ms: Sequence[int]
    loop: int = 0


@dataclass(frozen=True)
class OutputFormat:
    """A file format with its settings.

    Attributes:
        name: "png", "webp", "jpg" or "avif".
        quality: 1 to 100; smaller is a smaller file. None is 92 for jpg, 80 for avif, and
            lossless for webp.
        png_level: Compression level of PNG, 0 to 9; higher is smaller and slower. None is the
            level of `encode_png`.

    Raises:
        ArgumentError: The format has no such setting, or a number is out of range.
        OutputError: The installed Pillow cannot write the format.
    """

    name: Format = "png"
    quality: int | None = None
    png_level: int | None = None

    def __post_init__(self) -> None:
        if self.name not in FORMATS:
            raise ArgumentError(f"format is {self.name!r}; choose one of {', '.join(FORMATS)}")
        if self.quality is not None and self.name == "png":
            raise ArgumentError("png is lossless and has no quality; set the png level (0 to 9)")
        if self.png_level is not None and self.name != "png":
            raise ArgumentError(f"a png level is set, but the format is {self.name}; set a quality")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise ArgumentError(f"quality is {self.quality}; expected 1 to 100")
        if self.png_level is not None and not 0 <= self.png_level <= 9:
            raise ArgumentError(f"png_level is {self.png_level}; expected 0 to 9")
        if self.name in ("webp", "avif") and not features.check(self.name):
            raise OutputError(
                f"Pillow {__version__} on this machine cannot write {self.name}; type: "
                "pip install --upgrade pillow, or choose another format"
            )

    @property
    def extension(self) -> str:
        """The end of file names in this format, such as ".png"."""
        return f".{self.name}"

    def require_transparency(self) -> None:
        """Raise an error if the format has no transparency.

        Raises:
            OutputError: The format is jpg.
        """
        if self.name == "jpg":
            raise OutputError(
                "jpg has no transparency: add --background white (or another background), or "
                "choose --format png, webp or avif"
            )

    @stage("encode")
    def encode(self, image: Image.Image, metadata: ImageMetadata = NO_METADATA) -> bytes:
        """Encode one picture.

        Args:
            image: A picture of mode L, RGB or RGBA.
            metadata: Metadata to store. The colour profile is stored with RGB and RGBA pictures
                only: a map has no colours.

        Raises:
            OutputError: The format cannot hold the picture or its metadata.
        """
        if self.name == "png" and self.png_level is None and metadata == NO_METADATA:
            return encode_png(image)
        return self._save(image, self._options(image, metadata))

    @stage("encode")
    def encode_animation(
        self,
        frames: Sequence[Image.Image],
        animation: Animation,
        metadata: ImageMetadata = NO_METADATA,
    ) -> bytes:
        """Encode an animation.

        Args:
            frames: At least one picture; all of one size and mode.
            animation: How the frames are shown.
            metadata: As for `encode`.

        Raises:
            OutputError: The format has no animations, or the frames have different sizes.
        """
        if self.name == "jpg":
            raise OutputError(
                "jpg has no animations: choose --format png, webp or avif, or --frames first"
            )
        if len({frame.size for frame in frames}) > 1:
            raise OutputError(
                "the frames have different sizes, so they are no animation: leave out --crop, or "
                "add --frames first"
            )
        options = self._options(frames[0], metadata) | {
            "save_all": True,
            "append_images": frames[1:],
            "duration": list(animation.durations_ms),
            "loop": animation.loop,
        }
        return self._save(frames[0], options)

    def _options(self, image: Image.Image, metadata: ImageMetadata) -> dict[str, Any]:
        """Return Pillow's options."""
        has_colours = image.mode != "L"
        kept = {
            "exif": metadata.exif,
            "icc_profile": metadata.icc_profile if has_colours else None,
            "compress_level": self.png_level,
            "quality": self.quality or _DEFAULT_QUALITY.get(self.name),
        }
        options: dict[str, Any] = {key: value for key, value in kept.items() if value is not None}
        if self.name == "webp" and self.quality is None:
            options["lossless"] = True
        if self.name == "avif":
            options["max_threads"] = 1  # pictures are encoded in parallel
        return options

    def _save(self, image: Image.Image, options: dict[str, Any]) -> bytes:
        file = io.BytesIO()
        pillow_name = "JPEG" if self.name == "jpg" else self.name.upper()
        try:
            image.save(file, pillow_name, **options)
        except (OSError, ValueError) as error:  # too large for the format, EXIF too long, ...
            raise OutputError(f"cannot be written as {self.name}: {error}") from error
        return file.getvalue()


def format_of(path: Place) -> Format | None:
    """Return the format that a file name ends in; None if it ends in no output format."""
    suffix = path.suffix.lower().removeprefix(".")
    known: dict[str, Format] = {**{name: name for name in FORMATS}, "jpeg": "jpg"}
    return known.get(suffix)
