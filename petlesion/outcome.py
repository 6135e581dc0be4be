# SPDX-License-Identifier: Apache-2.0
"""How a run ends: the exit status of each error, and its one plain sentence.

0 done, 2 usage, 3 bad input, 4 model, 5 out of time, memory or files with no mask, 6 output, 70 internal,
143 terminated.
"""

from __future__ import annotations

from dataclasses import dataclass

from petlesion.case import CaseError
from petlesion.clicks import ClicksError
from petlesion.images import OutputError
from petlesion.inference.manifest import WeightsError
from petlesion.inference.nnunet_plans import PlansError
from petlesion.inference.plan import PlanError
from petlesion.inference.preprocess import PrepareError
from petlesion.limits import OutOfLimitsError, Terminated, UsageError, is_out_of_files, is_out_of_memory
from petlesion.metrics import MetricError
from petlesion.volume import GridError

DONE, USAGE, BAD_INPUT, MODEL, OUT_OF_LIMITS, OUTPUT, INTERNAL, TERMINATED = 0, 2, 3, 4, 5, 6, 70, 143
INTERRUPTED = 130  # Ctrl-C, which a server that a person started ends by

STATUS: dict[type[BaseException], int] = {
    UsageError: USAGE,
    CaseError: BAD_INPUT,
    ClicksError: BAD_INPUT,
    FileNotFoundError: BAD_INPUT,
    PrepareError: MODEL,
    GridError: BAD_INPUT,
    MetricError: BAD_INPUT,
    WeightsError: MODEL,
    PlansError: MODEL,
    PlanError: MODEL,
    OutOfLimitsError: OUT_OF_LIMITS,
    OutputError: OUTPUT,
    Terminated: TERMINATED,
}
KNOWN_ERRORS = (*STATUS, MemoryError)
LONGEST_SENTENCE = 2000  # the platform drops long lines, and what is quoted from a file may have any length


@dataclass(frozen=True, slots=True)
class Ending:
    """How a case ended.

    Attributes:
        status: The exit status of a process that ends with it.
        sentence: What was done, or why not, in one line.
    """

    status: int
    sentence: str


def status_of(error: BaseException) -> int:
    """The exit status that an error ends in; 70 for one that nobody foresaw."""
    if is_out_of_memory(error) or is_out_of_files(error):
        return OUT_OF_LIMITS
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), INTERNAL)


def sentence_of(error: BaseException) -> str:
    """The error in one line, which is cut in its middle where it is a long one."""
    text = " ".join(str(error).split()) or type(error).__name__
    if len(text) > LONGEST_SENTENCE:
        text = f"{text[: LONGEST_SENTENCE // 2]} ... {text[-LONGEST_SENTENCE // 4 :]}"
    if is_out_of_memory(error):
        return f"out of memory ({text}); give the process more"
    if is_out_of_files(error) and not isinstance(error, OutOfLimitsError):
        return f"too many open files ({text}); raise the limit (ulimit -n)"
    return text if status_of(error) != INTERNAL else f"internal error, {type(error).__name__}: {text}"
