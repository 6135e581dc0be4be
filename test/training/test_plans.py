# SPDX-License-Identifier: Apache-2.0
"""The small networks' plans, read by our own parser and by stock nnU-Net."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from petlesion.inference.networks import count_parameters, network_from_plans
from petlesion.inference.nnunet_plans import NnunetPlans, Scheme
from petlesion.recipes import ALLOULA, BASELINE
from petlesion.schedule import NetworkSize
from petlesion.training.plans import (
    CONFIGURATION,
    CT_CUT_HU,
    DataStatistics,
    SmallNetwork,
    dataset_json,
    intensity_properties,
    normalization_schemes,
    plans_document,
    plans_json,
)

VALUES = (np.linspace(-100, 100, 201, dtype=np.float32), np.linspace(0, 20, 201, dtype=np.float32))


def test_statistics_of_a_ramp():
    found = intensity_properties(np.arange(201, dtype=np.float32))
    assert found["mean"] == found["median"] == 100
    assert (found["min"], found["max"]) == (0, 200)
    assert (found["percentile_00_5"], found["percentile_99_5"]) == (1, 199)
    assert found["std"] == pytest.approx((((201**2) - 1) / 12) ** 0.5)


def test_our_parser_reads_them():
    plans = NnunetPlans.parse(plans_json(SmallNetwork(), VALUES, "toy"), dataset_json(4))
    assert plans.patch_zyx == (48, 48, 48)
    assert plans.spacing_zyx_mm == (4.0, 4.0, 4.0)
    assert [n.scheme for n in plans.normalizations] == [Scheme.CT, Scheme.CT, Scheme.NONE]
    assert plans.n_classes == 2


def test_the_ct_is_cut_no_closer_than_the_public_plans_cut_it():
    def cuts(ct_hu):
        plans = plans_json(SmallNetwork(), (ct_hu, VALUES[1]), "toy")
        found = NnunetPlans.parse(plans, dataset_json(4)).normalizations[0].intensity
        return found.percentile_00_5, found.percentile_99_5

    assert cuts(VALUES[0]) == CT_CUT_HU  # no lesion in lungs, nor in dense bone
    low, high = cuts(np.linspace(-1000, 2000, 3001, dtype=np.float32))
    assert (low, high) == pytest.approx((-985, 1985))


def test_stock_nnunet_reads_them():
    handler = pytest.importorskip("nnunetv2.utilities.plans_handling.plans_handler")
    manager = handler.PlansManager(plans_json(SmallNetwork(), VALUES, "toy"))
    configuration = manager.get_configuration(CONFIGURATION)
    assert configuration.patch_size == [48, 48, 48]
    assert configuration.network_arch_class_name.endswith("ResidualEncoderUNet")
    assert callable(configuration.resampling_fn_data)
    assert manager.get_label_manager(dataset_json(4)).num_segmentation_heads == 2


def test_a_fold_of_the_shipped_size_fits_into_two_and_a_half_megabytes():
    network = SmallNetwork(features=(8, 16, 32, 48, 64))
    count = count_parameters(network_from_plans(plans_json(network, VALUES, "toy"), CONFIGURATION, 3, 2))
    assert count * 2 < 2.5e6


DATA = DataStatistics(
    "Dataset701_toy", [intensity_properties(v) for v in (*VALUES, VALUES[0])], (3, 2, 2), (300, 400, 400)
)
PUBLISHED = Path(__file__).resolve().parents[2] / "resources" / "plans_resencl.json"


def test_the_full_size_is_the_default_and_that_of_the_published_network():
    published = json.loads(PUBLISHED.read_text())["configurations"][CONFIGURATION]
    found = plans_document(NetworkSize(), DATA, "toy", 3)["configurations"][CONFIGURATION]
    for key in ("architecture", "patch_size", "batch_size", "normalization_schemes", "batch_dice"):
        assert found[key] == published[key]
    assert found["spacing"] == pytest.approx(published["spacing"], abs=1e-4)
    resampling = {key: value for key, value in published.items() if key.startswith("resampling")}
    assert {key: found[key] for key in resampling} == resampling


def test_a_small_configuration_is_a_replace_away_and_makes_the_small_plans():
    small = SmallNetwork()
    size = replace(
        NetworkSize(), features=small.features, blocks=small.blocks, patch_zyx=(48,) * 3, spacing_zyx_mm=(4.0,) * 3
    )
    assert size == small.size
    ours, theirs = plans_document(size, DATA, "petlesionSmallPlans", 2), plans_json(small, VALUES, "toy")
    assert (
        ours["configurations"][CONFIGURATION]["architecture"] == theirs["configurations"][CONFIGURATION]["architecture"]
    )
    assert ours.keys() == theirs.keys()


def test_channels_name_their_normalisation():
    assert normalization_schemes(("ct", "pet"), ("pet",)) == ("CTNormalization", "ZScoreNormalization")
    channels = BASELINE.stages[-1].channels
    assert normalization_schemes(channels) == ("CTNormalization",) * 2 + ("NoNormalization",) * 2
    assert list(dataset_json(4, channels)["channel_names"].values()) == ["CT", "PET", "noNorm", "noNorm"]


def test_a_plain_network_is_nnunets_own():
    data = replace(DATA, normalization=normalization_schemes(("ct", "pet"), ALLOULA.training.z_scored))
    plans = plans_document(ALLOULA.training.network, data, "toy", 2)
    found = plans["configurations"][CONFIGURATION]
    assert found["architecture"]["network_class_name"].endswith("PlainConvUNet")
    arguments = found["architecture"]["arch_kwargs"]
    assert (arguments["n_conv_per_stage"], arguments["n_conv_per_stage_decoder"]) == ([2] * 6, [2] * 5)
    assert found["use_mask_for_norm"] == [False, False]
    parsed = NnunetPlans.parse(plans, dataset_json(4, ("ct", "pet")))
    assert [n.scheme for n in parsed.normalizations] == [Scheme.CT, Scheme.Z_SCORE]
    count = count_parameters(network_from_plans(plans, CONFIGURATION, 2, 2))
    assert count == pytest.approx(31.2e6, rel=0.001)  # nnU-Net's own 3d_fullres of six stages


@pytest.mark.parametrize("wrong", [{"features": (4,)}, {"patch_zyx": (192, 192, 100)}, {"blocks": (1, 1)}])
def test_a_size_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=r"a U-Net has|with 6 stages"):
        replace(NetworkSize(), **wrong)
