# SPDX-License-Identifier: Apache-2.0
"""Memory that libraries manage: the C library's policy while networks run on the CPU, the linear algebra's buffers.

glibc hands every large block back to the system as soon as it is freed, and the kernel then clears the same pages for
the next layer again: measured, 40 % of the time of a small network's forward pass. Blocks up to the size of such a
layer's scratch are kept for the next one instead; whole-body arrays are larger, and still go back at once.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import sys
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.blas import dgemm

if TYPE_CHECKING:
    from numpy.typing import NDArray

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
BLOCK_BYTES = 128 << 20
KEPT_BYTES = 512 << 20
WORKSPACE_EDGE = 256  # products of smaller matrices need no buffers


def keep_freed_memory() -> bool:
    """Let freed memory of the process be used again rather than handed back; whether the C library could be told.

    The setting holds for the whole process and changes no result. Elsewhere than on glibc nothing is done.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library, such as musl
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, BLOCK_BYTES)) and bool(mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))


def take_workspaces() -> None:
    """Let the linear algebra of numpy and of scipy take its buffers, before images fill the memory.

    OpenBLAS takes them at the first product of matrices and keeps them; where it finds no memory for them, it ends the
    whole process with a line of its own, and no error that Python could turn into a sentence.
    """
    square = np.ones((WORKSPACE_EDGE, WORKSPACE_EDGE))
    np.matmul(square, square)
    dgemm(1.0, square, square)


def sparse_zeros(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Zeros in float32 of which few are about to be written: only the small pages that are touched take memory.

    numpy asks the kernel for pages of 2 MB, and a box of a whole body touches one in each few slices: ten clicks would
    have all of the body cleared.
    """
    small = getattr(mmap, "MADV_NOHUGEPAGE", None)
    if small is None or 0 in shape:
        return np.zeros(shape, np.float32)
    try:
        pages = mmap.mmap(-1, 4 * math.prod(shape), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        pages.madvise(small)
    except OSError:  # no such pages here, or no memory: numpy says which
        return np.zeros(shape, np.float32)
    return np.frombuffer(pages, np.float32).reshape(shape)
