# SPDX-License-Identifier: Apache-2.0
"""Compare two output folders of the same case: that of a run outside the container and that of one inside.

usage: compare.py OUTSIDE INSIDE
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

MASKS = "images/tumor-lesion-segmentation"
ITS_OWN = {"seconds", "seconds_by_sweep", "versions"}  # keys of the report in which two runs may differ
LEAST_DICE = 0.9999


def main(outside: Path, inside: Path) -> str:
    first, second = the_mask(outside), the_mask(inside)
    if first.name != second.name:
        raise SystemExit(f"the mask is {first.name} outside and {second.name} inside")
    if os.getuid() == 0 and second.stat().st_uid == 0:
        raise SystemExit(f"{second.name} belongs to uid 0: the container ran as root")
    dice, voxels = compare_masks(sitk.ReadImage(first), sitk.ReadImage(second))
    reports = [json.loads((folder / "report.json").read_text()) for folder in (outside, inside)]
    if differences := list(compare_values(*reports)):
        raise SystemExit("the reports differ:\n" + "\n".join(differences))
    lesions = len(reports[0]["lesions"])
    return f"container: the same mask ({voxels} voxels, {lesions} lesions, Dice {dice:.6f}), the same report"


def the_mask(folder: Path) -> Path:
    found = sorted((folder / MASKS).iterdir())
    if len(found) != 1:
        raise SystemExit(f"{folder / MASKS} must hold one file; it holds {[path.name for path in found]}")
    return found[0]


def compare_masks(first: sitk.Image, second: sitk.Image) -> tuple[float, int]:
    for what in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection", "GetPixelIDTypeAsString"):
        one, other = getattr(first, what)(), getattr(second, what)()
        if one != other:
            raise SystemExit(f"{what} of the mask is {one} outside and {other} inside")
    one, other = (sitk.GetArrayViewFromImage(image) > 0 for image in (first, second))
    total = int(one.sum()) + int(other.sum())
    dice = 2 * int(np.logical_and(one, other).sum()) / total if total else 1.0
    if dice < LEAST_DICE:
        raise SystemExit(f"Dice between the masks must be at least {LEAST_DICE}; it is {dice:.6f}")
    return dice, int(other.sum())


def compare_values(one: Any, other: Any, where: str = "report"):
    """Yield a line for each value in which two reports differ."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one.keys() - ITS_OWN:
            yield from compare_values(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from compare_values(*pair, f"{where}[{number}]")
    elif isinstance(one, float) and isinstance(other, float):
        if not math.isclose(one, other, rel_tol=1e-3, abs_tol=1e-3):
            yield f"{where}: {one} outside, {other} inside"
    elif one != other:
        yield f"{where}: {one!r} outside, {other!r} inside"


if __name__ == "__main__":
    sys.stdout.write(main(Path(sys.argv[1]), Path(sys.argv[2])) + "\n")
