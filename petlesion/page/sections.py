# SPDX-License-Identifier: Apache-2.0
"""The page's words and figures: header, totals, warnings, table, how the mask came about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from petlesion.page.markup import Child, tag
from petlesion.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from xml.etree.ElementTree import Element

COLUMNS = (
    ("Volume", "ml", "volume_ml", 2),
    ("SUVmax", "", "suv_max", 2),
    ("SUVmean", "", "suv_mean", 2),
    ("SUVpeak", "", "suv_peak", 2),
    ("TLG", "ml", "tlg", 1),
    ("Longest diameter", "mm", "longest_diameter_mm", 1),
)
PEAK = (
    "Highest mean SUV of a 1 ml sphere (radius 6.2 mm) centred on a voxel of the lesion; voxels count whole where "
    "their centres lie inside (IBSI 0F91, global intensity peak)."
)
DEFINITIONS = (
    ("Lesion", "26-connected voxels of the mask; lesions are numbered by volume, the largest first."),
    ("SUV", "Standardised uptake value by body weight."),
    ("SUVpeak", PEAK),
    ("TLG", "Total lesion glycolysis, SUVmean times volume; with PSMA, the total lesion uptake."),
    ("Longest diameter", "Largest distance between two centres of voxel faces on the surface (IBSI L0JK)."),
    ("TMTV", "Total metabolic tumour volume, the sum of the lesions' volumes."),
    ("Dmax", "Largest distance between the centroids of two lesions (Cottereau et al., Ann Oncol 2021;32:404)."),
    ("Centroid", "Mean position of a lesion's voxels: x to the patient's left, y to the back, z to the head (LPS)."),
)


def header(report: Mapping[str, Any]) -> Element:
    """Title, notice and facts of a case; nothing of the patient but the case's name, which the user chose."""
    facts = [
        ("Case", str(report["case"])),
        ("Tracer", _tracer(report.get("tracer"))),
        ("Method", _method(report)),
        ("Status", _status(report)),
    ]
    return tag(
        "header",
        tag("h1", "PET/CT lesion report"),
        tag("p", str(report["notice"]), class_="notice"),
        _described(facts, class_="facts"),
    )


def totals(report: Mapping[str, Any]) -> Element:
    """The figures over all lesions."""
    farthest = report["dmax_mm"]
    figures = [
        ("Lesions", str(report["n_lesions"]), ""),
        ("TMTV", f"{report['tmtv_ml']:.1f}", "ml"),
        ("TLG", f"{report['tlg']:.0f}", "ml"),
        ("Dmax", "–" if farthest is None else f"{farthest / 10:.1f}", "" if farthest is None else "cm"),
        ("SUVmax", _highest(report["lesions"], "suv_max"), ""),
        ("SUVpeak", _highest(report["lesions"], "suv_peak"), ""),
    ]
    cells = [
        tag("div", tag("dt", name), tag("dd", tag("b", value), f" {unit}" if unit else ""))
        for name, value, unit in figures
    ]
    return _section("Totals", tag("dl", *cells, class_="totals"))


def warnings(report: Mapping[str, Any]) -> list[Element]:
    """A section of everything that a reader has to know; none where there is nothing."""
    words = list(_faults(report)) + [str(warning) for warning in report["warnings"]]
    if not words:
        return []
    return [_section("Warnings", tag("ul", *(tag("li", word) for word in words)), class_="warnings")]


def lesion_table(lesions: Sequence[Mapping[str, Any]]) -> Element:
    """Every lesion in a line."""
    if not lesions:
        return _section("Lesions", tag("p", "The mask holds no lesion."))
    heads = [_head("Lesion", ""), *(_head(name, unit) for name, unit, _, _ in COLUMNS), _head("Centroid x, y, z", "mm")]
    table = tag(
        "table",
        tag("caption", "Measurements of each lesion, the largest first"),
        tag("thead", tag("tr", *heads)),
        tag("tbody", *(_row(lesion) for lesion in lesions)),
        class_="lesions",
    )
    return _section("Lesions", table)


