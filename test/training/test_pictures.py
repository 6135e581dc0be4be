# SPDX-License-Identifier: Apache-2.0
"""Pictures for the tracer networks."""

import numpy as np

from petlesion.case import Tracer
from petlesion.phantom import STUDY_DIRECTION, make_phantom
from petlesion.training import pictures
from petlesion.training.pictures import Album, bulky_tumour, field_of_view, make_pictures
from petlesion.training.studies import Study
from petlesion.volume import Grid, Volume


class OneStudy:
    """A source of one small study."""

    seed = 3

    def picture_study(self, rng):
        grid = Grid((40, 30, 60), (12.0, 12.0, 16.0), (-240.0, 180.0, -960.0), STUDY_DIRECTION)
        return Study.of(make_phantom(Tracer.FDG, rng, grid=grid, n_lesions=1))


def test_no_sources_no_pictures(tmp_path):
    assert make_pictures(tmp_path / "none.npy", Album([], 3)).shape == (0, 3, 224, 224)


def test_a_row_of_pictures_for_each_source_is_kept(tmp_path):
    for bulky in (False, True):
        row = pictures._draw((OneStudy(), 2, bulky))
        assert row.shape == (2, 224, 224)
        assert np.isfinite(row).all()
        assert row.max() > 1
    np.save(tmp_path / "held.npy", row[None])
    np.testing.assert_array_equal(make_pictures(tmp_path / "held.npy", Album([OneStudy()], 2)), row[None])


def test_the_first_view_is_the_whole_and_the_others_are_parts():
    grid = Grid((40, 30, 60), (12.0, 12.0, 16.0), (-240.0, 180.0, -960.0), STUDY_DIRECTION)
    phantom = make_phantom(Tracer.FDG, np.random.default_rng(0), grid=grid, n_lesions=2)
    study = Study.of(phantom)
    assert field_of_view(study, 0, np.random.default_rng(0)) is phantom.pet_suv
    for number in range(1, 9):
        part = field_of_view(study, number, np.random.default_rng(number))
        assert 1 <= part.grid.n_voxels < grid.n_voxels


def test_a_bulky_tumour_lies_in_the_middle_of_its_box():
    grid = Grid((40, 30, 60), (12.0, 12.0, 16.0), (-240.0, 180.0, -960.0), STUDY_DIRECTION)
    pet = Volume(np.full(grid.shape_zyx, 0.5, np.float32), grid)
    hottest = []
    for seed in range(5):
        box = bulky_tumour(pet, np.random.default_rng(seed))
        assert box.grid.n_voxels <= grid.n_voxels
        assert box.array_zyx.min() >= 0.5  # it is added to what is there
        hottest.append(box.array_zyx.max())
    assert min(hottest) > 1
