# SPDX-License-Identifier: Apache-2.0
"""What a training of the default weights sees, and what it keeps for its curve."""

from collections import Counter

import pytest

from petlesion.case import Tracer
from petlesion.training.configuration import RealData, SyntheticTraining, split_sources

N_PATIENTS = 20
TRAINED = 16  # every fifth patient is kept out


@pytest.fixture
def maps(tmp_path):
    for number in range(N_PATIENTS):
        (tmp_path / f"psma_{number:02d}_2020.nii.gz").touch()
    return tmp_path


def test_without_maps_all_phantoms_are_drawn_freely():
    seen, unseen = split_sources(SyntheticTraining(n_cases=9, n_validation=2), RealData(), Tracer.FDG)
    assert (len(seen), len(unseen)) == (7, 2)
    assert all(source.organ_map is None for source in seen + unseen)


def test_each_map_is_drawn_around_again_and_free_phantoms_join_them(maps):
    config = SyntheticTraining(n_validation=3, phantoms_per_map=4, free_phantoms=6)
    seen, unseen = split_sources(config, RealData(organ_maps=maps), Tracer.PSMA)
    drawn = Counter(source.organ_map for source in seen)
    assert drawn.pop(None) == 6
    assert set(drawn.values()) == {4}
    assert len(drawn) == TRAINED - 3 == TRAINED - len(unseen)


def test_no_two_cases_are_the_same_phantom_or_file(maps):
    config = SyntheticTraining(phantoms_per_map=3, free_phantoms=20)
    both = split_sources(config, RealData(organ_maps=maps), Tracer.PSMA)
    everything = [source for part in both for source in part]
    assert len({source.seed for source in everything}) == len(everything)
    assert len({source.name for source in everything}) == len(everything)


def test_free_phantoms_are_trained_on_alone(maps):
    _, unseen = split_sources(SyntheticTraining(), RealData(organ_maps=maps), Tracer.PSMA)
    assert all(source.organ_map is not None for source in unseen)
