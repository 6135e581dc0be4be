# SPDX-License-Identifier: Apache-2.0
"""What a synthetic scanner makes of a synthetic patient: CT from labels, PET from activity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from petlesion.phantom.organs import Organ
from petlesion.phantom.shapes import Field, Matrix, SmoothNoise
from petlesion.phantom.uptake import density_hu

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from petlesion.volume import Grid

FWHM_PER_SIGMA = 2 * (2 * np.log(2)) ** 0.5
CT_SIGMA_MM = 0.9


@dataclass(frozen=True, slots=True)
class Scanner:
    """One PET/CT scanner and protocol.

    Attributes:
        fwhm_mm: Width at half maximum of the PET's point spread.
        pet_noise: Noise of the PET at SUV 1, as a fraction; it grows with the root of the SUV.
        noise_fwhm_mm: Width of the noise's grain.
        ct_noise_hu: Noise of the CT on its own grid, already resampled to the PET.
        breath_mm: How much higher the diaphragm lies in the PET than in the CT; there the PET, which takes minutes, is
            blurred along z by half as much (standard deviation).
        slip_mm: Standard deviation of the patient's slow movement across z between the two scans.
    """

    fwhm_mm: float
    pet_noise: float
    noise_fwhm_mm: float
    ct_noise_hu: float
    breath_mm: float
    slip_mm: float


def draw_scanner(rng: np.random.Generator) -> Scanner:
    """Draw a scanner: point spread 4-7 mm, 4-14 % noise at SUV 1, up to a centimetre of breathing."""
    return Scanner(
        fwhm_mm=float(rng.uniform(4.0, 7.0)),
        pet_noise=float(rng.uniform(0.04, 0.14)),
        noise_fwhm_mm=float(rng.uniform(4.5, 7.5)),
        ct_noise_hu=float(rng.uniform(6, 18)),
        breath_mm=float(rng.normal(0, 5)),
        slip_mm=float(rng.uniform(0, 2.0)),
    )


def blur(array_zyx: Field, grid: Grid, sigma_mm: float) -> Field:
    """Gaussian blur in mm, in place; (Z, Y, X) float32. Axes on which it is below a fifth of a voxel are left."""
    for axis, spacing in enumerate(grid.spacing_zyx_mm):
        sigma = sigma_mm / spacing
        if sigma > 0.2:
            ndimage.gaussian_filter1d(array_zyx, sigma, axis=axis, output=array_zyx, truncate=3.0, mode="nearest")
    return array_zyx


def scan_pet(activity_suv: Field, grid: Grid, scanner: Scanner, rng: np.random.Generator) -> Field:
    """PET of an activity: blurred by optics and breath, with correlated noise that grows with the root of the uptake.

    Never negative. Overwrites `activity_suv`, which is of shape (Z, Y, X) in SUV, and returns it.
    """
    pet = _breathe(blur(activity_suv, grid, scanner.fwhm_mm / FWHM_PER_SIGMA), grid, scanner)
    noise = rng.standard_normal(pet.shape, dtype=np.float32)
    blur(noise, grid, scanner.noise_fwhm_mm / FWHM_PER_SIGMA)
    noise *= np.float32(scanner.pet_noise / max(float(noise.std()), 1e-6))
    root = np.sqrt(pet + np.float32(0.01))
    noise *= root
    pet += noise
    return np.maximum(pet, 0, out=pet)


def scan_ct(labels: NDArray[np.uint8], grid: Grid, scanner: Scanner, rng: np.random.Generator) -> Field:
    """CT in HU of labels that may go beyond `Organ`: 31 soft, 32 sclerotic, 33 lytic lesion. Shape (Z, Y, X)."""
    mean, spread = density_hu()
    mean = np.concatenate([mean, np.array(LESION_HU, dtype=np.float32)])
    spread = np.concatenate([spread, np.array(LESION_TEXTURE_HU, dtype=np.float32)])
    moved = move(labels, grid, scanner, rng)
    hu = spread[moved]
    z, y, x = grid_axes_mm(grid)
    hu *= SmoothNoise((float(z[-1]) + 1, float(y[-1]) + 1, float(x[-1]) + 1), 9.0, rng).at(z, y, x)
    hu += mean[moved]
    blur(hu, grid, CT_SIGMA_MM)
    noise = rng.standard_normal(hu.shape, dtype=np.float32)
    noise *= np.float32(scanner.ct_noise_hu)
    noise *= np.where(hu < -900, np.float32(0.5), np.float32(1))
    hu += noise
    return np.clip(hu, -1024, 3071, out=hu)


LESION_HU = (42.0, 650.0, 90.0)
LESION_TEXTURE_HU = (14.0, 150.0, 40.0)
SOFT_LESION, SCLEROTIC_LESION, LYTIC_LESION = len(Organ), len(Organ) + 1, len(Organ) + 2


def grid_axes_mm(grid: Grid) -> tuple[Matrix, Matrix, Matrix]:
    """Positions of the voxels along z, y and x in mm from the first."""
    z, y, x = (np.arange(n, dtype=np.float64) * s for n, s in zip(grid.shape_zyx, grid.spacing_zyx_mm, strict=True))
    return z, y, x


def move(labels: NDArray[np.uint8], grid: Grid, scanner: Scanner, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The patient as the CT met them: each slice taken from a little above or below and moved a little sideways.

    Breathing moves the slices around the diaphragm most; whole voxels only, which the later blur hides.
    """
    moved: NDArray[np.uint8] = labels[_breathing(grid, scanner)]
    for k, (dy, dx) in enumerate(zip(*_slipping(grid, scanner, rng), strict=True)):
        if dy or dx:
            moved[k] = np.roll(moved[k], (dy, dx), axis=(0, 1))
    return moved


