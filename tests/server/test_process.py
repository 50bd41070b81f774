"""A real server process: slow and broken connections, and a stop that finishes its work."""

import http.client
import signal
import socket
import threading
import time

import pytest

from serving import encoded, raw_answer, read_to_end, served

HEAD = b"POST /v1/edges HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def port(toy_onnx):
    with served("--model", str(toy_onnx), "--body-seconds", "2", "--max-mb", "1") as (
        process,
        port,
    ):
        yield port
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert "Traceback" not in process.stderr.read()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def post(port: int, body: bytes, timeout_s: float = 60) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    connection.request("POST", "/v1/edges", body)
    return connection.getresponse()


def test_a_picture_goes_in_and_a_map_comes_out(port, pixels):
    answer = post(port, encoded(pixels))
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png")
    assert answer.headers["Server"] is None


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (HEAD + b"Content-Length: abc\r\n\r\n", 400),
        (HEAD + b"Content-Length: -5\r\n\r\n", 400),
        (HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde", 400),
        (HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n", 400),
        (HEAD + b"Content-Length: 99999999999999\r\nConnection: close\r\n\r\n", 413),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (HEAD + b"X: " + b"y" * 100_000 + b"\r\n\r\n", 400),
        (HEAD + b"X: y\r\n" * 20_000 + b"\r\n\r\n", 400),
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"nonsense\r\n\r\n", 400),
    ],
    ids=range(12),
)
def test_a_broken_request_is_refused(port, sent, expected):
    answer = raw_answer(port, sent)
    assert not answer or status(answer) == expected  # a reset can overtake the answer


def test_a_body_that_never_ends_is_cut_off(port):
    started = time.monotonic()
    answer = raw_answer(port, HEAD + b"Content-Length: 1000\r\n\r\nabc")
    assert status(answer) == 408
    assert b"did not arrive within 2 s" in answer
    assert time.monotonic() - started < 60


def test_chunks_without_an_end_reach_the_limit(port):
    piece = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        sender = threading.Thread(target=send_for_ever, args=(connection, piece))
        sender.start()
        answer = read_to_end(connection)  # ends: the server drains a while, then closes
        sender.join(10)
    assert status(answer) == 413
    assert not sender.is_alive()


def test_a_head_that_never_ends_is_cut_off(port):
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        sender = threading.Thread(target=send_for_ever, args=(connection, b"x", 0.1))
        connection.sendall(HEAD + b"X: ")
        sender.start()
        assert read_to_end(connection) == b""
        sender.join(10)
    assert time.monotonic() - started < 60


def test_a_silent_connection_is_closed(port):
    assert raw_answer(port) == b""


def test_a_client_that_leaves_early_harms_nobody(port, pixels):
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\nabc")
    assert post(port, encoded(pixels)).status == 200


def test_a_stop_finishes_the_accepted_pictures(toy_onnx, noise):
    body = encoded(noise(700, 700))
    with served("--model", str(toy_onnx), "--workers", "1") as (process, port):
        clients = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(12)]
        for client in clients:
            client.request("POST", "/v1/edges", body)
        deadline = time.monotonic() + 60
        while waiting(port) == 0:
            assert time.monotonic() < deadline, "the pictures never waited for the worker"
        process.send_signal(signal.SIGTERM)
        assert [client.getresponse().status for client in clients] == [200] * 12
        assert process.wait(60) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_ctrl_c_is_a_graceful_stop_too(toy_onnx):
    with served("--model", str(toy_onnx)) as (process, port):
        assert status(raw_answer(port, b"GET /healthz HTTP/1.0\r\n\r\n")) == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert "Traceback" not in process.stderr.read()


def test_a_taken_port_is_named(toy_onnx, port):
    expected = f"cannot listen on 127.0.0.1, port {port}"
    with pytest.raises(AssertionError, match=expected), served("-m", str(toy_onnx), port=port):
        pass


def send_for_ever(connection: socket.socket, piece: bytes, pause_s: float = 0) -> None:
    """Send until the other side closes."""
    try:
        while True:
            connection.sendall(piece)
            time.sleep(pause_s)
    except OSError:
        return


def waiting(port: int) -> float:
    """How many pictures wait for a worker."""
    metrics = raw_answer(port, b"GET /metrics HTTP/1.0\r\n\r\n").decode()
    return float(metrics.partition("\nfeatheredge_waiting ")[2].partition("\n")[0])
