# SPDX-License-Identifier: Apache-2.0
"""A study in nnU-Net's raw form: the recipe's channels, the mask, and what training wants to know.

imagesTr/<case>_0000.mha, _0001.mha, ...    CT in HU, PET in SUV, then maps of clicks, all on the PET's grid
labelsTr/<case>.mha                         1 in lesions
organsTr/<case>.mha                         classes of the organ head, where recipe and study have organs
studies/<case>.npz                          `CaseFacts`; written last: where it is, the case is complete
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from petlesion.case import CaseError
from petlesion.challenge import read_files
from petlesion.drafts import staged
from petlesion.images import read_image
from petlesion.inference.channels import draw_channels
from petlesion.inference.preprocess import nonzero_box
from petlesion.itk import to_image
from petlesion.read_options import ReadOptions
from petlesion.simulate import N_CLICKS, click_mask, hot_background
from petlesion.training.layouts import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from petlesion.case import PetCtCase
    from petlesion.clicks import Clicks
    from petlesion.recipe import Stage
    from petlesion.training.layouts import Study
    from petlesion.training.organs import OrganLabels
    from petlesion.volume import Volume

FILE_ENDING = ".mha"
CLICK_LISTS = 6  # simulated physicians; each training patch takes the first clicks of one of them
SAMPLES = 10_000  # lesion voxels of each study for the statistics, drawn with replacement, as nnU-Net draws them
COMPRESSION = 1  # images are read once, by the preprocessing


@dataclass(frozen=True, slots=True, eq=False)
class CaseFacts:
    """What is known of a case beside its images.

    Attributes:
        tumor_xyz: Clicks of each physician in order, voxels (x, y, z) of the PET, (lists, clicks, 3); -1 where a list
            is shorter than others; (0, 0, 3) where the recipe knows no clicks.
        background_xyz: The same for background.
        lesion_values: CT in HU and PET in SUV of lesion voxels, (2, SAMPLES); (2, 0) in a healthy study.
        spacing_zyx_mm: Of the PET's grid, (3,).
        cropped_zyx: Shape of the box that is not zero, (3,).
    """

    tumor_xyz: NDArray[np.int64]
    background_xyz: NDArray[np.int64]
    lesion_values: NDArray[np.float32]
    spacing_zyx_mm: NDArray[np.float64]
    cropped_zyx: NDArray[np.int64]

    def save(self, path: Path) -> None:
        """Write the facts, whole or not at all."""
        with staged(path) as draft:
            np.savez(draft, **{name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def load(cls, path: Path) -> CaseFacts:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as held:
            return cls(*(held[name] for name in cls.__slots__))


def write_raw_case(study: Study, folder: Path, stage: Stage, labels: OrganLabels | None, seed: int) -> None:
    """Write a study into the raw data set; nothing is done where it is complete.

    Args:
        study: The study.
        folder: nnU-Net's raw folder of the data set.
        stage: Its channels, and how clicks are drawn, if they are.
        labels: What the labels of its organ map are; None where the recipe has no organs.
        seed: Of the clicks; each case has its own sequence.

    Raises:
        CaseError: When a file cannot be read, or the PET is not in SUV; names the case.
    """
    facts_path = folder / "studies" / f"{study.name}.npz"
    if facts_path.exists():
        return
    case, truth = read_case(study)
    rng = np.random.default_rng([seed, zlib.crc32(study.name.encode())])
    lesion = np.asarray(truth.array_zyx > 0)
    lists = click_lists(case, lesion, rng) if stage.heatmap else []
    shown = replace(case, clicks=lists[0]) if lists else case
    for i, channel in enumerate(draw_channels(shown, stage, np.zeros_like(lesion))):
        image = case.pet_suv.with_array(channel)
        write_image(image, folder / "imagesTr" / f"{study.name}_{i:04d}{FILE_ENDING}")
    write_image(truth.with_array(lesion.astype(np.uint8)), folder / "labelsTr" / f"{study.name}{FILE_ENDING}")
    if study.organs is not None and labels is not None:
        organs = read_image(study.organs, "organ map")
        classes = organs.with_array(labels.classes(organs.array_zyx))
        write_image(classes, folder / "organsTr" / f"{study.name}{FILE_ENDING}")
    _facts(case, lesion, lists, rng).save(facts_path)


def read_case(study: Study) -> tuple[PetCtCase, Volume]:
    """A study as inference would admit it, and its mask on the same grid.

    Raises:
        DataError: When it cannot be used; the text names the case.
    """
    try:
        case = read_files(study.ct, study.pet, study.clicks, ReadOptions(strict=True)).case
        truth = read_image(study.truth, "lesion mask")
    except CaseError as error:
        raise DataError(f"case {study.name}: {error}") from error
    return case, truth


def click_lists(case: PetCtCase, lesion_zyx: NDArray[np.bool_], rng: np.random.Generator) -> list[Clicks]:
    """The clicks that came with the case, if any, then those of `CLICK_LISTS` simulated physicians."""
    hot = hot_background(lesion_zyx, case.pet_suv.array_zyx)
    given = [case.clicks] if case.clicks else []
    kind = type(case.clicks)
    return given + [
        kind(click_mask(lesion_zyx, N_CLICKS, rng), click_mask(hot, N_CLICKS, rng)) for _ in range(CLICK_LISTS)
    ]


def write_image(volume: Volume, path: Path) -> None:
    """Write an image, compressed, whole or not at all."""
    with staged(path) as draft:
        sitk.WriteImage(to_image(volume), str(draft), useCompression=True, compressionLevel=COMPRESSION)


def _facts(case: PetCtCase, lesion_zyx: NDArray[np.bool_], lists: list[Clicks], rng: np.random.Generator) -> CaseFacts:
    channels = [case.ct_hu.array_zyx, case.pet_suv.array_zyx]
    inside = np.stack([channel[lesion_zyx] for channel in channels])
    drawn = rng.integers(inside.shape[1], size=SAMPLES) if inside.size else np.zeros(0, np.int64)
    return CaseFacts(
        _table([clicks.tumor_xyz for clicks in lists]),
        _table([clicks.background_xyz for clicks in lists]),
        inside[:, drawn].astype(np.float32),
        np.array(case.grid.spacing_zyx_mm),
        np.array(nonzero_box(channels).shape_zyx),
    )


def _table(lists: list[tuple[tuple[int, int, int], ...]]) -> NDArray[np.int64]:
    """Lists of points as one array (lists, points, 3); -1 where a list has ended."""
    table = np.full((len(lists), max(map(len, lists), default=0), 3), -1, np.int64)
    for row, points in zip(table, lists, strict=True):
        row[: len(points)] = np.array(points, np.int64).reshape(-1, 3)
    return table
