# SPDX-License-Identifier: Apache-2.0
import numpy as np

from petlesion.case import PetCtCase
from petlesion.inference.monai_plans import MonaiPlans
from petlesion.inference.nnunet_plans import NnunetPlans
from petlesion.inference.plans import ruler_of, stage_box
from petlesion.inference.ruler import TileRuler
from petlesion.recipe import ChannelScaling, MonaiGrid, MonaiNetwork
from petlesion.volume import Grid, Volume
from test.nnunet_reference import toy_dataset, toy_plans


def nnunet(patch, spacing_mm, forward=(0, 1, 2)):
    return NnunetPlans.parse(toy_plans(patch, spacing_mm, forward), toy_dataset())


def test_the_ruler_of_nnunets_plans():
    grid = Grid((60, 50, 40), (4.0, 2.0, 3.0))  # x, y, z
    plans = nnunet((16, 8, 4), (3.0, 2.0, 1.0), (1, 0, 2))  # network axes y, z, x
    assert ruler_of(plans, grid, 0.5, "nnunet") == TileRuler((8, 16, 4), (1.5, 2 / 3, 4.0), 0.5)


def test_the_ruler_of_monais_plans():
    grid = Grid((9, 9, 9), (4.0, 4.0, 3.0))
    sees = MonaiGrid("RAS", (2.0, 2.0, 3.0), (ChannelScaling(),))
    plans = MonaiPlans(MonaiNetwork("UNet", 1, (128, 160, 112), {}), sees)
    ruler = ruler_of(plans, grid, 0.5, "monai")
    assert ruler.extent_zyx == (112, 81, 65)  # points: 81 of 4 mm become 161 of 2 mm, 80 become 159


def test_a_stage_of_two_ensembles_has_one_box_for_both():
    ct, pet = np.full((60, 60, 60), -1000.0, np.float32), np.zeros((60, 60, 60), np.float32)
    body = (slice(10, 40), slice(20, 40), slice(22, 38))
    ct[body], pet[body] = 40.0, 0.5
    grid = Grid((60, 60, 60), (5.0, 5.0, 5.0))
    case = PetCtCase("a", Volume(ct, grid), Volume(pet, grid))
    small, large = nnunet((16, 16, 16), (5.0, 5.0, 5.0)), nnunet((16, 28, 16), (5.0, 5.0, 5.0))
    box = stage_box(case, [small, large], 0.5, "nnunet")
    # z: 30 + 2 x 3 = 36 cost four tiles of 16, but 30 + 2 cost three; y: the larger patch's 28, where 26 would do;
    # x: 16 + 2 x 3 = 22 cost two, as 18 do
    assert box.shape_zyx == (32, 28, 22)
