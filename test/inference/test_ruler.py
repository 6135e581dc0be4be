# SPDX-License-Identifier: Apache-2.0
import itertools

from hypothesis import given
from hypothesis import strategies as st

from petlesion.inference.resample import Resampling, resampled_shape
from petlesion.inference.ruler import TileRuler
from petlesion.inference.tiles import Tiling

SIZES = st.integers(1, 60)
SPACINGS = st.sampled_from([1.0, 2.0, 2.0364, 3.0, 4.07, 5.0])
PATCHES = st.integers(2, 20)
STEPS = st.sampled_from([0.3, 0.5, 0.6, 1.0])


def ruler_of(patch, spacings_mm, step, window="nnunet"):
    return TileRuler((patch,) * 3, (spacings_mm[0] / spacings_mm[1],) * 3, step, window)


def test_by_hand():
    # 90 voxels of 4 mm are 180 of 2 mm: patches of 96 at most 48 apart lie at 0, 42 and 84
    ruler = TileRuler((96, 96, 96), (2.0, 2.0, 1.0), 0.5)
    assert ruler.extent_zyx == (48, 48, 96)
    assert [ruler.n_tiles(0, size) for size in (1, 48, 49, 72, 73, 90)] == [1, 1, 2, 2, 3, 3]
    assert ruler.n_tiles_of((90, 48, 90)) == 3


@given(SIZES, PATCHES, SPACINGS, SPACINGS, STEPS)
def test_the_tiles_are_those_of_the_resampled_box(size, patch, old_mm, new_mm, step):
    shape = resampled_shape((size,) * 3, (old_mm,) * 3, (new_mm,) * 3)
    ruler = ruler_of(patch, (old_mm, new_mm), step)
    assert ruler.n_tiles_of((size,) * 3) == Tiling.of(shape, (patch,) * 3, step).n_tiles


@given(SIZES, PATCHES, SPACINGS, SPACINGS, STEPS)
def test_with_monais_window_too(size, patch, old_mm, new_mm, step):
    job = Resampling.points((size,) * 3, ((old_mm,) * 3, (new_mm,) * 3), 1)
    tiling = Tiling.of(job.new_shape, (patch,) * 3, step, "monai")
    assert abs(ruler_of(patch, (old_mm, new_mm), step, "monai").n_tiles(0, size) ** 3 - tiling.n_tiles) == 0


@given(PATCHES, SPACINGS, SPACINGS, STEPS, st.sampled_from(["nnunet", "monai"]))
def test_a_larger_box_never_costs_less(patch, old_mm, new_mm, step, window):
    ruler = ruler_of(patch, (old_mm, new_mm), step, window)
    counts = [ruler.n_tiles(0, size) for size in range(1, 60)]
    assert all(a <= b for a, b in itertools.pairwise(counts))


@given(PATCHES, SPACINGS, SPACINGS, st.sampled_from(["nnunet", "monai"]))
def test_the_extent_is_the_least_that_holds_a_patch(patch, old_mm, new_mm, window):
    (extent, *_) = ruler_of(patch, (old_mm, new_mm), 0.5, window).extent_zyx

    def along(size):
        if window == "monai":
            return Resampling.points((size,) * 3, ((old_mm,) * 3, (new_mm,) * 3), 1).new_shape[0]
        return resampled_shape((size,) * 3, (old_mm,) * 3, (new_mm,) * 3)[0]

    assert along(extent) >= patch
    assert extent == 1 or along(extent - 1) < patch


def test_a_spacing_that_is_rounded_costs_no_second_tile():
    ruler = TileRuler((192, 192, 192), (1.0, 2.0364 / 2.03642, 2.0364 / 2.03642), 0.5)
    assert ruler.extent_zyx == (192, 192, 192)
    assert ruler.n_tiles_of(ruler.extent_zyx) == 1
