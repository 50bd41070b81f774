"""The answers of the endpoints: the same pixels as the library's, in the format that is asked."""

import io
import json
import re

import numpy as np
import pytest
from PIL import Image

import featheredge
from featheredge.compose import refine_subject
from featheredge.looks import contours_svg
from featheredge.png import quantise
from serving import encoded, pixels_of, post, request, sentence


def test_edges_are_those_of_the_library(app, pixels, toy_onnx):
    map = featheredge.edges(pixels, model=toy_onnx)
    assert np.array_equal(pixels_of(post(app, "/v1/edges", encoded(pixels))), quantise(map))
    thin = featheredge.binarise(featheredge.thin(map), 0.25)
    answer = post(app, "/v1/edges?thin=true&threshold=0.25", encoded(pixels))
    assert np.array_equal(pixels_of(answer), quantise(thin))


def test_saliency_is_that_of_the_library(app, pixels, toy_saliency_onnx):
    map = featheredge.saliency(pixels, model=toy_saliency_onnx)
    assert np.array_equal(pixels_of(post(app, "/v1/saliency", encoded(pixels))), quantise(map))
    refined = refine_subject(pixels, map, 0.4)
    answer = post(app, "/v1/saliency?refine=true&threshold=0.4", encoded(pixels))
    assert np.array_equal(pixels_of(answer), quantise(featheredge.binarise(refined, 0.4)))
    answer = post(app, "/v1/saliency?refine=true", encoded(pixels))
    assert np.array_equal(pixels_of(answer), quantise(featheredge.subject_mask(pixels, map)))


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", {}),
        ("?crop=1&margin=0.2", {"crop": True, "margin": 0.2}),
        ("?background=%2300ff00", {"background": (0, 255, 0)}),
        ("?background=white&threshold=0.3", {"background": "white", "threshold": 0.3}),
        ("?background=blur&subject=largest", {"background": "blur", "subject": "largest"}),
    ],
)
def test_cutout_is_that_of_the_library(app, pixels, toy_saliency_onnx, query, options):
    expected = featheredge.cutout(pixels, model=toy_saliency_onnx, **options)
    assert np.array_equal(pixels_of(post(app, f"/v1/cutout{query}", encoded(pixels))), expected)


@pytest.mark.parametrize("part", ["image", "file"])
def test_a_form_gives_the_same_as_a_raw_body(app, pixels, part):
    raw = post(app, "/v1/edges", encoded(pixels, "JPEG"), content_type="image/jpeg")
    files = {"note": (None, "hello"), part: ("photo.jpg", encoded(pixels, "JPEG"))}
    form = request(app, "POST", "/v1/edges", files=files)
    assert np.array_equal(pixels_of(form), pixels_of(raw))


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "png"),
        ("*/*", "png"),
        ("image/*", "png"),
        ("image/webp", "webp"),
        ("image/png;q=0.2, image/webp;q=0.9", "webp"),
        ("image/webp;q=0, */*", "png"),
        ("text/html, image/webp;q=nonsense, image/*;q=0.1", "png"),
        ("IMAGE/WEBP", "webp"),
    ],
)
def test_accept_chooses_the_format(app, pixels, accept, expected):
    answer = post(app, "/v1/saliency", encoded(pixels), accept=accept)
    assert answer.headers["content-type"] == f"image/{expected}"
    assert answer.headers["vary"] == "Accept"
    assert Image.open(io.BytesIO(answer.content)).format == expected.upper()
    png = pixels_of(post(app, "/v1/saliency", encoded(pixels)))
    pixels = np.asarray(Image.open(io.BytesIO(answer.content)).convert("L"))
    assert np.array_equal(pixels, png)  # maps are stored without loss in every format


def test_cutout_as_webp_keeps_the_opacities(app, pixels):
    png = pixels_of(post(app, "/v1/cutout", encoded(pixels)))
    webp = pixels_of(post(app, "/v1/cutout", encoded(pixels), accept="image/webp"))
    assert np.array_equal(webp[..., 3], png[..., 3])


def test_edges_as_svg_are_the_contours_of_the_library(app, pixels, toy_onnx):
    map = featheredge.edges(pixels, model=toy_onnx)
    answer = post(app, "/v1/edges?threshold=0.4", encoded(pixels), accept="image/svg+xml")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert answer.text == contours_svg(map, 0.4)
    assert "<path" in answer.text


@pytest.mark.parametrize("accept", ["image/svg+xml", "image/jpeg", "text/html"])
def test_a_format_that_is_not_possible(app, pixels, accept):
    detail = sentence(post(app, "/v1/cutout", encoded(pixels), accept=accept), 406)
    assert "image/png or image/webp" in detail


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("edges?threshold=0", "threshold is '0'"),
        ("edges?threshold=nan", "threshold is 'nan'"),
        ("edges?treshold=0.3", "did you mean threshold"),
        ("edges?zzz=1", "expected one of threshold, thin, model"),
        ("edges?thin=maybe", "thin is 'maybe'"),
        ("edges?model=bright", "expected one of toy"),
        ("edges?model=/etc/passwd.onnx", "expected one of toy"),
        ("cutout?background=/etc/passwd", "expected a colour"),
        ("cutout?background=../photo.jpg", "expected a colour"),
        ("cutout?subject=both", "subject is 'both'"),
        ("cutout?margin=-1", "margin is '-1'"),
    ],
)
def test_a_wrong_parameter_is_named(app, pixels, query, expected):
    assert expected in sentence(post(app, f"/v1/{query}", encoded(pixels)), 422)


