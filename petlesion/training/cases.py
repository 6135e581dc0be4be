# SPDX-License-Identifier: Apache-2.0
"""Prepared training cases: phantoms brought to the networks' grid by the code that inference uses, kept on disk."""

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
from petlesion.training.scans import draw_study, shorten

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from petlesion.phantom import Phantom
    from petlesion.volume import Index

LOG = logging.getLogger(__name__)
CLICK_LISTS = 6  # different simulated physicians for each case
HEALTHY_SHARE = 0.08  # fewer than among real patients: a healthy case teaches little
MOST_LESIONS = 20
SPOTS = 400  # places kept of each case from which lesion patches are drawn


@dataclass(frozen=True, slots=True, eq=False)
class TrainingCase:
    """A case on the networks' grid.

    Attributes:
        tracer: What was injected.
        image_czyx: Normalised CT and PET, float16, (2, Z, Y, X).
        truth_zyx: 1 in lesions, uint8.
        spots_zyx: Lesion voxels, (N, 3), as many of a small lesion as of a large one.
        tumor_zyx: Clicks of each simulated physician in order, (lists, clicks, 3), in the network's voxels, fractional.
        background_zyx: The same for background.
        scale_zyx: Voxels of the PET's grid for each voxel of the network's grid.
    """

    tracer: Tracer
    image_czyx: NDArray[np.float16]
    truth_zyx: NDArray[np.uint8]
    spots_zyx: NDArray[np.int64]
    tumor_zyx: NDArray[np.float64]
    background_zyx: NDArray[np.float64]
    scale_zyx: NDArray[np.float64]

    def save(self, path: Path) -> None:
        """Write the case as one .npz file, beside its place and renamed."""
        part = path.with_suffix(".part.npz")
        np.savez(part, tracer=str(self.tracer), **{name: getattr(self, name) for name in self.__slots__[1:]})
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> TrainingCase:
        """Read a case that `save` wrote."""
        with np.load(path, allow_pickle=False) as held:
            return cls(Tracer(str(held["tracer"])), *(held[name] for name in cls.__slots__[1:]))


def prepare_case(phantom: Phantom, plans: NnunetPlans, rng: np.random.Generator) -> TrainingCase:
    """Bring a phantom to the networks' grid, cropped to the body as at inference, with clicks of several physicians."""
    case = PetCtCase("phantom", phantom.ct_hu, phantom.pet_suv)
    grid = case.grid
    box = body_box(case, patch_extent(plans, grid.spacing_zyx_mm))
    channels = [np.ascontiguousarray(v.array_zyx) for v in (phantom.ct_hu, phantom.pet_suv)]
    found = prepare([*channels, np.zeros_like(channels[0])], grid.spacing_zyx_mm, plans, box)
    truth = _truth(phantom.truth.array_zyx, found)
    lists = [simulate_clicks(phantom.truth, phantom.pet_suv, rng) for _ in range(CLICK_LISTS)]
    scale = np.array(found.box.shape_zyx) / np.array(truth.shape)
    return TrainingCase(
        phantom.tracer,
        found.array_czyx[:2].astype(np.float16),
        truth,
        _spots(truth, rng),
        np.stack([_points(c.tumor_xyz, found.box, scale) for c in lists]),
        np.stack([_points(c.background_xyz, found.box, scale) for c in lists]),
        scale,
    )


def make_cases(
    folder: Path, tracer: Tracer, seeds: list[int], plans: tuple[dict[str, Any], dict[str, Any]], workers: int = 2
) -> list[TrainingCase]:
    """The cases of the given seeds, made by `workers` processes where `folder` does not hold them yet."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{tracer}_{seed}.npz" for seed in seeds]
    jobs = [(path, tracer, seed, plans) for path, seed in zip(paths, seeds, strict=True) if not path.exists()]
    with ProcessPoolExecutor(workers) as pool:
        for path in pool.map(_make, jobs):
            LOG.info("prepared %s", path.name)
    return [TrainingCase.load(path) for path in paths]


def _make(job: tuple[Path, Tracer, int, tuple[dict[str, Any], dict[str, Any]]]) -> Path:
    path, tracer, seed, (plans, dataset) = job
    rng = np.random.default_rng([seed, tracer is Tracer.PSMA])
    n_lesions = int(rng.integers(1, MOST_LESIONS + 1)) if rng.random() > HEALTHY_SHARE else 0
    study = shorten(draw_study(tracer, rng, n_lesions=n_lesions), rng)
    prepare_case(study, NnunetPlans.parse(plans, dataset), rng).save(path)
    return path


def _truth(truth_zyx: NDArray[Any], found: ModelInput) -> NDArray[np.uint8]:
    """The mask on the network's grid: at least half of a voxel is lesion (linear, as nnU-Net resamples labels)."""
    there = Resampling(found.box.shape_zyx, _shape(found.array_czyx), 1, None)
    source = np.ascontiguousarray(truth_zyx[found.box.slices], dtype=np.float32)
    if there.is_identity:
        return (source >= 0.5).astype(np.uint8)
    out = np.empty(there.new_shape, np.float32)
    resample(source, there, out)
    return (out >= 0.5).astype(np.uint8)


def _shape(array_czyx: NDArray[Any]) -> Index:
    _, z, y, x = array_czyx.shape
    return (z, y, x)


def _points(points_xyz: tuple[Index, ...], box: Box, scale_zyx: NDArray[np.float64]) -> NDArray[np.float64]:
    """Voxel indices (x, y, z) of the PET as fractional (z, y, x) of the network's grid, (N, 3): voxels are cells."""
    points = np.array([p[::-1] for p in points_xyz], dtype=float).reshape(-1, 3)
    return np.asarray((points - np.array(box.start_zyx) + 0.5) / scale_zyx - 0.5)


def _spots(truth_zyx: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.int64]:
    """Voxels of lesions, (N, 3): first a lesion at random, then a voxel of it."""
    labels = cc3d.connected_components(truth_zyx, connectivity=26)
    lesions = [np.argwhere(labels == k) for k in range(1, int(labels.max()) + 1)]
    if not lesions:
        return np.zeros((0, 3), np.int64)
    picked = [lesions[rng.integers(len(lesions))] for _ in range(SPOTS)]
    return np.stack([voxels[rng.integers(len(voxels))] for voxels in picked])


def lesion_values(tracers: tuple[Tracer, ...], seeds: list[int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """CT in HU and PET in SUV of lesion voxels of coarse phantoms, (N,) each: the statistics of `CTNormalization`."""
    ct, pet = [], []
    for tracer in tracers:
        for seed in seeds:
            phantom = draw_study(tracer, np.random.default_rng([seed, 7, tracer is Tracer.PSMA]), coarse=True)
            inside = phantom.truth.array_zyx > 0
            ct.append(phantom.ct_hu.array_zyx[inside])
            pet.append(phantom.pet_suv.array_zyx[inside])
    return np.concatenate(ct), np.concatenate(pet)
