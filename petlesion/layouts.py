# SPDX-License-Identifier: Apache-2.0
"""autoPET's two forms of a data set, and how images are named in them: what training and cohorts both look for.

    nnunet    DIR/imagesTr/<case>_0000.* (CT) and <case>_0001.* (PET)
    autopet   DIR/<case>/CTres.* and SUV.* (CT on the PET's grid, PET in SUV)

`*` is .mha, .nii.gz, .nii or .nrrd.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from petlesion.images import image_stem, image_suffix

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES_BY_USE = (".nii.gz", ".mha", ".nii", ".nrrd")


@dataclass(frozen=True, slots=True)
class Pair:
    """A study's two images.

    Attributes:
        name: The study's name.
        ct: CT in HU; the path that is missing where there is none.
        pet: PET in SUV; likewise.
    """

    name: str
    ct: Path
    pet: Path


def images_in(folder: Path) -> list[Path]:
    """The images of a folder by name; none where it is missing."""
    return sorted(path for path in folder.glob("*") if image_suffix(path)) if folder.is_dir() else []


def image_named(folder: Path, stem: str) -> Path:
    """The image of that name; where there is none, the path that is missing."""
    paths = [folder / f"{stem}{suffix}" for suffix in SUFFIXES_BY_USE]
    return next((path for path in paths if path.is_file()), paths[0])


def nnunet_pairs(images: Path) -> list[Pair]:
    """The pairs of nnU-Net's folder of images; of one that has no PET nothing is known."""
    names = [image_stem(path).removesuffix("_0001") for path in images_in(images) if "_0001." in path.name]
    return [Pair(name, image_named(images, f"{name}_0000"), image_named(images, f"{name}_0001")) for name in names]


def autopet_pair(folder: Path) -> Pair | None:
    """The pair in the folder of a study; None where it holds no SUV image."""
    pet = image_named(folder, "SUV")
    return Pair(folder.name, image_named(folder, "CTres"), pet) if pet.is_file() else None
