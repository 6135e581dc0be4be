# SPDX-License-Identifier: Apache-2.0
"""The server's answers on the wire. The cases are not real here: a thread of the test ends them as it is told to."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time

import pytest

from petlesion.calls import Calls
from petlesion.limits import UsageError
from petlesion.outcome import BAD_INPUT, DONE, INTERNAL, MODEL, OUT_OF_LIMITS, OUTPUT, TERMINATED, Ending
from petlesion.server import BODY_BYTES, listening

PATIENCE_S = 60


class Desk:
    """A server with someone behind it who ends each call as `ending` says, as soon as `go` is set."""

    def __init__(self, port, calls):
        self.port, self.calls = port, calls
        self.ending, self.go, self.arrivals = Ending(DONE, "a mask"), threading.Event(), []
        self.go.set()

    def work(self):
        while (call := self.calls.take()) is not None:
            self.arrivals.append(call.arrived_s)
            self.go.wait(PATIENCE_S)
            self.calls.end(call, self.ending)

    def connection(self):
        return contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S))

    def ask(self, method, path, **more):
        with self.connection() as connection:
            return ask(connection, method, path, **more)

    def raw(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(4096):
                answer += part
            return answer


def ask(connection, method, path, **more):
    """Status, sentence and headers of one request."""
    connection.request(method, path, **more)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.headers


@pytest.fixture
def closed_desk():
    calls = Calls()
    with listening(calls, "127.0.0.1", 0) as port:
        desk = Desk(port, calls)
        worker = threading.Thread(target=desk.work)
        worker.start()
        yield desk
        desk.go.set()
    worker.join(PATIENCE_S)
    assert not worker.is_alive()


@pytest.fixture
def desk(closed_desk):
    closed_desk.calls.open()
    return closed_desk


def test_health_and_invoke_before_the_networks_are_loaded(closed_desk):
    for method, path in (("GET", "/health"), ("POST", "/invoke")):
        status, sentence, headers = closed_desk.ask(method, path)
        assert status == 503
        assert "loaded" in sentence
        assert int(headers["Retry-After"]) > 0
    closed_desk.calls.open()
    assert closed_desk.ask("GET", "/health")[0] == 200
    assert closed_desk.ask("POST", "/invoke")[0] == 201


def test_invoke_answers_201_with_one_sentence(desk):
    before = time.monotonic()
    status, sentence, headers = desk.ask("POST", "/invoke")
    assert (status, sentence) == (201, "a mask\n")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert before <= desk.arrivals[0] <= time.monotonic()


@pytest.mark.parametrize(
    ("ending", "status"),
    [(BAD_INPUT, 422), (MODEL, 500), (OUT_OF_LIMITS, 500), (INTERNAL, 500), (OUTPUT, 507), (TERMINATED, 503)],
)
def test_each_ending_has_its_status_and_the_server_lives_on(desk, ending, status):
    desk.ending = Ending(ending, "the PET must be in SUV; Prüfung, \udcff")
    found, sentence, _ = desk.ask("POST", "/invoke")
    assert (found, sentence) == (status, "the PET must be in SUV; Prüfung, \\udcff\n")
    desk.ending = Ending(DONE, "a mask")
    assert desk.ask("POST", "/invoke")[0] == 201


def test_while_a_case_is_under_way_health_answers_and_a_second_call_is_told_so(desk):
    desk.go.clear()
    with desk.connection() as first:
        first.request("POST", "/invoke")
        while desk.calls.state != "busy":
            time.sleep(0.01)
        assert desk.ask("GET", "/health")[0] == 200
        status, sentence, headers = desk.ask("POST", "/invoke")
        assert (status, len(desk.arrivals) <= 1) == (503, True)
        assert "one is under way" in sentence
        assert "Retry-After" in headers
        desk.go.set()
        assert first.getresponse().status == 201
    assert desk.ask("POST", "/invoke")[0] == 201


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("POST", "/", 404),
        ("POST", "/invocations", 404),
        ("POST", "/invoke/", 404),
        ("GET", "/../health", 404),
        ("GET", "/invoke", 405),
        ("PUT", "/invoke", 405),
        ("DELETE", "/invoke", 405),
        ("OPTIONS", "/invoke", 405),
        ("POST", "/health", 405),
        ("BREW", "/invoke", 501),
    ],
)
def test_another_path_or_method_is_refused_in_one_sentence(desk, method, path, status):
    found, sentence, headers = desk.ask(method, path)
    assert found == status
    assert sentence.count("\n") == 1
    assert "<" not in sentence
    assert ("Allow" in headers) == (status == 405)
    assert desk.arrivals == []


def test_a_query_changes_nothing(desk):
    assert desk.ask("GET", "/health?now=1")[0] == 200
    assert desk.ask("POST", "/invoke?")[0] == 201


def test_head_is_get_without_its_body(desk):
    status, sentence, headers = desk.ask("HEAD", "/health")
    assert (status, sentence) == (200, "")
    assert int(headers["Content-Length"]) > 0


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff" * BODY_BYTES])
def test_a_body_that_is_there_anyway_is_dropped_and_the_connection_kept(desk, body):
    with desk.connection() as connection:
        for _ in range(2):
            status, _, headers = ask(connection, "POST", "/invoke", body=body)
            assert status == 201
            assert headers["Connection"] is None
        assert ask(connection, "GET", "/health", body=body)[0] == 200


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"Content-Length: {BODY_BYTES + 1}", 413),
        ("Content-Length: " + "9" * 5000, 413),
        ("Content-Length: -1", 400),
        ("Content-Length: 1e3", 400),
        ("Content-Length: ²", 400),
        ("Transfer-Encoding: chunked", 411),
    ],
)
def test_a_body_without_bounds_is_not_read(desk, head, status):
    answer = desk.raw(f"POST /invoke HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n".encode("latin-1"))
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Connection: close" in answer
    assert desk.arrivals == []


@pytest.mark.parametrize(
    "request_", [b"\x16\x03\x01\x02\x00\x01\xfc\r\n\r\n", b"GET\r\n\r\n", b"GET /health HTTP/9.9\r\n\r\n", b"\r\n"]
)
def test_what_is_not_http_is_refused_or_dropped_and_the_server_lives_on(desk, request_, capfd):
    answer = desk.raw(request_)
    assert b"<" not in answer
    assert desk.ask("GET", "/health")[0] == 200
    assert capfd.readouterr().err == ""


def test_one_connection_serves_many_requests(desk):
    with desk.connection() as connection:
        connection.connect()
        own = connection.sock.getsockname()
        for _ in range(3):
            assert ask(connection, "GET", "/health")[0] == 200
            assert ask(connection, "POST", "/invoke")[0] == 201
        assert connection.sock.getsockname() == own


def test_a_caller_who_goes_away_does_no_harm(desk, capfd):
    desk.go.clear()
    with desk.connection() as gone:
        gone.request("POST", "/invoke")
        while not desk.arrivals:
            time.sleep(0.01)
    desk.go.set()
    while desk.calls.state == "busy":
        time.sleep(0.01)
    assert desk.ask("POST", "/invoke")[0] == 201
    assert "Traceback" not in capfd.readouterr().err


def test_a_silent_connection_is_closed_after_a_while(desk, monkeypatch):
    monkeypatch.setattr("petlesion.server._Handler.timeout", 0.05)
    with socket.create_connection(("127.0.0.1", desk.port), timeout=PATIENCE_S) as connection:
        connection.sendall(b"POST /invoke HTTP/1.1\r\n")
        assert connection.recv(1) == b""
    assert desk.ask("POST", "/invoke")[0] == 201


def test_a_call_that_the_end_overtakes_is_answered():
    calls, seen = Calls(), []
    with listening(calls, "127.0.0.1", 0) as port:
        calls.open()
        desk = Desk(port, calls)
        caller = threading.Thread(target=lambda: seen.append(desk.ask("POST", "/invoke")))
        caller.start()
        while calls.state != "busy":
            time.sleep(0.01)
    caller.join(PATIENCE_S)
    assert seen[0][:2] == (503, "the server ended before the case did\n")
    with pytest.raises(ConnectionRefusedError):
        desk.ask("GET", "/health")


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", None), ("no.such.host.invalid", 0), ("127.0.0.1", 99999)])
def test_a_place_that_cannot_be_had_is_a_matter_of_usage(desk, host, port):
    taken = desk.port if port is None else port
    with pytest.raises(UsageError, match=f"{host}, port {taken}, cannot be had"), listening(Calls(), host, taken):
        pass


def test_an_error_of_ours_ends_its_connection_alone_and_is_in_the_log(desk, monkeypatch, caplog):
    def fail(_):
        raise KeyError("unforeseen")

    with monkeypatch.context() as patch:
        patch.setattr("petlesion.server._Handler._health", fail)
        with pytest.raises(http.client.RemoteDisconnected):
            desk.ask("GET", "/health")
    assert "an answer failed" in caplog.text
    assert "unforeseen" in caplog.text
    assert desk.ask("GET", "/health")[0] == 200
