# SPDX-License-Identifier: Apache-2.0
"""Outlines as SVG paths: closed, in the picture's units."""

from __future__ import annotations

import re

import numpy as np

from petlesion.page.outline import outline


def points(path):
    return np.array([pair.split() for pair in re.findall(r"[ML]([\d. -]+)", path)], float)


def test_an_empty_mask_has_no_outline():
    assert outline(np.zeros((3, 4), bool), (1.0, 1.0)) == ""


def test_a_single_pixel_is_surrounded_half_way_to_its_neighbours():
    inside = np.zeros((3, 4), bool)
    inside[1, 2] = True
    path = outline(inside, (10.0, 20.0))
    assert path.startswith("M")
    assert path.endswith("Z")
    # the pixel's centre is at (25, 30); the line crosses the edges of the pixel in their middles
    assert sorted(points(path).tolist()) == [[20, 30], [25, 20], [25, 40], [30, 30]]


def test_at_the_pictures_edge_the_outline_is_closed_and_inside():
    found = points(outline(np.ones((2, 2), bool), (5.0, 5.0)))
    assert found.min() == 0
    assert found.max() == 10


def test_two_parts_have_two_lines():
    assert outline(np.array([[1, 0, 0, 1]], bool), (1.0, 1.0)).count("Z") == 2
