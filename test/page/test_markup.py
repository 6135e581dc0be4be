# SPDX-License-Identifier: Apache-2.0
"""HTML as a tree: whatever a text holds, it stays a text."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from petlesion.page.markup import page, tag, visible


def test_children_and_texts_keep_their_order():
    paragraph = tag("p", "one ", tag("b", "two"), " three ", tag("i", "four"), " five")
    assert page(paragraph) == "<!DOCTYPE html>\n<p>one <b>two</b> three <i>four</i> five</p>\n"


def test_names_of_attributes_are_those_of_html():
    assert 'class="a" aria-label="b"' in page(tag("p", class_="a", aria_label="b"))


def test_what_no_page_may_hold_is_replaced():
    assert visible("a\x00b\x1b\ud800c\nd") == "a\ufffdb\ufffd\ufffdc\nd"


class Read(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text, self.title = [], "", ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.title = dict(attrs).get("title", self.title)

    def handle_data(self, data):
        self.text += data


@given(st.text())
def test_no_text_becomes_markup(text):
    read = Read()
    read.feed(page(tag("p", text, title=text)).removeprefix("<!DOCTYPE html>\n"))
    read.close()
    assert read.tags == ["p"]
    assert read.text.rstrip("\n") == visible(text).rstrip("\n")
