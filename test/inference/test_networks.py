# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
import torch
from torch import nn

from petlesion.inference.architectures import network_from_plans
from petlesion.inference.networks import (
    NetworkError,
    average,
    canonical_keys,
    canonical_state,
    check_models,
    count_parameters,
    fuse_binary_head,
    load_network,
    meta_network,
    parameter_types,
)
from petlesion.inference.tracer import MipCnn
from petlesion.inference.weights import ModelStore, WeightsError, write_model
from test.inference.models import ENTRY, TRACER, toy_network
from test.nnunet_reference import toy_dataset, toy_plans

CPU = torch.device("cpu")
IMAGE = torch.rand((1, 3, 8, 6, 10), generator=torch.Generator().manual_seed(1)) * 4 - 1


def store_with(root, state, *, half=False, plans=None, dataset=None):
    """A store with one fold of a toy model."""
    write_model(root, ENTRY, {0: state}, plans or toy_plans(), dataset or toy_dataset(), half=half)
    return ModelStore.open(root)


def logits(network):
    with torch.inference_mode():
        return network(IMAGE)


def test_a_layer_with_two_names_counts_once():
    layer = nn.Linear(2, 3)
    both = nn.ModuleDict({"a": layer, "b": layer})
    assert count_parameters(both) == 2 * 3 + 3
    assert canonical_keys(both) == {
        "a.weight": "a.weight",
        "a.bias": "a.bias",
        "b.weight": "a.weight",
        "b.bias": "a.bias",
    }
    assert list(canonical_state(both)) == ["a.weight", "a.bias"]


def test_the_canonical_names_have_no_alias():
    names = canonical_state(toy_network())
    assert not [name for name in names if name.startswith("decoder.encoder.") or "all_modules" in name]
    assert sum(tensor.numel() for tensor in names.values()) == count_parameters(toy_network())


def test_the_fused_head_is_the_difference_of_its_rows():
    network = toy_network()
    head = network.decoder.seg_layers[0]
    with torch.no_grad():
        head.weight[:, :, 0, 0, 0] = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 9.0, 3.0, 0.0]])
        head.bias[:] = torch.tensor([10.0, 4.0])
    fused = fuse_binary_head(network).decoder.seg_layers[0]
    assert fused.weight.flatten().tolist() == [4.0, 7.0, 0.0, -4.0]
    assert fused.bias.tolist() == [-6.0]
    assert fused.weight.shape == (1, 4, 1, 1, 1)


def test_the_fused_network_gives_the_difference_of_the_logits():
    background, tumor = logits(toy_network())[0]
    fused = logits(fuse_binary_head(toy_network()))
    assert fused.shape == (1, 1, 8, 6, 10)
    assert torch.allclose(fused[0, 0], tumor - background, atol=1e-5)
    assert (tumor > background).any()
    assert (tumor < background).any()


def test_heads_of_lower_resolutions_are_dropped():
    plans = toy_plans()
    arguments = plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]
    arguments |= {
        "n_stages": 3,
        "features_per_stage": [4, 6, 8],
        "kernel_sizes": [[3, 3, 3]] * 3,
        "strides": [[1, 1, 1], [2, 2, 2], [1, 2, 2]],
        "n_blocks_per_stage": [1, 1, 1],
        "n_conv_per_stage_decoder": [1, 1],
    }
    plain, fused = toy_network(plans=plans), fuse_binary_head(toy_network(plans=plans))
    image = torch.rand(1, 3, 8, 8, 8)
    with torch.inference_mode():
        both = plain(image)
        assert torch.allclose(fused(image), both[:, 1:] - both[:, :1], atol=1e-5)
    # heads of 6 + 1 and 4 + 1 numbers a class, two classes each, become one of 4 + 1
    assert count_parameters(plain) - count_parameters(fused) == 2 * 7 + 2 * 5 - 5


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (toy_network(n_outputs=3), "two classes .* got 3"),
        (network_from_plans(toy_plans(), "3d_fullres", 3, 2, deep_supervision=True), "deep supervision"),
        (nn.Conv3d(3, 2, 1), "got Conv3d"),
    ],
)
def test_only_a_head_of_two_classes_is_fused(network, said):
    with pytest.raises(NetworkError, match=said):
        fuse_binary_head(network)


def test_what_was_stored_is_what_runs(tmp_path):
    store = store_with(tmp_path, canonical_state(toy_network()))
    network = load_network(store, store.entries[0], 0, CPU)
    both = logits(toy_network())
    assert torch.allclose(logits(network), both[:, 1:] - both[:, :1], atol=1e-5)
    assert not network.training
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_halves_change_the_weights_by_their_rounding_only(tmp_path):
    store = store_with(tmp_path, canonical_state(toy_network()), half=True)
    rounded = {
        key: tensor.half().float() if tensor.ndim > 1 else tensor for key, tensor in toy_network().state_dict().items()
    }
    stock = toy_network()
    stock.load_state_dict(rounded)
    both = logits(stock)
    assert torch.allclose(logits(load_network(store, store.entries[0], 0, CPU)), both[:, 1:] - both[:, :1], atol=1e-5)


