# SPDX-License-Identifier: Apache-2.0
"""Small windows side by side on a CPU's cores: layers of a small window are too short to be shared among them.

Measured on two cores with windows of 48^3: 30 ms each with both cores on every layer, 22 ms with a window on each.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from petlesion.volume import Index

LARGEST_VOXELS = 64**3  # of a window; larger ones share their layers well, and hold too much to have many at once
MOST_AT_ONCE = 8  # windows; more cores share them
_THREADS_OF_TORCH = threading.Lock()  # how many these are is a setting of the whole process

Item = TypeVar("Item")
Result = TypeVar("Result")


def at_once(window_zyx: Index, device: torch.device) -> int:
    """How many windows of a size are computed side by side, one after the other being 1."""
    if device.type != "cpu" or math.prod(window_zyx) > LARGEST_VOXELS:
        return 1
    return min(MOST_AT_ONCE, torch.get_num_threads())


def in_order(work: Callable[[Item], Result], items: Iterable[Item], n: int) -> Generator[Result]:
    """What `work` gives for each of the items, in their order; the next few are under way meanwhile.

    Args:
        work: Called in `n` threads, each of which has its share of torch's threads.
        items: Read as they are needed, in the thread that asks for the results.
        n: How many are worked on at once; with 1 all is done in the calling thread.

    Close it where the results are not read to their end: only then do the threads end and torch has its own again.
    Whatever `work` or `items` raise is raised here; what had not begun by then is left. Where another thread of the
    process does the same just now, all is done in the calling thread.
    """
    if n == 1 or not _THREADS_OF_TORCH.acquire(blocking=False):
        yield from map(work, items)
        return
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(n, "windows", torch.set_num_threads, (max(1, threads // n),))
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > n:  # one more than are worked on, so that no thread has to wait for this one
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
        _THREADS_OF_TORCH.release()
