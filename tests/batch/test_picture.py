"""One picture from file to file: damaged files are errors of ours, notes of frames are joined."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from featheredge.batch import Drawn, PictureWork
from featheredge.errors import FeatheredgeError
from featheredge.image import load
from featheredge.inputs import PictureFile
from featheredge.output_format import OutputFormat


def grey(image) -> Drawn:
    return Drawn(Image.fromarray(load(image)).convert("L"))


def animation(format: str) -> bytes:
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "lime", "blue")]
    exif = Image.Exif()
    exif[315] = "Ada"
    file = io.BytesIO()
    if format == "JPEG":
        frames[0].save(file, format, exif=exif)
    else:
        options = {"exif": exif} if format != "GIF" else {}
        frames[0].save(file, format, save_all=True, append_images=frames[1:], **options)
    return file.getvalue()


WHOLE = {format: animation(format) for format in ("GIF", "WEBP", "PNG", "JPEG", "TIFF")}


@pytest.mark.parametrize("format", WHOLE)
@settings(max_examples=40)
@given(data=st.data())
def test_a_damaged_file_is_an_error_of_ours(format, data):
    content = bytearray(WHOLE[format])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    length = data.draw(st.integers(0, len(content)))
    work = PictureWork(grey, OutputFormat("webp"), keep_metadata=True, max_megapixels=0.1)
    try:
        outcome = work(PictureFile(bytes(content[:length]), "a.gif")).content
    except FeatheredgeError as error:
        outcome = str(error).encode()
    assert outcome.startswith((b"RIFF", b"a.gif"))


def test_notes_of_frames_are_joined():
    shown = iter([3, 1, 2])

    def draw(image) -> Drawn:
        number = next(shown)
        return Drawn(grey(image).image, {"dropped_parts": number, "confidence": number / 10})

    output = PictureWork(draw)(PictureFile(WHOLE["GIF"], "a.gif"))
    assert output.notes == {"frames": 3, "dropped_parts": 6, "confidence": 0.1}


def test_the_content_of_a_file_is_written_unchanged():
    work = PictureWork(lambda _: Drawn(b"<svg/>", {"paths": 2}))
    assert work(PictureFile(WHOLE["JPEG"], "a.jpg")) == (b"<svg/>", {"paths": 2}, None)
    with pytest.raises(FeatheredgeError, match=r"a\.gif, frame 1: .*add --frames first"):
        work(PictureFile(WHOLE["GIF"], "a.gif"))


def test_the_first_frame_alone():
    output = PictureWork(grey, frames="first")(PictureFile(WHOLE["GIF"], "a.gif"))
    image = Image.open(io.BytesIO(output.content))
    assert getattr(image, "n_frames", 1) == 1
    np.testing.assert_array_equal(np.asarray(image)[0, 0], 76)
