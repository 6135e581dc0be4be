# SPDX-License-Identifier: Apache-2.0
import json
import warnings
from copy import deepcopy
from pathlib import Path

import pytest
import torch

from petlesion.inference.architectures import NetworkError, check_arguments, configuration_of, network_from_plans
from test.inference.models import toy_network
from test.nnunet_reference import quiet, toy_plans

ROOT = Path(__file__).resolve().parents[2]
FULL = json.loads((ROOT / "resources" / "plans_resencl.json").read_text())
OLDER = {
    "patch_size": [16, 16, 16],
    "UNet_base_num_features": 4,
    "unet_max_num_features": 6,
    "n_conv_per_stage_encoder": [1, 2, 1],
    "n_conv_per_stage_decoder": [1, 1],
    "num_pool_per_axis": [2, 2, 2],
    "pool_op_kernel_sizes": [[1, 1, 1], [2, 2, 2], [1, 2, 2]],
    "conv_kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
}


def shapes(network):
    return {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}


def changed(**architecture):
    """Toy plans whose architecture is changed."""
    plans = toy_plans()
    plans["configurations"]["3d_fullres"]["architecture"] |= architecture
    return plans


def with_arguments(**arguments):
    """Toy plans whose network gets other arguments."""
    plans = toy_plans()
    plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"] |= arguments
    return plans


@pytest.mark.parametrize("deep_supervision", [False, True])
def test_the_full_size_network_has_the_published_number_of_parameters(deep_supervision):
    # the heads of the lower resolutions are there in both cases; only `forward` differs
    with torch.device("meta"):
        network = network_from_plans(FULL, "3d_fullres", 3, 2, deep_supervision=deep_supervision)
    assert sum(parameter.numel() for parameter in network.parameters()) == 102_351_498
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}


def test_a_network_gives_one_logit_for_each_class_and_voxel():
    with torch.inference_mode():
        assert toy_network()(torch.zeros(1, 3, 8, 4, 6)).shape == (1, 2, 8, 4, 6)


def test_deep_supervision_gives_a_list():
    network = network_from_plans(FULL | toy_plans(), "3d_fullres", 3, 2, deep_supervision=True)
    with torch.inference_mode():
        assert [tuple(out.shape) for out in network(torch.zeros(1, 3, 8, 8, 8))] == [(1, 2, 8, 8, 8)]


