# SPDX-License-Identifier: Apache-2.0
"""Pretrained weights with another stem and other heads."""

import pytest
import torch

from petlesion.inference.networks import WeightsError, canonical_state, network_from_plans
from petlesion.training.pretrained import initial_state
from test.nnunet_reference import toy_plans

STEM = "encoder.stem.convs.0.conv.weight"


def network(n_channels, n_classes=2, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return network_from_plans(toy_plans(), "3d_fullres", n_channels, n_classes).eval()


def loaded(source, wanted):
    wanted.load_state_dict(initial_state(source, wanted, "a.pth"), strict=False)
    return wanted


def test_a_replicated_stem_gives_what_the_single_channel_gave():
    one, three = network(1), network(3, seed=1)
    loaded(one.state_dict(), three)
    image = torch.rand(1, 1, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    stems = [net.encoder.stem.convs[0].conv for net in (one, three)]
    with torch.no_grad():
        torch.testing.assert_close(stems[1](image.repeat(1, 3, 1, 1, 1)), stems[0](image))
        for found, expected in zip(three.encoder(image.repeat(1, 3, 1, 1, 1)), one.encoder(image), strict=True):
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_heads_keep_their_own_weights():
    source, wanted = network(1, n_classes=7), network(3, seed=1)
    before = {key: tensor.clone() for key, tensor in wanted.state_dict().items() if "seg_layers" in key}
    loaded(source.state_dict(), wanted)
    assert before
    assert all(torch.equal(wanted.state_dict()[key], tensor) for key, tensor in before.items())
    assert torch.equal(
        wanted.state_dict()["decoder.stages.0.convs.0.conv.weight"],
        source.state_dict()["decoder.stages.0.convs.0.conv.weight"],
    )


def test_the_same_channels_are_taken_as_they_are():
    source = network(3)
    assert torch.equal(initial_state(source.state_dict(), network(3, seed=1), "a.pth")[STEM], source.state_dict()[STEM])


def test_prefixes_and_names_of_one_layer():
    source = network(1)
    prefixed = {f"module._orig_mod.{key}": tensor for key, tensor in canonical_state(source).items()}
    found = initial_state(prefixed, network(3, seed=1), "a.pth")
    assert torch.equal(found["decoder.encoder.stem.convs.0.conv.weight"], found[STEM])


def test_a_missing_layer_is_named():
    source = {key: tensor for key, tensor in network(1).state_dict().items() if "transpconvs" not in key}
    with pytest.raises(WeightsError, match=r"a.pth: .* decoder.transpconvs.0.weight is missing"):
        initial_state(source, network(3), "a.pth")


def test_another_shape_is_refused():
    with pytest.raises(WeightsError, match=r"stem.* or one input channel; it has \(4, 2, 3, 3, 3\)"):
        initial_state(network(2).state_dict(), network(3), "a.pth")
