# SPDX-License-Identifier: Apache-2.0
import os
import zipfile

import numpy as np
import pytest
import torch

from petlesion.inference.checkpoints import (
    Training,
    canonical_weights,
    load_checkpoint,
    read_training,
    read_weights,
)
from petlesion.inference.manifest import WeightsError
from petlesion.inference.networks import canonical_state
from test.inference.models import checkpoint, toy_network, with_organ_head


def saved(tmp_path, content):
    torch.save(content, tmp_path / "checkpoint.pth")
    return tmp_path / "checkpoint.pth"


class Harmful:
    """What a pickle can do to who loads it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_checkpoint_of_nnunet_is_read(tmp_path):
    path = saved(tmp_path, checkpoint(toy_network().state_dict()))
    assert read_training(path) == Training("nnUNetTrainer_organs_FDG", "3d_fullres", (0, 1, 2), 1500)
    weights = read_weights(path)
    assert weights.keys() == toy_network().state_dict().keys()
    assert load_checkpoint(path)["_best_ema"] == np.float64(0.61)


def test_scalars_of_numpy_1_are_read(tmp_path):
    new = saved(tmp_path, {"_best_ema": np.float64(0.5)})
    old = tmp_path / "old.pth"
    with zipfile.ZipFile(new) as source, zipfile.ZipFile(old, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert load_checkpoint(old) == {"_best_ema": 0.5}


@pytest.mark.parametrize(("axes", "read"), [((0, 1, 2), (0, 1, 2)), ([1, np.int64(2)], (1, 2)), (None, ()), ((), ())])
def test_mirror_axes_are_read(tmp_path, axes, read):
    path = saved(tmp_path, checkpoint({}, inference_allowed_mirroring_axes=axes))
    assert read_training(path).mirror_axes == read


def test_mirror_axes_may_be_unsaid(tmp_path):
    content = checkpoint({})
    del content["inference_allowed_mirroring_axes"]
    assert read_training(saved(tmp_path, content)).mirror_axes is None


@pytest.mark.parametrize("place", ["network_weights", "init_args", "logging"])
def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path, place):
    content = checkpoint(toy_network().state_dict())
    content[place] = {"weight": Harmful(tmp_path / "harm")}
    path = saved(tmp_path, content)
    for read in (read_training, read_weights):
        with pytest.raises(WeightsError, match=r"checkpoint\.pth is refused: .* \(posix\.mkdir\)"):
            read(path)
    assert not (tmp_path / "harm").exists()


def test_a_whole_module_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="is refused"):
        read_weights(saved(tmp_path, torch.nn.Linear(1, 1)))


@pytest.mark.parametrize("data", [None, b"", b"garbage", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, data):
    path = tmp_path / "checkpoint.pth"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(WeightsError, match=r"checkpoint\.pth"):
        load_checkpoint(path)


def test_a_truncated_checkpoint_is_refused(tmp_path):
    path = saved(tmp_path, checkpoint(toy_network().state_dict()))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(WeightsError, match="missing or damaged"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1], "a checkpoint is a mapping; got list"),
        ({}, "network_weights, trainer_name and init_args"),
        (checkpoint({}, trainer_name=3), "network_weights, trainer_name and init_args"),
        (checkpoint({}, current_epoch="many"), "current_epoch holds whole numbers; got 'many'"),
        (checkpoint({}, inference_allowed_mirroring_axes="zyx"), "is a list of axes; got str"),
        (checkpoint({}, inference_allowed_mirroring_axes=["z"]), "holds whole numbers; got 'z'"),
    ],
)
def test_what_is_not_nnunets_is_named(tmp_path, content, said):
    with pytest.raises(WeightsError, match=said):
        read_training(saved(tmp_path, content))


def test_a_state_dict_is_found_bare_and_wrapped(tmp_path):
    state = {"weight": torch.ones(2)}
    for content in (state, {"state_dict": state}, {"model_state_dict": state, "epoch": 3}):
        assert torch.equal(read_weights(saved(tmp_path, content))["weight"], state["weight"])


@pytest.mark.parametrize("content", [{}, {"weight": 3}, {3: torch.ones(1)}, {"state_dict": []}])
def test_what_are_no_weights_is_refused(tmp_path, content):
    with pytest.raises(WeightsError, match="weights are"):
        read_weights(saved(tmp_path, content))


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_prefixes_aliases_and_organ_heads_come_off(prefix):
    network = toy_network()
    published = {prefix + key: tensor for key, tensor in with_organ_head(network.state_dict()).items()}
    weights = canonical_weights(published, network, "here")
    expected = canonical_state(network)
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[key], expected[key]) for key in expected)


def test_a_copy_of_a_layer_is_taken_for_it_and_a_differing_one_is_not():
    network = toy_network()
    key = "decoder.encoder.stem.convs.0.conv.weight"
    copied = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert canonical_weights(copied, network, "here").keys() == canonical_state(network).keys()
    copied[key][0] += 1
    with pytest.raises(WeightsError, match=f"here: {key} and .* hold different weights"):
        canonical_weights(copied, network, "here")


def test_a_layer_may_come_under_its_second_name_only():
    network = toy_network()
    state = network.state_dict()
    for name in ("encoder.stem.convs.0.conv.weight", "encoder.stem.convs.0.all_modules.0.weight"):
        del state[name]
    assert canonical_weights(state, network, "here").keys() == canonical_state(network).keys()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("decoder.seg_layers.0.weight"), "missing: decoder.seg_layers.0.weight"),
        (lambda state: state.update({"module.wings": torch.ones(1)}), "not of the network: wings"),
    ],
)
def test_a_key_too_few_or_too_many_is_named(change, said):
    state = toy_network().state_dict()
    change(state)
    with pytest.raises(WeightsError, match=said):
        canonical_weights(state, toy_network(), "here")
