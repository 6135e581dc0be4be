# SPDX-License-Identifier: Apache-2.0
"""A case on the grid of MONAI's networks: made by the code that inference uses, one .npz file on disk.

Arrays are in the NETWORKS' axes (X, Y, Z of an anatomical orientation, as MONAI has them). The file is not compressed,
so that a patch is read without the rest of it.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from petlesion.drafts import staged
from petlesion.inference.body import Box
from petlesion.inference.channels import draw_channels
from petlesion.inference.monai_inputs import prepare_monai
from petlesion.inference.monai_plans import MonaiPlans
from petlesion.inference.preprocess import restore
from petlesion.recipe import ChannelScaling
from petlesion.training.raw_case import read_case
from petlesion.volume import Grid

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from petlesion.inference.preprocess import ModelInput
    from petlesion.recipe import Stage
    from petlesion.training.layouts import Study

SPOTS = 4000  # lesion voxels kept of each case, around which patches are cut
LOCAL_HEADER = 30  # bytes of a ZIP's header before each member, without its name and extra field
FLOAT16_MAX = 65504.0
MASK = ChannelScaling(nearest=True)


@dataclass(frozen=True, slots=True, eq=False)
class MonaiCase:
    """A prepared case; `load` maps its arrays from the file.

    Attributes:
        image: Scaled channels of the first stage, float16, (C, X, Y, Z).
        truth: 1 in lesions, by the nearest voxel, uint8, (X, Y, Z).
        spots: Voxels of lesions, each as likely as another, int32, (N, 3); none in a healthy case.
        size_xyz: Voxels of the PET's grid along x, y, z, (3,).
        spacing_mm: Of the PET's grid along x, y, z, (3,).
        direction: Of the PET's grid, (9,).
        box_zyx: The part of the PET's grid that the arrays cover: first voxels and those behind the last, (2, 3).
    """

    image: NDArray[np.float16]
    truth: NDArray[np.uint8]
    spots: NDArray[np.int32]
    size_xyz: NDArray[np.int64]
    spacing_mm: NDArray[np.float64]
    direction: NDArray[np.float64]
    box_zyx: NDArray[np.int64]

    def save(self, path: Path) -> None:
        """Write the case, whole or not at all."""
        with staged(path) as draft:
            np.savez(draft, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> MonaiCase:
        """A case that `save` wrote, its arrays mapped from the file."""
        return cls(**{field.name: mapped(path, field.name) for field in fields(cls)})

    def bring_back(self, lead: NDArray[np.float32], stage: Stage, following: Stage) -> NDArray[np.uint8]:
        """The mask that one stage's answer is to the next: brought to the PET's grid, cut there, and brought back.

        Args:
            lead: The answer on this case's grid, positive in lesions, float32, (X, Y, Z).
            stage: Whose answer it is.
            following: The stage that sees it.

        Returns:
            0 and 1, uint8, (X, Y, Z).
        """
        mask = restore(lead, self._input(stage, {}))
        channel = following.channels.index("mask")
        found = self._input(following, {channel: mask.astype(np.float32)})
        return np.asarray(found.array_czyx[channel] > 0, dtype=np.uint8)

    def _input(self, stage: Stage, channels: dict[int, NDArray[np.float32]]) -> ModelInput:
        """What the networks of a stage would see of some channels; the others are 0."""
        x, y, z = (int(n) for n in self.size_xyz)
        a, b, c = (float(s) for s in self.spacing_mm)
        grid = Grid((x, y, z), (a, b, c), direction=_nine(self.direction))
        empty = np.zeros(grid.shape_zyx, np.float32)
        given = [channels.get(i, empty) for i in range(len(stage.channels))]
        (p, q, r), (s, t, u) = ((int(n) for n in corner) for corner in self.box_zyx)
        return prepare_monai(given, grid, stage_plans(stage), Box((p, q, r), (s, t, u)))


def prepare_case(study: Study, stage: Stage) -> MonaiCase:
    """A study on the networks' grid, all of it: its body's box is not cut.

    Args:
        study: CT, PET and truth.
        stage: The recipe's first stage.

    Raises:
        DataError: When a file cannot be read or the PET is not in SUV; names the case.
    """
    case, truth = read_case(study)
    lesion = (truth.array_zyx > 0).astype(np.float32)
    channels = draw_channels(case, stage, np.zeros(case.grid.shape_zyx, np.bool_))
    plans = stage_plans(stage)
    plans = replace(plans, grid=replace(plans.grid, channels=(*plans.grid.channels, MASK)))
    found = prepare_monai((*channels, lesion), case.grid, plans)
    truth_xyz = (found.array_czyx[-1] > 0).astype(np.uint8)
    grid = case.grid
    return MonaiCase(
        image=found.array_czyx[:-1].clip(-FLOAT16_MAX, FLOAT16_MAX).astype(np.float16),
        truth=truth_xyz,
        spots=_spots(truth_xyz, np.random.default_rng(zlib.crc32(study.name.encode()))),
        size_xyz=np.array(grid.size_xyz),
        spacing_mm=np.array(grid.spacing_mm),
        direction=np.array(grid.direction),
        box_zyx=np.array([found.box.start_zyx, found.box.stop_zyx]),
    )


def mapped(path: Path, name: str) -> NDArray[Any]:
    """An array of an uncompressed .npz file, read from the disk where it is looked at, and no further.

    Raises:
        OSError: When the file cannot be read.
        KeyError: When it has no such array.
        zipfile.BadZipFile: When it is no .npz file.
    """
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
        version = npy.read_magic(member)
        reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, kind = reader(member)
        head, start = member.tell(), archive.getinfo(f"{name}.npy").header_offset
    with path.open("rb") as file:
        file.seek(start)
        local = file.read(LOCAL_HEADER)
    start += LOCAL_HEADER + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little") + head
    if 0 in shape:
        return np.zeros(shape, kind)
    return np.memmap(path, kind, "r", start, shape, order="F" if fortran else "C")


def stage_plans(stage: Stage) -> MonaiPlans:
    """What the networks of a stage see; they share it.

    Raises:
        ValueError: When they are none of MONAI's.
    """
    network = stage.members[0].network
    if network is None or stage.grid is None:
        raise ValueError("only stages of MONAI's networks are prepared so")
    return MonaiPlans(network, stage.grid)


def _spots(truth: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.int32]:
    voxels = np.argwhere(truth).astype(np.int32)
    kept = voxels if len(voxels) <= SPOTS else voxels[rng.choice(len(voxels), SPOTS, replace=False)]
    return np.asarray(kept, dtype=np.int32)


def _nine(
    direction: NDArray[np.float64],
) -> tuple[float, float, float, float, float, float, float, float, float]:
    a, b, c, d, e, f, g, h, i = (float(value) for value in direction)
    return (a, b, c, d, e, f, g, h, i)
