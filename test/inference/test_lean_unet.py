# SPDX-License-Identifier: Apache-2.0
"""U-Nets that hold fewer volumes give the numbers of those that hold all."""

import copy

import pytest
import torch
from torch import nn

from petlesion.inference import cpu_layers
from petlesion.inference.architectures import network_from_plans
from petlesion.inference.lean_unet import LeanBlock, LeanConv, LeanDecoder, LeanStack, slim
from test.inference.test_cpu_layers import noise
from test.nnunet_reference import toy_plans

ROUNDING = 1e-4


def unet(kind="ResidualEncoderUNet", *, deep_supervision=False, **changes):
    """Three stages of 4, 8 and 8 features, two blocks and two convolutions each, with seeded norms."""
    plans = toy_plans()
    architecture = plans["configurations"]["3d_fullres"]["architecture"]
    own = dict(architecture["arch_kwargs"]) | {
        "n_stages": 3,
        "features_per_stage": [4, 8, 8],
        "kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
        "strides": [[1, 1, 1], [2, 2, 2], [1, 2, 2]],
        "n_conv_per_stage_decoder": [2, 2],
    }
    own.pop("n_blocks_per_stage", None)
    own |= {"n_blocks_per_stage" if kind == "ResidualEncoderUNet" else "n_conv_per_stage": [2, 2, 2]} | changes
    name = f"dynamic_network_architectures.architectures.unet.{kind}"
    plans["configurations"]["3d_fullres"]["architecture"] = architecture | {
        "network_class_name": name,
        "arch_kwargs": own,
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = network_from_plans(plans, "3d_fullres", 3, 2, deep_supervision=deep_supervision)
        for parameter in network.parameters():
            nn.init.normal_(parameter, 0.1, 0.3)
    return network.eval().requires_grad_(requires_grad=False)


NETWORKS = {
    "residual": {},
    "plain": {"kind": "PlainConvUNet"},
    "activation that copies": {"nonlin_kwargs": {}},
    "activation first": {"kind": "PlainConvUNet", "nonlin_first": True},
    "without norms": {"norm_op": None},
}


@pytest.mark.parametrize("slab", [1, 3000, 1 << 22])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_u_net_stays_what_it_is(monkeypatch, name, batch, slab):
    monkeypatch.setattr(cpu_layers, "SLAB_NUMBERS", slab)
    network = unet(**NETWORKS[name])
    lean, image = slim(copy.deepcopy(network)), noise(batch, 3, 12, 16, 20)
    given = image.clone()
    with torch.inference_mode():
        expected = network(image)
        torch.testing.assert_close(lean(image), expected, rtol=1e-4, atol=ROUNDING * float(expected.abs().max()))
        torch.testing.assert_close(lean(image), lean(image), rtol=0, atol=0)
    assert torch.equal(image, given)  # the caller's image is not written over
    assert lean.state_dict().keys() == network.state_dict().keys()


def test_all_parts_of_a_residual_u_net_are_lean():
    kinds = {type(module) for module in slim(unet()).modules()}
    assert {LeanConv, LeanStack, LeanBlock, LeanDecoder} <= kinds


def test_a_decoder_for_training_keeps_its_heads():
    network = unet(deep_supervision=True)
    image = noise(1, 3, 12, 16, 20)
    with torch.inference_mode():
        expected, found = network(image), slim(copy.deepcopy(network))(image)
    assert len(found) == len(expected) == 2


def test_other_number_types_take_torchs_own_way(monkeypatch):
    monkeypatch.setattr(cpu_layers, "SLAB_NUMBERS", 1000)
    network, image = unet().double(), noise(1, 3, 12, 16, 20).double()
    with torch.inference_mode():
        torch.testing.assert_close(slim(copy.deepcopy(network))(image), network(image))


def test_two_volumes_of_the_finest_level_are_alive_at_most(monkeypatch):
    """One volume of 4 features of 48 x 32 x 32 is 0.79 MB; as written, the U-Net holds five at a time."""
    monkeypatch.setattr(cpu_layers, "SLAB_NUMBERS", 1 << 13)
    image = noise(1, 3, 48, 32, 32)
    volume = 4 * 4 * 48 * 32 * 32

    def peak(network):
        with torch.inference_mode(), torch.profiler.profile(profile_memory=True) as profile:
            network(image)
        held = most = 0
        for event in profile.profiler.kineto_results.events():
            if event.name() == "[memory]":
                held += event.nbytes()
                most = max(most, held)
        return most / volume

    network = unet(n_blocks_per_stage=[1, 2, 2])  # one block at the finest level, as the published networks have
    assert peak(network) > 4.5
    assert peak(slim(copy.deepcopy(network))) < 3.0  # with a norm's channel and the slabs
