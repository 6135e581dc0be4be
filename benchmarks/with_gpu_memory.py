# SPDX-License-Identifier: Apache-2.0
"""process.py as it is, with one more line on stdout at its end: the most memory that it held on the GPU.

    python -m benchmarks.with_gpu_memory [options of process.py]

For `benchmarks.speed`. Without a GPU the line is `{}`.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path


def gpu_memory() -> dict[str, float]:
    """Peak of the memory that torch gave out on the GPU, and of what it took from the driver for it, in GB."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return {}
    taken = {"gpu_peak_gb": torch.cuda.max_memory_allocated(), "gpu_reserved_gb": torch.cuda.max_memory_reserved()}
    return {key: round(n_bytes / 1e9, 2) for key, n_bytes in taken.items()}


def main() -> None:
    """Be process.py, then tell."""
    program = Path(__file__).resolve().parents[1] / "process.py"
    sys.argv[0] = str(program)
    try:
        runpy.run_path(str(program), run_name="__main__")
    finally:
        print(json.dumps(gpu_memory()))


if __name__ == "__main__":
    main()
