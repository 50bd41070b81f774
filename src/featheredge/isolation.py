"""Decode pictures in processes of their own, with limits on memory and time.

A picture that crashes its decoder, or makes it use all memory or run without end, then ends a
worker process and not the batch. The worker sends back pixels, so that only raw RGB values of a
checked size enter this process.

A worker is `python -m featheredge.isolation`. It reads requests from standard input and writes
answers to standard output, both in binary; it ends when its standard input is closed, which also
happens when its parent is killed.

Shapes: `H W` pixels.
"""

import io
import os
import queue
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO

from featheredge.animation import read_frames
from featheredge.errors import FeatheredgeError, ImageError
from featheredge.image import MAX_MEGAPIXELS, load, open_image
from featheredge.inputs import PictureFile

MAX_SECONDS = 60.0
"""Time limit for one picture."""

WORKER = ("-m", "featheredge.isolation")
"""What Python runs as a worker."""

_BASE_MEGABYTES = 700  # Python, numpy and Pillow with all decoders, in addresses
_BYTES_PER_PIXEL = 24  # the file's planes, the picture with transparency on white, and a copy
_REQUEST = struct.Struct("<d?IQ")  # megapixels, whether frames are wanted, sizes of name and file
_ANSWER = struct.Struct("<?II")  # whether it worked, and height and width or the size of a message
_MAX_MESSAGE = 2000


class IsolatedDecoder:
    """Decodes pictures as `featheredge.load_image` does, in worker processes.

    It may be called from several threads; each call has a worker for itself. Close it at the end,
    or use it in a `with` statement.
    """

    def __init__(
        self,
        *,
        max_megapixels: float = MAX_MEGAPIXELS,
        frames: bool = False,
        max_seconds: float = MAX_SECONDS,
        max_megabytes: float | None = None,
    ) -> None:
        """Set the limits; workers start when they are needed.

        Args:
            max_megapixels: Larger pictures are refused.
            frames: Whether all frames of animations are wanted. They are not supported here, so
                animations are refused, instead of losing their frames silently.
            max_seconds: Time limit for one picture.
            max_megabytes: Limit of a worker's memory (of its addresses, on Linux; not enforced on
                Windows and macOS). Default: enough for pictures of `max_megapixels`.
        """
        self._max_megapixels, self._frames, self._max_seconds = max_megapixels, frames, max_seconds
        pixels_mb = min(max_megapixels, 1e6) * _BYTES_PER_PIXEL
        self._max_megabytes = max_megabytes or _BASE_MEGABYTES + pixels_mb
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()

    def __enter__(self) -> "IsolatedDecoder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all idle workers."""
        with suppress(queue.Empty):
            while True:
                _end(self._idle.get_nowait())

    def __call__(self, picture: PictureFile) -> PictureFile:
        """Decode a picture.

        Args:
            picture: The content of a file.

        Returns:
            A file of the decoded picture, in the simplest of formats (PPM, 8-bit RGB).

        Raises:
            ImageError: The file is no picture or an animation, or its decoder crashed or exceeded
                a limit.
        """
        try:
            worker = self._idle.get_nowait()
        except queue.Empty:
            worker = self._start()
        is_late = threading.Event()

        def stop() -> None:
            is_late.set()
            worker.kill()

        timer = threading.Timer(self._max_seconds, stop)
        timer.start()
        try:
            answer = self._ask(worker, picture)
        except (OSError, EOFError) as error:
            cause = self._cause(worker, is_late.is_set())
            raise ImageError(f"{picture.name}: {cause}") from error
        except BaseException:
            _end(worker)
            raise
        finally:
            timer.cancel()
        if is_late.is_set():  # too late for this picture; the worker is not used again
            _end(worker)
        else:
            self._idle.put(worker)
        if isinstance(answer, str):
            raise ImageError(answer)
        return PictureFile(answer, picture.name)

    def _start(self) -> subprocess.Popen[bytes]:
        # Libraries that compute in threads reserve addresses for each of them.
        quiet = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        return subprocess.Popen(
            [sys.executable, *WORKER, f"{self._max_megabytes:.0f}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **quiet},
            start_new_session=True,  # Ctrl-C is for the parent, which then closes the pipe
        )

    def _ask(self, worker: subprocess.Popen[bytes], picture: PictureFile) -> bytes | str:
        """Send a picture; return a PPM file, or the message of an error."""
        assert worker.stdin is not None
        assert worker.stdout is not None
        content, name = picture.getvalue(), picture.name.encode("utf-8", "surrogateescape")
        head = _REQUEST.pack(self._max_megapixels, self._frames, len(name), len(content))
        for part in (head, name, content):
            worker.stdin.write(part)
        worker.stdin.flush()
        worked, height, width = _ANSWER.unpack(_exactly(worker.stdout, _ANSWER.size))
        if not worked:
            return _exactly(worker.stdout, min(height, _MAX_MESSAGE)).decode("utf-8", "replace")
        if height * width > self._max_megapixels * 1e6:
            raise EOFError
        return b"P6\n%d %d\n255\n" % (width, height) + _exactly(worker.stdout, height * width * 3)

    def _cause(self, worker: subprocess.Popen[bytes], is_late: bool) -> str:
        """End a worker that did not answer, and say why it did not."""
        _end(worker)
        if is_late:
            return f"its decoder was stopped after the limit of {self._max_seconds:g} s"
        return (
            f"its decoder crashed (exit code {worker.returncode}), or needed more than "
            f"{self._max_megabytes:.0f} MB of memory; the file may be damaged"
        )


def _end(worker: subprocess.Popen[bytes]) -> None:
    """Kill a worker and close its pipes."""
    worker.kill()
    with suppress(OSError):  # what was not sent can no longer be sent
        worker.communicate()


def _exactly(stream: IO[bytes], size: int) -> bytes:
    """Read exactly this many bytes.

    Raises:
        EOFError: The stream ends before.
    """
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _work(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    while head := requests.read(_REQUEST.size):
        max_megapixels, frames, len_name, len_content = _REQUEST.unpack(head)
        name = _exactly(requests, len_name).decode("utf-8", "surrogateescape")
        picture = PictureFile(_exactly(requests, len_content), name)
        try:
            if frames and read_frames(open_image(picture, name), name, max_megapixels):
                raise ImageError(f"{name}: is an animation; with --isolate, add --frames first")
            picture.seek(0)
            pixels = load(picture, max_megapixels=max_megapixels)
            parts = [_ANSWER.pack(True, *pixels.shape[:2]), pixels.tobytes()]
        except (FeatheredgeError, MemoryError) as error:
            parts = _failure(error, name)
        for part in parts:
            answers.write(part)
        answers.flush()


def _failure(error: BaseException, name: str) -> list[bytes]:
    if isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError):
        error = ImageError(f"{name}: its decoder needs more than its limit of memory")
    message = str(error).encode("utf-8", "replace")[:_MAX_MESSAGE]
    return [_ANSWER.pack(False, len(message), 0), message]


def _limit_memory(megabytes: int) -> None:
    """Limit the memory of this process, where the system can."""
    if sys.platform == "linux":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = megabytes * 1_000_000
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _main() -> None:
    _limit_memory(int(sys.argv[1]))
    # Decoders that print do not disturb the answers.
    answers = io.open(os.dup(1), "wb")  # noqa: UP020, SIM115
    os.dup2(2, 1)
    with suppress(EOFError, BrokenPipeError):
        _work(sys.stdin.buffer, answers)


if __name__ == "__main__":
    _main()
