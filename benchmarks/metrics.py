# SPDX-License-Identifier: Apache-2.0
"""How long it takes to score one case, against a plain loop over components in the same run.

    python -m benchmarks.metrics [--components 500] [--shape 326 400 400] [--repeat 3] [--no-loop] [--json OUT]

The masks are seeded ellipsoids on the grid of a public FDG study (400 x 400 x 326, 52 million voxels); the prediction
misses a fifth of them and displaces the rest. The loop labels with scipy.ndimage and meets every component alone over
the whole volume, as evaluation scripts do; it is timed on `--loop-components` of the components and scaled, since the
whole takes minutes. Runs on one core: cc3d and numpy use no more here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from petlesion.scores import score

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

VOXEL_ML = 2.0364**2 * 3 / 1000
CC18 = ndimage.generate_binary_structure(3, 2)


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--components", type=int, default=500, help="components of the truth")
    parser.add_argument("--shape", type=int, nargs=3, default=(326, 400, 400), metavar=("Z", "Y", "X"))
    parser.add_argument("--repeat", type=int, default=3, help="runs; all are reported")
    parser.add_argument("--no-loop", action="store_true", help="leave the plain loop out")
    parser.add_argument("--loop-components", type=int, default=20, help="components of each mask that the loop meets")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    prediction, truth = masks(options.components, tuple(options.shape))
    runs = [timed(lambda: score(prediction, truth, VOXEL_ML)) for _ in range(options.repeat)]
    found: dict[str, Any] = {
        "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}, numpy {np.__version__}, cc3d {version('connected-components-3d')}",
        "voxels": truth.size,
        "components": sum(score(prediction, truth, VOXEL_ML).lesions),
        "score_s": [round(seconds, 3) for seconds in runs],
    }
    if not options.no_loop:
        found |= loop_figures(prediction, truth, options.loop_components)
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


def loop_figures(prediction: Mask, truth: Mask, met: int) -> dict[str, Any]:
    """Seconds of the plain loop: both labellings, and both passes over single components, scaled to all of them."""
    begun = time.perf_counter()
    (predicted, n_predicted), (true, n_true) = (ndimage.label(mask, CC18) for mask in (prediction, truth))
    labelling = time.perf_counter() - begun
    alone = timed(lambda: [meet(*one) for one in ((predicted, truth, met), (true, prediction, met))]) / (2 * met)
    seconds = labelling + alone * (n_predicted + n_true)
    return {
        "loop_labelling_s": round(labelling, 3),
        "loop_component_s": round(alone, 4),
        "loop_s_scaled": round(seconds, 1),
    }


def meet(labels: NDArray[np.int32], other: Mask, count: int) -> int:
    """Voxels of the first components that touch nothing of the other mask."""
    parts = (labels == k for k in range(1, count + 1))
    return sum(int(part.sum()) for part in parts if not (part & other).any())


def timed(what: Callable[[], object]) -> float:
    """Seconds of a call by the wall clock."""
    begun = time.perf_counter()
    what()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
