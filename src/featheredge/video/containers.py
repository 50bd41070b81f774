"""Output formats: which codecs each container gets, by the suffix of the file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from featheredge.errors import OutputError


@dataclass(frozen=True)
class Encoding:
    """How frames are encoded.

    Attributes:
        codec: Name of the encoder.
        pixel_format: Format of its pixels.
        even: Whether width and height must be even.
        options: Options of the encoder.
    """

    codec: str
    pixel_format: str
    even: bool
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Container:
    """What a container holds.

    Attributes:
        opaque: Encoding of RGB frames.
        alpha: Encoding of RGBA frames; None if the container has no transparency.
        copied: Codecs of sound that are copied; None copies every codec that the container takes.
        sound: Encoder for all other sound.
    """

    opaque: Encoding
    alpha: Encoding | None
    copied: frozenset[str] | None
    sound: str


_H264 = Encoding("libx264", "yuv420p", True, {"crf": "18", "preset": "veryfast"})
_VP9_OPTIONS = {"crf": "24", "b": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1"}
_VP9 = Encoding("libvpx-vp9", "yuv420p", False, _VP9_OPTIONS)
# libvpx has no alternate reference frames in streams with transparency.
_VP9_ALPHA = Encoding("libvpx-vp9", "yuva420p", False, {**_VP9_OPTIONS, "auto-alt-ref": "0"})
_PRORES = Encoding("prores_ks", "yuva444p10le", False, {"profile": "4444", "alpha_bits": "16"})

CONTAINERS: Mapping[str, Container] = {
    ".mp4": Container(_H264, None, frozenset({"aac", "ac3", "alac", "eac3", "mp3"}), "aac"),
    ".mov": Container(
        _H264, _PRORES, frozenset({"aac", "ac3", "alac", "mp3", "pcm_s16le", "pcm_s24le"}), "aac"
    ),
    ".mkv": Container(_H264, None, None, "libopus"),
    ".webm": Container(_VP9, _VP9_ALPHA, frozenset({"opus", "vorbis"}), "libopus"),
}
"""Suffix -> container. The options aim at pictures without visible loss, at a fast setting."""


def container_for(path: Path) -> Container:
    """Return the container of an output file.

    Raises:
        OutputError: The suffix is unknown.
    """
    found = CONTAINERS.get(path.suffix.lower())
    if found is None:
        raise OutputError(
            f"{path}: videos are written as {', '.join(CONTAINERS)}; give a name with one of these "
            "suffixes"
        )
    return found


def has_alpha(path: Path) -> bool:
    """Return whether the container of an output file can be transparent."""
    return container_for(path).alpha is not None


def encoding_for(path: Path, alpha: bool) -> Encoding:
    """Return the encoding of the frames of an output file.

    Raises:
        OutputError: The suffix is unknown, or the container has no transparency.
    """
    container = container_for(path)
    if not alpha:
        return container.opaque
    if container.alpha is None:
        able = [suffix for suffix, each in CONTAINERS.items() if each.alpha]
        raise OutputError(
            f"{path}: {path.suffix} has no transparency; give a name that ends in "
            f"{' or '.join(able)}, or a colour: --background green"
        )
    return container.alpha
