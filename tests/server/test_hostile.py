"""Hostile requests: every answer is a 4xx with a sentence, never a 500."""

import io
import struct
import zlib

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from PIL import Image

from serving import encoded, pixels_of, post, request, sentence

FORM = "multipart/form-data; boundary=edge"


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG file with this header, whatever its chunks hold."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def form(*parts: tuple[bytes, bytes], end: bytes = b"--edge--\r\n") -> bytes:
    """A form with these headers and contents."""
    return b"".join(b"--edge\r\n%b\r\n\r\n%b\r\n" % part for part in parts) + end


def named(name: str) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"; filename="x.png"'.encode()


BOMB = zlib.compress(bytes(50_000_000), 9)


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        (b"", 400, "empty"),
        (b"\x89", 415, "not a picture"),
        (b"GIF", 415, "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9", 415, "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "not a picture"),
        (b"\xff\xd8\xff", 422, "not an image"),
        (png(60_000, 60_000, chunk(b"IDAT", BOMB)), 422, "over the limit"),
        (png(0x7FFFFFFF, 0x7FFFFFFF), 422, "over the limit"),
        (png(0, 5), 422, ""),
        (png(40, 40, chunk(b"IDAT", zlib.compress(b"short"))), 422, "damaged"),
        (png(40, 40, chunk(b"zTXt", b"a\0\0" + BOMB)), 422, "damaged"),
        (b"P6 100000 100000 255\n", 422, "over the limit"),
        (b"BM" + bytes(60), 422, ""),
        (b"x" * 1_000_001, 413, "limit of 1 MB"),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, bytes) else str(value),
)
def test_a_bad_body_is_refused(app, body, status, expected):
    assert expected in sentence(post(app, "/v1/edges", body), status)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_truncated_picture_is_refused(app, noise, format):
    whole = encoded(noise(40, 40), format)
    assert pixels_of(post(app, "/v1/edges", whole)).shape == (40, 40)
    for length in (len(whole) // 2, len(whole) // 9):
        sentence(post(app, "/v1/edges", whole[:length]), 422)


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        (form((named("image"), b"x" * 9)), 415, "not a picture"),
        (form((named("picture"), b"x")), 400, "its parts are: 'picture'"),
        (form((named("image"), b"x"), (named("image"), b"y")), 400, "two parts"),
        (form(*[(named(f"p{i}"), b"") for i in range(10_000)]), 400, "more than 8 parts"),
        (form((named("image"), b"x"), end=b""), 400, "closing boundary"),
        (form((b"X: " + b"y" * 9000, b"x")), 400, "cannot be read"),
        (form((b"\0\xff", b"x")), 400, "cannot be read"),
        (form((b"Content-Type: image/png", b"x")), 400, "no part called image"),
        (b"--wrong\r\n\r\n\r\n--wrong--", 400, ""),
        (b"\r\n" * 400_000, 400, ""),
        (b"--edge\r\n" + named("image") + b"\r\n\r\n" + b"\r\n--edg" * 100_000, 400, "closing"),
    ],
)
def test_a_bad_form_is_refused(app, body, status, expected):
    assert expected in sentence(post(app, "/v1/edges", body, content_type=FORM), status)


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        f"multipart/form-data; boundary={'b' * 5000}",
        'multipart/form-data; boundary="',
        "multipart/form-data; boundary*=utf-16''%ff%fe",
    ],
)
def test_a_bad_boundary_is_refused(app, content_type):
    body = form((named("image"), b"x"))
    sentence(post(app, "/v1/edges", body, content_type=content_type), 400)


def test_a_stated_type_does_not_hide_a_picture(app, pixels):
    for content_type in ("text/html", "application/x-www-form-urlencoded", "", "image/jpeg; a=;"):
        assert pixels_of(post(app, "/v1/edges", encoded(pixels), content_type=content_type)).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (3, 5)])
def test_a_tiny_picture_has_a_map(app, noise, size):
    for verb in ("edges", "edges?thin=1", "saliency", "saliency?refine=1"):
        assert pixels_of(post(app, f"/v1/{verb}", encoded(noise(*size)))).shape == size


@pytest.mark.parametrize(
    "path",
    [
        "/%00",
        "/..%2f..%2fpyproject.toml",
        "/reference/../../app.py",
        "/reference/%2e%2e/app.py",
        "/reference/..%5c..%5capp.py",
        "/reference//etc/passwd",
        "/models/..%2f..%2fcatalog.py",
        "/models/%00.onnx",
        "/" + "a" * 5000,
        "/reference/" + "a" * 300,
        "/reference/%00",
        "/%ff%fe",
        "/v1/%2e%2e",
    ],
)
def test_a_path_trick_finds_nothing(app, path):
    sentence(request(app, "GET", path), 404)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "NONSENSE"])
def test_other_methods_are_refused(app, method):
    sentence(request(app, method, "/v1/edges"), 405)


lenient = examples(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@lenient
@given(body=st.binary(max_size=300), content_type=st.sampled_from(["", "image/png", FORM]))
def test_random_bytes_never_fail_the_server(app, body, content_type):
    answer = post(app, "/v1/cutout", body, content_type=content_type)
    assert sentence(answer, answer.status_code)
    assert 400 <= answer.status_code < 500


@lenient
@given(
    format=st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"]),
    edits=st.lists(st.tuples(st.integers(0, 3000), st.binary(min_size=1, max_size=4)), max_size=6),
    as_form=st.booleans(),
)
def test_damaged_pictures_never_fail_the_server(app, pixels, format, edits, as_form):
    body = encoded(pixels, format)
    body = form((named("image"), body)) if as_form else body
    for position, replacement in edits:
        body = body[: position % len(body)] + replacement + body[position % len(body) + 2 :]
    answer = post(app, "/v1/edges", body, content_type=FORM if as_form else "")
    if answer.status_code == 200:
        assert Image.open(io.BytesIO(answer.content)).mode == "L"
    else:
        assert sentence(answer, answer.status_code)
        assert answer.status_code < 500


@lenient
@given(query=st.text(max_size=60), accept=st.text(st.characters(max_codepoint=255), max_size=40))
def test_random_parameters_never_fail_the_server(app, pixels, query, accept):
    answer = request(
        app,
        "POST",
        "/v1/cutout",
        params={"background": query, "model": query},
        content=encoded(pixels),
        headers={"accept": "".join(c for c in accept if c.isprintable()).encode("latin-1")},
    )
    assert answer.status_code in (200, 406, 422)


def test_nothing_stays_in_memory_after_refusals(make_app):
    app = make_app()
    for body in (b"x" * 1_000_001, b"x", b""):
        post(app, "/v1/edges", body)
    assert "featheredge_held_bytes 0.0" in request(app, "GET", "/metrics").text
