# SPDX-License-Identifier: Apache-2.0
"""Organ labels of each scheme."""

import json

import numpy as np
import pytest

from petlesion.phantom.organs import Organ
from petlesion.recipes import LESION_TRACER, MESBAH
from petlesion.training.layouts import DataError
from petlesion.training.organs import SCHEMES, UNKNOWN, OrganLabels


def test_phantoms_have_the_recipes_organs():
    assert OrganLabels.named("phantom", MESBAH.training.organs).organs == MESBAH.training.organs


def test_totalsegmentator_has_no_glands():
    organs = set(OrganLabels.named("totalsegmentator", MESBAH.training.organs).organs)
    assert set(MESBAH.training.organs) - organs == {"parotid glands", "submandibular glands"}
    assert organs <= set(MESBAH.training.organs)


def test_lesion_tracers_organs_are_those_of_its_published_maps():
    published = OrganLabels.named("published", LESION_TRACER.training.organs)
    assert published.organs == LESION_TRACER.training.organs
    assert published.labels == tuple((number,) for number in range(1, 11))
    assert OrganLabels.named("phantom", LESION_TRACER.training.organs).organs == LESION_TRACER.training.organs


def test_head_glands_are_both_pairs_and_the_stomach_is_alone():
    organs = LESION_TRACER.training.organs
    phantom = dict(zip(organs, OrganLabels.named("phantom", organs).labels, strict=True))
    assert phantom["head glands"] == (Organ.PAROTID, Organ.SUBMANDIBULAR)
    assert phantom["stomach"] == (Organ.STOMACH,)
    found = OrganLabels.named("totalsegmentator", organs)
    assert found.organs == organs[:-1]  # the glands belong to another task
    assert found.labels[organs.index("stomach")] == (6,)


def test_published_maps_serve_mesbah_with_all_their_labels():
    found = OrganLabels.named("published", MESBAH.training.organs)
    assert set(found.organs) <= set(MESBAH.training.organs)
    assert sorted(label for held in found.labels for label in held) == list(range(1, 11))


@pytest.mark.parametrize("recipe", [MESBAH, LESION_TRACER], ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_label_means_two_organs_of_a_recipe(scheme, recipe):
    labels = [label for held in OrganLabels.named(scheme, recipe.training.organs).labels for label in held]
    assert len(labels) == len(set(labels))
    assert 0 not in labels
    assert len(SCHEMES[scheme]) < UNKNOWN


def test_classes_of_a_map():
    labels = OrganLabels.named("phantom", MESBAH.training.organs)
    found = labels.classes(np.array([[[Organ.AIR, Organ.BRAIN, Organ.WHITE_MATTER, Organ.FAT, Organ.SUBMANDIBULAR]]]))
    assert found.dtype == np.uint8
    assert found.tolist() == [[[0, 1, 1, 0, 14]]]


def test_a_float_map_with_strange_labels_is_background():
    assert OrganLabels.named("published", LESION_TRACER.training.organs).classes(
        np.array([1.0, 10.0, 11.0, 70000.0, -3.0])
    ).tolist() == [1, 10, 0, 0, 0]


def test_labels_of_ones_own(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps({"7": "liver", "3": "spleen", "8": "liver"}))
    labels = OrganLabels.named(str(path), ())
    assert labels.organs == ("liver", "spleen")
    assert labels.classes(np.array([3, 7, 8])).tolist() == [2, 1, 1]


def test_another_scheme_is_refused(tmp_path):
    with pytest.raises(DataError, match="organ labels are one of phantom"):
        OrganLabels.named(str(tmp_path / "none.json"), ())
