"""Download of pictures over HTTP, with limits on size, time, redirects and addresses.

Addresses that are not public (loopback, private networks, link-local) are refused by default, so
that a list of URLs from elsewhere cannot read from services inside a network. The address is
checked again on the open connection, before the request is sent. Proxies are not used.
"""

import http.client
import ipaddress
import posixpath
import re
import socket
import ssl
import time
import urllib.parse
from dataclasses import dataclass

from featheredge.errors import ImageError

MAX_MEGABYTES = 50
MAX_SECONDS = 30
MAX_REDIRECTS = 3

_REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK = 1 << 16


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
    """Return whether an input is the address of a picture that `fetch` can download."""
    return text.lower().startswith(("http://", "https://"))


def fetch(url: Url, *, allow_private: bool = False) -> bytes:
    """Download a picture.

    Args:
        url: The address.
        allow_private: Whether loopback, private and link-local addresses are allowed.

    Returns:
        The bytes of the answer, at most `MAX_MEGABYTES`.

    Raises:
        ImageError: The address is not allowed, a limit is exceeded, or the server gives no
            picture; the message names the address and the cause.
    """
    deadline = time.monotonic() + MAX_SECONDS
    address = url.text
    try:
        for _ in range(MAX_REDIRECTS + 1):
            body, address = _request(address, allow_private, deadline)
            if body is not None:
                return body
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        cause = "the server does not answer" if isinstance(error, TimeoutError) else error
        raise ImageError(f"{url}: cannot be downloaded: {cause}") from error
    except ValueError as error:  # ours, and those of a malformed address
        raise ImageError(f"{url}: {error}") from error
    raise ImageError(f"{url}: more than {MAX_REDIRECTS} redirects; give the final address")


def _request(address: str, allow_private: bool, deadline: float) -> tuple[bytes | None, str]:
    """Send one request; return the body, or None and the address of the redirect."""
    parts = urllib.parse.urlsplit(address)
    connection = _connect(parts, allow_private, _remaining(deadline))
    try:
        target = urllib.parse.quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        query = f"?{parts.query}" if parts.query else ""
        headers = {"User-Agent": "featheredge", "Accept": "image/*", "Connection": "close"}
        connection.request("GET", target + query, headers=headers)
        answer = connection.getresponse()
        if answer.status in _REDIRECTS and (location := answer.getheader("Location")):
            return None, urllib.parse.urljoin(address, location)
        if answer.status != http.client.OK:
            raise ValueError(f"the server answers {answer.status} {answer.reason}")
        return _body(answer, connection, deadline), address
    finally:
        connection.close()


def _connect(
    parts: urllib.parse.SplitResult, allow_private: bool, timeout_s: float
) -> http.client.HTTPConnection:
    """Open a connection to an allowed address."""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{parts.geturl()} is not an http:// or https:// address")
    if parts.username or parts.password:
        raise ValueError("addresses with a user name or password are not supported")
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=timeout_s, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
    if not allow_private:
        for found in socket.getaddrinfo(parts.hostname, connection.port, type=socket.SOCK_STREAM):
            _refuse_private(parts.hostname, str(found[4][0]))
    connection.connect()
    if not allow_private:  # the name may have been resolved differently a moment ago
        _refuse_private(parts.hostname, connection.sock.getpeername()[0])
    return connection


def _refuse_private(host: str, address: str) -> None:
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    if not (mapped or ip).is_global or ip.is_multicast:
        raise ValueError(
            f"{host} is {address}, not a public address; add --allow-private-urls to allow it"
        )


def _body(
    answer: http.client.HTTPResponse, connection: http.client.HTTPConnection, deadline: float
) -> bytes:
    """Read the body piece by piece, within the limits."""
    limit = MAX_MEGABYTES * 1_000_000
    size = answer.getheader("Content-Length", "")
    pieces: list[bytes] = []
    num_bytes = int(size) if size.isdecimal() else 0
    while num_bytes <= limit:
        if connection.sock is not None:  # None when the answer ends the connection
            connection.sock.settimeout(_remaining(deadline))
        _remaining(deadline)
        piece = answer.read1(_CHUNK)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        num_bytes = sum(map(len, pieces))
    raise ValueError(
        f"over the limit of {MAX_MEGABYTES} MB; download the file yourself and give its path"
    )


def _remaining(deadline: float) -> float:
    """Return the seconds that are left."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise ValueError(f"took longer than the limit of {MAX_SECONDS} s")
    return left
