# SPDX-License-Identifier: Apache-2.0
"""Organ label maps of real patients: what their labels mean, and the parts of an organ that a label leaves out."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from petlesion.case import CaseError
from petlesion.itk import to_image
from petlesion.phantom.organs import Organ
from petlesion.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from petlesion.volume import Grid, Triple

TABLE = Path(__file__).resolve().parents[2] / "resources" / "organ_labels.json"
BONES = "BONES"
CORTEX_MM = 4.0
HEART_WALL_MM = 10.0
HEART_RIGHT_SHARE = 0.4  # of the heart's voxels: right heart and atria, which hardly take up FDG
GREY_MATTER_MM = 14.0
STOMACH_WALL_MM = 9.0
PELVIS_DEPTH = 0.72  # of the deepest voxel of a kidney: from there on it is urine


class OrganMapError(CaseError):
    """A label map that is none of organs."""


@dataclass(frozen=True, slots=True, eq=False)
class OrganMap:
    """A label map in which the organs' labels are known.

    Attributes:
        labels: Organ labels, integers, (Z, Y, X).
        meaning: What each label is: names of `Organ`, or "BONES" for bones with their marrow.

    Raises:
        OrganMapError: When the map has labels that the scheme has not, or none at all.
    """

    labels: Volume
    meaning: Mapping[int, str]

    def __post_init__(self) -> None:
        found = {int(one) for one in np.unique(self.labels.array_zyx)} - {0}
        if not found or not found <= set(self.meaning):
            strange = sorted(found - set(self.meaning))
            raise OrganMapError(
                f"an organ map holds labels of {min(self.meaning)}..{max(self.meaning)}; this one has "
                f"{f'others: {strange[:5]}' if strange else 'none'}; name its scheme: {', '.join(schemes())}"
            )

    @classmethod
    def of(cls, labels: Volume, scheme: str | None = None) -> OrganMap:
        """The map of a label volume, whose scheme (a key of `resources/organ_labels.json`) is guessed unless named.

        Raises:
            OrganMapError: When the scheme is unknown, the labels are not whole numbers, or not those of the scheme.
        """
        array = labels.array_zyx
        if not np.issubdtype(array.dtype, np.integer):
            whole = array.astype(np.int32)
            if not np.array_equal(whole, array):
                raise OrganMapError("an organ map holds whole numbers; this one has fractions: was it interpolated?")
            labels = labels.with_array(whole)
        known = schemes()
        name = scheme or ("published" if int(array.max()) <= max(known["published"]) else "totalsegmentator")
        if name not in known:
            raise OrganMapError(f"organ maps have the schemes {', '.join(known)}; got {name!r}")
        return cls(labels, known[name])

    def on(self, grid: Grid) -> OrganMap:
        """The same organs on another grid, by the nearest voxel; 0 where the map ends."""
        if grid.same_as(self.labels.grid):
            return self
        size, step = grid.size_xyz, grid.spacing_mm
        image = sitk.Resample(
            to_image(self.labels), size, sitk.Transform(), sitk.sitkNearestNeighbor, grid.origin_mm, step,
            grid.direction, 0,
        )  # fmt: skip
        return OrganMap(Volume(sitk.GetArrayFromImage(image), grid), self.meaning)

    def voxels(self, name: str) -> NDArray[np.int64]:
        """Indices (z, y, x) of the voxels of what `meaning` calls `name`, (N, 3)."""
        wanted = [label for label, meaning in self.meaning.items() if meaning == name]
        return np.argwhere(np.isin(self.labels.array_zyx, wanted))

    def organs(self) -> frozenset[Organ]:
        """What the scheme knows, whether it is in this map or not, with the parts that are drawn inside."""
        inner = {"BONES": "MARROW", "BRAIN": "WHITE_MATTER", "STOMACH": "CONTENT", "PAROTID": "SUBMANDIBULAR"}
        names = {"BONE" if name == BONES else name for name in self.meaning.values()}
        return frozenset(Organ[name] for name in names | {inner[n] for n in set(self.meaning.values()) & set(inner)})

    def parts(self) -> Iterator[tuple[tuple[slice, slice, slice], NDArray[np.bool_], Organ]]:
        """All structures in painting order: (box, mask within the box, organ), the parts inside after the whole."""
        boxes = ndimage.find_objects(self.labels.array_zyx)
        for label, name in self.meaning.items():
            box = boxes[label - 1] if label <= len(boxes) else None
            if box is None:
                continue
            mask = self.labels.array_zyx[box] == label
            for organ, part in _inside(name, mask, self.labels.grid.spacing_zyx_mm):
                z, y, x = box
                yield (z, y, x), part, organ


@functools.cache
def schemes() -> Mapping[str, Mapping[int, str]]:
    """Label schemes by name, `resources/organ_labels.json`: label -> name.

    Raises:
        OSError: When the file is not beside the package.
    """
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    return {key: {int(k): v for k, v in held.items()} for key, held in table.items() if key != "about"}


def _inside(
    name: str, mask_zyx: NDArray[np.bool_], spacing_zyx_mm: Triple
) -> Iterator[tuple[Organ, NDArray[np.bool_]]]:
    """What a label holds: the whole, then what lies within it. Maps label whole organs, tracers see their parts."""
    if name == "PAROTID":
        yield from _head_glands(mask_zyx)
        return
    layers = {
        BONES: (Organ.BONE, Organ.MARROW, CORTEX_MM),
        "MYOCARDIUM": (Organ.MYOCARDIUM, Organ.BLOOD, HEART_WALL_MM),
        "BRAIN": (Organ.BRAIN, Organ.WHITE_MATTER, GREY_MATTER_MM),
        "STOMACH": (Organ.STOMACH, Organ.CONTENT, STOMACH_WALL_MM),
        "KIDNEY": (Organ.KIDNEY, Organ.URINE, PELVIS_DEPTH),
    }
    if name not in layers:
        yield Organ[name], mask_zyx
        return
    wall, core, depth_mm = layers[name]
    yield wall, mask_zyx
    depth = ndimage.distance_transform_edt(np.pad(mask_zyx, 1), sampling=spacing_zyx_mm)[1:-1, 1:-1, 1:-1]
    yield core, depth > (depth_mm * depth.max() if name == "KIDNEY" else depth_mm)
    if name == "MYOCARDIUM":
        yield core, mask_zyx & _right_heart(mask_zyx)


def _head_glands(mask_zyx: NDArray[np.bool_]) -> Iterator[tuple[Organ, NDArray[np.bool_]]]:
    """One label holds both pairs of glands; the parotids are the upper ones (z rises to the head)."""
    rows = np.flatnonzero(mask_zyx.any(axis=(1, 2)))
    upper = np.arange(len(mask_zyx))[:, None, None] > (rows[0] + rows[-1]) / 2 if len(rows) else False
    yield Organ.PAROTID, mask_zyx & upper
    yield Organ.SUBMANDIBULAR, mask_zyx & ~np.asarray(upper)


def _right_heart(mask_zyx: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The upper right of a heart, so that about the left ventricle is left (x rises to the left, z to the head)."""
    z, _, x = (np.linspace(-1, 1, n) for n in mask_zyx.shape)
    leftness = x[None, None, :] - z[:, None, None] + np.zeros((1, mask_zyx.shape[1], 1))
    cut = np.quantile(leftness[mask_zyx], HEART_RIGHT_SHARE)
    right: NDArray[np.bool_] = leftness < cut
    return right
