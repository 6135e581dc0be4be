# SPDX-License-Identifier: Apache-2.0
"""Seeded synthetic PET/CT of whole bodies, with lesions whose volume, place and uptake are known exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from petlesion.case import Tracer
from petlesion.phantom.anatomy import draw_body
from petlesion.phantom.canvas import paint
from petlesion.phantom.fit import overlay, place_around
from petlesion.phantom.scanner import draw_scanner, grid_axes_mm, scan_ct, scan_pet
from petlesion.phantom.seeding import Field3, Seed, draw_count, sow
from petlesion.phantom.shapes import Field, SmoothNoise
from petlesion.phantom.uptake import draw_uptake, texture
from petlesion.volume import Direction, Grid, Triple, Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from petlesion.phantom.organ_map import OrganMap

TEXTURE_PITCH_MM = 14.0
STUDY_DIRECTION: Direction = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
"""Directions of autoPET's studies: rows of an array run from the back to the front."""


@dataclass(frozen=True, slots=True)
class PhantomLesion:
    """One lesion of a phantom, as it lies in the images.

    Attributes:
        site: Where it grows, a value of `seeding.Site`.
        centre_xyz: Centre of mass as a fractional voxel index (x, y, z).
        centre_mm: The same in world coordinates.
        n_voxels: Number of its voxels.
        volume_ml: Its volume.
        suv_max: Highest PET value among its voxels.
        suv_mean: Mean PET value of its voxels.
    """

    site: str
    centre_xyz: Triple
    centre_mm: Triple
    n_voxels: int
    volume_ml: float
    suv_max: float
    suv_mean: float


@dataclass(frozen=True, slots=True)
class Phantom:
    """A synthetic study.

    Attributes:
        tracer: What was injected.
        ct_hu: CT in HU, float32, (Z, Y, X), on the PET's grid.
        pet_suv: PET in SUV, float32, (Z, Y, X).
        truth: 1 in lesions, else 0, uint8, (Z, Y, X): the lesions' support before the scanner's blur.
        organs: Labels of `organs.Organ` (couch included, lesions not), uint8, (Z, Y, X).
        lesions: The lesions; no two of them touch.
    """

    tracer: Tracer
    ct_hu: Volume
    pet_suv: Volume
    truth: Volume
    organs: Volume
    lesions: tuple[PhantomLesion, ...]


def default_grid(tracer: Tracer) -> Grid:
    """The grid of a typical autoPET study, crown to thigh.

    FDG: 400x400x326 at (2.0364, 2.0364, 3) mm, as 874 of 1,014 public studies have it (give or take slices).
    PSMA: 200x200x425 at (4.07283, 4.07283, 2.0) mm, one of the three grids of the public studies.
    """
    if tracer is Tracer.FDG:
        return Grid((400, 400, 326), (2.0364, 2.0364, 3.0), (-407.0, 407.0, -975.0), STUDY_DIRECTION)
    return Grid((200, 200, 425), (4.07283, 4.07283, 2.0), (-406.0, 406.0, -848.0), STUDY_DIRECTION)


def make_phantom(
    tracer: Tracer,
    rng: np.random.Generator,
    *,
    grid: Grid | None = None,
    n_lesions: int | None = None,
    organs: OrganMap | None = None,
    sites_mm: Sequence[Triple] = (),
) -> Phantom:
    """Draw a synthetic study. The same generator state and arguments give the same bytes.

    Args:
        tracer: What was injected.
        rng: Source of everything random.
        grid: Where to draw it; None takes that of `organs`, or `default_grid`, near whose upper end the crown lies.
        n_lesions: Number of lesions wished, 0 for a healthy study; None draws 0..20. Where a small grid has no room
            there are fewer.
        organs: Organs of a real patient, around which everything else is drawn; None draws them, too.
        sites_mm: World positions where tumours lay in that patient, such as clicks: half of the lesions grow there.
    """
    if grid is None:
        grid = default_grid(tracer) if organs is None else organs.labels.grid
    labels = _patient(tracer, rng, grid, organs)
    scanner = draw_scanner(rng)
    patient = Field3(grid, labels.copy(), _activity(labels, tracer, grid, rng), np.zeros_like(labels), sites_mm)
    wished = draw_count(tracer, rng) if n_lesions is None else n_lesions
    seeds = sow(tracer, patient, wished, scanner.fwhm_mm, rng)
    pet_suv = Volume(scan_pet(patient.activity_suv, grid, scanner, rng), grid)
    lesions = tuple(_measured(seed, pet_suv) for seed in seeds)
    ct_hu = Volume(scan_ct(patient.labels, grid, scanner, rng), grid)
    return Phantom(tracer, ct_hu, pet_suv, Volume(patient.truth, grid), Volume(labels, grid), lesions)


def _patient(tracer: Tracer, rng: np.random.Generator, grid: Grid, organs: OrganMap | None) -> NDArray[np.uint8]:
    """Labels of `organs.Organ`, (Z, Y, X): drawn freely, or around the organs of a map."""
    body = draw_body(tracer, rng, grid)
    if organs is None:
        return paint(body, grid, rng)
    held = organs.on(grid)
    labels = paint(replace(body, placement=place_around(held, body.girth)), grid, rng)
    overlay(labels, held)
    return labels


def _activity(organs: NDArray[np.uint8], tracer: Tracer, grid: Grid, rng: np.random.Generator) -> Field:
    """Uptake of every voxel in SUV before the scanner, uneven within each organ; (Z, Y, X) float32."""
    uptake, spread = draw_uptake(tracer, rng), texture()
    z, y, x = grid_axes_mm(grid)
    extent = (float(z[-1]) + 1, float(y[-1]) + 1, float(x[-1]) + 1)
    uneven = SmoothNoise(extent, TEXTURE_PITCH_MM, rng).at(z, y, x)
    uneven *= spread[organs]
    np.exp(uneven, out=uneven)
    uneven *= (uptake * np.exp(-(spread**2) / 2))[organs]
    return uneven


def _measured(seed: Seed, pet_suv: Volume) -> PhantomLesion:
    values = pet_suv.array_zyx[seed.box][seed.mask]
    spots = np.argwhere(seed.mask).mean(axis=0) + [s.start for s in seed.box]
    centre = (float(spots[2]), float(spots[1]), float(spots[0]))
    return PhantomLesion(
        site=seed.site.value,
        centre_xyz=centre,
        centre_mm=pet_suv.grid.world_mm(centre),
        n_voxels=len(values),
        volume_ml=len(values) * pet_suv.grid.voxel_ml,
        suv_max=float(values.max()),
        suv_mean=float(values.mean(dtype=np.float64)),
    )
