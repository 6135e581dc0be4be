# SPDX-License-Identifier: Apache-2.0
"""Every recipe's network at its full size, on the meta device, where it costs nothing."""

from __future__ import annotations

import pytest
import torch

from petlesion.inference.networks import count_parameters
from petlesion.recipes import RECIPES
from petlesion.training.full_size import full_size

ENSEMBLES = [(recipe, stage, one) for recipe in RECIPES.values() for stage in recipe.stages for one in stage.members]
# the sizes of the published networks, in the order of the recipes and their members
PARAMETERS = {
    ("mesbah", "fdg"): 102_351_498,
    ("mesbah", "psma"): 102_351_498,
    ("lesion_tracer", "all"): 102_350_634,
    ("ahamed", "all"): 19_223_525,
    ("alloula", "all"): 31_196_458,
    ("safdari", "stage1"): 31_010_724,
    ("safdari", "stage2_swinunetr"): 62_190_115,
    ("safdari", "stage2_segresnetds"): 4_981_379,
    ("safdari", "stage2_unet"): 19_223_440,
    ("baseline", "all"): 31_198_186,
}


@pytest.mark.parametrize(("recipe", "stage", "member"), ENSEMBLES, ids=[f"{r.name}-{m.role}" for r, _, m in ENSEMBLES])
def test_a_window_becomes_a_window(recipe, stage, member):
    with torch.device("meta"):
        found = full_size(recipe, stage, member)
        output = found.network.eval()(torch.zeros(1, len(stage.channels), *found.patch))
    full = output[0] if isinstance(output, list | tuple) else output
    assert full.shape[2:] == found.patch
    assert count_parameters(found.network) == PARAMETERS[recipe.name, member.role]
