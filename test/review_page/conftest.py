# SPDX-License-Identifier: Apache-2.0
"""One browser and one server for all tests of the page; skipped, aloud, where there is no Chromium."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from petlesion.case import admit
from test.review_page.stage import MaskEngine, stage

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from test.review_page.stage import Stage

SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"
FLAGS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"),
    "--disable-quic",
]
NAMES = ("chromium", "chromium-browser", "google-chrome")
# The software driver reads pictures back for screenshots; a refusal by the server is said on the page as well.
HARMLESS = ("GPU stall due to ReadPixels", "status of 422")
SIZE = {"width": 1280, "height": 800}


@pytest.fixture(scope="package")  # no longer: playwright's event loop in this thread forbids others theirs
def browser():
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def server():
    with stage() as made:
        yield made


@dataclass
class Visit:
    """A page, and what it did on the way: addresses asked for, errors and warnings of its console."""

    page: Page
    server: Stage
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def hear_console(self, said):
        if said.type in {"error", "warning"}:
            self.complaints.append(f"{said.type}: {said.text}")

    def ready(self):
        self.page.wait_for_selector("body[data-ready=true][data-busy=false]", timeout=30_000)

    def settled(self):
        """Wait until nothing is under way and what was asked for is drawn."""
        self.page.wait_for_selector("body[data-busy=false]", timeout=30_000)
        self.page.wait_for_selector(f"body[data-revision='{self.server.room.revision}']", timeout=30_000)
        for _ in range(3):  # colours, slices, marks
            self.page.evaluate("() => new Promise(requestAnimationFrame)")

    def hears(self, words):
        """Wait until the page says something that begins so."""
        self.page.wait_for_selector(f"#message:text-matches('^{words}')", timeout=30_000)

    def voxel(self):
        """Where the crosshair is, as the page says."""
        words = self.page.locator("#location").inner_text().split("SUV")[0]
        return tuple(int(word) for word in words.removeprefix("Voxel").split(","))

    def photograph(self, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.settled()
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")


@pytest.fixture
def visit(browser, server):
    """Opens the page; at the end nothing may have left this machine, and the console must be clean."""
    context = browser.new_context(viewport=SIZE)
    made = Visit(context.new_page(), server)
    made.page.on("request", lambda request: made.asked.append(request.url))
    made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
    made.page.on("console", made.hear_console)

    def open_page():
        made.page.goto(server.door)
        made.ready()
        return made

    yield open_page
    context.close()
    # data: is NiiVue's own font, which lies in its file
    assert [url for url in made.asked if not url.startswith((f"{server.origin}/", "data:", "blob:"))] == []
    assert [words for words in made.complaints if not any(one in words for one in HARMLESS)] == []


@pytest.fixture(scope="session")
def admission(toy_case):
    return admit("phantom", toy_case.phantom.ct_hu, toy_case.phantom.pet_suv)


@pytest.fixture
def engine(admission, toy_case):
    """Misses the second largest of the phantom's three lesions."""
    return MaskEngine(admission, toy_case.phantom.truth.array_zyx > 0, missed=(2,))


@pytest.fixture
def review(server, engine, tmp_path):
    """A review of the toy case under way; its room."""
    with server.showing(engine, tmp_path / "out") as room:
        yield room
