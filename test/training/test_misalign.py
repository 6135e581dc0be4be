# SPDX-License-Identifier: Apache-2.0
"""The CT moves, and nothing else."""

import math

import numpy as np
import pytest
import torch

from petlesion.training.misalign import MisalignCt, Misalignment, moved

STILL, ALWAYS = Misalignment(p_rotation=0, p_shift=0), Misalignment(p_rotation=1, p_shift=1)


def noise():
    return torch.rand(3, 8, 10, 12, generator=torch.Generator().manual_seed(0))


def test_nothing_happens_with_probability_zero():
    image = noise()
    assert MisalignCt(STILL)(image=image, rng=np.random.default_rng(0))["image"] is image


def test_only_the_ct_moves_and_the_given_sample_stays():
    image, before = noise(), noise()
    found = MisalignCt(ALWAYS)(image=image, segmentation=1, rng=np.random.default_rng(0))
    assert torch.equal(image, before)
    assert torch.equal(found["image"][1:], image[1:])
    assert not torch.allclose(found["image"][0], image[0])
    assert found["segmentation"] == 1


def test_no_motion_is_exact():
    array = noise()[0]
    torch.testing.assert_close(moved(array, (0, 0, 0), (0, 0, 0)), array)


def test_a_shift_by_whole_voxels():
    array = noise()[0]
    found = moved(array, (0, 0, 0), (0.0, 2.0, -1.0))
    torch.testing.assert_close(found[:, 2:, :-1], array[:, :-2, 1:], atol=1e-5, rtol=0)
    torch.testing.assert_close(found[:, 0, :-1], array[:, 0, 1:], atol=1e-5, rtol=0)  # the outermost goes on outwards


def test_a_quarter_turn_about_z():
    array = torch.zeros(3, 5, 5)
    array[1, 2, 4] = 1.0
    found = moved(array, (math.pi / 2, 0, 0), (0, 0, 0))
    assert sorted(torch.nonzero(found > 0.99).tolist()) in ([[1, 4, 2]], [[1, 0, 2]])


def test_drawn_values_stay_in_range_and_are_as_frequent_as_published():
    rng = np.random.default_rng(0)
    drawn = [Misalignment().draw(rng) for _ in range(3000)]
    angles, shifts = (np.array(part) for part in zip(*drawn, strict=True))
    assert np.rad2deg(np.abs(angles).max()) == pytest.approx(5, abs=0.1)
    assert np.abs(shifts).max(axis=0) == pytest.approx([0, 2, 2], abs=0.05)
    assert angles.any(axis=1).mean() == pytest.approx(0.1, abs=0.02)
    assert shifts.any(axis=1).mean() == pytest.approx(0.1, abs=0.02)
