# SPDX-License-Identifier: Apache-2.0
"""The cohort as a page: a thumbnail for each case that leads to its report, the totals, the failures.

It loads nothing and runs nothing, and its policy forbids it to; it holds nothing of a patient but the cases' names.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.etree.ElementTree import Element

from petlesion.page.markup import page, tag
from petlesion.report import NOTICE
from petlesion.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from petlesion.cohort.cases import Failure
    from petlesion.cohort.record import Record

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
LEGEND = "Maximum-intensity projections from the front, SUV 0 (white) to 10 and above (black); the mask in red."
STYLE = """
.cohort { display: grid; grid-template-columns: repeat(auto-fill, minmax(170px, 1fr)); gap: 18px; }
.cohort a { display: block; padding: 10px; border: 1px solid var(--rule); border-radius: 4px; }
.cohort a { color: inherit; text-decoration: none; }
.cohort a:hover { background: var(--pale); }
.cohort img { display: block; height: 220px; width: 100%; object-fit: contain; background: #fff; }
.cohort b, .cohort span { display: block; overflow-wrap: anywhere; }
.cohort .doubt { color: var(--red); }
.failures th { text-align: left; }
.failures td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
"""


def index_page(records: Sequence[Record], failures: Sequence[Failure]) -> str:
    """The page as HTML; `records` are of cases with a mask."""
    cases = sorted(records, key=lambda record: record.case)
    style = Element("style")
    style.text = resources.files("petlesion.page").joinpath("page.css").read_text(encoding="utf-8") + STYLE
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", "PET/CT lesions of a cohort"),
        style,
    )
    title = tag("header", tag("h1", "PET/CT lesions of a cohort"), tag("p", NOTICE, class_="notice"))
    parts = [title, _totals(cases, failures), *_failures(failures), *_cases(cases)]
    foot = tag("footer", tag("p", f"{NOTICE} Every lesion needs a reader."))
    return page(tag("html", head, tag("body", tag("main", *parts), foot), lang="en"))


def _totals(cases: Sequence[Record], failures: Sequence[Failure]) -> Element:
    rows = [record.row for record in cases]
    tracers = [str(row["tracer"] or "not asked for") for row in rows]
    by_tracer = ", ".join(f"{tracers.count(name)} {name}" for name in sorted(set(tracers))) or "–"
    figures = [
        ("Cases with a mask", str(len(cases))),
        ("Failures", str(len(failures))),
        ("Lesions", str(sum(row["n_lesions"] for row in rows))),
        ("Cases without a lesion", str(sum(not row["n_lesions"] for row in rows))),
        ("Tracer", by_tracer),
        ("With warnings", str(sum(bool(row["warnings"]) for row in rows))),
    ]
    facts = tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in figures), class_="facts")
    words = tag("p", tag("a", "cohort.csv", href="cohort.csv"), " and ", tag("a", "failures.csv", href="failures.csv"))
    return tag("section", tag("h2", "Cohort"), facts, words)


def _cases(cases: Sequence[Record]) -> list[Element]:
    if not cases:
        return []
    grid = tag("div", *(_card(record) for record in cases), class_="cohort")
    return [tag("section", tag("h2", "Cases"), tag("p", LEGEND, class_="legend"), grid, class_="pictures")]


def _card(record: Record) -> Element:
    row, picture = record.row, record.thumbnail
    parts = [tag("b", record.case), *(tag("span", line) for line in _figures(row))]
    if row["warnings"]:
        count = len(row["warnings"].split(" | "))
        parts.append(tag("span", counted(count, "warning"), class_="doubt"))
    if picture is not None:
        size = {"width": str(picture.width), "height": str(picture.height)}
        parts.insert(0, tag("img", src=picture.address, alt=f"Projection of {record.case}", loading="lazy", **size))
    return tag("a", *parts, href=f"{quote(record.case)}/report.html")


def _figures(row: Mapping[str, Any]) -> Iterable[str]:
    count = row["n_lesions"]
    yield f"{row['tracer'] or 'tracer not asked for'}, {counted(count, 'lesion')}"
    if count:
        yield f"TMTV {row['tmtv_ml']:.1f} ml, SUVmax {row['suv_max']:.1f}"


def _failures(failures: Sequence[Failure]) -> list[Element]:
    if not failures:
        return []
    head = tag("tr", *(tag("th", name, scope="col") for name in ("Case", "Status", "Why")))
    rows = [
        tag("tr", tag("th", one.case, scope="row"), tag("td", str(one.status)), tag("td", one.sentence))
        for one in sorted(failures, key=lambda one: one.case)
    ]
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="failures")
    return [tag("section", tag("h2", "Failures"), table)]
