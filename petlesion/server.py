# SPDX-License-Identifier: Apache-2.0
"""HTTP for the platform's `invoke`: GET /health and POST /invoke, nothing else.

    GET /health   200 once the networks are loaded, 503 before
    POST /invoke  201 when the mask is written. 422: the input was refused; 500: weights, memory, time or an error of
                  ours; 507: the output cannot be written; 503: not now, because the networks are being loaded, a case
                  is under way (calls do not queue: whoever waits would read what lies in the input folder by then),
                  or the server ends

Every body is one plain sentence. This is the standard library's server, a thread for each connection. Two fixed paths
without parameters, one caller on the same machine and no network around it need no more, and each further package in
the image would be code to trust and to keep up to date. What http.server lacks by itself is set here: a time limit for
slow connections, a limit for bodies, answers without markup, no look-up of names.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING

from petlesion.calls import NotNowError
from petlesion.images import reason
from petlesion.limits import UsageError
from petlesion.outcome import BAD_INPUT, DONE, OUTPUT, TERMINATED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from petlesion.calls import Calls

LOG = logging.getLogger(__name__)

METHODS = {"/health": ("GET", "HEAD"), "/invoke": ("POST",)}
STATUS = {
    DONE: HTTPStatus.CREATED,
    BAD_INPUT: HTTPStatus.UNPROCESSABLE_ENTITY,
    OUTPUT: HTTPStatus.INSUFFICIENT_STORAGE,
    TERMINATED: HTTPStatus.SERVICE_UNAVAILABLE,
}  # and 500 for all others
BODY_BYTES = 1 << 20  # a body is not asked for; so much of one is read and dropped
IDLE_S = 60.0  # a connection on which nothing comes for so long is closed
RETRY_S = 5
POLL_S = 0.05  # how often the listening thread looks whether it should end


@contextmanager
def listening(calls: Calls, host: str, port: int) -> Iterator[int]:
    """Listen while inside; the port (another than `port` where that is 0). At the end `calls` is closed.

    Raises:
        UsageError: When host and port cannot be had.
    """
    try:
        server = _Server((host, port), calls)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"a server listens on a free port; {host}, port {port}, cannot be had: {reason(error)}; choose with --host "
            "and --port"
        ) from None
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), name="http", daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            calls.close()
            server.shutdown()


class _Server(ThreadingHTTPServer):
    """The standard library's, without its look-up of the machine's name."""

    server_address: tuple[str, int]

    def __init__(self, address: tuple[str, int], calls: Calls) -> None:
        self.calls = calls
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's asks for the host's full name, which can take long without a network

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the base's
        error = sys.exception()
        if isinstance(error, ConnectionError | TimeoutError):
            LOG.info("a connection broke: %s", error)
        else:
            LOG.error("an answer failed", exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    """One connection; it is kept for further requests."""

    server: _Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "petlesion", ""
    timeout = IDLE_S
    disable_nagle_algorithm = True  # an answer is two small packets: head and sentence

    def _answer(self) -> None:
        arrived_s = time.monotonic()
        if not self._drop_body():
            return
        path = self.path.partition("?")[0]
        methods = METHODS.get(path)
        if methods is None:
            self._say(HTTPStatus.NOT_FOUND, "there are two paths: GET /health and POST /invoke")
        elif self.command not in methods:
            self._say(HTTPStatus.METHOD_NOT_ALLOWED, f"{path} is for {methods[0]}", {"Allow": ", ".join(methods)})
        elif path == "/health":
            self._health()
        else:
            self._invoke(arrived_s)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer  # noqa: N815 - the base's names

    def _health(self) -> None:
        if self.server.calls.state in {"ready", "busy"}:
            self._say(HTTPStatus.OK, "the networks are loaded")
        else:
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, "the networks are not loaded", {"Retry-After": str(RETRY_S)})

    def _invoke(self, arrived_s: float) -> None:
        try:
            call = self.server.calls.place(arrived_s)
        except NotNowError as error:
            LOG.warning("warning: a call was not taken: %s", error)
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"Retry-After": str(RETRY_S)})
            return
        call.ended.wait()
        try:
            status = STATUS.get(call.ending.status, HTTPStatus.INTERNAL_SERVER_ERROR)
            self._say(status, call.ending.sentence)
        finally:
            call.sent.set()

    def _drop_body(self) -> bool:
        """Read what nobody asked for, so that the connection stays of use; False where it was refused instead."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers:
            return self._refuse(HTTPStatus.LENGTH_REQUIRED, "no body is needed; one of unknown length is not read")
        if not (length.isascii() and length.isdigit()):
            return self._refuse(HTTPStatus.BAD_REQUEST, "Content-Length is a number of bytes")
        if len(length) > len(str(BODY_BYTES)) or int(length) > BODY_BYTES:
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "no body is needed; one of this size is not read")
        self.rfile.read(int(length))
        return True

    def _refuse(self, status: HTTPStatus, sentence: str) -> bool:
        self.close_connection = True  # what follows on it is the body
        self._say(status, sentence, {"Connection": "close"})
        return False

    def _say(self, status: HTTPStatus, sentence: str, headers: dict[str, str] | None = None) -> None:
        body = f"{sentence}\n".encode("utf-8", "backslashreplace")
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002 - the base's
        """Answer what is no request that HTTP knows; without the base's page around it."""
        self._refuse(HTTPStatus(code), HTTPStatus(code).phrase)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's
        """Requests are no news: what happened to a case is in the log already."""
        LOG.debug(format, *args)
