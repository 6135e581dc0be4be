# SPDX-License-Identifier: Apache-2.0
import hashlib
import stat
from dataclasses import replace

import pytest
import torch

from petlesion.inference.weights import ModelStore, WeightsError, write_model
from test.inference.models import ENTRY, TRACER
from test.nnunet_reference import toy_dataset, toy_plans

STATE = {"conv.weight": torch.tensor([[0.1, -2.0]]), "norm.weight": torch.tensor([0.1]), "seen": torch.tensor(7)}


def store_with(root, states=None, entry=ENTRY):
    """A store that holds one model."""
    write_model(root, entry, states or {0: STATE}, toy_plans(), toy_dataset())
    return ModelStore.open(root)


def test_no_folder_is_refused_with_the_paths_tried(tmp_path):
    with pytest.raises(WeightsError, match=f"tried {tmp_path}/a/manifest.json, {tmp_path}/b/manifest.json"):
        ModelStore.open(search=[tmp_path / "a", tmp_path / "b"])


def test_the_first_folder_with_a_manifest_is_taken(tmp_path):
    (tmp_path / "empty").mkdir()
    first, second = store_with(tmp_path / "first"), store_with(tmp_path / "second")
    places = [tmp_path / "empty", first.root, second.root]
    assert ModelStore.open(search=places).root == first.root
    assert ModelStore.open(second.root, search=places).root == second.root


def test_a_folder_that_was_named_is_not_replaced_by_another(tmp_path):
    other = store_with(tmp_path / "other")
    with pytest.raises(WeightsError, match=f"tried {tmp_path}/named/manifest.json; give"):
        ModelStore.open(tmp_path / "named", search=[other.root])


def test_what_is_written_is_read(tmp_path):
    store = store_with(tmp_path, {0: STATE, 3: STATE})
    entry = store.entry("mesbah", "fdg")
    assert entry.fold_numbers == (0, 3)
    assert (store.plans(entry), store.dataset(entry)) == (toy_plans(), toy_dataset())
    state = store.load(entry, 3)
    assert state.keys() == STATE.keys()
    assert torch.equal(state["conv.weight"], torch.tensor([[0.1, -2.0]], dtype=torch.float16))
    assert torch.equal(state["norm.weight"], STATE["norm.weight"])  # fp32: norms and biases
    assert torch.equal(state["seen"], STATE["seen"])
    assert store.verify() == sum(fold.bytes for fold in entry.folds)


def test_without_halves_nothing_is_rounded(tmp_path):
    write_model(tmp_path, TRACER, {0: STATE}, half=False)
    store = ModelStore.open(tmp_path)
    assert torch.equal(store.load(store.entries[0], 0)["conv.weight"], STATE["conv.weight"])


def test_a_store_holds_several_models_and_a_rewritten_one_replaces_the_old(tmp_path):
    store_with(tmp_path, {0: STATE, 1: STATE})
    store_with(tmp_path, entry=replace(ENTRY, role="psma"))
    write_model(tmp_path, TRACER, {0: STATE})
    store = store_with(tmp_path, {1: {"conv.weight": torch.zeros(1)}})
    assert [entry.name for entry in store.entries] == ["mesbah/psma", "mesbah/tracer", "mesbah/fdg"]
    assert store.entry("mesbah", "fdg").fold_numbers == (1,)
    assert store.load(store.entry("mesbah", "fdg"), 1)["conv.weight"] == 0
    assert not (tmp_path / "mesbah/fdg/fold_0.safetensors").exists()
    assert store.load(store.entry("mesbah", "psma"), 0).keys() == STATE.keys()


def test_a_failed_write_leaves_what_was_there(tmp_path):
    before = store_with(tmp_path, {0: STATE, 1: STATE})
    with pytest.raises(WeightsError, match=r"conv\.weight holds another"):
        write_model(tmp_path, ENTRY, {0: STATE, 1: {"conv.weight": torch.tensor([[1e6]])}}, toy_plans(), toy_dataset())
    assert ModelStore.open(tmp_path) == before
    assert before.verify()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "mesbah"]


