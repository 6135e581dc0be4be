# SPDX-License-Identifier: Apache-2.0
"""Where a cohort stands: plain lines for a file, one bar for a terminal."""

from __future__ import annotations

import io

import pytest

from petlesion.cohort.progress import CohortProgress, in_words
from petlesion.cohort.record import Record


class Terminal(io.StringIO):
    def isatty(self):
        return True


def progress_of(stream, seconds, status=0):
    """The progress of three cases, each `seconds` after the one before; the first takes 100 s more."""
    now = [0.0]
    progress = CohortProgress(3, stream, lambda: now[0])
    now[0] = 100.0
    for number, name in enumerate("abc"):
        now[0] += seconds
        progress(Record(name, "", status * (number == 1), "one\nline", {}))
    return stream.getvalue()


def test_elsewhere_each_case_is_a_line_without_any_control():
    assert progress_of(io.StringIO(), 10.0, 3).splitlines() == [
        "a: one\\nline (1 of 3; about 4 min left)",
        "b: failed: one\\nline (2 of 3; about 10 s left)",
        "c: one\\nline (3 of 3)",
    ]


def test_on_a_terminal_there_is_a_bar_and_a_line_for_each_failure():
    lines = progress_of(Terminal(), 10.0, 3).split("\r\x1b[K")
    assert lines[1].startswith("[##########                    ]  33%, 1 of 3; about")
    assert lines[2:] == [
        "b: failed: one\\nline\n",
        "[####################          ]  67%, 2 of 3, 1 failed; about 10 s left",
        f"[{'#' * 30}] 100%, 3 of 3, 1 failed\n",
    ]


def test_without_stderr_nothing_is_said():
    CohortProgress(1, None)(Record("a", "", 0, "done", {}))


@pytest.mark.parametrize(("seconds", "said"), [(59.6, "60 s"), (600, "10 min"), (36000, "10.0 h")])
def test_time_in_words(seconds, said):
    assert in_words(seconds) == said
