# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petlesion.case import PetCtCase
from petlesion.clicks import Clicks
from petlesion.inference.body import MARGIN_VOXELS, SPECK_BLOCKS, Box, _uptake, body_box, bounding_box, snapped
from petlesion.inference.ruler import TileRuler
from petlesion.volume import Grid, Volume

SHAPE = (40, 50, 60)  # z, y, x; voxels of 5 mm, which is one block each
NO_EXTENT = (1, 1, 1)
TRUNK = (slice(5, 35), slice(15, 30), slice(20, 40))  # 1125 ml
AROUND_THE_TRUNK = Box((5 - MARGIN_VOXELS, 15 - MARGIN_VOXELS, 20 - MARGIN_VOXELS), (35 + 3, 30 + 3, 40 + 3))


def case_of(*solid, hot=(), clicks=None, shape=SHAPE, spacing_mm=5.0):
    """Air, with soft tissue (40 HU, SUV 0.5) in some boxes and uptake (SUV 5) in others."""
    grid = Grid(shape[::-1], (spacing_mm,) * 3)
    ct, pet = np.full(shape, -1000.0, np.float32), np.zeros(shape, np.float32)
    for part in solid:
        ct[part], pet[part] = 40.0, 0.5
    for part in hot:
        pet[part] = 5.0
    return PetCtCase("a", Volume(ct, grid), Volume(pet, grid), clicks or Clicks())


def with_ct(case, part, hu):
    ct = case.ct_hu.array_zyx.copy()
    ct[part] = hu
    return PetCtCase(case.name, Volume(ct, case.grid), case.pet_suv, case.clicks)


def test_air_alone_has_no_body():
    assert body_box(case_of(), NO_EXTENT) is None


def test_an_image_without_air_is_not_cropped():
    assert body_box(case_of((slice(None),) * 3), NO_EXTENT) is None


def test_a_body_that_fills_the_image_is_not_cropped():
    assert body_box(case_of((slice(None), slice(1, 49), slice(1, 59))), NO_EXTENT) is None


def test_something_smaller_than_a_head_is_no_body():
    assert body_box(case_of((slice(5, 15), slice(5, 15), slice(5, 15))), NO_EXTENT) is None  # 125 ml


def test_a_table_without_a_patient_is_no_body():
    assert body_box(case_of((slice(None), slice(30, 42), slice(5, 55))), NO_EXTENT) is not None  # 60 mm: a thin body
    assert body_box(case_of((slice(None), slice(30, 34), slice(5, 55))), NO_EXTENT) is None  # 20 mm


def test_half_a_body_at_the_edge_of_the_field():
    half = (slice(0, 22), slice(15, 30), slice(20, 40))
    assert body_box(case_of(half), NO_EXTENT) == Box((0, 12, 17), (25, 33, 43))


def test_an_obese_body_that_leaves_the_field():
    trunk = (slice(5, 35), slice(10, 40), slice(0, 60))
    assert body_box(case_of(trunk), NO_EXTENT) == Box((2, 7, 0), (38, 43, 60))


def test_arms_beside_the_body_that_the_field_cuts():
    arms = (slice(5, 35), slice(17, 25), slice(0, 4)), (slice(5, 35), slice(17, 25), slice(56, 60))
    assert body_box(case_of(TRUNK, *arms), NO_EXTENT) == Box((2, 12, 0), (38, 33, 60))


def test_a_box_that_saves_a_tile_is_taken_however_large_it_is():
    body = (slice(None), slice(None), slice(2, 58))
    case = case_of(body)
    assert body_box(case, NO_EXTENT) is None
    ruler = TileRuler((40, 50, 29), (1.0, 1.0, 1.0), 1.0)  # 58 voxels hold two tiles, 60 need three
    assert body_box(case, NO_EXTENT, [ruler]) == Box((0, 0, 1), (40, 50, 59))


def test_margin_is_given_up_where_that_saves_a_tile():
    # y: 15 + 2 x 3 = 21 voxels; tiles of 10, 10 apart: 20 hold two
    ruler = TileRuler((40, 10, 60), (1.0, 1.0, 1.0), 1.0)
    box = body_box(case_of(TRUNK), NO_EXTENT, [ruler])
    assert box == Box((2, 13, 17), (38, 33, 43))


def test_without_anything_to_save_the_margin_stays():
    ruler = TileRuler((40, 11, 60), (1.0, 1.0, 1.0), 1.0)
    assert body_box(case_of(TRUNK), NO_EXTENT, [ruler]) == AROUND_THE_TRUNK


