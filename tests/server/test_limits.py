"""Limits on load, memory and time, with work that lasts as long as a test wants."""

import asyncio
import threading

import httpx
import pytest

from serving import encoded, post, request, sentence


class Blocked:
    """Work that waits until the test lets it end."""

    def __init__(self):
        self.begun, self.release, self.count = threading.Event(), threading.Event(), 0

    def __call__(self, session, pixels, options, format, steps):
        self.count += 1
        self.begun.set()
        assert self.release.wait(10)
        return session(pixels)


@pytest.fixture
def blocked(monkeypatch):
    work = Blocked()
    monkeypatch.setattr("featheredge.server.routes.draw", work)
    yield work
    work.release.set()


def together(app, num: int, body: bytes, before_the_last=lambda: None) -> list[httpx.Response]:
    """The answers to requests that begin one after another, while the work is blocked."""

    async def send() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            tasks = []
            for index in range(num):
                if index == num - 1:
                    before_the_last()
                tasks.append(asyncio.ensure_future(client.post("/v1/edges", content=body)))
                await asyncio.sleep(0.05)
            return await asyncio.gather(*tasks)

    return asyncio.run(send())


def test_a_full_queue_refuses_with_a_time_to_wait(make_app, blocked, pixels):
    app = make_app(workers=1, queue=2)
    timer = threading.Timer(1, blocked.release.set)
    timer.start()
    answers = together(app, 6, encoded(pixels))
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429, 429]
    for refused in answers[3:]:
        assert "the queue is full: 2 pictures wait" in sentence(refused, 429)
        assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert post(app, "/v1/edges", encoded(pixels)).status_code == 200  # there is room again
    assert 'status="429"} 3.0' in request(app, "GET", "/metrics").text


def test_a_picture_that_waits_too_long_is_dropped(make_app, blocked, pixels):
    app = make_app(workers=1, queue=2, queue_seconds=0.3, work_seconds=0.6)
    first, second = together(app, 2, encoded(pixels))
    assert "longer than the limit of 0.6 s" in sentence(first, 503)
    assert "no worker was free within 0.3 s" in sentence(second, 429)
    assert "featheredge_running 1.0" in request(app, "GET", "/metrics").text  # until it ends
    blocked.release.set()
    assert post(app, "/v1/edges", encoded(pixels)).status_code == 200
    assert blocked.count == 2  # the second picture was never begun


def test_work_of_a_client_that_left_is_dropped(make_app, blocked, pixels):
    app = make_app(workers=1, queue=2)
    scope = request_scope("/v1/edges")

    async def leave_while_waiting() -> list[int]:
        first = asyncio.ensure_future(app_answers(app, scope, encoded(pixels), leaves=False))
        await asyncio.to_thread(blocked.begun.wait, 5)
        second = await app_answers(app, scope, encoded(pixels), leaves=True)
        blocked.release.set()
        return [await first, second]

    assert asyncio.run(leave_while_waiting()) == [200, 400]
    assert blocked.count == 1


def test_a_slow_body_is_refused(make_app):
    async def drip():
        while True:
            yield b"x"
            await asyncio.sleep(0.02)

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=make_app(body_seconds=0.2))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.post("/v1/edges", content=drip())

    answer = asyncio.run(send())
    assert "within 0.2 s" in sentence(answer, 408)
    assert answer.headers["connection"] == "close"


def test_bodies_share_a_bounded_memory(make_app, blocked, pixels):
    app = make_app(workers=1, queue=4, max_mb=1, buffer_mb=1)
    padded = encoded(pixels) + bytes(600_000)
    threading.Timer(0.5, blocked.release.set).start()
    first, second = together(app, 2, padded)
    assert first.status_code == 200
    assert "its limit is 1;" in sentence(second, 429)
    assert post(app, "/v1/edges", padded).status_code == 200


def test_every_worker_has_its_own_session(make_app, monkeypatch, pixels):
    seen = {}
    meet = threading.Barrier(2, timeout=10)

    def remember(session, pixels, options, format, steps):
        seen.setdefault(threading.get_ident(), set()).add(id(session))
        meet.wait()
        return session(pixels)

    monkeypatch.setattr("featheredge.server.routes.draw", remember)
    together(make_app(workers=2), 4, encoded(pixels))
    sessions = [session for own in seen.values() for session in own]
    assert len(seen) == len(sessions) == len(set(sessions)) == 2


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"workers": 0}, "workers is 0"),
        ({"queue": -1}, "queue is -1"),
        ({"max_mb": 0}, "max_mb is 0"),
        ({"work_seconds": float("nan")}, "work_seconds is nan"),
        ({"max_mb": 300}, "room for at least one body"),
        ({"cors_origins": ("*",)}, "'\\*' is not an origin"),
        ({"cors_origins": ("https://example.com/",)}, "without a path"),
    ],
)
def test_a_wrong_setting_is_named(make_app, changes, expected):
    from featheredge.errors import ArgumentError

    with pytest.raises(ArgumentError, match=expected):
        make_app(**changes)


def test_two_networks_of_one_name_are_refused(make_app, toy_onnx):
    from featheredge.errors import ArgumentError

    with pytest.raises(ArgumentError, match="two networks are called toy"):
        make_app(models=(toy_onnx, toy_onnx))


def test_an_unexpected_failure_is_a_sentence_and_is_logged(make_app, monkeypatch, pixels, caplog):
    def fail(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("featheredge.server.routes.draw", fail)
    answer = post(make_app(), "/v1/edges", encoded(pixels))
    assert "its log has the reason" in sentence(answer, 500)
    assert "bug" not in answer.text
    assert "ZeroDivisionError: a bug" in caplog.text


def request_scope(path: str) -> dict:
    """The scope of a POST request, as a server hands it to an app."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": ("127.0.0.1", 1),
        "server": ("server", 80),
    }


async def app_answers(app, scope: dict, body: bytes, leaves: bool) -> int:
    """The status of an answer; `leaves` closes the connection when the body is sent."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    statuses = []

    async def receive():
        if messages:
            return messages.pop()
        if not leaves:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message):
        statuses.append(message.get("status"))

    await app(dict(scope), receive, send)
    return statuses[0]
