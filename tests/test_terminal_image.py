"""Pictures in the terminal: each protocol is decoded again, as its document describes."""

import base64
import io
import os
import re
import threading
import time

import numpy as np
import pytest
from PIL import Image

from featheredge import terminal_image
from featheredge.terminal_image import detect, iterm2, kitty, link, preview, sixel


@pytest.fixture
def image() -> Image.Image:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 4, (23, 41, 4)).astype(np.uint8) * 85
    pixels[..., 3] = 255
    pixels[:4, :9, 3] = 0
    return Image.fromarray(pixels)


def test_kitty_sends_a_png_in_chunks():
    noise = np.random.default_rng(1).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    sequence = kitty(Image.fromarray(noise))
    parts = re.findall(r"\x1b_G([^;]*);([A-Za-z0-9+/=]*)\x1b\\", sequence)
    assert "".join(f"\x1b_G{keys};{text}\x1b\\" for keys, text in parts) == sequence
    keys = [dict(pair.split("=") for pair in text.split(",")) for text, _ in parts]
    assert keys[0] == {"a": "T", "f": "100", "q": "2", "m": "1"}
    assert [key["m"] for key in keys] == ["1"] * (len(parts) - 1) + ["0"]
    assert len(parts) > 2
    assert all(len(text) == 4096 for _, text in parts[:-1])
    content = base64.b64decode("".join(text for _, text in parts))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), noise)


def test_iterm2_sends_a_file(image):
    found = re.fullmatch(r"\x1b\]1337;File=([^:]*):(.*)\a", iterm2(image))
    assert found
    keys = dict(pair.split("=") for pair in found[1].split(";"))
    content = base64.b64decode(found[2])
    assert keys["inline"] == "1"
    assert keys["size"] == str(len(content))
    assert (keys["width"], keys["height"]) == ("41px", "23px")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), np.asarray(image))


def decode_sixel(sequence: str) -> np.ndarray:
    """Slow: the pixels of a sixel image, (H, W, 3) percent, -1 where nothing is drawn."""
    found = re.fullmatch(r'\x1bP0;1q"1;1;(\d+);(\d+)(.*)\x1b\\', sequence)
    assert found
    width, height = int(found[1]), int(found[2])
    drawn = np.full((height + 6, width, 3), -1)
    colours: dict[int, tuple[int, ...]] = {}
    colour = column = band = 0
    for token in re.findall(r"#\d+;2;\d+;\d+;\d+|#\d+|!\d+[?-~]|[?-~]|\$|-", found[3]):
        if token.startswith("#"):
            numbers = [int(number) for number in token[1:].split(";")]
            colour = numbers[0]
            if len(numbers) > 1:
                colours[colour] = tuple(numbers[2:])
        elif token in "$-":
            column, band = 0, band + 6 * (token == "-")
        else:
            count = int(token[1:-1]) if token.startswith("!") else 1
            for _ in range(count):
                for bit in range(6):
                    if ord(token[-1]) - 63 >> bit & 1:
                        drawn[band + bit, column] = colours[colour]
                column += 1
            assert column <= width
    assert (drawn[height:] == -1).all()
    return drawn[:height]


def test_sixel_draws_every_pixel_in_its_colour(image):
    drawn = decode_sixel(sixel(image))
    pixels = np.asarray(image)
    clear = pixels[..., 3] == 0
    assert (drawn[clear] == -1).all()
    np.testing.assert_allclose(drawn[~clear], pixels[~clear][:, :3] / 2.55, atol=1)


def test_sixel_repeats_are_short():
    assert len(sixel(Image.new("RGB", (600, 6), "red"))) < 60


def test_a_link_has_the_path(tmp_path):
    uri = (tmp_path / "a b.png").as_uri()
    assert link(tmp_path / "a b.png") == f"\x1b]8;;{uri}\x1b\\{uri}\x1b]8;;\x1b\\"
    assert preview(tmp_path / "a b.png", None) == uri  # standard output is no terminal here


def test_a_preview_is_small(tmp_path):
    path = tmp_path / "large.png"
    Image.new("L", (3000, 1000), 90).save(path)
    found = re.search(r"width=(\d+)px;height=(\d+)px", preview(path, "iterm2"))
    assert found
    assert found.groups() == (str(terminal_image.MAX_PX), "213")
    assert preview(path.with_suffix(".svg"), "kitty").startswith("file:")


def unasked(question: str, last: str) -> str:
    raise AssertionError("the environment is enough")


@pytest.mark.parametrize(
    ("environ", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM_PROGRAM": "WezTerm"}, "iterm2"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, None),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, None),
        ({"TERM": "dumb"}, None),
    ],
)
def test_the_environment_tells(environ, protocol):
    assert detect(environ, unasked) == protocol


@pytest.mark.parametrize(
    ("answer", "protocol"),
    [("\x1b[?62;4;6c", "sixel"), ("\x1b[?64;1;2c", None), ("\x1b[?4c", None), ("", None)],
)  # fmt: skip
def test_other_terminals_are_asked_for_their_attributes(answer, protocol):
    asked = []
    assert detect({"TERM": "xterm"}, lambda *query: asked.append(query) or answer) == protocol
    assert asked == [("\x1b[c", "c")]


def answered(answer: bytes, timeout_s: float) -> tuple[str, bytes]:
    """Ask a pseudo-terminal, whose other end gives this answer; also what it was asked."""
    pty = pytest.importorskip("pty")
    other, terminal = pty.openpty()
    received = []

    def terminal_program() -> None:
        received.append(os.read(other, 100))
        os.write(other, answer)

    thread = threading.Thread(target=terminal_program)
    thread.start()
    try:
        from featheredge.terminal_query import ask

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp())  # the test has no terminal
            return ask(terminal, "\x1b[c", "c", timeout_s), received[0]
    finally:
        thread.join()
        os.close(other)
        os.close(terminal)


def test_a_terminal_answers():
    assert answered(b"\x1b[?62;4c", 5) == ("\x1b[?62;4c", b"\x1b[c")


def test_a_silent_terminal_is_not_waited_for():
    started = time.monotonic()
    assert answered(b"\x1b[?62", 0.05)[0] == ""
    assert time.monotonic() - started < 4