def test_a_box_around_the_trunk():
    assert body_box(case_of(TRUNK), NO_EXTENT) == AROUND_THE_TRUNK


def test_a_head_alone():
    case = case_of((slice(0, 30), slice(10, 40), slice(15, 45)), shape=(30, 80, 80))
    assert body_box(case, NO_EXTENT) == Box((0, 7, 12), (30, 43, 48))


def test_the_table_is_taken_off():
    # Two voxels thick and wider than the trunk that lies on it: only what lies right under the trunk stays.
    case = with_ct(case_of(TRUNK), (slice(None), slice(30, 32), slice(5, 55)), 100.0)
    assert body_box(case, NO_EXTENT) == Box((2, 12, 17), (38, 35, 43))


def test_a_body_without_any_uptake_is_still_a_body():
    case = with_ct(case_of(), TRUNK, 40.0)
    assert body_box(case, NO_EXTENT) == AROUND_THE_TRUNK


def test_a_thick_table_is_told_from_an_arm_by_its_uptake():
    table = (slice(None), slice(36, 41), slice(5, 55))
    arm = (slice(5, 35), slice(18, 24), slice(46, 51))
    assert body_box(with_ct(case_of(TRUNK), table, 100.0), NO_EXTENT) == AROUND_THE_TRUNK
    assert body_box(case_of(TRUNK, arm), NO_EXTENT) == Box((2, 12, 17), (38, 33, 54))


def test_arms_above_the_head():
    arms = (slice(34, 40), slice(18, 24), slice(20, 25)), (slice(34, 40), slice(18, 24), slice(35, 40))
    assert body_box(case_of(TRUNK, *arms), NO_EXTENT) == Box((2, 12, 17), (40, 33, 43))


@pytest.mark.parametrize("shape", [(1, 1, 7), (1, 5, 5), (3, 3, 3)])
def test_isolated_uptake_on_a_thin_grid_is_counted(shape):
    """Every second block along each axis: as many components as there can be."""
    suv = np.zeros(shape, np.float32)
    suv[::2, ::2, ::2] = 5.0
    assert not _uptake(suv, np.zeros(shape, np.bool_)).any()  # each is a speck
    assert np.prod(shape) >= SPECK_BLOCKS
    assert _uptake(suv, np.ones(shape, np.bool_)).all()


def test_uptake_outside_what_the_ct_shows_is_inside():
    hand = (slice(10, 12), slice(20, 22), slice(50, 52))  # eight voxels
    assert body_box(case_of(TRUNK, hot=[hand]), NO_EXTENT) == Box((2, 12, 17), (38, 33, 55))


def test_a_speck_of_noise_is_not():
    speck = (slice(1, 2), slice(2, 3), slice(3, 6))  # three voxels
    assert body_box(case_of(TRUNK, hot=[speck]), NO_EXTENT) == AROUND_THE_TRUNK


def test_every_click_is_inside():
    clicks = Clicks(tumor_xyz=((25, 20, 10), (57, 20, 10)), background_xyz=((25, 4, 39),))
    assert body_box(case_of(TRUNK, clicks=clicks), NO_EXTENT) == Box((2, 1, 17), (40, 33, 60))


def test_the_box_grows_to_the_patch_as_far_as_there_are_voxels():
    box = body_box(case_of(TRUNK), (100, 30, 32))
    # y 12..33 (21) to 30: four below, five above; x 17..43 (26) to 32: three on each side
    assert box == Box((0, 8, 14), (40, 38, 46))


def test_a_patch_as_large_as_the_image_leaves_nothing_to_crop():
    assert body_box(case_of(TRUNK), (192, 192, 192)) is None


@pytest.mark.parametrize("spacing_mm", [1.7, 2.5])
def test_on_a_finer_grid_the_body_is_inside_with_its_margin(spacing_mm):
    trunk = (slice(10, 71), slice(31, 92), slice(41, 102))
    box = body_box(case_of(trunk, shape=(80, 130, 140), spacing_mm=spacing_mm), NO_EXTENT)
    expected = Box((7, 28, 38), (74, 95, 105))
    assert box.joined(expected) == box
    assert max(abs(a - b) for a, b in zip(box.start_zyx, expected.start_zyx, strict=True)) <= 4
    assert max(abs(a - b) for a, b in zip(box.stop_zyx, expected.stop_zyx, strict=True)) <= 4


def test_the_box_of_a_mask():
    mask = np.zeros((3, 4, 5), bool)
    assert bounding_box(mask) is None
    mask[1, 2, 3] = mask[2, 0, 3] = True
    assert bounding_box(mask) == Box((1, 0, 3), (3, 3, 4))


