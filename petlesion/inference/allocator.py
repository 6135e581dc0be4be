# SPDX-License-Identifier: Apache-2.0
"""Memory that libraries manage: the C library's policy while networks run on the CPU, the linear algebra's buffers.

glibc hands every large block back to the system as soon as it is freed, and the kernel then clears the same pages for
the next layer again: measured, 40 % of the time of a small network's forward pass. Blocks up to the size of such a
layer's scratch are kept for the next one instead; whole-body arrays are larger, and still go back at once.
"""

from __future__ import annotations

import ctypes
import sys

import numpy as np
from scipy.linalg.blas import dgemm

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
