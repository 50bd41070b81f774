"""Uploads: the picture in a body, sent raw or as a part of a form (multipart/form-data)."""

from typing import TYPE_CHECKING

from fastapi import HTTPException
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_PARTS = 8
_MAX_PART_HEADER_BYTES = 4096

IMAGE_PART = ("image", "file")
"""Names of the part with the picture. `file` is what clients of rembg send."""

_FORM = b"multipart/form-data"

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (8, b"WEBP", "WebP"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypavis", "AVIF"),
    (4, b"ftypheic", "HEIC"),
    (4, b"ftypheix", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (4, b"ftypmsf1", "HEIC"),
    (0, b"P5", "PGM"),
    (0, b"P6", "PPM"),
)


def picture_in(body: bytes, content_type: str) -> bytes:
    """Return the file of the picture in a body.

    The content decides what it is, not the stated type: clients often send pictures as
    application/octet-stream. Formats that are rare and have a history of unsafe readers, such as
    EPS, are refused.

    Args:
        body: The whole body of the request.
        content_type: The Content-Type header.

    Raises:
        HTTPException: 400 for a form that cannot be read, 415 if it is not a picture.
    """
    kind, options = parse_options_header(content_type)
    if kind == _FORM:
        body = _part(body, options.get(b"boundary", b""))
    if not any(body.startswith(mark, at) for at, mark, _ in _SIGNATURES):
        formats = ", ".join(dict.fromkeys(name for *_, name in _SIGNATURES))
        raise HTTPException(
            415, f"the {len(body)} bytes received are not a picture; expected one of {formats}"
        )
    return body


def _part(body: bytes, boundary: bytes) -> bytes:
    """Return the content of the form's picture.

    Raises:
        HTTPException: 400 if the form is damaged, has too many parts or no picture.
    """
    if not boundary:
        raise HTTPException(400, "the Content-Type header of the form has no boundary")
    parts = _Parts()
    try:
        parser = MultipartParser(
            boundary, parts.callbacks(), max_header_size=_MAX_PART_HEADER_BYTES
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise HTTPException(400, f"the form cannot be read: {error}") from error
    if not parts.ended:
        raise HTTPException(400, "the form ends before its closing boundary")
    for name in IMAGE_PART:
        if name in parts.contents:
            return bytes(parts.contents[name])
    found = ", ".join(repr(name[:40]) for name in parts.contents) or "none"
    raise HTTPException(400, f"the form has no part called image; its parts are: {found}")


class _Parts:
    """Collects the parts of a form, at most `MAX_PARTS`, by name."""

    def __init__(self) -> None:
        self.contents: dict[str, bytearray] = {}
        self.ended = False
        self._num = 0
        self._field, self._value = bytearray(), bytearray()
        self._disposition = b""
        self._content = bytearray()

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._named,
            "on_part_data": lambda data, start, end: self._content.extend(data[start:end]),
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._num += 1
        if self._num > MAX_PARTS:
            raise HTTPException(400, f"the form has more than {MAX_PARTS} parts; send one picture")
        self._disposition = b""

    def _header_end(self) -> None:
        if bytes(self._field).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _named(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name in self.contents:
            raise HTTPException(400, f"the form has two parts called {name[:40]!r}; send one")
        self._content = self.contents[name] = bytearray()

    def _end(self) -> None:
        self.ended = True
