# SPDX-License-Identifier: Apache-2.0
"""The review page in a browser: what a reader does with it, by mouse and by keyboard."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import SimpleITK as sitk
from playwright.sync_api import expect

from test.review_page.stage import MaskEngine


def lesion_voxel(engine, number):
    """The hottest voxel (x, y, z) of a hot component."""
    labels, _ = engine.all()
    inside = np.where(labels == number, engine.admission.case.pet_suv.array_zyx, -np.inf)
    return tuple(int(i) for i in np.unravel_index(np.argmax(inside), inside.shape)[::-1])


def go_to(page, voxel):
    """Move the crosshair by the keyboard: big steps, then small ones."""
    page.locator("#slices").focus()
    here = tuple(int(word) for word in page.locator("#location").inner_text().split("SUV")[0][6:].split(","))
    # the toy case lies as petlesion's own images do: x to the left, y to the back, z to the head
    keys = (("ArrowLeft", "ArrowRight"), ("ArrowUp", "ArrowDown"), ("PageDown", "PageUp"))
    for (less, more), now, then in zip(keys, here, voxel, strict=True):
        key, steps = (more if then > now else less), abs(then - now)
        for _ in range(steps // 10):
            page.keyboard.press(f"Shift+{key}")
        for _ in range(steps % 10):
            page.keyboard.press(key)


def mask_bytes(visit, room):
    answer = visit.page.request.get(f"{visit.server.origin}/api/mask.nii.gz?revision={room.revision}")
    assert answer.status == 200
    return answer.body()


def drawn_mask(visit):
    """How many pixels of the drawings over the slices have the mask's colour."""
    return visit.page.evaluate(
        """() => {
          const canvas = document.querySelector("#marks");
          const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", {willReadFrequently: true});
          copy.drawImage(canvas, 0, 0);
          const {data} = copy.getImageData(0, 0, canvas.width, canvas.height);
          let n = 0;
          for (let i = 0; i < data.length; i += 4)
            if (data[i] === 0x3d && data[i + 1] === 0xdb && data[i + 2] === 0xd9 && data[i + 3] === 255) n += 1;
          return n;
        }"""
    )


def test_a_missed_lesion_is_clicked_undone_done_again_saved_and_there_after_a_reload(visit, review, engine, tmp_path):
    page = (seen := visit()).page
    before = mask_bytes(seen, review)
    seen.photograph("1-loaded")
    go_to(page, lesion_voxel(engine, 2))
    assert seen.voxel() == lesion_voxel(engine, 2)
    seen.settled()
    drawn = drawn_mask(seen)
    page.keyboard.press("t")
    page.keyboard.press("Enter")
    seen.hears("Mask updated")
    seen.settled()
    assert engine.asked[-1].tumor_xyz == (lesion_voxel(engine, 2),)
    assert drawn_mask(seen) > drawn + 20
    after = mask_bytes(seen, review)
    assert after != before
    seen.photograph("2-clicked")

    page.keyboard.press("u")
    page.wait_for_selector("#undo[aria-disabled=true]")
    assert mask_bytes(seen, review) == before
    seen.settled()
    assert drawn_mask(seen) == drawn
    page.keyboard.press("r")
    page.wait_for_selector("#redo[aria-disabled=true]")
    assert mask_bytes(seen, review) == after

    page.keyboard.press("s")
    seen.hears("Saved in out")
    saved = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / "mask.nii.gz")))
    assert (saved == review.history.now.shown.unpacked()).all()
    clicks = json.loads((tmp_path / "out" / "lesion-clicks.json").read_text())
    assert [tuple(one["point"]) for one in clicks["points"]] == [lesion_voxel(engine, 2)]

    rows = page.locator("#lesions tbody").inner_text()
    page.reload()
    seen.ready()
    assert page.locator("#lesions tbody").inner_text() == rows
    assert page.locator("#clicks li").count() == 1


def test_a_lesion_is_removed_by_its_box_and_brought_back(visit, review):
    page = (seen := visit()).page
    before = mask_bytes(seen, review)
    count = page.locator("#lesions tbody tr").count()
    page.get_by_role("checkbox", name="Keep lesion 1").uncheck()
    page.wait_for_selector("tr.removed")
    assert page.locator("#totals dd").first.inner_text() == str(count - 1)
    assert page.evaluate("document.activeElement.id") == "keep-1"  # the focus stayed
    assert mask_bytes(seen, review) != before
    seen.photograph("3-removed")
    page.get_by_role("checkbox", name="Keep lesion 1").check()
    page.wait_for_selector("tr.removed", state="detached")
    assert mask_bytes(seen, review) == before


@pytest.mark.usefixtures("review")
def test_a_background_click_by_the_mouse_takes_a_lesion_away(visit, engine):
    page = (seen := visit()).page
    page.get_by_role("button", name="Go to lesion 1").click()
    page.get_by_role("button", name=re.compile("Background click")).click()
    page.mouse.click(*crosshair_in_axial(page))
    seen.hears("Mask updated")
    assert engine.asked[-1].background_xyz == (seen.voxel(),)
    assert page.locator("#clicks li").inner_text().endswith("Background " + ", ".join(map(str, seen.voxel())))


