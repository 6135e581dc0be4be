# SPDX-License-Identifier: Apache-2.0
"""The server on a real socket, asked without a client that would mend what is sent."""

from __future__ import annotations

import http.client
import socket
import time
from contextlib import closing

import pytest

from petlesion.limits import UsageError
from petlesion.review.guard import BODY_BYTES, Guard
from petlesion.review.listening import listening
from petlesion.review.web import application

TOKEN = "a-token"  # noqa: S105 - of a test
PATIENCE_S = 30


@pytest.fixture
def page(tmp_path):
    folder = tmp_path / "page"
    folder.mkdir()
    (folder / "page.html").write_text("the page")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


@pytest.fixture
def port(bench, page):
    with listening(lambda port: Guard(application(bench.room, page), TOKEN, port), 0) as port:
        yield port


def raw(port, request, body=()):
    """The answer, and how many bytes of a body were taken before it came or the connection broke."""
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall(request.replace("\n", "\r\n").replace("PORT", str(port)).encode())
        try:
            for part in body:
                connection.sendall(part)
                sent += len(part)
        except ConnectionError:
            pass
        answer = b""
        try:
            while part := connection.recv(1 << 16):
                answer += part
        except ConnectionError:
            pass
    return answer.decode(), sent


def head(*lines, first="POST /api/undo HTTP/1.1", host="127.0.0.1:PORT", token=TOKEN):
    return "\n".join((first, f"Host: {host}", f"X-Petlesion-Token: {token}", *lines, "", ""))


def test_from_the_address_to_the_page(port):
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
        connection.request("GET", f"/?token={TOKEN}")
        answer = connection.getresponse()
        cookie = answer.getheader("set-cookie").split(";")[0]
        assert (answer.status, answer.getheader("location"), answer.read()) == (303, "/", b"")
        connection.request("GET", "/", headers={"Cookie": cookie})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"the page")
        assert "server" not in {name.lower() for name, _ in answer.getheaders()}
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.status == 403
        answer.read()


def test_it_listens_on_this_machine_alone(port):
    other = next((found[4][0] for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)), "127.0.0.1")
    if other.startswith("127.0.0.1"):
        pytest.skip("this machine has no other address")
    with pytest.raises(OSError, match="refused"), socket.create_connection((other, port), timeout=PATIENCE_S):
        pass


@pytest.mark.parametrize(
    "path",
    [
        *("/static/../secret.txt", "/static/../../secret.txt", "/static/..%2fsecret.txt"),
        *("/static//etc/passwd", "/static/%2e%2e/secret.txt", "//static/../secret.txt"),
    ],
)
def test_a_path_that_no_client_has_mended_leads_nowhere(port, path):
    answer, _ = raw(port, head("Connection: close", first=f"GET {path} HTTP/1.1"))
    assert answer.startswith("HTTP/1.1 404 ")
    assert "secret" not in answer.split("\r\n\r\n", 1)[1]


def test_two_gigabytes_are_refused_unread(port):
    begun = time.monotonic()
    answer, _ = raw(port, head(f"Content-Length: {2 << 30}", "Expect: 100-continue"))
    assert answer.startswith("HTTP/1.1 413 ")
    assert "connection: close" in answer.lower()
    assert time.monotonic() - begun < PATIENCE_S / 2


def two_gigabytes(chunked):
    part = bytes(1 << 20)
    for _ in range(2 << 10):
        yield b"100000\r\n" + part + b"\r\n" if chunked else part


@pytest.mark.parametrize(
    ("line", "chunked"),
    [(f"Content-Length: {2 << 30}", False), ("Transfer-Encoding: chunked", True)],
    ids=["with its length", "without"],
)
@pytest.mark.parametrize("token", [TOKEN, "wrong"])
def test_a_sender_of_two_gigabytes_is_cut_off(port, line, chunked, token):
    _, sent = raw(port, head(line, token=token), two_gigabytes(chunked))
    assert sent < 64 << 20  # what the system's buffers take, and no more


def test_a_body_without_a_length_is_refused_when_it_is_too_long(port):
    part = b"%x\r\n" % BODY_BYTES + bytes(BODY_BYTES) + b"\r\n"
    answer, _ = raw(port, head("Transfer-Encoding: chunked"), [part, b"1\r\nx\r\n"])
    assert answer.startswith("HTTP/1.1 413 ")


def test_after_the_end_nobody_listens(bench, page):
    with listening(lambda port: Guard(application(bench.room, page), TOKEN, port), 0) as port:
        pass
    with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S):
        pass


def test_a_waiting_connection_does_not_hold_up_the_end(bench, page):
    with listening(lambda port: Guard(application(bench.room, page), TOKEN, port), 0) as port:
        connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        connection.sendall(b"POST /api/undo HTTP/1.1\r\n")
        begun = time.monotonic()
    connection.close()
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("number", ["taken", 70000])
def test_a_port_that_cannot_be_had_is_a_matter_of_usage(port, number):
    wanted = port if number == "taken" else number
    with pytest.raises(UsageError, match=f"{wanted} cannot be had.*--port"), listening(None, wanted):
        pass