def test_stock_nnunet_builds_the_same_network():
    with quiet():
        from nnunetv2.utilities.get_network_from_plans import get_network_from_plans  # noqa: PLC0415

        described = toy_plans()["configurations"]["3d_fullres"]["architecture"]
        stock = get_network_from_plans(
            described["network_class_name"],
            described["arch_kwargs"],
            described["_kw_requires_import"],
            3,
            2,
            deep_supervision=False,
        ).eval()
    ours = toy_network()
    assert shapes(ours) == shapes(stock)
    stock.load_state_dict(ours.state_dict())
    image = torch.rand((1, 3, 8, 8, 8), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(ours(image), stock(image))


@pytest.mark.parametrize("name", ["PlainConvUNet", "ResidualEncoderUNet"])
def test_older_plans_describe_what_nnunet_makes_of_them(name):
    older = OLDER | {"UNet_class_name": name}
    ours = network_from_plans({"configurations": {"3d_fullres": older}}, "3d_fullres", 2, 2)
    with quiet(), warnings.catch_warnings():
        from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager  # noqa: PLC0415

        warnings.simplefilter("ignore")
        described = ConfigurationManager(deepcopy(older)).configuration["architecture"]
    # nnU-Net 2.8.1 names a module here that is gone; the class has moved to `unet`
    described["network_class_name"] = f"dynamic_network_architectures.architectures.unet.{name}"
    assert shapes(ours) == shapes(network_from_plans({"configurations": {"a": {"architecture": described}}}, "a", 2, 2))
    assert ours.encoder.output_channels == [4, 6, 6]


def test_a_configuration_inherits_what_it_does_not_say():
    plans = {
        "configurations": {
            "a": {"x": 1, "y": 1},
            "b": {"inherits_from": "a", "y": 2},
            "c": {"inherits_from": "b", "z": 3},
        }
    }
    assert configuration_of(plans, "c") == {"inherits_from": "b", "x": 1, "y": 2, "z": 3}
    assert configuration_of(plans, "a") == {"x": 1, "y": 1}


def test_an_inherited_architecture_is_built():
    plans = toy_plans()
    plans["configurations"]["3d_fullres_bs3"] = {"inherits_from": "3d_fullres", "batch_size": 3}
    assert shapes(network_from_plans(plans, "3d_fullres_bs3", 3, 2)) == shapes(toy_network())


@pytest.mark.parametrize(
    ("plans", "said"),
    [
        ({}, r"configurations \[\], not '3d_fullres'"),
        ({"configurations": {"2d": {}}}, r"configurations \['2d'\], not '3d_fullres'"),
        ({"configurations": {"3d_fullres": {"inherits_from": "up"}}}, "not 'up'"),
        (
            {"configurations": {"3d_fullres": {"inherits_from": "b"}, "b": {"inherits_from": "3d_fullres"}}},
            "3d_fullres -> b -> 3d_fullres",
        ),
        ({"configurations": {"3d_fullres": {}}}, 'needs an "architecture"'),
        ({"configurations": {"3d_fullres": {"UNet_class_name": "PlainConvUNet"}}}, "older form: 'UNet_base"),
        ({"configurations": {"3d_fullres": {"architecture": {"arch_kwargs": {}}}}}, "lacks"),
    ],
)
def test_what_the_plans_lack_is_named(plans, said):
    with pytest.raises(NetworkError, match=said):
        network_from_plans(plans, "3d_fullres", 3, 2)


@pytest.mark.parametrize(
    "name", ["os.system", "ResidualEncoderUNet", "evil.architectures.unet.ResidualEncoderUNet", ""]
)
def test_no_class_outside_the_list_is_built(name):
    with pytest.raises(NetworkError, match="plans may name"):
        network_from_plans(changed(network_class_name=name), "3d_fullres", 3, 2)


@pytest.mark.parametrize("name", ["os.system", "torch.hub.load", "evil.Conv3d", "torch.nn.Sequential"])
def test_no_layer_outside_the_list_is_built(name):
    with pytest.raises(NetworkError, match="plans may name"):
        network_from_plans(with_arguments(conv_op=name), "3d_fullres", 3, 2)


@pytest.mark.parametrize(
    "arguments", [{"n_blocks_per_stage": [1]}, {"wings": 2}, {"strides": [[1, 1, 1]]}, {"nonlin_kwargs": {"x": 1}}]
)
def test_arguments_that_do_not_fit_are_refused(arguments):
    with pytest.raises(NetworkError, match="cannot be built so"):
        network_from_plans(with_arguments(**arguments), "3d_fullres", 3, 2)


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"n_stages": 65}, "n_stages"),
        ({"n_conv_per_stage": [1, 10**9]}, "n_conv_per_stage"),
        ({"features_per_stage": [4097]}, "features_per_stage"),
        ({"kernel_sizes": [[3, 3, -(10**6)]]}, "kernel_sizes"),
        ({"strides": [[1, 1, 1]] * 65}, "strides"),
        ({"norm_op_kwargs": {"num_groups": {"a": 10**6}}}, "norm_op_kwargs"),
        ({"blocks_down": [65]}, "blocks_down"),
    ],
)
def test_a_network_that_would_fill_the_memory_is_refused_by_its_argument(arguments, key):
    with pytest.raises(NetworkError, match=f"{key!r} must be of numbers up to"):
        check_arguments(arguments, "PlainConvUNet")


@pytest.mark.parametrize("key", ["features_per_stage", "kernel_sizes", "strides"])
@pytest.mark.parametrize("value", [False, 0, -1, 3.0, "3", None, [[3, 3, 0]], [8, True], {"a": 3}])
def test_layers_of_no_size_are_refused(key, value):
    with pytest.raises(NetworkError, match=f"{key!r} must be of whole numbers"):
        network_from_plans(with_arguments(**{key: value}), "3d_fullres", 3, 2)


def test_arguments_of_networks_are_left_alone():
    check_arguments({}, "UNet")
    check_arguments(
        {"n_stages": 64, "features_per_stage": [4096], "conv_bias": True, "drop": 0.5, "norm": None}, "UNet"
    )


@pytest.mark.parametrize("listed", [None, "conv_op", [1], {"conv_op": 1}])
def test_what_is_to_be_looked_up_is_a_list_of_names(listed):
    plans = toy_plans()
    plans["configurations"]["3d_fullres"]["architecture"]["_kw_requires_import"] = listed
    with pytest.raises(NetworkError, match="must be a list of names"):
        network_from_plans(plans, "3d_fullres", 3, 2)


@pytest.mark.parametrize("parent", [1, ["3d_fullres"], {"a": 1}])
def test_a_configuration_inherits_from_a_name(parent):
    plans = toy_plans()
    plans["configurations"]["3d_fullres"]["inherits_from"] = parent
    with pytest.raises(NetworkError, match="plans hold the configurations"):
        configuration_of(plans, "3d_fullres")
