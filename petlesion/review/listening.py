# SPDX-License-Identifier: Apache-2.0
"""The review's server on its port, in a thread of its own."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from petlesion.images import reason
from petlesion.limits import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

HOST = "127.0.0.1"
LEAVE_S = 1  # what answers under way are granted at the end
JOIN_S = 3.0


@contextmanager
def listening(make: Callable[[int], ASGIApp], port: int) -> Iterator[int]:
    """Serve on this machine's own address while inside; the port.

    Args:
        make: The application for a port.
        port: Port to listen on; 0: any that is free.

    Raises:
        UsageError: When the port cannot be had.
    """
    with socket.socket() as ear:
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            ear.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"a review listens on a free port; {port} cannot be had: {reason(error)}; choose with --port"
            ) from None
        ear.listen()  # whoever comes before the server is ready waits
        there = int(ear.getsockname()[1])
        server = uvicorn.Server(_configuration(make(there)))
        thread = threading.Thread(target=server.run, args=([ear],), name="review", daemon=True)
        thread.start()
        try:
            yield there
        finally:
            server.should_exit = True
            thread.join(JOIN_S)


def _configuration(app: ASGIApp) -> uvicorn.Config:
    """No log of requests, since the first one has the token in its address; nothing that a proxy could say."""
    return uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        limit_concurrency=64,
        timeout_graceful_shutdown=LEAVE_S,
    )
