# SPDX-License-Identifier: Apache-2.0
"""Shades, colours and addresses of pictures."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from petlesion.page.shades import MASK_RGB, fused, inverse_grey, jpeg_address, png_address, shade, tinted


def test_a_window_is_clipped_at_both_ends():
    assert shade(np.array([-5.0, 0.0, 2.5, 10.0, 99.0]), (0.0, 10.0)).tolist() == [0, 0, 0.25, 1, 1]


def test_high_uptake_is_dark():
    assert np.asarray(inverse_grey(np.array([[0.0, 1.0]], np.float32))).tolist() == [[255, 0]]


def test_without_uptake_the_ct_is_left_as_it_is():
    ct = np.array([[0.0, 0.5, 1.0]], np.float32)
    assert np.asarray(fused(ct, np.zeros_like(ct))).tolist() == [[[0] * 3, [128] * 3, [255] * 3]]


def test_the_highest_uptake_is_nearly_white_on_black():
    assert np.asarray(fused(np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32))).tolist() == [[[191] * 3]]


def test_only_the_mask_is_red():
    picture = tinted(np.zeros((1, 2), np.float32), np.array([[False, True]])).convert("RGB")
    white, red = np.asarray(picture)[0].tolist()
    assert white == [255] * 3
    assert red == [round(0.45 * 255 + 0.55 * part) for part in MASK_RGB]


@pytest.mark.parametrize(("address", "kind"), [(png_address, "png"), (jpeg_address, "jpeg")])
def test_an_address_holds_the_picture(address, kind):
    picture = inverse_grey(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8))
    head, _, text = address(picture).partition(",")
    assert head == f"data:image/{kind};base64"
    with Image.open(io.BytesIO(base64.b64decode(text))) as read:
        assert np.abs(np.asarray(read).astype(int) - np.asarray(picture)).max() <= (0 if kind == "png" else 8)
