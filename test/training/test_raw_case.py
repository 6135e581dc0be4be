# SPDX-License-Identifier: Apache-2.0
"""A study in nnU-Net's raw form."""

from dataclasses import replace

import numpy as np
import pytest

from petlesion.images import read_image
from petlesion.inference.heatmap import click_heatmap
from petlesion.recipes import LESION_TRACER, MESBAH
from petlesion.training.layouts import DataError, find_studies
from petlesion.training.organs import OrganLabels
from petlesion.training.raw_case import CLICK_LISTS, SAMPLES, CaseFacts, read_case, write_raw_case
from test.training.toy import write_study

STAGE = MESBAH.stages[0]
LABELS = OrganLabels.named("phantom", MESBAH.training.organs)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies")
    write_study(folder / "case", 1)
    (found,) = find_studies(folder)
    return found


@pytest.fixture(scope="module")
def raw(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    write_raw_case(study, folder, STAGE, LABELS, 0)
    return folder


def test_a_healthy_study_has_no_lesion_values(tmp_path):
    write_study(tmp_path / "case", 2, n_lesions=0)
    write_raw_case(find_studies(tmp_path)[0], tmp_path / "raw", STAGE, LABELS, 0)
    facts = CaseFacts.load(tmp_path / "raw" / "studies" / "case.npz")
    assert facts.lesion_values.shape == (2, 0)
    assert facts.tumor_xyz.shape[1] == 0


def test_channels_are_ct_pet_and_the_heatmap_of_the_given_clicks(study, raw):
    case, truth = read_case(study)
    ct, pet, heatmap = (read_image(raw / "imagesTr" / f"case_{i:04d}.mha").array_zyx for i in range(3))
    np.testing.assert_array_equal(ct, case.ct_hu.array_zyx)
    np.testing.assert_array_equal(pet, case.pet_suv.array_zyx)
    np.testing.assert_array_equal(heatmap, click_heatmap(case.clicks, pet, STAGE.heatmap))
    np.testing.assert_array_equal(read_image(raw / "labelsTr" / "case.mha").array_zyx, truth.array_zyx != 0)
    assert read_image(raw / "organsTr" / "case.mha").array_zyx.max() <= len(LABELS.organs)


def test_clicks_lie_on_lesions_and_beside_them(study, raw):
    facts = CaseFacts.load(raw / "studies" / "case.npz")
    lesion = read_case(study)[1].array_zyx != 0
    assert len(facts.tumor_xyz) == 1 + CLICK_LISTS  # those that came with it, then the simulated
    for points, inside in ((facts.tumor_xyz, True), (facts.background_xyz, False)):
        x, y, z = points[points[..., 0] >= 0].T
        assert (lesion[z, y, x] == inside).all()
    assert len({row.tobytes() for row in facts.tumor_xyz}) > 2


def test_lesion_values_are_those_of_the_images(study, raw):
    facts = CaseFacts.load(raw / "studies" / "case.npz")
    case, truth = read_case(study)
    assert facts.lesion_values.shape == (2, SAMPLES)
    assert set(facts.lesion_values[1]) <= set(case.pet_suv.array_zyx[truth.array_zyx != 0])
    assert facts.spacing_zyx_mm.tolist() == [20, 14, 14]


def test_without_clicks_and_organs_there_are_images_alone(study, tmp_path):
    write_raw_case(study, tmp_path, LESION_TRACER.stages[-1], None, 0)
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    assert names == ["imagesTr/case_0000.mha", "imagesTr/case_0001.mha", "labelsTr/case.mha", "studies/case.npz"]
    facts = CaseFacts.load(tmp_path / "studies" / "case.npz")
    assert facts.tumor_xyz.shape == facts.background_xyz.shape == (0, 0, 3)


def test_a_complete_case_is_not_written_again(study, raw):
    before = {path: path.stat().st_mtime_ns for path in raw.rglob("*")}
    write_raw_case(study, raw, STAGE, LABELS, 0)
    assert {path: path.stat().st_mtime_ns for path in raw.rglob("*")} == before


def test_the_seed_decides_the_clicks(study, raw, tmp_path):
    write_raw_case(study, tmp_path, STAGE, LABELS, 1)
    one, other = (CaseFacts.load(folder / "studies" / "case.npz").tumor_xyz for folder in (raw, tmp_path))
    assert (one[0] == other[0]).all()
    assert (one != other).any()


def test_a_case_that_cannot_be_read_is_named(study, tmp_path):
    broken = tmp_path / "ct.mha"
    broken.write_bytes(study.ct.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"case case: the CT must be one intact"):
        write_raw_case(replace(study, ct=broken), tmp_path / "raw", STAGE, LABELS, 0)
    assert not (tmp_path / "raw").exists()
