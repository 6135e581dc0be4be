# SPDX-License-Identifier: Apache-2.0
"""Pictures that the tracer networks learn from: coronal projections of many studies, through several fields of view."""

from __future__ import annotations

import logging
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from petlesion.inference.tracer import WINDOW, mip_image
from petlesion.training.scans import crop

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from petlesion.training.studies import Study
    from petlesion.volume import Volume

LOG = logging.getLogger(__name__)
Picture = NDArray[np.float16]


class PictureSource(Protocol):
    """What a row of pictures is made from."""

    @property
    def seed(self) -> int:
        """Of everything random in the row."""

    def picture_study(self, rng: np.random.Generator) -> Study:
        """The whole study."""


@dataclass(frozen=True, slots=True)
class Album:
    """Which pictures to make.

    Attributes:
        sources: Studies, one row of pictures each.
        views: Pictures of each: the whole, parts along z, and boxes around a lesion; or with `bulky` boxes around a
            tumour that is put into it.
        bulky: Whether bulky tumours are put in.
    """

    sources: Sequence[PictureSource]
    views: int
    bulky: bool = False


def make_pictures(path: Path, album: Album, workers: int = 2) -> Picture:
    """Pictures (studies, views, 224, 224) in SUV, row by row as the album's sources; kept at `path` (.npy)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not album.sources:
        return np.zeros((0, album.views, WINDOW, WINDOW), np.float16)
    if not path.exists():
        jobs = [(source, album.views, album.bulky) for source in album.sources]
        with ProcessPoolExecutor(workers) as pool:
            np.save(path, np.stack(list(pool.map(_draw, jobs, chunksize=4))))
        LOG.info("made %d pictures: %s", len(jobs) * album.views, path.name)
    held: Picture = np.load(path)
    return held


def _draw(job: tuple[PictureSource, int, bool]) -> Picture:
    source, n_views, bulky = job
    torch.set_num_threads(1)
    rng = np.random.default_rng([source.seed, 3 + bulky])
    study = source.picture_study(rng)
    views = [bulky_tumour(study.pet_suv, rng) if bulky else field_of_view(study, i, rng) for i in range(n_views)]
    return np.stack([mip_image(view) for view in views]).clip(0, 6e4).astype(np.float16)


def bulky_tumour(pet_suv: Volume, rng: np.random.Generator) -> Volume:
    """A box 5 cm around a bulky tumour that is put into a PET: 15-2500 ml, as sarcomas are, often with a cold core."""
    spacing = np.array(pet_suv.grid.spacing_zyx_mm)
    radius = (np.exp(rng.uniform(np.log(15e3), np.log(2.5e6))) * 0.75 / np.pi) ** (1 / 3)
    radii = radius * np.exp(rng.normal(0, 0.25, 3))
    body = np.argwhere(pet_suv.array_zyx[::4, ::4, ::4] > 0.3) * 4
    centre = body[rng.integers(len(body))]
    half = np.ceil((radii + 50) / spacing).astype(int)
    low, high = np.maximum(centre - half, 0), centre + half + 1
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    box = crop(pet_suv, (z, y, x))
    axes = np.meshgrid(*(np.arange(n) for n in box.array_zyx.shape), indexing="ij")
    away = (
        sum(((a - c + o) * s / r) ** 2 for a, c, o, s, r in zip(axes, centre, low, spacing, radii, strict=True)) ** 0.5
    )
    away *= 1 + 0.25 * _smooth(away.shape, 15 / spacing, rng)
    profile = 1 / (1 + np.exp((away - 1) * 12))
    if rng.random() < 0.5:
        profile *= 1 - rng.uniform(0.3, 0.9) / (1 + np.exp((away - rng.uniform(0.4, 0.8)) * 12))
    top = np.exp(rng.uniform(np.log(1.5), np.log(22)))
    profile *= np.exp(0.3 * _smooth(away.shape, 8 / spacing, rng))
    return box.with_array((box.array_zyx + top * np.minimum(profile, 1.5)).astype(np.float32))


def _smooth(shape: tuple[int, ...], sigma_zyx: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Smooth noise of standard deviation one; sigma in voxels."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), sigma_zyx)
    return np.asarray(noise / max(float(noise.std()), 1e-6))


def field_of_view(study: Study, number: int, rng: np.random.Generator) -> Volume:
    """A part of the PET: number 0 is all of it; then in turn parts along z, boxes around lesions, boxes anywhere."""
    pet = study.pet_suv
    if number == 0:
        return pet
    depth, height, width = pet.array_zyx.shape
    if number % 2:
        length = int(depth * rng.uniform(0.4, 0.95))
        low = int(rng.integers(0, depth - length + 1))
        side = int(width * rng.uniform(0.0, 0.25))
        return crop(
            pet, (slice(low, low + length), slice(None), slice(side, width - int(width * rng.uniform(0, 0.25))))
        )
    if number % 4 == 2 and study.truth.array_zyx.any():
        lesion = np.flatnonzero(study.truth.array_zyx)
        centre = np.array(np.unravel_index(lesion[rng.integers(len(lesion))], pet.array_zyx.shape), dtype=float)
    else:
        centre = rng.uniform(0.25, 0.75, 3) * (depth, height, width)
    half = rng.uniform(60, 160, 3) / pet.grid.spacing_zyx_mm
    low_zyx, high_zyx = np.maximum(centre - half, 0).astype(int), (centre + half).astype(int) + 1
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low_zyx, high_zyx, strict=True))
    return crop(pet, (z, y, x))
