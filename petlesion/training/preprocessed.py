# SPDX-License-Identifier: Apache-2.0
"""A raw case on the network's grid, by nnU-Net's own preprocessor, with clicks, organs and a second PET beside it.

    <plans>_3d_fullres/<case>.b2nd, <case>_seg.b2nd, <case>.pkl    as nnU-Net writes them; the .pkl comes last
    <plans>_3d_fullres_extras/<case>_organs.b2nd                   classes of the organ head, where there is a map
    <plans>_3d_fullres_extras/<case>_suv.b2nd                      the PET below SUV 4.25, in steps of 1/60

The .pkl holds nnU-Net's properties, and the clicks in voxels of the network's grid under `CLICKS`. The second PET is
what the heatmap is cut by: nnU-Net's PET is clipped to the lesions' range, which may begin above the cut. Where the
recipe knows no clicks there is neither.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import blosc2
import numpy as np
import SimpleITK as sitk
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params, nnUNetDatasetBlosc2
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from petlesion.training.plans import CONFIGURATION
from petlesion.training.raw_case import FILE_ENDING, CaseFacts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from petlesion.training.plans import Json

CLICKS = "petlesion_clicks"
STEPS_PER_SUV = 60  # so that the cuts of the recipe, SUV 3 and 4, are whole steps; uint8 ends at 4.25


@dataclass(frozen=True, slots=True)
class Folders:
    """nnU-Net's folders of one data set.

    Attributes:
        raw: nnUNet_raw/<data set>.
        preprocessed: nnUNet_preprocessed/<data set>.
        cases: The folder of prepared cases below `preprocessed`.
    """

    raw: Path
    preprocessed: Path
    cases: Path


def extras_folder(cases: Path) -> Path:
    """The folder of organ maps and of second PETs beside a folder of prepared cases."""
    return cases.with_name(f"{cases.name}_extras")


def in_steps(suv: NDArray[np.floating]) -> NDArray[np.uint8]:
    """SUV in whole steps, rounded down, so that the order of a value and a cut stays; 255 from 4.25 on."""
    return np.asarray(np.clip(np.floor(suv * STEPS_PER_SUV), 0, 255).astype(np.uint8))


def preprocess_case(name: str, folders: Folders, plans: Json, dataset: Json) -> None:
    """Prepare one case; nothing is done where it is complete."""
    done = folders.cases / f"{name}.pkl"
    if done.exists():
        return
    configuration = PlansManager(plans).get_configuration(CONFIGURATION)
    images = [
        str(folders.raw / "imagesTr" / f"{name}_{i:04d}{FILE_ENDING}") for i in range(len(dataset["channel_names"]))
    ]
    label = str(folders.raw / "labelsTr" / f"{name}{FILE_ENDING}")
    data, seg, properties = DefaultPreprocessor(verbose=False).run_case(
        images, label, PlansManager(plans), configuration, dataset
    )
    box = [(int(low), int(high)) for low, high in properties["bbox_used_for_cropping"]]
    pet_suv = sitk.GetArrayFromImage(sitk.ReadImage(images[1]))
    facts = CaseFacts.load(folders.raw / "studies" / f"{name}.npz")
    patch = tuple(configuration.patch_size)
    extras = extras_folder(folders.cases)
    if len(facts.tumor_xyz):
        properties[CLICKS] = _clicks(facts, pet_suv, box, data.shape[1:])
        _write_nearest(in_steps(pet_suv), box, data.shape[1:], patch, extras / f"{name}_suv.b2nd")
    organs = folders.raw / "organsTr" / f"{name}{FILE_ENDING}"
    if organs.exists():
        classes = sitk.GetArrayFromImage(sitk.ReadImage(str(organs)))
        _write_nearest(classes, box, data.shape[1:], patch, extras / f"{name}_organs.b2nd")
    _write(data.astype(np.float32, copy=False), seg.astype(np.int16, copy=False), properties, patch, done)


def _write(
    data: NDArray[np.float32], seg: NDArray[np.int16], properties: dict[str, Any], patch: tuple[int, ...], done: Path
) -> None:
    """Write the three files of a case beside their places and rename them, `done` last."""
    blocks, chunks = comp_blosc2_params(data.shape, patch, data.itemsize)
    blocks_seg, chunks_seg = comp_blosc2_params(seg.shape, patch, seg.itemsize)
    done.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=done.parent) as part:
        nnUNetDatasetBlosc2.save_case(
            *(data, seg, properties, str(Path(part) / done.stem)),
            chunks=chunks,
            blocks=blocks,
            chunks_seg=chunks_seg,
            blocks_seg=blocks_seg,
        )
        for suffix in (".b2nd", "_seg.b2nd", ".pkl"):
            (Path(part) / f"{done.stem}{suffix}").replace(done.with_name(f"{done.stem}{suffix}"))


def _clicks(
    facts: CaseFacts, pet_suv_zyx: NDArray[np.float32], box: list[tuple[int, int]], shape_zyx: tuple[int, ...]
) -> dict[str, NDArray[np.float64]]:
    """The clicks on the network's grid: fractional (z, y, x), NaN where a list has ended; SUV of the tumour clicks.

    `scale_zyx` is the number of voxels of the PET for each voxel of the network's grid. Voxels are cells: the first
    ones of both grids begin at the same face.
    """
    low = np.array([b[0] for b in box])
    scale = np.array([b[1] - b[0] for b in box]) / np.array(shape_zyx)

    def placed(points_xyz: NDArray[np.int64]) -> NDArray[np.float64]:
        points = (points_xyz[..., ::-1] - low + 0.5) / scale - 0.5
        points[(points_xyz < 0).any(axis=-1)] = np.nan
        return np.asarray(points)

    x, y, z = np.moveaxis(np.maximum(facts.tumor_xyz, 0), -1, 0)
    suv = pet_suv_zyx[z, y, x].astype(np.float64)
    return {
        "tumor_zyx": placed(facts.tumor_xyz),
        "tumor_suv": suv,
        "background_zyx": placed(facts.background_xyz),
        "scale_zyx": scale,
    }


def _write_nearest(
    array_zyx: NDArray[np.uint8],
    box: list[tuple[int, int]],
    shape_zyx: tuple[int, ...],
    patch: tuple[int, ...],
    path: Path,
) -> None:
    """Bring an array to the network's grid, by the nearest voxel, and write it."""
    array = array_zyx[tuple(slice(*b) for b in box)]
    there = [((np.arange(n) + 0.5) * old / n).astype(int) for n, old in zip(shape_zyx, array.shape, strict=True)]
    found = np.ascontiguousarray(array[np.ix_(*there)])
    blocks, chunks = comp_blosc2_params((1, *shape_zyx), patch, found.itemsize)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=path.parent) as part:
        draft = Path(part) / path.name
        blosc2.asarray(found, urlpath=str(draft), chunks=chunks[1:], blocks=blocks[1:], mode="w")
        draft.replace(path)
