# SPDX-License-Identifier: Apache-2.0
"""A server on this machine that speaks Zenodo's records API: byte ranges, and connections that break."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class RecordServer:
    """What the server holds, how it misbehaves, and what it was asked for.

    Attributes:
        contents: The files of its one record.
        licence: The record's licence, as Zenodo writes it.
        number: The record's number; every other is unknown.
        cuts: For each coming download, after how many bytes it breaks; none when the list is used up.
        ranges: Whether it knows byte ranges.
        stated: MD5 that it states in place of a file's own.
        status: HTTP status of the record.
        asked: The Range header of each download so far.
    """

    contents: dict[str, bytes]
    licence: str = "cc-by-4.0"
    number: str = "7"
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    stated: dict[str, str] = field(default_factory=dict)
    status: int = 200
    asked: list[str | None] = field(default_factory=list)
    address: str = ""

    @property
    def api(self) -> str:
        return f"{self.address}/api"

    def record(self) -> dict[str, Any]:
        """The record as JSON, cut down to what matters."""
        base = f"{self.api}/records/{self.number}"
        return {
            "id": int(self.number),
            "doi": f"10.5281/zenodo.{self.number}",
            "metadata": {"title": "Toy weights", "license": {"id": self.licence}},
            "files": [
                {
                    "key": name,
                    "size": len(content),
                    "checksum": "md5:" + self.stated.get(name, hashlib.md5(content).hexdigest()),  # noqa: S324 - Zenodo's
                    "links": {"self": f"{base}/files/{name}/content"},
                }
                for name, content in self.contents.items()
            ],
        }


@contextlib.contextmanager
def serving(server: RecordServer) -> Iterator[RecordServer]:
    """The server, at work on a free port."""
    handler = type("Handler", (_Handler,), {"held": server})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as http_server:
        server.address = f"http://127.0.0.1:{http_server.server_port}"
        thread = threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            http_server.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    held: RecordServer

    def do_GET(self) -> None:
        base = f"/api/records/{self.held.number}"
        if self.path == base:
            self._send(self.held.status, json.dumps(self.held.record()).encode())
        elif (found := re.fullmatch(f"{base}/files/(.+)/content", self.path)) and found[1] in self.held.contents:
            self._send_file(self.held.contents[found[1]])
        else:
            self._send(404, b'{"status": 404}')

    def _send_file(self, content: bytes) -> None:
        wanted = self.headers.get("Range")
        self.held.asked.append(wanted)
        begin = int(wanted[6:-1]) if wanted and self.held.ranges else 0
        cut = self.held.cuts.pop(0) if self.held.cuts else None
        self._send(206 if begin else 200, content[begin:], begin, len(content), cut)

    def _send(self, status: int, body: bytes, begin: int = 0, size: int = 0, cut: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 206:
            self.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
        self.end_headers()
        self.wfile.write(body[:cut])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""
