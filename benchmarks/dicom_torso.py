# SPDX-License-Identifier: Apache-2.0
"""One real study segmented twice: from its DICOM, and from the NIfTI that others made of it.

    python -m benchmarks.dicom_torso --dicom STUDY --nifti DIR [--json FILE] [--folds 0] [--depth 1]

STUDY is the folder as it left the archive; DIR holds its `CTres.nii.gz` (HU on the PET's grid) and `SUV.nii.gz`. Both
go through `pipeline.segment` with the same weights and limits. What may differ is the CT's resampling to the PET and
the rounding of the SUV factor. Printed: the largest difference of SUV, the mean one of HU in the body, both masks'
volumes, and their Dice.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from petlesion.challenge import read_files
from petlesion.dicom.cases import read_dicom_study
from petlesion.inference.weights import ModelStore
from petlesion.limits import Limits
from petlesion.metrics import dice
from petlesion.pipeline import segment
from petlesion.read_options import ReadOptions

IN_BODY_HU = -500.0

if TYPE_CHECKING:
    from petlesion.case import PetCtCase


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dicom", type=Path, required=True)
    parser.add_argument("--nifti", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--folds", type=lambda text: tuple(map(int, text.split(","))))
    parser.add_argument("--depth", type=int, default=1)
    arguments = parser.parse_args()
    begun = time.monotonic()
    from_dicom = read_dicom_study(arguments.dicom, "dicom", None, ReadOptions())
    read_s = time.monotonic() - begun
    files = arguments.nifti / "CTres.nii.gz", arguments.nifti / "SUV.nii.gz"
    from_nifti = read_files(*files, None, ReadOptions())
    limits = Limits(device="cpu", time_limit_s=float("inf"), depth=arguments.depth, folds=arguments.folds)
    figures = compare(from_dicom.case, from_nifti.case, limits)
    figures |= {"reading_dicom_s": round(read_s, 1), "warnings": list(from_dicom.warnings)} | from_dicom.origin
    print(json.dumps(figures, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def compare(one: PetCtCase, other: PetCtCase, limits: Limits) -> dict[str, object]:
    """Segment both cases; how far the inputs and the masks differ."""
    store = ModelStore.open()
    masks = [segment(case, store, limits).mask for case in (one, other)]
    first, second = (mask.array_zyx.astype(bool) for mask in masks)
    hu, other_hu = one.ct_hu.array_zyx, other.ct_hu.array_zyx
    in_body = (hu > IN_BODY_HU) & (other_hu > IN_BODY_HU)
    return {
        "suv_max_difference": float(np.abs(one.pet_suv.array_zyx - other.pet_suv.array_zyx).max()),
        "hu_mean_difference_in_body": float(np.abs(hu - other_hu)[in_body].mean()),
        "ml": [float(mask.array_zyx.sum() * mask.grid.voxel_ml) for mask in masks],
        "voxels_that_differ": int((first != second).sum()),
        "dice": dice(first, second),
    }


if __name__ == "__main__":
    main()
