# SPDX-License-Identifier: Apache-2.0
"""Where training studies come from, and what is kept out of training."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from petlesion.case import CaseError, Tracer
from petlesion.itk import to_image
from petlesion.phantom import STUDY_DIRECTION, make_phantom
from petlesion.phantom.organs import Organ
from petlesion.training.studies import (
    Source,
    coarsened,
    lesion_values,
    map_sources,
    patient_folds,
    read_study,
    study_sources,
    thinned,
    trimmed,
    tumour_sites_mm,
)
from petlesion.volume import Grid, Volume

GRID = Grid((60, 50, 70), (8.0, 8.0, 14.0), (-240.0, 200.0, -960.0), STUDY_DIRECTION)


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(Tracer.FDG, np.random.default_rng(1), grid=GRID, n_lesions=3)


@pytest.fixture
def real(tmp_path, phantom):
    """A folder of twelve studies in autoPET's layout; one is complete."""
    for number in range(12):
        (tmp_path / f"S{number:02}").mkdir()
        (tmp_path / f"S{number:02}" / "SEG.nii.gz").touch()
    for name, volume in (("CTres", phantom.ct_hu), ("SUV", phantom.pet_suv), ("SEG", phantom.truth)):
        sitk.WriteImage(to_image(volume), str(tmp_path / "S00" / f"{name}.nii.gz"))
    return tmp_path


@pytest.fixture
def maps(tmp_path, phantom):
    """Ten organ maps of seven FDG patients, with clicks of one."""
    labels = np.zeros(GRID.shape_zyx, np.uint8)
    for label, organ in ((2, Organ.KIDNEY), (3, Organ.LIVER), (5, Organ.LUNG), (6, Organ.BRAIN)):
        labels[phantom.organs.array_zyx == organ] = label
    for number in range(10):
        path = tmp_path / f"fdg_p{number % 7}_0{number}-01-2001.nii.gz"
        sitk.WriteImage(to_image(Volume(labels, GRID)), str(path))
    clicks = {"tumor": [[30, 25, 40]], "background": []}
    (tmp_path / "fdg_p0_00-01-2001.json").write_text(json.dumps(clicks))
    return tmp_path


def test_no_maps_no_sources(tmp_path):
    assert map_sources(tmp_path, None, Tracer.PSMA, 1, kept_out=False) == []


def test_kept_out_maps_are_whole_patients(maps):
    seen = map_sources(maps, maps, Tracer.FDG, 1, kept_out=False)
    unseen = map_sources(maps, maps, Tracer.FDG, 1, kept_out=True)
    assert {s.patient for s in unseen} == {"p4"}  # every fifth of p0 .. p6
    assert {s.patient for s in seen} == {"p0", "p1", "p2", "p3", "p5", "p6"}
    assert len(seen) + len(unseen) == 10
    assert len({s.seed for s in seen}) == len(seen)


def test_every_sixth_real_study_is_kept_out(real):
    assert [s.images.name for s in study_sources(real, 1, kept_out=True)] == ["S05", "S11"]
    assert len(study_sources(real, 1, kept_out=False)) == 10


def test_a_real_study_is_read_as_it_is(real, phantom):
    study = Source(Tracer.FDG, 1, images=real / "S00").study(np.random.default_rng(0))
    np.testing.assert_allclose(study.pet_suv.array_zyx, phantom.pet_suv.array_zyx)
    np.testing.assert_array_equal(study.truth.array_zyx, phantom.truth.array_zyx)
    assert study.organs is None


def test_a_study_without_its_images_is_refused(real):
    with pytest.raises(CaseError):
        read_study(real / "S01", Tracer.FDG)


def test_a_map_becomes_a_phantom_of_its_patient(maps):
    source = map_sources(maps, maps, Tracer.FDG, 1, kept_out=False)[0]
    study = source.picture_study(np.random.default_rng(0))
    assert (study.organs.array_zyx == Organ.LIVER).any()
    again = source.picture_study(np.random.default_rng(0))
    assert study.pet_suv.array_zyx.tobytes() == again.pet_suv.array_zyx.tobytes()
    assert source.study(np.random.default_rng(0)).truth.grid.spacing_mm == GRID.spacing_mm


def test_tumour_clicks_become_places_in_the_world(maps):
    path = maps / "fdg_p0_00-01-2001.nii.gz"
    (place,) = tumour_sites_mm(path, path.with_name("fdg_p0_00-01-2001.json"))
    np.testing.assert_allclose(place, GRID.world_mm((30, 25, 40)), atol=1e-3)
    assert tumour_sites_mm(path, None) == tumour_sites_mm(path, maps / "absent.json") == ()


def test_trimming_keeps_every_organ_voxel_in_its_place():
    array = np.zeros((5, 60, 80), np.uint8)
    array[2, 30:34, 40:44] = 3
    labels = Volume(array, Grid((80, 60, 5), (10.0, 10.0, 5.0)))
    small = trimmed(labels)
    assert small.array_zyx.shape == (5, 4 + 16, 4 + 26)
    assert small.array_zyx.sum() == array.sum()
    z, y, x = np.argwhere(small.array_zyx)[0]
    assert small.grid.world_mm((int(x), int(y), int(z))) == labels.grid.world_mm((40, 30, 2))


def test_thinning_takes_every_second_voxel():
    labels = Volume(np.arange(2 * 4 * 5, dtype=np.uint8).reshape(2, 4, 5), Grid((5, 4, 2), (2.0, 2.0, 3.0)))
    small = thinned(labels)
    assert small.array_zyx[0].tolist() == [[0, 2, 4], [10, 12, 14]]
    assert small.grid.spacing_mm == (4.0, 4.0, 3.0)


@pytest.mark.parametrize(("spacing_mm", "width"), [(2.0, 3), (3.0, 5), (4.0, 5)])
def test_only_fine_voxels_are_coarsened(spacing_mm, width):
    labels = Volume(np.zeros((2, 4, 5), np.uint8), Grid((5, 4, 2), (spacing_mm, spacing_mm, 3.0)))
    assert coarsened(labels).array_zyx.shape[2] == width


@given(st.lists(st.integers(0, 8), max_size=30), st.integers(1, 6))
def test_folds_share_no_patient_and_cover_everything(tmp_path_factory, patients, n_folds):
    folder = tmp_path_factory.getbasetemp()
    sources = [Source(Tracer.FDG, i, folder / f"fdg_p{p}_{i}.nii.gz") for i, p in enumerate(patients)]
    folds = patient_folds(sources, n_folds)
    assert sum(map(len, folds)) == len(sources)
    owners = [{s.patient for s in fold} for fold in folds]
    assert sum(map(len, owners)) == len(set().union(*owners))


def test_statistics_weigh_phantoms_and_real_studies_alike(real, maps):
    drawn = map_sources(maps, maps, Tracer.FDG, 1, kept_out=False)[:2]
    ct, pet = lesion_values([*drawn, Source(Tracer.FDG, 1, images=real / "S00")])
    assert len(ct) == len(pet) > 0
    alone, _ = lesion_values([Source(Tracer.FDG, 1, images=real / "S00")])
    assert len(ct) <= 2 * len(alone)
