# SPDX-License-Identifier: Apache-2.0
"""The door: who comes in, and how much of a body is read."""

from __future__ import annotations

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from petlesion.review import guard as module
from petlesion.review.guard import BODY_BYTES, Guard

TOKEN, PORT = "right-token", 4801
OWN = f"http://127.0.0.1:{PORT}"
PASS = {"X-Petlesion-Token": TOKEN}


async def echo(request):
    return PlainTextResponse(await request.body())


def door():
    return Guard(Starlette(routes=[Route("/{rest:path}", echo, methods=["GET", "POST"])]), TOKEN, PORT)


@pytest.fixture
def client():
    return TestClient(door(), base_url=OWN, follow_redirects=False)


def test_the_right_token_becomes_a_cookie_that_opens_everything(client):
    answer = client.get(f"/?token={TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    words = {word.strip().lower() for word in answer.headers["set-cookie"].split(";")}
    assert words == {f"petlesion-review-{PORT}={TOKEN}", "httponly", "samesite=strict", "path=/"}
    assert client.get("/").status_code == 200
    assert client.get("/api/state").status_code == 200


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", "%C3%A4", "%FF"])
def test_another_token_opens_nothing(client, token):
    answer = client.get(f"/?token={token}")
    assert answer.status_code == 403
    assert "token" in answer.json()["message"] or "address" in answer.json()["message"]
    assert "set-cookie" not in answer.headers
    assert client.get("/").status_code == 403


@pytest.mark.parametrize("path", ["/", "/static/page.html", "/api/state", "/nowhere", f"/api/state?token={TOKEN}"])
def test_without_cookie_and_header_every_path_is_closed(client, path):
    for given in ({}, {"X-Petlesion-Token": "wrong"}, {"Cookie": f"petlesion-review-{PORT}=wrong"}, {"Cookie": "a;=,"}):
        answer = client.get(path, headers=given)
        assert answer.status_code == 403
        assert "petlesion review" in answer.json()["message"]


def test_the_cookie_of_another_port_is_none(client):
    assert client.get("/", headers={"Cookie": f"petlesion-review-{PORT + 1}={TOKEN}"}).status_code == 403


def test_the_header_is_as_good_as_the_cookie(client):
    assert client.get("/", headers=PASS).status_code == 200


@pytest.mark.parametrize("host", [f"127.0.0.1:{PORT}", f"localhost:{PORT}"])
def test_this_machine_s_own_names_are_let_in(client, host):
    assert client.get("/", headers=PASS | {"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:80", f"127.0.0.1:{PORT}.evil.example", ""]
)
def test_another_host_is_refused_token_or_not(client, host):
    assert client.get("/", headers=PASS | {"Host": host}).status_code == 403
    assert client.get(f"/?token={TOKEN}", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", f"http://127.0.0.1:{PORT + 1}", f"https://127.0.0.1:{PORT}"]
)
def test_a_post_of_another_origin_is_refused(client, origin):
    answer = client.post("/api/undo", headers=PASS | {"Origin": origin})
    assert (answer.status_code, "origins" in answer.json()["message"]) == (403, True)


@pytest.mark.parametrize("origin", [OWN, f"http://localhost:{PORT}"])
def test_a_post_of_the_own_origin_is_let_in(client, origin):
    assert client.post("/api/undo", headers=PASS | {"Origin": origin}).status_code == 200


def test_every_answer_forbids_what_a_page_does_not_need(client):
    for answer in (client.get("/", headers=PASS), client.get("/"), client.get(f"/?token={TOKEN}")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src 'self'" in policy
        assert "script-src 'self' 'unsafe-inline'" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_a_body_within_the_bound_reaches_the_application_whole(client):
    body = bytes(range(256)) * (BODY_BYTES // 256)
    assert client.post("/", headers=PASS, content=body).content == body
    assert client.post("/", headers=PASS, content=iter([body[:100], body[100:]])).content == body


# --- what is read of a body, seen from below ---


def asked(headers, parts, token=TOKEN, endless=False):
    """The status, and how many parts of a body were taken; `parts` are bytes."""
    taken, sent = [], []

    async def receive():
        if len(taken) >= len(parts):
            assert endless
            await asyncio.Event().wait()
        taken.append(parts[len(taken)])
        more = endless or len(taken) < len(parts)
        return {"type": "http.request", "body": taken[-1], "more_body": more}

    async def send(message):
        sent.append(message)

    heads = {"host": f"127.0.0.1:{PORT}", "x-petlesion-token": token} | headers
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in heads.items()],
    }
    asyncio.run(door()(scope, receive, send))
    named = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], len(taken), named


def test_a_long_body_is_refused_by_its_length_before_any_of_it_is_read():
    status, taken, headers = asked({"content-length": str(2 << 30)}, [b"x"])
    assert (status, taken, headers["connection"]) == (413, 0, "close")


@pytest.mark.parametrize("length", ["9" * 5000, str(BODY_BYTES + 1)])
def test_any_length_above_the_bound_is_refused(length):
    assert asked({"content-length": length}, [b"x"])[:2] == (413, 0)


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "٣"])
def test_a_length_that_is_no_number_is_refused(length):
    assert asked({"content-length": length}, [b"x"])[:2] == (400, 0)


def test_a_body_that_hides_its_length_is_refused_as_soon_as_it_is_too_long():
    parts = [bytes(BODY_BYTES // 2)] * 1000
    status, taken, headers = asked({"transfer-encoding": "chunked"}, parts)
    assert (status, taken, headers["connection"]) == (413, 3, "close")


def test_a_stranger_s_body_is_not_read_at_all():
    assert asked({"content-length": "10"}, [b"x" * 10], token="wrong")[:2] == (403, 0)  # noqa: S106 - wrong


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(module, "BODY_S", 0.05)
    assert asked({"content-length": "10"}, [b"x"], endless=True)[:2] == (408, 1)


def test_nothing_but_http_is_answered():
    async def ask():
        async def receive():
            raise AssertionError

        await door()({"type": "websocket"}, receive, receive)

    asyncio.run(ask())
