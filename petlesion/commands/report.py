# SPDX-License-Identifier: Apache-2.0
"""`petlesion report`: the reports of a mask that is there already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from petlesion.limits import UsageError
from petlesion.words import counted

if TYPE_CHECKING:
    import argparse

    from petlesion.volume import Volume

SUMMARY = "measure a mask and write report.json, lesions.csv and report.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--pet", type=Path, required=True, metavar="FILE", help="PET in SUV by body weight")
    parser.add_argument("--ct", type=Path, metavar="FILE", help="CT in Hounsfield units, for the lesions' pictures")
    parser.add_argument("--mask", type=Path, required=True, metavar="FILE", help="mask on the PET's grid")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the reports; it is made")
    parser.add_argument("--name", metavar="CASE", help="the case's name in the reports (default: the mask's file name)")


def run(arguments: argparse.Namespace, _started_s: float) -> int:
    """Do it; the exit status."""
    from petlesion.case import AIR_HU
    from petlesion.images import image_stem, read_image
    from petlesion.itk import resample_onto
    from petlesion.lesions import LesionMask, measure_lesions
    from petlesion.page.drawings import draw
    from petlesion.page.folder import write_folder
    from petlesion.report import mask_report

    pet, read = read_image(arguments.pet, "PET"), read_image(arguments.mask, "mask")
    mask = _on_the_pet(LesionMask.of(read.array_zyx != 0, read.grid), pet)
    ct = None if arguments.ct is None else resample_onto(read_image(arguments.ct, "CT"), pet.grid, AIR_HU)
    lesions = measure_lesions(mask, pet)
    report = mask_report(lesions, case_name=arguments.name or image_stem(arguments.mask))
    write_folder(arguments.out, report, draw(pet, ct, mask))
    print(f"{counted(len(lesions), 'lesion')}, {report['tmtv_ml']:.1f} ml in all: {arguments.out / 'report.html'}")
    return 0


def _on_the_pet(mask: Volume, pet_suv: Volume) -> Volume:
    if not mask.grid.same_as(pet_suv.grid):
        raise UsageError("a mask is measured on the PET's grid; --mask and --pet differ: resample the mask first")
    return mask
