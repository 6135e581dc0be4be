# SPDX-License-Identifier: Apache-2.0
"""How a cohort shows where it stands: a bar with an estimate on a terminal, a plain line for each case elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from petlesion.images import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from petlesion.cohort.record import Record

CELLS = 30
CLEAR = "\r\x1b[K"


@dataclass(slots=True)
class CohortProgress:
    """Counts the cases that end.

    Attributes:
        cases: How many are to run.
        stream: Where lines go; None where stderr is closed.
        clock: Seconds that only grow.
    """

    cases: int
    stream: TextIO | None = field(default_factory=lambda: sys.stderr)
    clock: Callable[[], float] = time.monotonic
    ended: int = 0
    failed: int = 0
    begun_s: float = field(init=False)
    first_s: float | None = None

    def __post_init__(self) -> None:
        self.begun_s = self.clock()

    def say(self, line: str) -> None:
        """A line by itself."""
        if self.stream is not None:
            self.stream.write(f"{CLEAR if self.is_bar else ''}{printable(line)}\n")
            self.stream.flush()

    def __call__(self, record: Record) -> None:
        """Show that one more case has ended."""
        self.first_s = self.clock() if self.first_s is None else self.first_s
        self.ended += 1
        self.failed += bool(record.status)
        line = f"{record.case}: {'failed: ' if record.status else ''}{record.sentence}"
        if not self.is_bar:
            self.say(f"{line} ({self.ended} of {self.cases}{self._left()})")
            return
        if record.status:
            self.say(line)
        self._bar()

    @property
    def is_bar(self) -> bool:
        """Whether lines may redraw themselves."""
        return self.stream is not None and self.stream.isatty()

    def left_s(self) -> float:
        """Estimate of the seconds to the end: as fast as since the first case, which pays for loading the networks."""
        begun_s, ended = (self.begun_s, 1) if self.ended < 2 or self.first_s is None else (self.first_s, self.ended - 1)
        return (self.clock() - begun_s) / ended * (self.cases - self.ended)

    def _left(self) -> str:
        return f"; about {in_words(self.left_s())} left" if self.ended < self.cases else ""

    def _bar(self) -> None:
        share = self.ended / max(1, self.cases)
        failed = f", {self.failed} failed" if self.failed else ""
        end = "\n" if self.ended == self.cases else ""
        cells = "#" * round(share * CELLS)
        if self.stream is not None:
            count = f"{self.ended} of {self.cases}{failed}{self._left()}"
            self.stream.write(f"{CLEAR}[{cells:<{CELLS}}] {share:4.0%}, {count}{end}")
            self.stream.flush()


def in_words(seconds: float) -> str:
    """Seconds in the unit that people count them in."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
