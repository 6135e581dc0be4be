# SPDX-License-Identifier: Apache-2.0
"""Synthetic studies for training: phantoms on the grids of real scanners, with the fields of view of real studies."""

from __future__ import annotations

import numpy as np

from petlesion.case import Tracer
from petlesion.phantom import STUDY_DIRECTION, Phantom, make_phantom
from petlesion.volume import Grid, Triple, Volume

HEIGHT_MM = {Tracer.FDG: 975.0, Tracer.PSMA: 850.0}
SCANNERS: dict[Tracer, tuple[tuple[float, int, Triple], ...]] = {
    # Share, voxels along x and y, spacing. Most public FDG studies have the first spacing (autoPET); 256 of its 400
    # voxels hold the body. The second is that of older scanners. Public PSMA studies have three grids.
    Tracer.FDG: ((0.4, 256, (2.0364, 2.0364, 3.0)), (0.3, 128, (5.47, 5.47, 3.27)), (0.3, 200, (4.07, 4.07, 3.0))),
    Tracer.PSMA: (
        (0.4, 200, (4.07283, 4.07283, 2.0)),
        (0.4, 200, (4.07, 4.07, 3.0)),
        (0.2, 256, (2.0364, 2.0364, 3.0)),
    ),
}
COARSE: tuple[tuple[float, int, Triple], ...] = ((0.5, 128, (5.47, 5.47, 3.27)), (0.5, 120, (5.5, 5.5, 5.0)))
SHORT_SHARE = 0.4  # studies that leave out the head, the legs or both


def draw_study(
    tracer: Tracer, rng: np.random.Generator, *, coarse: bool = False, n_lesions: int | None = None
) -> Phantom:
    """One phantom on a scanner's grid; coarse ones are for pictures, where fine grids add nothing."""
    table = COARSE if coarse else SCANNERS[tracer]
    shares = np.array([share for share, _, _ in table])
    _, across, spacing = table[rng.choice(len(table), p=shares / shares.sum())]
    return make_phantom(tracer, rng, grid=_grid(across, spacing, HEIGHT_MM[tracer]), n_lesions=n_lesions)


def shorten(phantom: Phantom, rng: np.random.Generator) -> Phantom:
    """The phantom, or in a share of cases a part of it along z: from the neck, to the thigh, or a torso alone."""
    depth = phantom.truth.grid.size_xyz[2]
    low = int(depth * rng.uniform(0.0, 0.35)) if rng.random() < SHORT_SHARE else 0
    high = depth - (int(depth * rng.uniform(0.1, 0.3)) if rng.random() < SHORT_SHARE else 0)
    part = (slice(low, high), slice(None), slice(None))
    ct_hu, pet_suv = crop(phantom.ct_hu, part), crop(phantom.pet_suv, part)
    truth, organs = crop(phantom.truth, part), crop(phantom.organs, part)
    return Phantom(phantom.tracer, ct_hu, pet_suv, truth, organs, phantom.lesions)


def crop(volume: Volume, part_zyx: tuple[slice, slice, slice]) -> Volume:
    """A part of a volume, on its own grid."""
    starts = tuple(s.indices(n)[0] for s, n in zip(part_zyx, volume.array_zyx.shape, strict=True))
    array = np.ascontiguousarray(volume.array_zyx[part_zyx])
    z, y, x = array.shape
    grid = volume.grid
    return Volume(array, Grid((x, y, z), grid.spacing_mm, grid.world_mm(starts[::-1]), grid.direction))


def _grid(across: int, spacing_mm: Triple, height_mm: float) -> Grid:
    half = across * spacing_mm[0] / 2
    size = (across, across, round(height_mm / spacing_mm[2]))
    return Grid(size, spacing_mm, (-half, half, -height_mm), STUDY_DIRECTION)
