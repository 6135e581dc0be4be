# SPDX-License-Identifier: Apache-2.0
"""Who may ask the review's server, and how much: the one door in front of all of its paths.

The server listens on 127.0.0.1. That keeps other machines away, and neither other programs and users of this one, nor
web pages of others in the same browser. Therefore:

- Every request needs the token, which is drawn anew at each start: as a cookie, which `GET /?token=...` sets, or as the
  header X-Petlesion-Token.
- The Host header must be this server's, so that no name of somebody else's can be made to point here.
- A POST from a page of another origin is refused.
- A body of more than 64 KiB is refused: by its length before it is read, or where it has none as soon as it is longer.
- Pages may load from here alone, may not be framed and are not kept; the token is in no log and leaves in no Referer.
"""

from __future__ import annotations

import asyncio
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES = 64 << 10
BODY_S = 10.0  # within which a body of that size must have come
HEADER = "X-Petlesion-Token"
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; worker-src 'self' blob:; "
    "connect-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ALWAYS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """An ASGI application in front of another one."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        """Take the application, the token and the port that the server listens on."""
        self.app, self._token = app, token.encode()
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self.cookie = f"petlesion-review-{port}"  # browsers do not tell the ports of one address apart

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            return  # no web sockets, no start-up messages
        headers = Headers(scope=scope)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(ALWAYS)
            await send(message)

        refusal = self._refusal(scope, headers) or _too_long(headers)
        if refusal is None:
            try:
                async with asyncio.timeout(BODY_S):
                    body = await _bounded_body(receive)
            except TimeoutError:
                refusal = _refuse(408, "the body of a request comes within ten seconds")
            else:
                if body is None:
                    refusal = _refuse(413, _TOO_LONG)
                else:
                    receive = _replayed(body, receive)
        await (refusal or self.app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """Why a request is refused whatever its body; or the answer to the one that brings the token."""
        if headers.getlist("host") not in [[host] for host in self.hosts]:
            return _refuse(403, "this server is asked by its own address, 127.0.0.1, alone")
        origin = headers.get("origin")
        if scope["method"] not in {"GET", "HEAD"} and origin not in {None, *(f"http://{host}" for host in self.hosts)}:
            return _refuse(403, "pages of other origins change nothing here")
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if scope["path"] == "/" and "token" in query:
            return self._enter(query["token"][0])
        given = headers.get(HEADER) or _cookie(headers, self.cookie)
        return None if self._is_token(given) else _refuse(403, "open the address that `petlesion review` printed")

    def _enter(self, given: str) -> Response:
        if not self._is_token(given):
            return _refuse(403, "this token is not the one that `petlesion review` printed at its start")
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self.cookie, given, path="/", httponly=True, samesite="strict")
        return answer

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode("utf-8", "surrogatepass"), self._token)


_TOO_LONG = f"a request has at most {BODY_BYTES:,} bytes; this one is not read"


def _too_long(headers: Headers) -> Response | None:
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        return _refuse(400, "Content-Length is a number of bytes")
    return _refuse(413, _TOO_LONG) if len(length) > len(str(BODY_BYTES)) or int(length) > BODY_BYTES else None


async def _bounded_body(receive: Receive) -> bytes | None:
    """The whole body; None as soon as it is longer than the bound."""
    body = b""
    while True:
        message = await receive()
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > BODY_BYTES:
            return None
        if message["type"] != "http.request" or not message.get("more_body", False):
            return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A channel that gives the body once and then what comes after it."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return left.pop() if left else await receive()

    return replay


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _refuse(status: int, sentence: str) -> Response:
    """A refusal; the connection is closed, since what follows on it may be the body that nobody reads."""
    return JSONResponse({"message": sentence}, status, {"Connection": "close"})
