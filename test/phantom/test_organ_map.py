# SPDX-License-Identifier: Apache-2.0
"""Organ label maps and their schemes."""

import numpy as np
import pytest

from petlesion.phantom.organ_map import BONES, OrganMap, OrganMapError, schemes
from petlesion.phantom.organs import Organ
from petlesion.volume import Grid, Volume


def label_map(*boxes, size=(24, 24, 24), spacing=(4.0, 4.0, 4.0), dtype=np.uint8):
    array = np.zeros(size[::-1], dtype)
    for label, part in boxes:
        array[part] = label
    return Volume(array, Grid(size, spacing))


def test_an_empty_map_is_refused():
    with pytest.raises(OrganMapError, match="none"):
        OrganMap.of(label_map())


def test_labels_that_no_scheme_has_are_refused():
    with pytest.raises(OrganMapError, match="250"):
        OrganMap.of(label_map((250, np.s_[:4])))


def test_an_unknown_scheme_is_refused():
    with pytest.raises(OrganMapError, match="published, totalsegmentator"):
        OrganMap.of(label_map((1, np.s_[:4])), "mine")


def test_fractions_are_refused():
    with pytest.raises(OrganMapError, match="interpolated"):
        OrganMap.of(label_map((1.5, np.s_[:4]), dtype=np.float32))


@pytest.mark.parametrize(("label", "organ"), [(3, Organ.LIVER), (4, Organ.BLADDER), (9, Organ.PROSTATE)])
def test_low_labels_are_the_published_scheme(label, organ):
    found = list(OrganMap.of(label_map((label, np.s_[2:9, 3:9, 4:9]))).parts())
    assert [(part.sum(), one) for _, part, one in found] == [(7 * 6 * 5, organ)]


@pytest.mark.parametrize(
    ("label", "organ"),
    [(5, Organ.LIVER), (21, Organ.BLADDER), (90, Organ.BRAIN), (52, Organ.BLOOD), (80, Organ.MUSCLE)],
)
def test_high_labels_are_totalsegmentators(label, organ):
    volume = label_map((label, np.s_[2:9, 3:9, 4:9]), (117, np.s_[20:22, 20:22, 20:22]))
    assert organ in [one for _, _, one in OrganMap.of(volume).parts()]


def test_every_name_of_every_scheme_is_an_organ():
    names = {name for table in schemes().values() for name in table.values()}
    assert names - {BONES} <= {organ.name for organ in Organ}
    assert set(schemes()["totalsegmentator"]) == set(range(1, 118))


def test_a_bone_has_marrow_inside_a_kidney_urine_and_a_heart_blood():
    cube = np.s_[2:20, 2:20, 2:20]
    for label, wall, core in ((25, Organ.BONE, Organ.MARROW), (2, Organ.KIDNEY, Organ.URINE)):
        parts = {one: part.sum() for _, part, one in OrganMap.of(label_map((label, cube)), "totalsegmentator").parts()}
        assert 0 < parts[core] < parts[wall] == 18**3
    heart = [(one, part.sum()) for _, part, one in OrganMap.of(label_map((7, cube))).parts()]
    assert heart[0] == (Organ.MYOCARDIUM, 18**3)
    assert all(one is Organ.BLOOD and 0 < n < 18**3 for one, n in heart[1:])


def test_the_upper_glands_are_the_parotids():
    volume = label_map((10, np.s_[2:5, 4:9, 4:9]), (10, np.s_[12:15, 4:9, 4:9]))
    parts = {one: (box, part) for box, part, one in OrganMap.of(volume).parts()}
    assert not parts[Organ.PAROTID][1][:6].any()
    assert parts[Organ.PAROTID][1].sum() == parts[Organ.SUBMANDIBULAR][1].sum() == 75


def test_another_grid_takes_the_nearest_label():
    organs = OrganMap.of(label_map((3, np.s_[4:12, 4:12, 4:12])))
    finer = organs.on(Grid((48, 48, 48), (2.0, 2.0, 2.0), (-1.0, -1.0, -1.0)))
    assert set(np.unique(finer.labels.array_zyx)) == {0, 3}
    assert finer.labels.array_zyx.sum() == 8 * organs.labels.array_zyx.sum()
    assert organs.on(organs.labels.grid) is organs
