# SPDX-License-Identifier: Apache-2.0
"""A synthetic body around real organs."""

import numpy as np
import pytest

from petlesion.case import Tracer
from petlesion.phantom import STUDY_DIRECTION, make_phantom
from petlesion.phantom.fit import overlay, place_around
from petlesion.phantom.organ_map import OrganMap
from petlesion.phantom.organs import Organ
from petlesion.volume import Grid, Volume

GRID = Grid((80, 66, 120), (6.0, 6.0, 8.0), (-240.0, 200.0, -960.0), STUDY_DIRECTION)
LABELS = {Organ.SPLEEN: 1, Organ.KIDNEY: 2, Organ.LIVER: 3, Organ.BLADDER: 4, Organ.LUNG: 5, Organ.BRAIN: 6,
          Organ.WHITE_MATTER: 6, Organ.MYOCARDIUM: 7, Organ.STOMACH: 8, Organ.PAROTID: 10}  # fmt: skip


@pytest.fixture(scope="module")
def patient():
    """Organs of a freely drawn body stand for a real patient's map."""
    drawn = make_phantom(Tracer.FDG, np.random.default_rng(5), grid=GRID, n_lesions=0).organs.array_zyx
    labels = np.zeros(drawn.shape, np.uint8)
    for organ, label in LABELS.items():
        labels[drawn == organ] = label
    return OrganMap.of(Volume(labels, GRID))


def test_without_landmarks_the_body_lies_as_the_world_does():
    labels = np.zeros(GRID.shape_zyx, np.uint8)
    labels[60, 30, 40] = 1
    placed = place_around(OrganMap.of(Volume(labels, GRID)), 1.0)
    assert [(one.world_z_mm, one.body_z_mm) for one in placed.levels] == [(-1000.0, -1000.0), (0.0, 0.0)]


def test_the_bodys_organs_come_to_lie_on_those_of_the_map(patient):
    placed = place_around(patient, 1.0)
    for name, body_z in (("LIVER", -566.0), ("KIDNEY", -639.0), ("MYOCARDIUM", -462.0)):
        voxels = patient.voxels(name)
        world = np.mean([GRID.world_mm((float(x), float(y), float(z))) for z, y, x in voxels[::50]], axis=0)
        _, _, found = placed.to_body(*(np.array([v]) for v in world))
        assert abs(float(found[0]) - body_z) < 15


def test_a_shifted_patient_gets_a_shifted_body(patient):
    moved = Grid(GRID.size_xyz, GRID.spacing_mm, (-140.0, 260.0, -460.0), STUDY_DIRECTION)
    there = place_around(OrganMap.of(Volume(patient.labels.array_zyx, moved)), 1.0)
    for one, other in zip(place_around(patient, 1.0).levels, there.levels, strict=True):
        assert other.world_z_mm - one.world_z_mm == pytest.approx(500, abs=1e-3)
        np.testing.assert_allclose(np.subtract(other.centre_mm, one.centre_mm), (100, 60), atol=1e-3)
        assert one.scale == pytest.approx(other.scale)


def test_a_landmark_out_of_line_is_not_believed(patient):
    labels = patient.labels.array_zyx.copy()
    labels[labels == 4] = 0
    labels[110:114, 20:40, 30:50] = 4  # a bladder above the brain
    levels = place_around(OrganMap.of(Volume(labels, GRID)), 1.0).levels
    assert -855.0 not in [one.body_z_mm for one in levels]


def test_the_maps_organs_are_in_the_phantom_and_its_own_are_gone(patient):
    phantom = make_phantom(Tracer.FDG, np.random.default_rng(9), organs=patient, n_lesions=0)
    assert phantom.truth.grid == GRID
    organs, labels = phantom.organs.array_zyx, patient.labels.array_zyx
    for organ in (Organ.LIVER, Organ.SPLEEN, Organ.BLADDER, Organ.LUNG):
        np.testing.assert_array_equal(organs == organ, labels == LABELS[organ])
    assert (organs == Organ.MUSCLE).any()
    assert (organs == Organ.COLON).any()  # what the map does not know is drawn


def test_the_maps_organs_never_lie_in_open_air(patient):
    labels = np.zeros(GRID.shape_zyx, np.uint8)
    overlay(labels, patient)
    inside = patient.labels.array_zyx > 0
    assert (labels[inside] != Organ.AIR).all()
    assert (labels == Organ.FAT).sum() > 0
    assert (labels[~inside] == Organ.AIR).any()


def test_the_same_map_and_seed_give_the_same_bytes(patient):
    once, again = (make_phantom(Tracer.PSMA, np.random.default_rng(2), organs=patient, n_lesions=3) for _ in range(2))
    assert once.pet_suv.array_zyx.tobytes() == again.pet_suv.array_zyx.tobytes()
    assert once.lesions == again.lesions


def test_lesions_grow_where_the_patients_tumours_lay(patient):
    liver = patient.voxels("LIVER")
    z, y, x = (float(v) for v in liver[len(liver) // 2])
    site = GRID.world_mm((x, y, z))
    phantom = make_phantom(Tracer.FDG, np.random.default_rng(3), organs=patient, n_lesions=10, sites_mm=(site,))
    far = [np.linalg.norm(np.subtract(one.centre_mm, site)) for one in phantom.lesions]
    assert min(far) < 25