def _breathing(grid: Grid, scanner: Scanner) -> NDArray[np.intp]:
    """Which slice of the PET's patient lies in each slice of the CT."""
    n = grid.size_xyz[2]
    lift = np.rint(scanner.breath_mm * _near_diaphragm(grid) / grid.spacing_mm[2])
    source: NDArray[np.intp] = np.clip(np.arange(n) + lift.astype(np.intp), 0, n - 1)
    return source


def _breathe(pet_zyx: Field, grid: Grid, scanner: Scanner) -> Field:
    """Blur along z where the diaphragm moves, in place."""
    sigma = 0.5 * abs(scanner.breath_mm) / grid.spacing_mm[2]
    part = np.flatnonzero(_near_diaphragm(grid) > 0.05)
    if sigma < 0.2 or not len(part):
        return pet_zyx
    near = pet_zyx[part[0] : part[-1] + 1]
    share = _near_diaphragm(grid)[part[0] : part[-1] + 1, None, None].astype(np.float32)
    near += share * (ndimage.gaussian_filter1d(near, sigma, axis=0, truncate=3.0, mode="nearest") - near)
    return pet_zyx


def _near_diaphragm(grid: Grid) -> NDArray[np.float64]:
    """How much each slice moves with the breath, in [0, 1], (Z,): the diaphragm is half a metre below the top."""
    n, head_end = grid.size_xyz[2], -1 if grid.direction[8] > 0 else 0
    z = np.arange(n) * grid.spacing_mm[2]
    far = (z - z[head_end] + np.copysign(500.0, grid.direction[8])) / 140.0
    return np.asarray(np.exp(-(far**2)))


def _slipping(grid: Grid, scanner: Scanner, rng: np.random.Generator) -> list[NDArray[np.intp]]:
    """By how many voxels each slice moves along y and along x; smooth along z."""
    n = grid.size_xyz[2]
    knots = max(3, int((n - 1) * grid.spacing_mm[2] / 250) + 2)
    slips_mm = rng.normal(0, scanner.slip_mm, (2, knots))
    smooth = [np.interp(np.linspace(0, knots - 1, n), np.arange(knots), slip) for slip in slips_mm]
    return [np.rint(s / p).astype(np.intp) for s, p in zip(smooth, grid.spacing_zyx_mm[1:], strict=True)]
