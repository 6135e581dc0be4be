# SPDX-License-Identifier: Apache-2.0
"""SIGTERM while a case is at work: an exception as long as nothing would be lost, and kept in mind from then on.

The signal's handler is the one place that every step can ask without being handed it: `Termination.current()`. Python
lets the main thread alone handle signals. A case at work in another thread can be told by `heard_from` instead: whoever
knows that the process is to end sets `came`, and the case meets that at its next `check`. Where neither is set, nothing
ever comes.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from petlesion.limits import Terminated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_HERE = threading.local()
SENTENCE = "terminated on the platform's request"


@dataclass(slots=True)
class Termination:
    """A handler of SIGTERM.

    Attributes:
        came: Whether the signal has come.
        keeping: Whether there is a mask to be lost, so that the signal is only kept in mind.
    """

    came: bool = False
    keeping: bool = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Take the signal; Terminated where nothing is to be kept. Later signals change nothing."""
        first, self.came = not self.came, True
        if first and not self.keeping:
            self.check()

    @classmethod
    def current(cls) -> Termination:
        """The handler that is set; outside the main thread, what `heard_from` set for this thread."""
        found = signal.getsignal(signal.SIGTERM) if _in_main_thread() else getattr(_HERE, "heard", None)
        return found if isinstance(found, cls) else cls()

    def check(self) -> None:
        """Raise Terminated where the signal has come."""
        if self.came:
            raise Terminated(SENTENCE)

    def behind(self, error: BaseException) -> BaseException:
        """The error that counts: Terminated where the signal has come and a library made an error of its own of that.

        Code that is not Python's, such as safetensors', turns whatever is raised while it runs into errors of its own.
        An output that could not be written stays one, since the signal is only kept in mind by then.
        """
        if not self.came or self.keeping or isinstance(error, Terminated):
            return error
        return Terminated(SENTENCE)

    def let_go(self) -> None:
        """From here on nothing would be lost; Terminated where the signal has come."""
        self.keeping = False
        self.check()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """While inside, the signal raises Terminated, since what is to be kept is safe outside."""
        former = self.keeping
        self.let_go()
        try:
            yield
        finally:
            self.keeping = former


@contextmanager
def sigterm_raises() -> Iterator[Termination]:
    """While inside, the first SIGTERM raises Terminated or, where there is a mask to be lost, is kept in mind."""
    handler = Termination()
    if not _in_main_thread():
        yield Termination.current()
        return
    former = signal.signal(signal.SIGTERM, handler)
    try:
        yield handler
    finally:
        signal.signal(signal.SIGTERM, former)
        if handler.came and isinstance(former, Termination):
            former.came = True  # what is around this, a server, goes on and must hear of it


@contextmanager
def ctrl_c_counts() -> Iterator[Callable[[], None]]:
    """While inside, Ctrl-C raises KeyboardInterrupt as ever, and what is given raises it where that was swallowed.

    Libraries that are not Python's turn it into errors of their own, after which a server would go on. A process that
    was started to ignore Ctrl-C still does.
    """
    came = threading.Event()

    def hear(number: int, frame: FrameType | None) -> None:
        came.set()
        signal.default_int_handler(number, frame)

    def check() -> None:
        if came.is_set():
            raise KeyboardInterrupt

    if not _in_main_thread() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield check
        return
    former = signal.signal(signal.SIGINT, hear)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, former)


@contextmanager
def heard_from(teller: Termination) -> Iterator[None]:
    """While inside, `teller` is the handler of this thread, which no signal reaches: others set its `came`."""
    _HERE.heard = teller
    try:
        yield
    finally:
        del _HERE.heard


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