def test_on_a_gpu_convolutions_are_halves_and_norms_are_not():
    network = meta_network(toy_plans(), toy_dataset(), ENTRY)
    types = parameter_types(network, torch.device("cuda"))
    assert {kind for key, kind in types.items() if "norm" in key} == {torch.float32}
    assert {kind for key, kind in types.items() if "conv.weight" in key or "seg_layers" in key} == {torch.float16}
    assert set(parameter_types(network, CPU).values()) == {torch.float32}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("decoder.seg_layers.0.bias"), r"1 of .* missing: decoder\.seg_layers\.0\.bias"),
        (lambda state: state.update(extra=torch.zeros(1)), "1 keys are not of the network: extra"),
        (
            lambda state: state.update({"decoder.seg_layers.0.bias": torch.zeros(3)}),
            r"decoder\.seg_layers\.0\.bias must have the shape \(2,\); it has \(3,\)",
        ),
        (lambda state: state.clear() or state.update(x=torch.zeros(1)), r"missing: decoder\.seg_layers.*, \.\.\."),
    ],
)
def test_weights_of_another_network_are_refused_by_file_and_key(tmp_path, change, said):
    state = canonical_state(toy_network())
    change(state)
    store = store_with(tmp_path, state)
    with pytest.raises(WeightsError, match=said) as error:
        load_network(store, store.entries[0], 0, CPU)
    assert "mesbah/fdg/fold_0.safetensors" in str(error.value)
    with pytest.raises(WeightsError, match=said):
        check_models(store)


def test_a_sound_store_passes(tmp_path):
    check_models(store_with(tmp_path, canonical_state(toy_network())))


@pytest.mark.parametrize("file", ["mesbah/fdg/fold_0.safetensors", "mesbah/tracer/fold_1.safetensors"])
def test_a_missing_file_of_any_model_is_found_at_the_start(tmp_path, file):
    store_with(tmp_path, canonical_state(toy_network()))
    write_model(tmp_path, TRACER, {fold: MipCnn().state_dict() for fold in range(2)})
    store = ModelStore.open(tmp_path)
    check_models(store)
    (tmp_path / file).unlink()
    with pytest.raises(WeightsError, match=f"{file} cannot be read"):
        check_models(store)


def test_another_network_is_not_taken_for_the_tracers(tmp_path):
    write_model(tmp_path, TRACER, {0: {"weight": torch.zeros(1)}})
    with pytest.raises(WeightsError, match=r"tracer/fold_0\.safetensors: 22 of the network's keys are missing"):
        check_models(ModelStore.open(tmp_path))


def test_buffers_of_batch_norm_are_weights_too(tmp_path):
    plans = toy_plans()
    arguments = plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]
    arguments["norm_op"] = "torch.nn.modules.batchnorm.BatchNorm3d"
    trained = toy_network(plans=plans).train()
    trained(IMAGE)
    trained.eval()
    store = store_with(tmp_path, canonical_state(trained), plans=plans)
    both = logits(trained)
    assert torch.allclose(logits(load_network(store, store.entries[0], 0, CPU)), both[:, 1:] - both[:, :1], atol=1e-5)


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ({"labels": {"background": 0, "whole": [1, 2]}}, "plain labels, not regions"),
        ({"labels": 2}, "plain labels, not regions"),
        ({"channel_names": {"0": "CT"}}, "must name 3 channels"),
    ],
)
def test_a_data_set_that_is_not_ours_is_refused(dataset, said):
    with pytest.raises(NetworkError, match=said):
        meta_network(toy_plans(), toy_dataset() | dataset, ENTRY)


def test_data_sets_of_nnunet_1_say_modality():
    dataset = toy_dataset()
    dataset["modality"] = dataset.pop("channel_names")
    meta_network(toy_plans(), dataset, replace(ENTRY))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_gpu_gives_what_the_cpu_gives(tmp_path):
    store = store_with(tmp_path, canonical_state(toy_network()), half=True)
    device = torch.device("cuda")
    there = load_network(store, store.entries[0], 0, device)
    with torch.inference_mode(), torch.autocast("cuda", dtype=torch.float16):
        found = there(IMAGE.to(device)).float().cpu()
    assert torch.allclose(found, logits(load_network(store, store.entries[0], 0, CPU)), atol=2e-2)


def test_the_mean_of_networks_has_the_mean_of_their_weights():
    networks = [fuse_binary_head(toy_network(seed)) for seed in (0, 1, 2)]
    before = logits(networks[0])
    states = [{key: tensor.clone() for key, tensor in network.state_dict().items()} for network in networks]
    mean = average(networks)
    for key, tensor in mean.state_dict().items():
        torch.testing.assert_close(tensor, (states[0][key] + states[1][key] + states[2][key]) / 3)
    torch.testing.assert_close(logits(networks[0]), before, rtol=0, atol=0)  # the folds stay what they are
    torch.testing.assert_close(logits(average(networks[:1])), before)
