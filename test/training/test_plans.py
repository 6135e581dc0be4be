# SPDX-License-Identifier: Apache-2.0
"""The small networks' plans, read by our own parser and by stock nnU-Net."""

import numpy as np
import pytest

from petlesion.inference.networks import count_parameters, network_from_plans
from petlesion.inference.nnunet_plans import NnunetPlans, Scheme
from petlesion.training.plans import CONFIGURATION, SmallNetwork, dataset_json, intensity_properties, plans_json

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
