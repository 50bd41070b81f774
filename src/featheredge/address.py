"""Addresses of files and folders on file systems that fsspec knows, such as s3://bucket/photos."""

import errno
import re
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, TypeAlias

_FORM = re.compile(r"(?!https?:)[a-z][a-z0-9+.-]+://", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """A file or folder that is read and written with fsspec; it has the names of a path.

    Attributes:
        text: The address: s3://bucket/photos/hill.jpg, gs://..., memory://...
    """

    text: str

    def __str__(self) -> str:
        return self.text

    def __truediv__(self, below: str | PurePath) -> "Address":
        below = PurePath(below).as_posix()
        return self if below == "." else Address(f"{self.text.rstrip('/')}/{below}")

    @property
    def name(self) -> str:
        """The last part."""
        return PurePosixPath(self.text).name

    @property
    def stem(self) -> str:
        """The last part without its suffix."""
        return PurePosixPath(self.text).stem

    @property
    def suffix(self) -> str:
        """The end of the last part, with its dot."""
        return PurePosixPath(self.text).suffix

    def with_name(self, name: str) -> "Address":
        """Return the address of another file in the same folder."""
        return Address(f"{self.text.removesuffix(self.name)}{name}")

    def file_system(self) -> tuple[Any, str]:
        """Return fsspec's file system and the name of the file in it.

        The environment has the settings of file systems, such as AWS_ENDPOINT_URL.

        Raises:
            OSError: No installed package knows the address.
        """
        from fsspec.core import url_to_fs

        try:
            system, path = url_to_fs(self.text)
        except (ImportError, ValueError) as error:
            raise OSError(errno.EPROTONOSUPPORT, str(error)) from error
        return system, path

    def read_bytes(self, start: int | None = None, end: int | None = None) -> bytes:
        """Return the content of the file, from byte `start` to before byte `end`.

        Raises:
            OSError: The file cannot be read.
        """
        system, path = self.file_system()
        try:
            content: bytes = system.cat_file(path, start=start, end=end)
        except OSError:
            raise
        except Exception as error:  # the errors of file systems have no common class
            raise OSError(errno.EIO, str(error)) from error
        return content

    def write_bytes(self, content: bytes) -> None:
        """Write the file; in object stores it is there whole or not at all.

        Raises:
            OSError: The file cannot be written.
        """
        system, path = self.file_system()
        try:
            system.pipe_file(path, content)
        except OSError:
            raise
        except Exception as error:
            raise OSError(errno.EIO, str(error)) from error


Place: TypeAlias = Path | Address
"""A file or folder, on a disk of this machine or elsewhere."""


def is_address(text: str) -> bool:
    """Return whether a text is an address; one of http:// or https:// is a URL instead."""
    return _FORM.match(text) is not None


def place(text: str) -> Place:
    """Return the file or folder that a text names; file:// addresses are paths."""
    if text.lower().startswith("file://"):
        return Path(text[len("file://") :])
    return Address(text) if is_address(text) else Path(text)