@pytest.mark.usefixtures("review")
def test_a_drag_moves_the_crosshair_and_places_no_click(visit, engine):
    page = (seen := visit()).page
    page.get_by_role("button", name="Go to lesion 1").click()
    page.locator("body").press("t")
    x, y = crosshair_in_axial(page)
    before = seen.voxel()
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y + 20, steps=4)
    page.mouse.up()
    seen.settled()
    assert seen.voxel() != before
    assert len(engine.asked) == 1  # the first answer, for which nobody clicked


@pytest.mark.usefixtures("review")
def test_while_an_answer_is_computed_progress_shows_and_nothing_else_is_asked(visit, engine):
    page = (seen := visit()).page
    engine.pause_s = 2.0
    page.locator("body").press("t")
    page.locator("body").press("Enter")
    page.wait_for_selector("body[data-busy=true]")
    expect(page.locator("#progress")).not_to_have_js_property("value", 0)
    page.locator("body").press("Enter")
    seen.hears("Please wait")
    assert page.locator("#undo").get_attribute("aria-disabled") == "true"
    seen.settled()
    assert len(engine.asked) == 2


@pytest.mark.usefixtures("review")
def test_a_refusal_is_said_in_the_servers_words(visit):
    page = (seen := visit()).page
    page.locator("body").press("t")
    page.locator("body").press("Enter")
    seen.hears("Mask updated")
    page.locator("body").press("Enter")
    seen.hears("there is a tumor click at")


def test_a_recipe_without_clicks_says_so_and_offers_none(visit, server, admission, tmp_path):
    engine = MaskEngine(admission, admission.case.pet_suv.array_zyx > 6, reads_clicks=False)
    with server.showing(engine, tmp_path / "out"):
        page = visit().page
        assert page.locator("[data-mode=tumor]").get_attribute("aria-disabled") == "true"
        page.locator("body").press("t")
        assert page.locator("[data-mode=navigate]").get_attribute("aria-pressed") == "true"
        page.locator("#warnings summary").click()
        assert "does not read clicks" in page.locator("#warnings li").last.inner_text()


@pytest.mark.usefixtures("review")
def test_windows_colours_and_layouts_change_the_picture(visit):
    page = (seen := visit()).page
    pictures = {page.locator("#fused").screenshot()}

    def changed():
        seen.settled()
        pictures.add(page.locator("#fused").screenshot())
        return len(pictures)

    page.get_by_role("combobox", name="CT window preset").select_option("Lung")
    assert (page.locator("[name=level]").input_value(), page.locator("[name=width]").input_value()) == ("-600", "1500")
    assert changed() == 2
    page.get_by_role("slider", name="PET window").fill("4")
    assert page.locator("[name=suv]").inner_text() == "4"
    assert changed() == 3
    page.get_by_role("combobox", name="PET colours").select_option("Inferno")
    assert changed() == 4
    page.get_by_role("slider", name="PET opacity").fill("20")
    assert changed() == 5
    page.get_by_role("radio", name="CT", exact=True).check(force=True)
    assert changed() == 6
    page.locator("body").press("m")
    assert changed() == 7
    page.locator("body").press("2")
    assert changed() == 8
    page.locator("body").press("+")
    assert changed() == 9
    page.locator("body").press("0")
    assert changed() == 9  # as before


@pytest.mark.usefixtures("review")
def test_single_keys_can_be_turned_off(visit):
    page = visit().page
    page.locator("body").press("?")
    page.get_by_role("checkbox", name="Keys of one letter").uncheck()
    page.get_by_role("button", name="Close").click()
    page.locator("body").press("t")
    assert page.locator("[data-mode=navigate]").get_attribute("aria-pressed") == "true"


def crosshair_in_axial(page):
    """Where the crosshair's gap is on the page, in the upper right tile: where its two lines cross."""
    found = page.evaluate(
        """() => {
          const canvas = document.querySelector("#marks");
          const [width, height] = [canvas.width, Math.floor(canvas.height / 2)];
          const left = Math.ceil(canvas.width / 2) + 1;
          const {data} = canvas.getContext("2d").getImageData(left, 0, width - left, height);
          const rows = new Array(height).fill(0), columns = new Array(width - left).fill(0);
          for (let i = 0; i < data.length / 4; i += 1) {
            if (data[4 * i + 3] === 0) continue;
            rows[Math.floor(i / (width - left))] += 1;
            columns[i % (width - left)] += 1;
          }
          const middle = (counts) => {
            const most = Math.max(...counts);
            const at = counts.flatMap((n, i) => (n > 0.9 * most ? [i] : []));
            return (at[0] + at[at.length - 1] + 1) / 2;
          };
          const {x, y} = canvas.getBoundingClientRect();
          return [x + left + middle(columns), y + middle(rows)];
        }"""
    )
    return tuple(found)
