# SPDX-License-Identifier: Apache-2.0
"""What a person, or a platform, sees of the sweeps."""

from __future__ import annotations

import io
import logging

from petlesion.inference.workplace import Progress
from petlesion.progress import ProgressLine


class Terminal(io.StringIO):
    def isatty(self):
        return True


def walk(line):
    for sweep in (1, 2):
        for tile in (1, 2, 3):
            line(Progress(sweep, 2, tile, 3))


def test_elsewhere_each_sweep_is_a_plain_line(caplog):
    stream = io.StringIO()
    with caplog.at_level(logging.INFO):
        walk(ProgressLine(stream))
    assert stream.getvalue() == ""  # no line that redraws itself
    lines = [record.getMessage().split(";")[0] for record in caplog.records]
    assert lines[0] == "2 sweeps of 3 tiles"
    assert lines[1].startswith("estimated time of the sweeps: ")
    assert lines[2:] == ["sweep 1 of 2 done", "sweep 2 of 2 done"]


def test_a_terminal_gets_a_bar_that_ends_in_a_new_line():
    stream = Terminal()
    walk(ProgressLine(stream))
    assert stream.getvalue().endswith("100%,    0 s left\n")
    assert stream.getvalue().count("\r") == 5  # the first tile only starts the clock
