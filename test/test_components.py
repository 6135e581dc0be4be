# SPDX-License-Identifier: Apache-2.0
"""Components are those of an independent labelling, whatever the connectivity and the memory's order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import generate_binary_structure, label

from petlesion.components import Components

RANK = {6: 1, 18: 2, 26: 3}


def test_an_empty_mask_has_no_components():
    parts = Components.of(np.zeros((3, 4, 5), bool), 26)
    assert parts.count == 0
    assert parts.sizes().size == parts.maxima(parts.values(np.zeros((3, 4, 5)))).size == 0


def test_the_box_is_the_smallest_one():
    mask = np.zeros((5, 6, 7), bool)
    mask[1, 2, 3] = mask[3, 2, 4] = True
    assert Components.of(mask, 26).box == (slice(1, 4), slice(2, 3), slice(3, 5))


def test_sums_maxima_and_any_by_hand():
    mask = np.array([[[1, 1, 0, 1]]], bool)
    parts = Components.of(mask, 26)
    values = parts.values(np.array([[[1.0, 2.0, 9.0, 5.0]]]))
    assert parts.sizes().tolist() == [2, 1]
    assert parts.sums(values).tolist() == [3.0, 5.0]
    assert parts.maxima(values).tolist() == [2.0, 5.0]
    assert parts.any(values == 2.0).tolist() == [True, False]


@pytest.mark.parametrize(("connectivity", "count"), [(6, 3), (18, 2), (26, 1)])
def test_touching_at_an_edge_or_a_corner(connectivity, count):
    mask = np.zeros((3, 3, 3), bool)
    mask[0, 0, 0] = mask[0, 1, 1] = True  # share an edge
    mask[1, 2, 2] = True  # shares a corner with the second
    assert Components.of(mask, connectivity).count == count


def test_two_voxels_with_a_gap_fill_their_box_without_a_crash():
    """cc3d 4.1.1 raises here when it is given booleans."""
    assert Components.of(np.array([[[1, 0, 1]]], bool), 26).labels.tolist() == [0, 1]


@given(st.tuples(*[st.integers(1, 6)] * 3), st.sampled_from([6, 18, 26]), st.integers(0, 99), st.floats(0.05, 0.6))
def test_components_are_those_of_scipy(shape, connectivity, seed, density):
    mask = np.random.default_rng(seed).random(shape) < density
    mask.flags.writeable = False
    numbers, count = label(mask, generate_binary_structure(3, RANK[connectivity]))
    for view, expected in ((mask, numbers), (mask[::-1].T, numbers[::-1].T)):
        parts = Components.of(view, connectivity)
        pairs = set(zip(parts.labels.tolist(), expected[view].tolist(), strict=True))
        assert parts.count == count == len(pairs)  # a one-to-one renaming
