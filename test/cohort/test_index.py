# SPDX-License-Identifier: Apache-2.0
"""The page of a cohort: well formed, alone, a link for each case, and never the markup of a name."""

from __future__ import annotations

from petlesion.cohort.cases import Failure
from petlesion.cohort.index import index_page
from petlesion.cohort.record import COLUMNS, Record, Thumbnail
from test.page.test_document import Page

EVIL = "<script>alert(1)</script>"


def record(name, *values, picture=True):
    row = dict(zip(COLUMNS, (name, *values), strict=True))
    return Record(name, "", 0, "", row, Thumbnail("data:image/png;base64,AA==", 20, 30) if picture else None)


PAGE = Page(
    index_page(
        [
            record("b 1#", "FDG", 2, 3.54, 7.0, 9.55, 12.0, 1.0, "one | two"),
            record("a", None, 0, 0.0, 0.0, None, None, 1.0, "", picture=False),
        ],
        [Failure("z", 3, EVIL)],
    )
)


def test_each_case_leads_to_its_report():
    links = [one["href"] for one in PAGE.all("a")]
    assert links == ["cohort.csv", "failures.csv", "a/report.html", "b%201%23/report.html"]
    assert [one["alt"] for one in PAGE.all("img")] == ["Projection of b 1#"]


def test_nothing_is_loaded_and_nothing_runs():
    assert PAGE.all("script") == PAGE.all("link") == []
    policies = [one["content"] for one in PAGE.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    assert all(one["src"].startswith("data:") for one in PAGE.all("img"))


def test_figures_warnings_and_failures_are_said():
    text = "\n".join(PAGE.texts)
    for words in ("TMTV 3.5 ml, SUVmax 9.6", "FDG, 2 lesions", "2 warnings", "tracer not asked for, 0 lesions", EVIL):
        assert words in text
    assert "For research use only" in text


def test_an_empty_cohort_is_a_page_too():
    assert Page(index_page([], [])).all("img") == []
