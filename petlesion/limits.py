# SPDX-License-Identifier: Apache-2.0
"""What a run may use: time, device, depth. The options of the command line, as a value."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from petlesion.case import Tracer


class UsageError(ValueError):
    """Options that do not go together or are out of range."""


ALLOCATOR_REFUSALS = ("allocate memory", "not enough memory", "bad_alloc", "start new thread")  # its stack is memory
GPU_REFUSALS = ("out of memory", "ALLOC_FAILED", "unable to find an engine")  # the last: cuDNN's, where none has room
OPEN_FILES = 16  # files that a case has open at a time, with those of a server's call; it needs 3 by itself


class OutOfLimitsError(RuntimeError):
    """Time or memory ended before there was any mask, or no file can be opened. States rule, offence and remedy.

    Attributes:
        ended: Which of them; "terminated" where an ensemble was left out for SIGTERM.
    """

    def __init__(self, text: str, ended: Literal["time", "memory", "files", "terminated"] = "time") -> None:
        super().__init__(text)
        self.ended = ended


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is a lack of memory: Python's own, the GPU's, or a refusal of the system's."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(sign in text for sign in (*ALLOCATOR_REFUSALS, *GPU_REFUSALS))


def is_out_of_files(error: BaseException) -> bool:
    """Whether an error, or one that it came of, is the system's refusal to open one more file."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        refused = isinstance(one, OSError) and one.errno in {errno.EMFILE, errno.ENFILE}
        if refused or os.strerror(errno.EMFILE) in str(one):
            return True
        one = one.__cause__ or one.__context__
    return False


def check_open_files(least: int = OPEN_FILES) -> None:
    """Refuse, before any work, a process that can open fewer than `least` more files.

    Without, what fails first would depend on which file comes last: an image, the weights, a module, the mask.

    Raises:
        OutOfLimitsError: With the remedy.
    """
    opened: list[int] = []
    try:
        while len(opened) < least:
            opened += os.pipe()  # of the operating system alone: no file need be there
    except OSError as error:
        raise OutOfLimitsError(
            f"too many open files: a case needs {least} that can be opened, and {len(opened)} can ({error.strerror}); "
            "raise the limit (ulimit -n)",
            "files",
        ) from error
    finally:
        for number in opened:
            os.close(number)


class Terminated(BaseException):
    """SIGTERM came. Derived from BaseException so that no handler of errors swallows it."""


Depth = Literal["voxels", "published", "deadline"] | int
Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds and choices of one run.

    Attributes:
        device: Where the networks run; "auto" takes CUDA where it is.
        time_limit_s: Seconds from `started_s` to the finished mask; None takes the recipe's limit.
        started_s: `time.monotonic()` at which the clock began; None means when `segment` is called.
        depth: How the number of test-time flips is chosen: by the voxels the network sweeps ("voxels"), by the
            voxels of the input ("published"), as many as the time limit allows ("deadline"), or 1, 2, 4 or 8.
        body_crop: Whether only the body's box is swept; None takes the recipe's choice.
        tile_step: Distance of neighbouring tiles as a fraction of the patch, in (0, 1]; None takes the recipe's.
        folds: Folds to use, as their numbers; None takes all that the weights hold.
        tracer: The tracer where it is known; None lets the MIP-CNN decide.
        average_folds: Whether the folds' weights are averaged into one network, in place of their answers.
        compile: Whether networks on a GPU are compiled before they sweep; see `compiled`.

    Raises:
        ValueError: When a value is outside its range.
    """

    device: Device = "auto"
    time_limit_s: float | None = None
    started_s: float | None = None
    depth: Depth = "voxels"
    body_crop: bool | None = None
    tile_step: float | None = None
    folds: tuple[int, ...] | None = None
    tracer: Tracer | None = None
    average_folds: bool = False
    compile: bool = False

    def __post_init__(self) -> None:
        if self.depth not in {"voxels", "published", "deadline", 1, 2, 4, 8}:
            raise ValueError(f"the depth is 1, 2, 4 or 8 flips, or a rule's name; got {self.depth}")
        if self.tile_step is not None and not 0 < self.tile_step <= 1:
            raise ValueError(f"the tile step is a fraction of the patch in (0, 1]; got {self.tile_step}")
        if self.time_limit_s is not None and not self.time_limit_s > 0:
            raise ValueError(f"the time limit is a positive number of seconds; got {self.time_limit_s}")
        if self.folds is not None and (not self.folds or len(set(self.folds)) != len(self.folds)):
            raise ValueError(f"folds are named once each, and at least one of them; got {self.folds}")