def origin(report: Mapping[str, Any]) -> Element:
    """How the mask came about: the weights, the plan and its reason, the time, the versions."""
    parts: list[Child] = []
    for number, stage in enumerate(report.get("stages", ()), start=1):
        parts += [tag("h3", f"Ensemble {number}: {stage['model']['name']}"), _described(_stage(stage))]
    seconds = report.get("seconds") or {}
    if seconds:
        parts += [
            tag("h3", "Time"),
            _described([(_words(k), f"{v:.1f} s") for k, v in seconds.items()], class_="facts"),
        ]
    versions = [(name, str(version)) for name, version in report["versions"].items()]
    return _section("How this was made", *parts, tag("h3", "Versions"), _described(versions, class_="facts"))


def definitions() -> Element:
    """What each figure means."""
    return _section("Definitions", _described(DEFINITIONS))


def footer(report: Mapping[str, Any]) -> Element:
    """The notice once more, for the last sheet of a print."""
    return tag("footer", tag("p", f"{report['notice']} Every lesion needs a reader."))


def _section(title: str, *children: Child, class_: str = "") -> Element:
    return tag("section", tag("h2", title), *children, **({"class_": class_} if class_ else {}))


def _described(pairs: Iterable[tuple[str, str]], **attributes: str) -> Element:
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs), **attributes)


def _head(name: str, unit: str) -> Element:
    return tag("th", name, *([tag("span", f" {unit}", class_="unit")] if unit else []), scope="col")


def _row(lesion: Mapping[str, Any]) -> Element:
    figures = [tag("td", f"{lesion[key]:.{digits}f}") for _, _, key, digits in COLUMNS]
    centroid = ", ".join(f"{part:.0f}" for part in lesion["centroid_mm"])
    return tag("tr", tag("th", str(lesion["number"]), scope="row"), *figures, tag("td", centroid))


def _highest(lesions: Sequence[Mapping[str, Any]], key: str) -> str:
    return f"{max(lesion[key] for lesion in lesions):.1f}" if lesions else "–"


def _method(report: Mapping[str, Any]) -> str:
    recipe = f", recipe {report['recipe']}" if report["recipe"] else ", measured on a mask that was given"
    return f"petlesion {report['versions']['petlesion']}{recipe}"


def _tracer(tracer: Mapping[str, Any] | None) -> str:
    if not tracer or not tracer["name"]:
        return "not asked for"
    if tracer["given"]:
        return f"{tracer['name']} (given)"
    agreeing = sum(vote == tracer["name"] for vote in tracer["votes"])
    return f"{tracer['name']} ({agreeing} of {len(tracer['votes'])} votes)"


def _status(report: Mapping[str, Any]) -> str:
    return "complete" if report["complete"] else "incomplete: see the warnings"


def _faults(report: Mapping[str, Any]) -> Iterable[str]:
    if report["fallback"]:
        yield f"The mask is a fallback ({report['fallback']}), because: {report['stopped']}"
    elif report["stopped"]:
        yield f"Not all planned sweeps were finished ({report['stopped']}); the mask is that of the finished ones."
    names = {stage["model"]["name"] for stage in report.get("stages", ()) if stage["model"]["synthetic"]}
    if names:
        yield f"Weights that were trained on synthetic data, not for clinical questions: {', '.join(sorted(names))}."


def _stage(stage: Mapping[str, Any]) -> list[tuple[str, str]]:
    model, plan = stage["model"], stage["plan"]
    done, planned = len(stage["sweeps_done"]), stage["sweeps_planned"]
    sweeps = f"{counted(len(plan['folds']), 'fold')}, {counted(len(plan['flips']), 'flip')}"
    return [
        ("Sweeps", f"{done} of {planned}: {sweeps}, tile step {plan['tile_step']:g}"),
        ("Reason", str(plan["reason"])),
        ("Training data", str(model["training_data"])),
        ("Licence", str(model["licence"])),
        ("Weights", ", ".join(f"{one['file']} ({one['sha256'][:12]})" for one in model["weights"])),
    ]


def _words(key: str) -> str:
    return key.replace("_", " ")
