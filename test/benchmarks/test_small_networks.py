# SPDX-License-Identifier: Apache-2.0
"""Both sides of a comparison have the same numbers, and masks that are decided."""

import torch

from benchmarks.small_networks import CONFIGURATION, following_state, small_plans, write_both
from petlesion.inference.networks import load_network, network_from_plans
from petlesion.inference.weights import ModelStore

PATCH = (16, 16, 16)


def test_the_mask_follows_the_pet_on_both_sides_alike(tmp_path):
    plans = small_plans(PATCH)
    folder, root = write_both(tmp_path, plans, (0,), ("fdg",))
    stock = network_from_plans(plans, CONFIGURATION, 3, 2)
    stock.load_state_dict(torch.load(folder / "fold_0" / "checkpoint_final.pth")["network_weights"])
    store = ModelStore.open(root)
    ours = load_network(store, store.entry("mesbah", "fdg"), 0, torch.device("cpu"))
    image = torch.zeros(1, 3, *PATCH)
    image[0, 1] = -0.6
    image[0, 1, 4:10, 5:11, 6:12] = 2.0
    with torch.inference_mode():
        both, one = stock.eval()(image)[0], ours(image)[0, 0]
    torch.testing.assert_close(one, both[1] - both[0], rtol=1e-4, atol=1e-3)
    inside = one > 0
    assert inside[6, 7, 8]
    assert inside.sum() <= 12**3
    assert one.abs().min() > 0.01  # nowhere near a tie


def test_folds_differ_and_seeds_repeat():
    plans = small_plans(PATCH)
    first, second, other = (following_state(plans, seed) for seed in (0, 0, 1))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)
    assert all(torch.equal(tensor, tensor.half().float()) for tensor in first.values())
