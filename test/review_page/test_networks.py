# SPDX-License-Identifier: Apache-2.0
"""The page, the server and networks, tiny ones, together: nothing stands in for anything."""

from __future__ import annotations

import argparse

import numpy as np

from petlesion.case import Admission, PetCtCase
from petlesion.options import add_run_options, run_options
from petlesion.review.engine import Engine
from petlesion.volume import Grid, Volume


def options():
    parser = argparse.ArgumentParser()
    add_run_options(parser)
    words = ["--device", "cpu", "--depth", "1", "--folds", "0", "--no-body-crop"]
    return run_options(parser.parse_args(words), started_s=0.0)


def column(phantom):
    """32 x 32 x 80 voxels out of the phantom: five tiles."""
    grid = Grid((32, 32, 80), (8.0, 8.0, 10.0))
    ct, pet = (
        Volume(np.ascontiguousarray(volume.array_zyx[:, 14:46, 14:46]), grid)
        for volume in (phantom.ct_hu, phantom.pet_suv)
    )
    return Admission(PetCtCase("a column", ct, pet), ("a doubt",))


def test_a_click_changes_the_mask_of_networks_and_undo_restores_it(visit, server, toy_case, toy_store, tmp_path):
    engine = Engine.of(column(toy_case.phantom), options(), toy_store)
    with server.showing(engine, tmp_path / "out") as room:
        page = (seen := visit()).page
        before = room.history.now.shown
        rows = page.locator("#lesions tbody").inner_text()
        page.locator("#slices").focus()
        for key in (*["Shift+PageDown"] * 8, *["PageUp"] * 6):
            page.keyboard.press(key)
        assert seen.voxel()[2] == 6  # near the foot, so that the tiles at the head stay as they are
        page.keyboard.press("t")
        page.keyboard.press("Enter")
        seen.hears("Mask updated")
        assert room.tiles[0] > 0
        assert room.tiles[1] > 0
        assert f"({room.tiles[0]} of 5 tiles computed)" in page.locator("#message").inner_text()
        assert room.history.now.shown.packed != before.packed
        page.keyboard.press("u")
        page.wait_for_selector("#undo[aria-disabled=true]")
        seen.settled()
        assert room.history.now.shown is before
        assert page.locator("#lesions tbody").inner_text() == rows
