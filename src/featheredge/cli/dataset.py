"""Data set arguments: FOLDER or bsds500:FOLDER."""

from pathlib import Path

from featheredge.errors import ArgumentError

_BSDS = "bsds500:"


def bsds_folder(text: str) -> Path:
    """Return the folder of a BSDS500 data set; the prefix is optional."""
    return Path(text.removeprefix(_BSDS)).expanduser()


def mask_folder(text: str) -> Path:
    """Return the folder of a data set of masks.

    Raises:
        ArgumentError: The argument has the prefix of BSDS500, which has boundaries.
    """
    if text.startswith(_BSDS):
        raise ArgumentError(
            f"{text} has boundaries, not masks; to score edge maps, type `featheredge eval edges`"
        )
    return Path(text).expanduser()
