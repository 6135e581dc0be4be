# SPDX-License-Identifier: Apache-2.0
"""The page as a whole. It loads nothing, and its policy forbids it to: pictures, style and player lie inside."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib import resources
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element

from petlesion.page import pictures, sections
from petlesion.page.markup import page, tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from petlesion.page.drawings import Drawings


def document(report: Mapping[str, Any], drawings: Drawings | None) -> str:
    """The page of a case as HTML.

    Args:
        report: As `report.report_of` or `report.fallback_report` makes it.
        drawings: The case's pictures; None where there are none.
    """
    script = _script(drawings)
    title = f"{report['case']}: PET/CT lesion report"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        _raw("style", _text("page.css")),
    )
    body = tag("body", tag("main", *_parts(report, drawings)), sections.footer(report))
    body.append(_raw("script", script))
    return page(tag("html", head, body, lang="en"))


def _parts(report: Mapping[str, Any], drawings: Drawings | None) -> list[Element]:
    parts = [sections.header(report), *sections.warnings(report)]
    measured = "lesions" in report
    parts += [sections.totals(report)] if measured else []
    parts += [pictures.projections(drawings)] if drawings else []
    parts += [sections.lesion_table(report["lesions"])] if measured else []
    parts += pictures.lesions(drawings, report) if drawings and measured else []
    return [*parts, sections.origin(report), sections.definitions()]


def _script(drawings: Drawings | None) -> str:
    """The player with its pictures; base64 holds no character that could end the script."""
    if drawings is None:
        return ""
    return f"const FRAMES = {json.dumps(pictures.frame_addresses(drawings))};\n{_text('page.js')}"


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def _raw(name: str, text: str) -> Element:
    """An element whose text HTML does not escape: only for files of this package."""
    element = Element(name)
    element.text = text
    return element


def _text(name: str) -> str:
    return resources.files("petlesion.page").joinpath(name).read_text(encoding="utf-8")
