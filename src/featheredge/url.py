"""Addresses of pictures, and the names of the files that are made from them."""

import posixpath
import re
import urllib.parse
from dataclasses import dataclass


@dataclass(frozen=True)
class Url:
    """The address of a picture.

    Attributes:
        text: The address, beginning with http:// or https://.
    """

    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def name(self) -> str:
        """The last part of its path, without characters that file names cannot have."""
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.text).path)
        name = re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", posixpath.basename(path)).lstrip(".")
        return name or "image"

    @property
    def stem(self) -> str:
        """Its name without the suffix."""
        return posixpath.splitext(self.name)[0]


def is_url(text: str) -> bool:
    """Return whether an input is the address of a picture that can be downloaded."""
    return text.lower().startswith(("http://", "https://"))
