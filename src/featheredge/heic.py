"""HEIC pictures, the format of phone cameras; Pillow reads them with a plug-in."""

from typing import IO

from featheredge.extras import require

SUFFIXES = (".heic", ".heif")

_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def is_heic(file: IO[bytes]) -> bool:
    """Return whether a seekable file begins as a HEIC picture does (ISO/IEC 23008-12, brands)."""
    file.seek(0)
    head = file.read(12)
    return head[4:8] == b"ftyp" and head[8:12] in _BRANDS


def enable() -> None:
    """Teach Pillow to open HEIC pictures.

    Raises:
        MissingExtraError: The plug-in is not installed.
    """
    require("heic", "reading HEIC pictures", "pi_heif")
    import pi_heif

    pi_heif.register_heif_opener()
