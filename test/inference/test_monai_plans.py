# SPDX-License-Identifier: Apache-2.0
"""plans.json of MONAI's networks: written, read, refused."""

from __future__ import annotations

import contextlib
import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petlesion.inference.monai_plans import MonaiPlans
from petlesion.inference.nnunet_plans import PlansError
from petlesion.recipes import AHAMED, SAFDARI

MEMBERS = [(stage, member) for recipe in (AHAMED, SAFDARI) for stage in recipe.stages for member in stage.members]
DOCUMENT = MonaiPlans(MEMBERS[0][1].network, MEMBERS[0][0].grid).document()


@pytest.mark.parametrize(("stage", "member"), MEMBERS, ids=[member.role for _, member in MEMBERS])
def test_plans_come_back_from_json(stage, member):
    plans = MonaiPlans(member.network, stage.grid)
    again = MonaiPlans.parse(json.loads(json.dumps(plans.document())))
    assert again.grid == plans.grid
    assert (again.patch_zyx, again.n_channels) == (member.network.patch_xyz, len(stage.channels))
    assert json.dumps(again.document()) == json.dumps(plans.document())


def changed(*path, to):
    document = copy.deepcopy(json.loads(json.dumps(DOCUMENT)))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return document


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "petlesion_monai: 1"),
        (changed("petlesion_monai", to=2), "petlesion_monai: 1"),
        (changed("network", to=None), "'network', an object"),
        (changed("network", "outputs", to=3), "1 or 2 outputs"),
        (changed("network", "arguments", to=[]), "arguments"),
        (changed("network", "patch_xyz", to=[1, 2]), "three numbers"),
        (changed("network", "patch_xyz", to=[0, 2, 2]), "whole numbers of 1 to"),
        (changed("network", "patch_xyz", to=[2.5, 2, 2]), "whole numbers of 1 to"),
        (changed("network", "patch_xyz", to=[10**9, 2, 2]), "whole numbers of 1 to"),
        (changed("grid", to=[]), "'grid', an object"),
        (changed("grid", "orientation", to="RRS"), "three letters"),
        (changed("grid", "orientation", to=7), "three letters"),
        (changed("grid", "spacing_xyz_mm", to=[2, 2, -1]), "positive"),
        (changed("grid", "spacing_xyz_mm", to=[2, 2, float("nan")]), "finite number"),
        (changed("grid", "channels", to=[]), "at least one channel"),
        (changed("grid", "channels", 0, to=3), "lists objects"),
        (changed("grid", "channels", 0, "scale", to=0), "divides a channel"),
        (changed("grid", "channels", 0, "low", to="x"), "finite number"),
        (changed("grid", "foreground_above_hu", to=True), "finite number"),
    ],
)
def test_what_is_wrong_is_named(document, message):
    with pytest.raises(PlansError, match=message):
        MonaiPlans.parse(document)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
PATHS = [(), ("network",), ("grid",), *((part, key) for part in ("network", "grid") for key in DOCUMENT[part])]


@given(st.sampled_from(PATHS[1:]), JUNK)
def test_junk_is_refused_or_read_and_nothing_else(path, junk):
    with contextlib.suppress(PlansError):
        MonaiPlans.parse(changed(*path, to=junk))
