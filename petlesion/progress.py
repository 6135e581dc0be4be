# SPDX-License-Identifier: Apache-2.0
"""How a run shows where it stands: a bar on a terminal, a line for each sweep anywhere else."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from petlesion.inference.workplace import Progress

LOG = logging.getLogger(__name__)
BAR_CELLS = 30


@dataclass(slots=True)
class ProgressLine:
    """An observer of the sweeps.

    Attributes:
        stream: Where a terminal's bar goes; None where stderr is closed. Platforms drop lines that redraw themselves,
            so a stream that is no terminal gets no bar, only the log's plain lines.
    """

    stream: TextIO | None = field(default_factory=lambda: sys.stderr)
    begun_s: float | None = None

    def __call__(self, progress: Progress) -> None:
        """Show the state after one more tile."""
        now = time.monotonic()
        tiles_done = (progress.sweep - 1) * progress.tiles + progress.tile
        tiles = progress.sweeps * progress.tiles
        if self.begun_s is None:  # the first tile pays for warming up, so the clock starts after it
            self.begun_s = now
            LOG.info("%d sweeps of %d tiles", progress.sweeps, progress.tiles)
            return
        left_s = (now - self.begun_s) / max(1, tiles_done - 1) * (tiles - tiles_done)
        if tiles_done == 2:
            LOG.info("estimated time of the sweeps: %.0f s", left_s)
        if self.stream is not None and self.stream.isatty():
            self._bar(self.stream, tiles_done / tiles, left_s)
        elif progress.tile == progress.tiles:
            LOG.info("sweep %d of %d done; about %.0f s left", progress.sweep, progress.sweeps, left_s)

    @staticmethod
    def _bar(stream: TextIO, done: float, left_s: float) -> None:
        cells = "#" * round(done * BAR_CELLS)
        end = "\n" if done >= 1 else ""
        stream.write(f"\r[{cells:<{BAR_CELLS}}] {done:4.0%}, {left_s:4.0f} s left{end}")
        stream.flush()
