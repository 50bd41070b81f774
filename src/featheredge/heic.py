"""HEIC images, which Pillow reads with the plug-in pi-heif."""

from typing import IO

from featheredge.extras import require

SUFFIXES = (".heic", ".heif")

_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def is_heic(file: IO[bytes]) -> bool:
    """Return whether a seekable file starts with a HEIC brand (ISO/IEC 23008-12)."""
    file.seek(0)
    head = file.read(12)
    return head[4:8] == b"ftyp" and head[8:12] in _BRANDS


def enable() -> None:
    """Register the plug-in, so that Pillow opens HEIC images.

    Raises:
        MissingExtraError: The plug-in is not installed.
    """
    require("heic", "reading HEIC images", "pi_heif")
    import pi_heif

    pi_heif.register_heif_opener()
