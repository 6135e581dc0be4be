# SPDX-License-Identifier: Apache-2.0
"""`petlesion picture`: maximum-intensity projections with the mask over them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

SUMMARY = "draw the PET's maximum-intensity projections with the mask over them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--pet", type=Path, required=True, metavar="FILE", help="PET in SUV")
    parser.add_argument("--mask", type=Path, required=True, metavar="FILE", help="mask on the PET's grid")
    parser.add_argument("--out", type=Path, required=True, metavar="PNG")


def run(arguments: argparse.Namespace, _started_s: float) -> int:
    """Do it; the exit status."""
    from petlesion.images import read_image
    from petlesion.picture import mip_picture

    mip_picture(read_image(arguments.pet, "PET"), read_image(arguments.mask, "mask"), arguments.out)
    return 0
