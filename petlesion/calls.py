# SPDX-License-Identifier: Apache-2.0
"""Calls for a case: the server's threads hand them in, the main thread takes them, one at a time.

The work is done in the main thread because Python delivers signals there alone: SIGTERM must be able to interrupt a
case wherever it stands.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Literal

from petlesion.outcome import TERMINATED, Ending

SENT_WITHIN_S = 1.0  # what a server that ends grants its last answer to leave

REFUSALS = {
    "starting": "the networks are being loaded; call again once GET /health answers 200",
    "busy": "one case is segmented at a time and one is under way; call again when it has been answered",
    "closed": "the server is ending; nothing more is taken",
}


class NotNowError(RuntimeError):
    """A call that is not taken now. Its text says why, and when to call again."""


@dataclass(slots=True)
class Call:
    """One call: wait for `ended`, read `ending`, then set `sent`.

    Attributes:
        arrived_s: `time.monotonic()` of its arrival, from which its time limit counts.
        ending: How its case ended.
    """

    arrived_s: float
    ending: Ending = Ending(TERMINATED, "the server ended before the case did")  # noqa: RUF009 - a frozen value
    ended: threading.Event = field(default_factory=threading.Event)
    sent: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class Calls:
    """The one place between the threads. `state` goes from "starting" to "ready", then to and fro with "busy"."""

    state: Literal["starting", "ready", "busy", "closed"] = "starting"
    _call: Call | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _queue: SimpleQueue[Call | None] = field(default_factory=SimpleQueue)

    def open(self) -> None:
        """From here on calls are taken."""
        with self._lock:
            self.state = "ready"

    def place(self, arrived_s: float) -> Call:
        """Hand in a call.

        Raises:
            NotNowError: Before `open`, during another call, after `close`.
        """
        with self._lock:
            if self.state != "ready":
                raise NotNowError(REFUSALS[self.state])
            self.state = "busy"
            self._call = Call(arrived_s)
            self._queue.put(self._call)
            return self._call

    def take(self) -> Call | None:
        """Wait for the next call; None after `close`."""
        return self._queue.get()

    def end(self, call: Call, ending: Ending) -> None:
        """Answer a call. The next one can come in before the answer has left."""
        with self._lock:
            if self.state == "busy":
                self.state = "ready"
            call.ending = ending
            call.ended.set()

    def close(self) -> None:
        """Take no more calls; one that is still without an answer gets that of a server that ends."""
        with self._lock:
            self.state = "closed"
            last = self._call
        self._queue.put(None)
        if last is not None:
            last.ended.set()
            last.sent.wait(SENT_WITHIN_S)