def test_weights_that_no_fp16_can_hold_are_refused(tmp_path):
    for value in (float("nan"), float("inf"), 70000.0):
        with pytest.raises(WeightsError, match="finite numbers"):
            write_model(tmp_path, TRACER, {0: {"w": torch.tensor([[value]])}})
    write_model(tmp_path, TRACER, {0: {"w": torch.tensor([[70000.0]]), "empty": torch.zeros(0, 3)}}, half=False)


def test_a_model_without_folds_or_plans_is_not_written(tmp_path):
    with pytest.raises(WeightsError, match="at least one fold"):
        write_model(tmp_path, TRACER, {})
    with pytest.raises(WeightsError, match=r"\['plans', 'dataset'\]"):
        write_model(tmp_path, ENTRY, {0: STATE})


def test_files_are_readable_by_other_users(tmp_path):
    store_with(tmp_path)
    for path in [tmp_path / "manifest.json", *(tmp_path / "mesbah" / "fdg").iterdir()]:
        assert path.stat().st_mode & stat.S_IRGRP, path


def test_a_model_that_is_not_held_is_named(tmp_path):
    with pytest.raises(WeightsError, match="holds mesbah/fdg, not mesbah/psma"):
        store_with(tmp_path).entry("mesbah", "psma")


def test_a_tracer_has_no_plans(tmp_path):
    store = ModelStore(tmp_path, (TRACER,))
    with pytest.raises(WeightsError, match=r"mesbah/tracer is of architecture mip_cnn and has no plans\.json"):
        store.plans(TRACER)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path):
    path.write_bytes(path.read_bytes() + b"0")


def change_a_bit(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def make_a_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "fold_0.safetensors cannot be read"),
        (make_a_folder, "fold_0.safetensors"),
        (truncate, "bytes; it has"),
        (lengthen, "bytes; it has"),
        (change_a_bit, "must have the SHA-256"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, damage, said):
    store = store_with(tmp_path)
    damage(tmp_path / "mesbah/fdg/fold_0.safetensors")
    with pytest.raises(WeightsError, match=said) as error:
        store.load(store.entries[0], 0)
    assert "mesbah/fdg/fold_0.safetensors" in str(error.value)
    with pytest.raises(WeightsError, match=said):
        store.verify()


def test_the_head_of_a_file_names_its_weights(tmp_path):
    store = store_with(tmp_path)
    assert store.shapes(store.entries[0], 0) == {"conv.weight": (1, 2), "norm.weight": (1,), "seen": ()}
    truncate(tmp_path / "mesbah/fdg/fold_0.safetensors")
    with pytest.raises(WeightsError, match="bytes; it has"):
        store.shapes(store.entries[0], 0)


def test_a_file_that_is_no_safetensors_is_refused_though_its_digest_is_right(tmp_path):
    store = store_with(tmp_path)
    manifest = tmp_path / "mesbah/fdg/plans.json"
    fold = replace(
        store.entries[0].folds[0],
        file="mesbah/fdg/plans.json",
        bytes=manifest.stat().st_size,
        sha256=hashlib.sha256(manifest.read_bytes()).hexdigest(),
    )
    for read in (store.load, store.shapes):
        with pytest.raises(WeightsError, match="must be a safetensors file"):
            read(replace(store.entries[0], folds=(fold,)), 0)


@pytest.mark.parametrize("name", ["fold_0.safetensors", "plans.json"])
def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path, name):
    store = store_with(tmp_path / "in")
    inside, outside = tmp_path / "in/mesbah/fdg" / name, tmp_path / name
    inside.rename(outside)
    inside.symlink_to(outside)
    with pytest.raises(WeightsError, match=f"leads to {outside}"):
        store.verify()


def test_a_linked_root_is_fine(tmp_path):
    store_with(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert ModelStore.open(tmp_path / "link").verify()


def test_missing_plans_are_found(tmp_path):
    store = store_with(tmp_path)
    (tmp_path / "mesbah/fdg/plans.json").unlink()
    with pytest.raises(WeightsError, match=r"plans\.json cannot be read"):
        store.verify()
