# SPDX-License-Identifier: Apache-2.0
"""Prepared cases: what inference would show the networks, on disk, with the truth on the same grid."""

import zipfile

import numpy as np
import pytest

from petlesion.challenge import read_files
from petlesion.inference.monai_inputs import prepare_monai
from petlesion.read_options import ReadOptions
from petlesion.training.monai_case import SPOTS, MonaiCase, _spots, mapped, stage_plans
from test.training.toy_studies import CENTRES, SPACING_MM, TOY_AHAMED, TOY_SAFDARI, ball


@pytest.mark.parametrize("recipe", [TOY_AHAMED, TOY_SAFDARI], ids=lambda recipe: recipe.name)
def test_the_image_is_that_of_inference(recipe, toy_studies, request):
    dataset = request.getfixturevalue(f"{recipe.name}_dataset")
    name, images = "fdg_bob_1", toy_studies / "imagesTr"
    case = read_files(images / f"{name}_0000.mha", images / f"{name}_0001.mha", None, ReadOptions()).case
    channels = (case.ct_hu.array_zyx, case.pet_suv.array_zyx)
    expected = prepare_monai(channels, case.grid, stage_plans(recipe.stages[0])).array_czyx
    np.testing.assert_array_equal(dataset.case(name).image, expected.astype(np.float16))


def test_the_truth_lies_where_the_lesion_is(safdari_dataset):
    case = safdari_dataset.case("fdg_ann_1")
    x, y, z = np.argwhere(case.truth).mean(axis=0) * 9.0  # mm on the grid of the toy recipe
    a, b, c = CENTRES["fdg_ann_1"]
    # LAS: x to the left and z to the head as in the image, y to the front against it
    height = (case.truth.shape[1] - 1) * 9.0
    assert np.allclose((x, height - y, z), (c * SPACING_MM[0], b * SPACING_MM[1], a * SPACING_MM[2]), atol=9.0)
    expected_ml = ball(CENTRES["fdg_ann_1"]).sum() * np.prod(SPACING_MM)
    assert np.count_nonzero(case.truth) * 9.0**3 == pytest.approx(expected_ml, rel=0.35)


def test_spots_are_voxels_of_lesions(safdari_dataset):
    case = safdari_dataset.case("fdg_ann_1")
    assert len(case.spots) == np.count_nonzero(case.truth)
    assert case.truth[tuple(np.transpose(case.spots))].all()
    assert safdari_dataset.case("psma_dot_1").spots.shape == (0, 3)
    many = _spots(np.ones((20, 20, 20), np.uint8), np.random.default_rng(0))
    assert len(np.unique(many, axis=0)) == SPOTS


def test_arrays_are_mapped_as_they_were_written(tmp_path, safdari_dataset):
    case = safdari_dataset.case("fdg_ann_1")
    case.save(tmp_path / "again.npz")
    again = MonaiCase.load(tmp_path / "again.npz")
    with np.load(tmp_path / "again.npz") as held:
        for name in held:
            np.testing.assert_array_equal(getattr(again, name), held[name])
            np.testing.assert_array_equal(getattr(case, name), held[name])
    assert isinstance(again.image, np.memmap)
    with pytest.raises(KeyError):
        mapped(tmp_path / "again.npz", "mask")
    (tmp_path / "other.npz").write_bytes(b"no archive")
    with pytest.raises(zipfile.BadZipFile):
        mapped(tmp_path / "other.npz", "image")
