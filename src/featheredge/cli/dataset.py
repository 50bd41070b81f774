"""Data sets as arguments: a folder, also as bsds500:FOLDER."""

from pathlib import Path

from featheredge.errors import ArgumentError

_BSDS = "bsds500:"


def bsds_folder(text: str) -> Path:
    """Return the folder of a BSDS500 data set, given with or without its prefix."""
    return Path(text.removeprefix(_BSDS)).expanduser()


def mask_folder(text: str) -> Path:
    """Return the folder of a data set of masks.

    Raises:
        ArgumentError: It is given as BSDS500, which has boundaries.
    """
    if text.startswith(_BSDS):
        raise ArgumentError(
            f"{text} has boundaries, not masks; score edge maps on it: `featheredge eval edges`"
        )
    return Path(text).expanduser()
