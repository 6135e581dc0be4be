# SPDX-License-Identifier: Apache-2.0
"""Prepared training cases: studies brought to the networks' grid by the code that inference uses, kept on disk."""

from __future__ import annotations

import logging
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cc3d
import numpy as np

from petlesion.case import PetCtCase, Tracer
from petlesion.inference.body import Box, body_box
from petlesion.inference.nnunet_plans import NnunetPlans
from petlesion.inference.preprocess import ModelInput, patch_extent, prepare
from petlesion.inference.resample import Resampling, resample
from petlesion.simulate import simulate_clicks
from petlesion.training.organ_head import UNKNOWN, organ_classes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from petlesion.training.studies import Source, Study
    from petlesion.volume import Index, Volume

LOG = logging.getLogger(__name__)
CLICK_LISTS = 6  # different simulated physicians for each case
HALF = 128  # of 255: from this share on a voxel counts as lesion
SPOTS = 400  # places kept of each case from which lesion patches are drawn


@dataclass(frozen=True, slots=True, eq=False)
class TrainingCase:
    """A case on the networks' grid.

    Attributes:
        tracer: What was injected.
        image_czyx: Normalised CT and PET, float16, (2, Z, Y, X).
        truth_zyx: Share of each voxel that is lesion, in 255ths, uint8: networks that learn shares outline small
            lesions better than their own voxels allow.
        organs_zyx: Classes of the organ head, uint8; `organ_head.UNKNOWN` throughout where organs are not known.
        spots_zyx: Lesion voxels, (N, 3), as many of a small lesion as of a large one.
        tumor_zyx: Clicks of each simulated physician in order, (lists, clicks, 3), in the network's voxels, fractional.
        background_zyx: The same for background.
        scale_zyx: Voxels of the PET's grid for each voxel of the network's grid.
        mask_zyx: What another network called lesion, uint8, 0 and 1; it is not saved with the case. Patches show it in
            the place of the clicks.
    """

    tracer: Tracer
    image_czyx: NDArray[np.float16]
    truth_zyx: NDArray[np.uint8]
    organs_zyx: NDArray[np.uint8]
    spots_zyx: NDArray[np.int64]
    tumor_zyx: NDArray[np.float64]
    background_zyx: NDArray[np.float64]
    scale_zyx: NDArray[np.float64]
    mask_zyx: NDArray[np.uint8] | None = None

    def save(self, path: Path) -> None:
        """Write the case as one .npz file, beside its place and renamed."""
        part = path.with_suffix(".part.npz")
        np.savez(part, tracer=str(self.tracer), **{name: getattr(self, name) for name in self.__slots__[1:-1]})
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> TrainingCase:
        """Read a case that `save` wrote."""
        with np.load(path, allow_pickle=False) as held:
            return cls(Tracer(str(held["tracer"])), *(held[name] for name in cls.__slots__[1:-1]))


def prepare_case(study: Study, plans: NnunetPlans, rng: np.random.Generator) -> TrainingCase:
    """Bring a study to the networks' grid, cropped to the body as at inference, with clicks of several physicians."""
    case = PetCtCase("study", study.ct_hu, study.pet_suv)
    grid = case.grid
    box = body_box(case, patch_extent(plans, grid.spacing_zyx_mm))
    channels = [np.ascontiguousarray(v.array_zyx) for v in (study.ct_hu, study.pet_suv)]
    found = prepare([*channels, np.zeros_like(channels[0])], grid.spacing_zyx_mm, plans, box)
    truth = _truth(study.truth.array_zyx, found)
    lists = [simulate_clicks(study.truth, study.pet_suv, rng) for _ in range(CLICK_LISTS)]
    scale = np.array(found.box.shape_zyx) / np.array(truth.shape)
    return TrainingCase(
        study.tracer,
        found.array_czyx[:2].astype(np.float16),
        truth,
        _organs(study.organs, found),
        _spots(truth, rng),
        np.stack([_points(c.tumor_xyz, found.box, scale) for c in lists]),
        np.stack([_points(c.background_xyz, found.box, scale) for c in lists]),
        scale,
    )


def make_cases(
    folder: Path, sources: Sequence[Source], plans: tuple[dict[str, Any], dict[str, Any]], workers: int = 2
) -> list[TrainingCase]:
    """The cases of the given sources, made by `workers` processes where `folder` does not hold them yet."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{source.name}.npz" for source in sources]
    jobs = [(path, source, plans) for path, source in zip(paths, sources, strict=True) if not path.exists()]
    if jobs:
        with ProcessPoolExecutor(workers) as pool:
            for path in pool.map(_make, jobs):
                LOG.info("prepared %s", path.name)
    return [TrainingCase.load(path) for path in paths]


def _make(job: tuple[Path, Source, tuple[dict[str, Any], dict[str, Any]]]) -> Path:
    path, source, (plans, dataset) = job
    rng = np.random.default_rng([source.seed, source.tracer is Tracer.PSMA])
    prepare_case(source.study(rng), NnunetPlans.parse(plans, dataset), rng).save(path)
    return path


def _organs(organs: Volume | None, found: ModelInput) -> NDArray[np.uint8]:
    """Classes of the organ head on the network's grid, by the nearest voxel."""
    shape = _shape(found.array_czyx)
    if organs is None:
        return np.full(shape, UNKNOWN, np.uint8)
    source = organs.array_zyx[found.box.slices]
    nearest = [((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip(shape, source.shape, strict=True)]
    return organ_classes(source[np.ix_(*nearest)])


def _truth(truth_zyx: NDArray[Any], found: ModelInput) -> NDArray[np.uint8]:
    """The share of lesion in each voxel of the network's grid in 255ths, by linear interpolation."""
    there = Resampling(found.box.shape_zyx, _shape(found.array_czyx), 1, None)
    source = np.ascontiguousarray(truth_zyx[found.box.slices] > 0, dtype=np.float32)
    if not there.is_identity:
        out = np.empty(there.new_shape, np.float32)
        resample(source, there, out)
        source = out
    shares: NDArray[np.uint8] = np.rint(255 * source.clip(0, 1)).astype(np.uint8)
    return shares


def _shape(array_czyx: NDArray[Any]) -> Index:
    _, z, y, x = array_czyx.shape
    return (z, y, x)


def _points(points_xyz: tuple[Index, ...], box: Box, scale_zyx: NDArray[np.float64]) -> NDArray[np.float64]:
    """Voxel indices (x, y, z) of the PET as fractional (z, y, x) of the network's grid, (N, 3): voxels are cells."""
    points = np.array([p[::-1] for p in points_xyz], dtype=float).reshape(-1, 3)
    return np.asarray((points - np.array(box.start_zyx) + 0.5) / scale_zyx - 0.5)


def _spots(truth_zyx: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.int64]:
    """Voxels of lesions, (N, 3): first a lesion at random, then a voxel of it."""
    labels = cc3d.connected_components((truth_zyx >= HALF).astype(np.uint8), connectivity=26)
    lesions = [np.argwhere(labels == k) for k in range(1, int(labels.max()) + 1)]
    if not lesions:
        return np.zeros((0, 3), np.int64)
    picked = [lesions[rng.integers(len(lesions))] for _ in range(SPOTS)]
    return np.stack([voxels[rng.integers(len(voxels))] for voxels in picked])
