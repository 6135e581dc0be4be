# SPDX-License-Identifier: Apache-2.0
"""The quick layers give the numbers of torch's own."""

import copy

import pytest
import torch
from torch import nn

from petlesion.inference import cpu_layers
from petlesion.inference.architectures import network_from_plans
from petlesion.inference.cpu_layers import DirectConv3d, RowNorm3d, quicken
from test.nnunet_reference import toy_plans, toy_state

ROUNDING = 1e-5


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def both(layer, image):
    """What a layer gives before and after it is made quick."""
    with torch.inference_mode():
        expected = layer(image)
        return quicken(copy.deepcopy(layer))(image), expected


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv3d(3, 8, 3, padding=1),
        nn.Conv3d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.Conv3d(3, 4, (1, 3, 3), padding=(0, 1, 1)),
        nn.Conv3d(3, 6, 3, padding=2, dilation=2, groups=3),
    ],
)
def test_a_convolution_stays_what_it_is(layer, batch):
    found, expected = both(layer, noise(batch, 3, 6, 10, 8))
    torch.testing.assert_close(found, expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("slab", [1, 500, 2000])
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv3d(3, 8, 3, padding=1),
        nn.Conv3d(3, 4, (1, 3, 3), padding=(0, 1, 1)),
        nn.Conv3d(3, 4, (5, 3, 3), padding=(1, 0, 1)),
        nn.Conv3d(3, 4, (3, 3, 3), stride=(1, 2, 2), padding=2, bias=False),
        nn.Conv3d(3, 4, 3, stride=2, padding=1),
        nn.Conv3d(3, 4, 1),
        nn.ConvTranspose3d(3, 4, (2, 1, 2), stride=(2, 1, 2)),
        nn.ConvTranspose3d(3, 4, 3, stride=2, padding=1),
    ],
)
def test_slab_by_slab_a_convolution_stays_what_it_is(monkeypatch, layer, slab):
    monkeypatch.setattr(cpu_layers, "SLAB_NUMBERS", slab)
    found, expected = both(layer, noise(2, 3, 9, 10, 8))
    torch.testing.assert_close(found, expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("slab", [500, 1 << 22])
@pytest.mark.parametrize("depth", [1, 2, 7, 8])
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv3d(3, 8, 3, padding=1),
        nn.Conv3d(5, 1, (3, 3, 3), stride=(1, 2, 1), padding=(1, 0, 1), bias=False),
        nn.Conv3d(3, 4, (2, 1, 3), padding=(1, 0, 1)),
    ],
)
def test_slices_computed_by_twos_are_what_they_are_one_by_one(monkeypatch, layer, depth, slab):
    monkeypatch.setattr(cpu_layers, "SLAB_NUMBERS", slab)
    monkeypatch.setattr(cpu_layers, "REGISTER_NUMBERS", 16)
    found, expected = both(layer, noise(2, layer.in_channels, depth, 10, 8))
    torch.testing.assert_close(found, expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize(("channels", "numbers"), [(8, 16), (4, 8)])
def test_slices_are_computed_by_twos_where_half_a_register_would_be_idle(monkeypatch, channels, numbers):
    monkeypatch.setattr(cpu_layers, "REGISTER_NUMBERS", numbers)
    asked = []
    monkeypatch.setattr(DirectConv3d, "_by_pairs", lambda self, *_: asked.append(self.out_channels))
    with torch.inference_mode():
        for n in (channels, channels + 1):
            quicken(nn.Conv3d(3, n, 3, padding=1))(noise(1, 3, 6, 4, 4))
    assert asked == [channels]


@pytest.mark.parametrize("slab", [1, 500, 2000, 1 << 22])
@pytest.mark.parametrize("kernel", [(3, 3, 3), (1, 3, 3), (5, 3, 3)])
def test_a_convolution_written_over_one_of_its_parts_stays_what_it_is(monkeypatch, kernel, slab):
    monkeypatch.setattr(cpu_layers, "SLAB_NUMBERS", slab)
    layer = nn.Conv3d(7, 3, kernel, padding=tuple(n // 2 for n in kernel))
    parts = noise(2, 3, 9, 10, 8), noise(2, 4, 9, 10, 8, seed=1)
    with torch.inference_mode():
        expected = layer(torch.cat(parts, 1))
        found = quicken(layer).over(parts, parts[0])
    torch.testing.assert_close(found, expected, rtol=0, atol=ROUNDING)
    assert (found is parts[0]) == (slab < 1 << 22)


@pytest.mark.parametrize("shape", [(2, 5, 9, 10, 8), (2, 4, 9, 10, 6)])
def test_nothing_is_written_over_a_volume_of_another_shape(monkeypatch, shape):
    monkeypatch.setattr(cpu_layers, "SLAB_NUMBERS", 500)
    layer, into = nn.Conv3d(shape[1], 4, 3, padding=(1, 1, 0)), noise(*shape)
    given = into.clone()
    with torch.inference_mode():
        found = quicken(copy.deepcopy(layer)).over((into,), into)
        torch.testing.assert_close(found, layer(given), rtol=0, atol=ROUNDING)
    assert torch.equal(into, given)


@pytest.mark.parametrize("slab", [1, 1 << 22])
@pytest.mark.parametrize("affine", [False, True])
def test_a_norm_in_place_stays_what_it_is(monkeypatch, affine, slab):
    monkeypatch.setattr(cpu_layers, "SLAB_NUMBERS", slab)
    layer, image = nn.InstanceNorm3d(5, affine=affine), 3 + noise(2, 5, 6, 10, 8)
    if affine:
        nn.init.normal_(layer.weight)
        nn.init.normal_(layer.bias)
    with torch.inference_mode():
        expected = nn.functional.leaky_relu(layer(image))
        found = quicken(layer).in_place(image, nn.LeakyReLU())
    torch.testing.assert_close(found, expected, rtol=0, atol=ROUNDING)
    assert (found is image) == (slab == 1)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("affine", [False, True])
def test_a_norm_stays_what_it_is(batch, affine):
    layer = nn.InstanceNorm3d(5, affine=affine)
    if affine:
        nn.init.normal_(layer.weight)
        nn.init.normal_(layer.bias)
    found, expected = both(layer, 3 + noise(batch, 5, 6, 10, 8))
    torch.testing.assert_close(found, expected, rtol=0, atol=ROUNDING)


def test_sums_over_large_windows_do_not_drift():
    """A mean far from zero over two million voxels: sums in float32 alone would lose a hundredth here."""
    image = 3 + noise(1, 2, 128, 128, 128)
    found, _ = both(nn.InstanceNorm3d(2), image)
    exact = nn.functional.instance_norm(image.double())
    assert (found.double() - exact).abs().max() < ROUNDING


def test_a_u_net_stays_what_it_is():
    plans = toy_plans()
    network = network_from_plans(plans, "3d_fullres", 3, 2)
    network.load_state_dict(toy_state(plans, seed=0))
    quick = quicken(copy.deepcopy(network.eval()))
    kinds = {type(module) for module in quick.modules()}
    assert {DirectConv3d, RowNorm3d} <= kinds
    assert nn.InstanceNorm3d not in kinds
    image = noise(1, 3, 16, 24, 24)
    with torch.inference_mode():
        torch.testing.assert_close(quick(image), network(image), rtol=1e-4, atol=1e-4)
    assert quick.state_dict().keys() == network.state_dict().keys()


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv3d(3, 2, 3, padding="same"),
        nn.Conv3d(3, 2, 3, padding=1, padding_mode="reflect"),
        nn.InstanceNorm3d(3, track_running_stats=True),
    ],
)
def test_layers_that_compute_something_else_are_left_alone(layer):
    assert type(quicken(copy.deepcopy(layer))) is type(layer)


def test_other_number_types_take_torchs_own_way():
    layer, image = nn.Sequential(nn.Conv3d(3, 4, 3), nn.InstanceNorm3d(4)).double(), noise(1, 3, 6, 6, 6).double()
    found, expected = both(layer, image)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, expected)
