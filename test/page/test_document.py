# SPDX-License-Identifier: Apache-2.0
"""The page as a whole: well formed, alone, for every reader, and never the markup of a case's name."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from petlesion.page.document import document
from petlesion.report import fallback_report, mask_report

VOID = {"meta", "img", "input", "br", "link"}
EVIL = "<script>alert(1)</script>\"'&</title><img src=x onerror=alert(2)>"


class Page(HTMLParser):
    """The tags of a page with their attributes; fails where one is not closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture(scope="module")
def text(reported):
    return document(reported.report, reported.drawings)


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_it_is_well_formed_with_one_title_and_headings_in_order(page, text):
    assert text.startswith("<!DOCTYPE html>\n<html")
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("title")) == 1
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_it_loads_nothing(page, text):
    addresses = [value for _, attrs in page.tags for key, value in attrs.items() if key in {"src", "href"}]
    assert addresses
    assert all(address.startswith("data:image/") for address in addresses)
    assert page.all("link") == []
    assert "http://" not in text
    assert "https://" not in text


def test_its_policy_forbids_what_it_does_not_hold(page, text):
    (policy,) = [one["content"] for one in page.all("meta") if "http-equiv" in one]
    script = re.search(r"<script>(.*)</script>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def test_pictures_have_words_and_identifiers_come_once(page):
    assert all(image["alt"] for image in page.all("img"))
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in page.all("svg"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all("aria-label" in one for one in page.all("input"))


def test_the_table_has_heads_for_its_columns_and_rows(page, reported):
    scopes = [head["scope"] for head in page.all("th")]
    assert scopes == ["col"] * 8 + ["row"] * len(reported.lesions)


def test_each_lesion_is_in_the_table_and_in_a_thumbnail(page, reported):
    labels = [drawing["aria-label"] for drawing in page.all("svg")]
    for lesion in reported.lesions:
        assert any(label.startswith(f"Axial slice of lesion {lesion.number},") for label in labels)
        assert f"{lesion.volume_ml:.2f}" in page.texts


def test_it_is_of_a_size_that_can_be_sent(text):
    assert len(text) < 3_000_000


def test_a_name_is_never_markup(reported):
    plain, evil = (
        Page(document(mask_report(reported.lesions, case_name=name, warnings=(name,)), reported.drawings))
        for name in ("toy", EVIL)
    )
    assert [tag for tag, _ in evil.tags] == [tag for tag, _ in plain.tags]
    assert evil.texts.count(EVIL) == 2  # among the facts and the warnings
    assert f"{EVIL}: PET/CT lesion report" in evil.texts


def test_an_empty_mask_says_so():
    read = Page(document(mask_report((), case_name="toy"), None))
    assert "The mask holds no lesion." in read.texts
    assert read.all("table") == []


def test_a_fallback_has_a_page_without_figures():
    report = fallback_report(case_name="c", recipe_name="mesbah", reason="no time", how="empty mask", warnings=())
    read = Page(document(report, None))
    assert "The mask is a fallback (empty mask), because: no time" in read.texts
    assert read.all("svg") == []