def test_boxes_hold_something():
    with pytest.raises(ValueError, match="voxels from 0 on"):
        Box((0, 3, 0), (1, 3, 1))
    with pytest.raises(ValueError, match="voxels from 0 on"):
        Box((-1, 0, 0), (1, 1, 1))


SIZE = st.integers(1, 9)


@st.composite
def box_in_shape(draw):
    shape = draw(st.tuples(SIZE, SIZE, SIZE))
    starts = tuple(draw(st.integers(0, n - 1)) for n in shape)
    return Box(starts, tuple(draw(st.integers(a + 1, n)) for a, n in zip(starts, shape, strict=True))), shape


@given(box_in_shape(), st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12)))
def test_a_grown_box_holds_the_old_one_and_the_extent(pair, extent):
    box, shape = pair
    grown = box.grown(extent, shape)
    assert grown.joined(box) == grown
    assert grown.common(Box.whole(shape)) == grown
    assert grown.shape_zyx == tuple(
        min(n, max(size, e)) for n, size, e in zip(shape, box.shape_zyx, extent, strict=True)
    )


@given(box_in_shape(), st.integers(0, 3))
def test_a_widened_box_keeps_to_the_array(pair, margin):
    box, shape = pair
    wide = box.widened(margin, shape)
    assert wide.joined(box) == wide
    assert wide.common(Box.whole(shape)) == wide


def test_boxes_apart_have_nothing_in_common():
    assert Box((0, 0, 0), (1, 2, 2)).common(Box((1, 0, 0), (2, 2, 2))) is None
    assert Box((0, 0, 0), (2, 3, 2)).common(Box((1, 1, 0), (2, 5, 2))) == Box((1, 1, 0), (2, 3, 2))


RULERS = st.lists(
    st.builds(
        TileRuler,
        st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12)),
        st.tuples(*[st.sampled_from([0.5, 2 / 3, 1.0, 1.5, 2.0])] * 3),
        st.sampled_from([0.5, 0.6, 1.0]),
    ),
    max_size=3,
)


@given(box_in_shape(), st.integers(0, 4), RULERS)
def test_snapping_cuts_nothing_and_never_costs_a_tile(pair, margin, rulers):
    least, shape = pair
    extent = tuple(max((ruler.extent_zyx[axis] for ruler in rulers), default=1) for axis in range(3))
    wanted = least.widened(margin, shape).grown(extent, shape)
    least = least.grown(extent, shape)
    box = snapped(least, wanted, shape, rulers)
    assert box.joined(least) == box
    assert box.common(Box.whole(shape)) == box
    for axis, (n, size) in enumerate(zip(shape, box.shape_zyx, strict=True)):
        assert size >= min(n, extent[axis])  # never zero-padded where the image has voxels
        assert size <= wanted.shape_zyx[axis]
        for ruler in rulers:
            assert ruler.n_tiles(axis, size) == ruler.n_tiles(axis, least.shape_zyx[axis])
            assert ruler.n_tiles(axis, size) <= ruler.n_tiles(axis, wanted.shape_zyx[axis])


@st.composite
def body_and_clicks(draw):
    """A trunk somewhere in a coarse image, and clicks anywhere."""
    shape = tuple(draw(st.integers(20, 34)) for _ in range(3))
    starts = tuple(draw(st.integers(0, n - 16)) for n in shape)
    trunk = tuple(slice(a, draw(st.integers(a + 14, n))) for a, n in zip(starts, shape, strict=True))
    points = st.lists(st.tuples(*(st.integers(0, n - 1) for n in shape[::-1])), max_size=3)
    clicks = Clicks(tuple(dict.fromkeys(draw(points))), tuple(dict.fromkeys(draw(points))))
    return case_of(trunk, clicks=clicks, shape=shape), trunk


@settings(max_examples=40, deadline=None)
@given(body_and_clicks(), RULERS)
def test_body_and_clicks_are_inside_whatever_the_tiles_are(pair, rulers):
    case, trunk = pair
    extent = tuple(max((ruler.extent_zyx[axis] for ruler in rulers), default=1) for axis in range(3))
    box = body_box(case, extent, rulers) or Box.whole(case.grid.shape_zyx)
    assert box.joined(Box(tuple(s.start for s in trunk), tuple(s.stop for s in trunk))) == box
    for x, y, z in (*case.clicks.tumor_xyz, *case.clicks.background_xyz):
        assert box.joined(Box((z, y, x), (z + 1, y + 1, x + 1))) == box
    sizes = zip(box.shape_zyx, case.grid.shape_zyx, extent, strict=True)
    assert all(size >= min(n, least) for size, n, least in sizes)
