# SPDX-License-Identifier: Apache-2.0
"""Lesions measured by hand: volumes, uptake, the peak sphere, order; equal to a loop over everything, and to others."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from petlesion.lesions import (
    PEAK_RADIUS_MM,
    LesionMask,
    LesionMaskError,
    dmax_mm,
    measure_lesions,
    tmtv_ml,
    total_tlg,
)
from petlesion.volume import Grid, Volume

GRID = Grid((6, 5, 4), (10.0, 10.0, 5.0), (100.0, 0.0, -50.0))  # a voxel holds 0.5 ml


def volumes(voxels_zyx, grid=GRID):
    """A mask and a PET from {(z, y, x): SUV}; SUV 1 elsewhere."""
    mask, pet = np.zeros(grid.shape_zyx, np.uint8), np.ones(grid.shape_zyx, np.float32)
    for voxel, suv in voxels_zyx.items():
        mask[voxel], pet[voxel] = 1, suv
    return Volume(mask, grid), Volume(pet, grid)


def test_an_empty_mask_has_no_lesions():
    lesions = measure_lesions(*volumes({}))
    assert lesions == ()
    assert dmax_mm(lesions) is None
    assert tmtv_ml(lesions) == total_tlg(lesions) == 0


def test_two_lesions_by_hand():
    small, large = {(0, 0, 0): 8.0}, {(2, 2, 3): 4.0, (2, 2, 4): 6.0, (3, 3, 5): 2.0}  # the last at a corner
    first, second = measure_lesions(*volumes(small | large))
    assert (first.number, first.n_voxels, first.volume_ml) == (1, 3, 1.5)
    assert (first.suv_max, first.suv_mean, first.tlg) == (6.0, 4.0, 6.0)
    assert first.centroid_xyz == (4.0, pytest.approx(7 / 3), pytest.approx(7 / 3))
    assert first.centroid_mm == (140.0, pytest.approx(70 / 3), pytest.approx(-50 + 35 / 3))
    assert (second.number, second.n_voxels, second.suv_max, second.tlg) == (2, 1, 8.0, 4.0)
    assert second.centroid_mm == (100.0, 0.0, -50.0)
    assert tmtv_ml((first, second)) == 2.0
    assert total_tlg((first, second)) == 10.0
    # from the left face of (2, 2, 3) to the right one of (3, 3, 5): 3 x 10 mm, 10 mm, 5 mm
    assert first.longest_diameter_mm == pytest.approx(math.hypot(30, 10, 5))
    assert second.longest_diameter_mm == 10.0


def test_dmax_by_hand():
    """Voxels of 10 x 10 x 5 mm: (0, 0, 0), (3, 4, 0) and (0, 0, 2) in x, y, z; the farthest two are 3-4-5."""
    lesions = measure_lesions(*volumes({(0, 0, 0): 2.0, (0, 4, 3): 2.0, (2, 0, 0): 2.0}))
    assert dmax_mm(lesions) == pytest.approx(math.hypot(30, 40, 10))
    assert dmax_mm(lesions[:1]) is None


# The IBSI digital phantom (Zwanenburg et al., Radiology 2020;295:328; CC BY 4.0): 5 x 4 x 4 voxels of 2 mm.
IBSI_PHANTOM = """
1 4 4 1 1  1 4 6 1 1  4 1 6 4 1  4 4 6 4 1
1 4 4 1 1  1 1 6 1 1  1 1 3 1 1  4 4 6 1 1
1 4 4 1 1  1 1 1 1 1  1 1 9 1 1  1 1 6 1 1
1 4 4 1 1  1 1 1 1 1  1 1 1 1 1  1 1 6 1 1
"""
OUTSIDE = [(1, 2, 0), (2, 0, 3), (2, 0, 4), (2, 2, 2), (3, 0, 3), (3, 0, 4)]


def ibsi_phantom():
    grid = Grid((5, 4, 4), (2.0, 2.0, 2.0))
    pet = np.array(IBSI_PHANTOM.split(), np.float32).reshape(grid.shape_zyx)
    inside = np.ones(grid.shape_zyx, bool)
    inside[tuple(np.transpose(OUTSIDE))] = False
    return LesionMask.of(inside, grid), Volume(pet, grid)


def test_the_ibsi_digital_phantom_has_its_published_values():
    (lesion,) = measure_lesions(*ibsi_phantom())
    assert round(lesion.suv_peak, 1) == 3.1  # global intensity peak
    assert lesion.suv_peak == pytest.approx(3.1034483909606934)  # MIRP 2.7.0, the IBSI authors' own software
    assert round(lesion.suv_mean, 2) == 2.15
    assert lesion.suv_max == 6
    assert lesion.volume_ml == pytest.approx(0.592)  # by counting voxels
    assert round(lesion.longest_diameter_mm, 1) == 13.1


def test_lesions_of_one_size_stand_in_the_order_of_the_array():
    lesions = measure_lesions(*volumes({(3, 4, 5): 9.0, (0, 0, 0): 2.0}))
    assert [lesion.centroid_xyz for lesion in lesions] == [(0, 0, 0), (5, 4, 3)]


def test_the_peak_sphere_reaches_out_of_the_lesion_along_z():
    """Slices 5 mm apart, pixels of 10 mm: the sphere of 6.2 mm holds a voxel and its two neighbours along z."""
    (lesion,) = measure_lesions(*volumes({(1, 2, 2): 9.0, (2, 2, 2): 7.0}))
    assert lesion.suv_peak == (1 + 9 + 7) / 3


def test_the_peak_is_not_centred_on_the_hottest_voxel():
    (lesion,) = measure_lesions(*volumes({(1, 2, 2): 9.0, (2, 2, 2): 7.0, (3, 2, 2): 6.0}))
    assert lesion.suv_peak == (9 + 7 + 6) / 3


def test_at_the_images_face_the_rest_of_the_sphere_counts():
    (lesion,) = measure_lesions(*volumes({(0, 0, 0): 9.0}))
    assert lesion.suv_peak == (9 + 1) / 2


def test_in_voxels_larger_than_the_sphere_the_peak_is_the_maximum():
    (lesion,) = measure_lesions(*volumes({(1, 1, 1): 9.0, (1, 1, 2): 3.0}, Grid((4, 4, 4), (8.0, 8.0, 8.0))))
    assert lesion.suv_peak == lesion.suv_max == 9.0


def test_the_sphere_holds_one_millilitre():
    assert round(PEAK_RADIUS_MM, 1) == 6.2
    assert 4 / 3 * math.pi * PEAK_RADIUS_MM**3 == pytest.approx(1000)


def slow(mask, pet, grid):
    """Every voxel of the image against every voxel of every lesion."""
    numbers, count = label(mask, np.ones((3, 3, 3)))
    where = np.argwhere(np.ones(mask.shape)) * grid.spacing_zyx_mm
    found = []
    for number in range(1, count + 1):
        part = numbers == number
        means = []
        for centre in np.argwhere(part) * grid.spacing_zyx_mm:
            near = np.linalg.norm(where - centre, axis=1) <= PEAK_RADIUS_MM
            means.append(pet.ravel()[near].astype(float).mean())
        found.append((part.sum(), pet[part].max(), pet[part].astype(float).mean(), max(means)))
    return sorted(found, reverse=True)


@settings(deadline=None, max_examples=40)
@given(
    st.tuples(*[st.integers(1, 8)] * 3),
    st.tuples(*[st.floats(2.0, 7.0)] * 3),
    st.integers(0, 999),
    st.floats(0.05, 0.5),
)
def test_lesions_are_those_of_a_loop(size_xyz, spacing_mm, seed, density):
    grid, rng = Grid(size_xyz, spacing_mm), np.random.default_rng(seed)
    mask = rng.random(grid.shape_zyx) < density
    pet = rng.gamma(2.0, 2.0, grid.shape_zyx).astype(np.float32)
    lesions = measure_lesions(LesionMask.of(mask, grid), Volume(pet, grid))
    measured = sorted(((x.n_voxels, x.suv_max, x.suv_mean, x.suv_peak) for x in lesions), reverse=True)
    np.testing.assert_allclose(np.reshape(measured, (-1, 4)), np.reshape(slow(mask, pet, grid), (-1, 4)), rtol=1e-9)
    assert [x.n_voxels for x in lesions] == sorted((x.n_voxels for x in lesions), reverse=True)
    assert sum(x.n_voxels for x in lesions) == mask.sum()


# Gaussian blobs, 1 + 9 exp(-(d / width)^2), in balls on anisotropic grids, and what the IBSI authors' own software says
# of them (MIRP 2.7.0: loc_peak_glob, morph_diam, stat_mean of the image and mask as written by these lines).
BLOBS = [
    ((20, 24, 28), (3.0, 2.0, 2.0), (30.5, 23.7, 27.1), 14.0, 12.0, (8.735267639160156, 30.479501308256342, 5.2380896)),
    ((14, 20, 16), (5.0, 2.734375, 4.07), (36.0, 27.0, 31.0), 18.0, 20.0, (9.435637474060059, 39.509546676, 6.6575665)),
]


@pytest.mark.parametrize(("shape", "spacing", "centre", "radius", "width", "expected"), BLOBS)
def test_peak_and_diameter_are_those_of_mirp(shape, spacing, centre, radius, width, expected):
    grid = Grid(shape[::-1], spacing[::-1])
    distance = np.linalg.norm(np.moveaxis(np.indices(shape), 0, -1) * spacing - centre, axis=-1)
    pet = Volume((1 + 9 * np.exp(-((distance / width) ** 2))).astype(np.float32), grid)
    (lesion,) = measure_lesions(LesionMask.of(distance <= radius, grid), pet)
    assert (lesion.suv_peak, lesion.longest_diameter_mm, lesion.suv_mean) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("array", [np.full(GRID.shape_zyx, 2, np.uint8), np.zeros(GRID.shape_zyx, np.int16)])
def test_a_mask_of_other_values_or_types_is_refused(array):
    with pytest.raises(LesionMaskError, match="uint8 with values 0 and 1"):
        LesionMask(array, GRID)


def test_a_mask_on_another_grid_is_refused():
    mask, _ = volumes({})
    pet = Volume(np.zeros((4, 5, 6), np.float32), Grid((6, 5, 4), (10.0, 10.0, 5.0), (100.0, 0.0, -40.0)))
    with pytest.raises(LesionMaskError, match="share one grid"):
        measure_lesions(mask, pet)
