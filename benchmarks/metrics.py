# SPDX-License-Identifier: Apache-2.0
"""How long it takes to score one case, against a plain loop over components in the same run.

    python -m benchmarks.metrics [--components 500] [--shape 326 400 400] [--repeat 3] [--no-loop] [--json OUT]

The masks are seeded ellipsoids on the grid of a public FDG study (400 x 400 x 326, 52 million voxels); the prediction
misses a fifth of them and displaces the rest. The loop gives FPV and FNV alone: it labels with scipy.ndimage and meets
every component over the whole volume, as evaluation scripts do. Runs on one core: cc3d and numpy use no more here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from scipy import ndimage

from petlesion.scores import score

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

T = TypeVar("T")
VOXEL_ML = 2.0364**2 * 3 / 1000
CC18 = ndimage.generate_binary_structure(3, 2)


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--components", type=int, default=500, help="components of the truth")
    parser.add_argument("--shape", type=int, nargs=3, default=(326, 400, 400), metavar=("Z", "Y", "X"))
    parser.add_argument("--repeat", type=int, default=3, help="runs; all are reported")
    parser.add_argument("--no-loop", action="store_true", help="leave the plain loop out")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    prediction, truth = masks(options.components, tuple(options.shape))
    runs = [timed(lambda: score(prediction, truth, VOXEL_ML)) for _ in range(options.repeat)]
    packages = f"numpy {np.__version__}, cc3d {version('connected-components-3d')}"
    found: dict[str, Any] = {
        "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}, {packages}",
        "voxels": truth.size,
        "components": sum(runs[0][1].lesions),
        "score_s": [round(seconds, 3) for seconds, _ in runs],
    }
    if not options.no_loop:
        seconds, volumes = timed(lambda: (alone_ml(prediction, truth), alone_ml(truth, prediction)))
        same = volumes == (runs[0][1].fpv_ml, runs[0][1].fnv_ml)
        found |= {"loop_fpv_fnv_s": round(seconds, 1), "loop_gives_the_same": same}
    print(json.dumps(found, indent=2))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def masks(count: int, shape: tuple[int, ...]) -> tuple[Mask, Mask]:
    """A prediction and a truth of `count` lesions, one in each cell of a regular lattice, so that none touch."""
    rng = np.random.default_rng(0)
    cells = int(np.ceil(count ** (1 / 3)))
    sides = [size // cells for size in shape]
    places = rng.permutation(cells**3)[:count]
    truth, prediction = np.zeros(shape, bool), np.zeros(shape, bool)
    for place in places:
        cell = np.unravel_index(int(place), (cells, cells, cells))
        radii = rng.integers(1, [side // 3 for side in sides])
        z, y, x = np.ogrid[tuple(slice(-r, r + 1) for r in radii)]
        lesion = (z / radii[0]) ** 2 + (y / radii[1]) ** 2 + (x / radii[2]) ** 2 <= 1
        corner = [c * side + side // 6 for c, side in zip(cell, sides, strict=True)]
        window = tuple(slice(c, c + 2 * r + 1) for c, r in zip(corner, radii, strict=True))
        truth[window] |= lesion
        if rng.random() < 0.8:
            moved = tuple(slice(w.start + 1, w.stop + 1) for w in window)
            prediction[moved] |= lesion
    return prediction, truth


def alone_ml(mask: Mask, other: Mask) -> float:
    """Volume of the components of a mask that touch nothing of the other, by a loop over them."""
    labels, count = ndimage.label(mask, CC18)
    parts = (labels == k for k in range(1, count + 1))
    return sum(int(part.sum()) for part in parts if not (part & other).any()) * VOXEL_ML


def timed(what: Callable[[], T]) -> tuple[float, T]:
    """Seconds of a call by the wall clock, and what it gave."""
    begun = time.perf_counter()
    given = what()
    return time.perf_counter() - begun, given


if __name__ == "__main__":
    main()
