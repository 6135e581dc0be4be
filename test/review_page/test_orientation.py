# SPDX-License-Identifier: Apache-2.0
"""What is seen at a place of the page is what a click there means, however the PET lies in its file.

The PET is one bright voxel in the dark, at the patient's right, front and head. Where it shines on the screen, a click
is made; the point that reaches the server must be that voxel. Nothing of the page's own arithmetic is asked.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
import SimpleITK as sitk

from petlesion.case import Admission, PetCtCase
from petlesion.itk import to_image
from petlesion.volume import Grid, Volume
from test.review_page.stage import MaskEngine

SIZE, SPACING_MM = (18, 25, 32), (5.0, 4.0, 3.0)
RIGHT_FRONT_HEAD_MM = np.array([-20.0, -24.0, 24.0])  # of the middle, in LPS


def rotation(degrees, axis):
    angle = np.deg2rad(degrees)
    turn = sitk.VersorTransform(axis, float(angle))
    return tuple(turn.GetMatrix())


GRIDS = {
    "as petlesion writes": (1, 0, 0, 0, 1, 0, 0, 0, 1),
    "NIfTI's own": (-1, 0, 0, 0, -1, 0, 0, 0, 1),
    "sagittal slices": (0, 0, -1, 1, 0, 0, 0, -1, 0),
    "permuted, flipped": (0, -1, 0, 0, 0, 1, 1, 0, 0),
    "oblique": rotation(12, (1.0, 0.4, -0.3)),
}


def spot_case(direction):
    grid = Grid(SIZE, SPACING_MM, (-31.0, 17.0, 250.0), tuple(map(float, direction)))
    dark = Volume(np.zeros(SIZE[::-1], np.float32), grid)
    image = to_image(dark)
    middle = np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in SIZE]))
    spot = image.TransformPhysicalPointToIndex((middle + RIGHT_FRONT_HEAD_MM).tolist())
    pet = dark.array_zyx.copy()
    pet[spot[::-1]] = 10.0
    ct = np.full(SIZE[::-1], -1000.0, np.float32)
    ct[7:-6, 7:-6, 7:-6] = 0.0  # tissue; the page draws it with a margin of four voxels, and leaves out three and two
    return Admission(PetCtCase("spot", Volume(ct, grid), Volume(pet, grid))), tuple(spot)


def picture(page, selector, tmp_path):
    """Brightness of an element's pixels, and its left and top on the page."""
    page.locator(selector).screenshot(path=tmp_path / "seen.png")
    array = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "seen.png")))[..., :3].sum(axis=2)
    box = page.locator(selector).bounding_box()
    return array, np.array([box["x"], box["y"]])


def brightest(array):
    """Centre (x, y) of what is nearly as bright as the brightest pixel."""
    rows, columns = np.nonzero(array > 0.93 * array.max())
    return np.array([columns.mean(), rows.mean()]) + 0.5


@pytest.mark.parametrize("direction", GRIDS.values(), ids=GRIDS)
def test_a_click_where_a_voxel_shines_means_that_voxel(visit, server, tmp_path, direction):
    admission, spot = spot_case(direction)
    engine = MaskEngine(admission, admission.case.pet_suv.array_zyx > 5, missed=(1,))
    with server.showing(engine, tmp_path / "out"):
        page = (seen := visit()).page
        page.set_viewport_size({"width": 1000, "height": 560})  # fewer pixels to draw
        page.get_by_role("radio", name="PET", exact=True).check(force=True)
        page.get_by_role("combobox", name="PET colours").select_option("hot")
        page.evaluate("document.querySelector('#marks').hidden = true")
        page.get_by_role("checkbox", name="Mask").uncheck()

        # the projection: the spot shines at the upper left, and a click goes to its voxel
        shown, corner = picture(page, "#mip", tmp_path)
        place = brightest(shown)
        assert (place < np.array(shown.shape[::-1]) / 2).all()
        page.mouse.click(*(corner + place))
        assert seen.voxel() == spot

        for plane in ("axial", "coronal", "sagittal"):
            page.get_by_role("radio", name=re.compile(plane, re.IGNORECASE)).check(force=True)
            seen.settled()
            shown, corner = picture(page, "#slices", tmp_path)
            place = brightest(shown)
            assert (place < np.array(shown.shape[::-1]) / 2).all(), plane  # right or front, and head or front
            page.locator("body").press("t")
            page.mouse.click(*(corner + place))
            seen.hears("Mask updated")
            assert engine.asked[-1].tumor_xyz == (spot,), plane
            page.locator("body").press("u")
            page.wait_for_selector("#undo[aria-disabled=true]")
