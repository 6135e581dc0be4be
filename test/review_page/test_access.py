# SPDX-License-Identifier: Apache-2.0
"""The review page for everybody: names of controls, keyboard, contrast, a screen of 1280 x 800; and for nobody else."""

from __future__ import annotations

import hashlib
import http.client
import re
from pathlib import Path

import pytest

from petlesion.case import Admission, PetCtCase
from petlesion.clicks import Clicks
from test.review_page.stage import TOKEN, MaskEngine

PAGE = Path(__file__).resolve().parents[2] / "petlesion" / "review" / "page"
CONTROLS = {"button", "checkbox", "combobox", "slider", "spinbutton", "radio", "link", "textbox", "progressbar"}
CONTROLS |= {"application", "image", "canvas", "region", "group", "form", "table", "dialog"}


@pytest.mark.usefixtures("review")
def test_every_control_has_a_name_and_says_its_kind(visit):
    page = visit().page
    page.get_by_role("button", name=re.compile("Keys")).click()
    for _ in ("with the dialog", "without it"):
        tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
        shown = [node for node in tree if not node["ignored"] and node["role"]["value"].lower() in CONTROLS]
        assert len(shown) > 2
        assert [node["role"]["value"] for node in shown if not node.get("name", {}).get("value")] == []
        page.keyboard.press("Escape")
    names = {node["name"]["value"] for node in shown}
    assert {"Keep lesion 1", "Go to lesion 1", "PET window: highest SUV shown", "CT window width, HU"} <= names
    assert page.locator("#message").get_attribute("aria-live") == "polite"


@pytest.mark.usefixtures("review")
def test_the_tab_key_reaches_every_control_in_order_and_shows_where_it_is(visit):
    page = visit().page
    reached, outlines = [], []
    for _ in range(80):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            """() => {
              const {activeElement: e} = document;
              const shown = e.matches(".choice input") ? e.nextElementSibling : e;
              const name = e.id || e.name || e.dataset.mode || e.className || e.tagName;
              return [name, getComputedStyle(shown).outlineStyle];
            }"""
        )
        if name == "BODY" or (reached and name == reached[0]):
            break
        reached.append(name)
        outlines.append(outline)
    order = ["show-help", "save", "layout", "images", "fusion", "mask", "maximum", "palette", "window", "level"]
    order += ["width", "slices", "navigate", "tumor", "background", "undo", "redo"]
    assert [name for name in reached if name in order] == order
    assert "keep-1" in reached
    assert set(outlines) == {"solid"}


@pytest.fixture
def full_review(server, admission, tmp_path):
    """A review with many lesions and clicks."""
    hot = admission.case.pet_suv.array_zyx > 2.5
    points = [tuple(int(i) for i in lesion.centroid_xyz) for lesion in MaskEngine(admission, hot).all()[1][:12]]
    case = PetCtCase(
        "a-case-with-a-rather-long-name-of-64-characters-or-nearly-so-many",
        admission.case.ct_hu,
        admission.case.pet_suv,
        Clicks(tuple(dict.fromkeys(points))),
    )
    engine = MaskEngine(Admission(case, ("one thing is doubtful", "another thing is doubtful")), hot)
    with server.showing(engine, tmp_path / "out") as room:
        yield room