def test_a_picture_without_an_object(app):
    dark = encoded(np.zeros((40, 40, 3), np.uint8))
    assert "no salient object" in sentence(post(app, "/v1/cutout", dark), 422)
    assert not pixels_of(post(app, "/v1/saliency", dark)).any()


def test_models_are_listed_and_their_files_served(app, toy_onnx):
    listed = request(app, "GET", "/v1/models").json()
    assert [(m["name"], m["task"], m["default"]) for m in listed["models"]] == [
        ("toy", "edges", True),
        ("bright", "saliency", True),
    ]
    assert "path" not in listed["models"][0]
    assert request(app, "GET", "/models/models.json").json() == listed
    weights = request(app, "GET", f"/models/{listed['models'][0]['file']}")
    assert weights.content == toy_onnx.read_bytes()
    assert "/v1/models" in sentence(request(app, "GET", "/models/none.onnx"), 404)


def test_a_task_without_a_network(make_app, toy_onnx, pixels):
    app = make_app(models=(toy_onnx,))
    assert "no network for saliency" in sentence(post(app, "/v1/cutout", encoded(pixels)), 422)


def test_health_and_metrics(make_app, pixels):
    app = make_app()
    assert request(app, "GET", "/healthz").json()["status"] == "ok"
    for body in (encoded(pixels), encoded(pixels), b"nonsense"):
        post(app, "/v1/edges", body)
    request(app, "GET", "/made/up/1")
    request(app, "GET", "/made/up/2")
    metrics = request(app, "GET", "/metrics").text
    assert 'featheredge_requests_total{endpoint="/v1/edges",status="200"} 2.0' in metrics
    assert 'featheredge_requests_total{endpoint="/v1/edges",status="415"} 1.0' in metrics
    assert 'featheredge_step_seconds_count{endpoint="/v1/edges",step="network"} 2.0' in metrics
    assert "featheredge_held_bytes 0.0" in metrics
    assert "featheredge_running 0.0" in metrics
    assert "made" not in metrics  # paths that clients make up do not fill the memory


def test_times_of_the_steps_are_in_the_answer(app, pixels):
    timing = post(app, "/v1/edges?thin=1", encoded(pixels)).headers["server-timing"]
    assert re.fullmatch(r"decode;dur=[\d.]+, network;.*, thin;.*, encode;dur=[\d.]+", timing)


def test_reference_page_asks_no_other_host(app):
    page = request(app, "GET", "/docs").text
    files = re.findall(r'(?:src|href)="(reference/[^"]+)"', page)
    assert len(files) == 2
    for text in (page, *(request(app, "GET", f"/{file}").text for file in files)):
        assert not re.search(r"https?://", text)


def test_openapi_describes_bodies_and_answers(app):
    api = request(app, "GET", "/openapi.json").json()
    edges = api["paths"]["/v1/edges"]["post"]
    assert {p["name"] for p in edges["parameters"]} == {"threshold", "thin", "model"}
    assert "multipart/form-data" in edges["requestBody"]["content"]
    assert set(edges["responses"]["200"]["content"]) == {
        "image/png",
        "image/webp",
        "image/svg+xml",
    }
    assert {"413", "415", "429"} <= set(edges["responses"])
    assert json.dumps(api)


def test_security_headers_are_on_every_answer(app, pixels):
    answers = [
        request(app, "GET", "/docs"),
        request(app, "GET", "/nothing/here"),
        post(app, "/v1/edges", encoded(pixels)),
        post(app, "/v1/edges", b"nonsense"),
    ]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
        assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_other_origins_are_allowed_only_by_name(make_app, app):
    origin = {"Origin": "https://example.com"}
    assert (
        "access-control-allow-origin" not in request(app, "GET", "/healthz", headers=origin).headers
    )
    friendly = make_app(cors_origins=("https://example.com",))
    answer = request(friendly, "GET", "/healthz", headers=origin)
    assert answer.headers["access-control-allow-origin"] == "https://example.com"
    other = request(friendly, "GET", "/healthz", headers={"Origin": "https://example.org"})
    assert "access-control-allow-origin" not in other.headers


def test_page_is_shown_where_it_is_built(make_app, tmp_path):
    absent = make_app(page=tmp_path / "absent")
    assert 'href="docs"' in request(absent, "GET", "/").text
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<p>the page</p>")
    (tmp_path / "assets/app-1234.js").write_text("1")
    built = make_app(page=tmp_path)
    page = request(built, "GET", "/")
    assert (page.text, page.headers["cache-control"]) == ("<p>the page</p>", "no-cache")
    assert "immutable" in request(built, "GET", "/assets/app-1234.js").headers["cache-control"]
    assert "POST to /v1/edges" in sentence(request(built, "GET", "/v1/edges"), 405)
    assert request(built, "GET", "/models/models.json").json()["models"]