@pytest.mark.usefixtures("full_review")
def test_nothing_scrolls_and_nothing_is_cut_off_on_a_screen_of_1280_by_800(visit):
    page = (seen := visit()).page
    seen.photograph("4-full")
    assert page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [1280, 800]
    outside = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, canvas, dl, h1, h2, footer p, .research")]
          .filter((e) => !e.closest(".scroll, dialog"))
          .map((e) => [e.id || e.textContent || e.name, e.getBoundingClientRect()])
          .filter(([, r]) => r.left < 0 || r.top < 0 || r.right > 1280 || r.bottom > 800 || r.width < 5 || r.height < 5)
          .map(([name]) => name)"""
    )
    assert outside == []
    overlaps = page.evaluate(
        """() => {
          const boxes = [...document.querySelectorAll("header > *, #display > *, aside > *")]
            .filter((e) => e.getClientRects().length).map((e) => [e.id || e.textContent, e.getBoundingClientRect()]);
          return boxes.flatMap(([a, r], i) => boxes.slice(i + 1)
            .filter(([, s]) => r.left < s.right - 1 && s.left < r.right - 1)
            .filter(([, s]) => r.top < s.bottom - 1 && s.top < r.bottom - 1)
            .map(([b]) => [a, b]));
        }"""
    )
    assert overlaps == []


@pytest.mark.usefixtures("full_review")
def test_text_stands_out_from_its_ground_as_wcag_aa_asks(visit):
    """At least 4.5 to 1 for all text (WCAG 2.2, 1.4.3), whatever its size."""
    page = visit().page
    page.get_by_role("button", name=re.compile("Tumour click")).click()
    page.get_by_role("checkbox", name="Keep lesion 1", exact=True).uncheck()
    page.wait_for_selector("tr.removed")
    faint = page.evaluate(
        """() => {
          const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
          const luminance = (colour) => parts(colour).slice(0, 3)
            .map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
          const ground = (e) => {
            const colour = getComputedStyle(e).backgroundColor;
            return (parts(colour)[3] ?? 1) === 0 && e.parentElement ? ground(e.parentElement) : colour;
          };
          return [...document.body.querySelectorAll("*")]
            .filter((e) => e.getClientRects().length)
            .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
            .map((e) => {
              const [a, b] = [luminance(getComputedStyle(e).color), luminance(ground(e))].sort((x, y) => y - x);
              return [e.textContent.trim().slice(0, 30), (a + 0.05) / (b + 0.05)];
            })
            .filter(([, contrast]) => contrast < 4.5);
        }"""
    )
    assert faint == []


def asked(server, method, path, headers, token=TOKEN):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest(method, path)
    for name, value in ({"X-Petlesion-Token": token} | headers).items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


@pytest.mark.usefixtures("review")
def test_the_research_notice_is_there(visit):
    assert visit().page.get_by_text("Research use only").is_visible()


@pytest.mark.usefixtures("review")
def test_a_wrong_token_is_refused_in_words(browser, server):
    context = browser.new_context()
    page = context.new_page()
    answer = page.goto(f"{server.origin}/?token=wrong")
    assert answer.status == 403
    assert "this token is not the one" in page.content()
    assert page.goto(f"{server.origin}/").status == 403
    context.close()


@pytest.mark.parametrize("path", ["/static/../room.py", "/static/..%2froom.py", "/static/%2e%2e/web.py", "/static//x"])
@pytest.mark.usefixtures("review")
def test_a_path_out_of_the_page_is_refused(server, path):
    status, body = asked(server, "GET", path, {})
    assert status == 404
    assert b"SPDX" not in body


@pytest.mark.usefixtures("review")
def test_an_upload_of_2_gb_is_refused_before_it_is_sent(server):
    status, _ = asked(server, "POST", "/api/clicks", {"Content-Length": str(2 << 30)})
    assert status == 413


def test_the_pages_files_name_no_other_place():
    ours = [path for path in PAGE.iterdir() if path.suffix in {".js", ".css", ".html"} and path.name != "niivue.js"]
    assert len(ours) > 10
    assert [path.name for path in ours if re.search(r"https?:|//[a-z]+\\.", path.read_text())] == []
    assert all("SPDX-License-Identifier: Apache-2.0" in path.read_text() for path in ours if path.suffix != ".html")


def test_niivue_is_the_file_that_the_readme_names():
    said = re.search(r"`([0-9a-f]{64})`", (PAGE / "README.md").read_text())[1]
    assert hashlib.sha256((PAGE / "niivue.js").read_bytes()).hexdigest() == said
    assert "BSD 2-Clause License" in (PAGE / "niivue-LICENSE.txt").read_text()
