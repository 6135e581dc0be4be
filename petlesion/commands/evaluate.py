# SPDX-License-Identifier: Apache-2.0
"""`petlesion evaluate`: a folder of predicted masks against a folder of true ones."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from petlesion.scores import CaseScores

SUMMARY = "score a folder of predicted masks against a folder of true ones"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add = parser.add_argument
    add("--truth", type=Path, required=True, metavar="DIR", help="true masks: CASE.mha (.nii.gz, .nii, .nrrd), or "
        "CASE/truth.mha as phantoms have it; 0 and one other value")  # fmt: skip
    add("--pred", type=Path, required=True, metavar="DIR", help="predicted masks by the same names, CASE.mha or "
        "CASE/mask.mha, on the truth's grid; with --steps in DIR/step_00, DIR/step_01, ...")  # fmt: skip
    add("--steps", action="store_true", help="DIR of --pred holds the steps of an interaction, 0 to 10 clicks of each "
        "kind; scores then have areas over the steps, n times a constant for n + 1 steps")  # fmt: skip
    add("--out", type=Path, required=True, metavar="JSON", help="every score of every case, with mean, sd, median, n "
        "and the number of undefined values; volumes in ml")  # fmt: skip
    add("--csv", type=Path, metavar="FILE", help="the table by case and step; undefined cells are empty")
    add("--picture", type=Path, metavar="PNG", help="scores against clicks, predicted against true volume")
    add("--subsets", type=Path, metavar="FILE", help="tracer and centre of each case: .csv with the columns case, "
        "tracer, centre, or JSON {case: {tracer, centre}}; means are then given by subset, too")  # fmt: skip
    add("--missing", choices=("refuse", "empty", "skip"), default="refuse", help="a case without its prediction is "
        "refused, scored as an empty mask, or left out (default: %(default)s)")  # fmt: skip
    add("--thresholds", type=_thresholds, default=(), metavar="N,N,...", help="score the last step once more without "
        "its 26-connected components of fewer than N voxels, whatever their SUV, for each N, such as 0,5,10,20,40,80 "
        "(table 3 of Alloula et al., autoPET II); 0 removes nothing. Mean scores are printed and stand in the JSON "
        "under thresholds; the CSV has a row for each case and N, with N in the column below_voxels")  # fmt: skip
    add("--json", action="store_true", help="print the summary as JSON instead of a table")


def run(arguments: argparse.Namespace, _started_s: float) -> int:
    """Do it; the exit status."""
    from petlesion.evaluate import write_csv
    from petlesion.report_file import write_report
    from petlesion.summary import rows_of, summarise

    _check_outputs(path for path in (arguments.out, arguments.csv, arguments.picture) if path)
    cases = _scored(arguments)
    summary = summarise(cases)
    write_report(summary, arguments.out)
    if arguments.csv:
        write_csv(rows_of(cases), arguments.csv)
    if arguments.picture:
        from petlesion.chart import evaluation_chart

        evaluation_chart(cases, arguments.picture)
    print(json.dumps(_without_cases(summary), indent=2, allow_nan=False) if arguments.json else _table(summary))
    return 0


def _check_outputs(paths: Iterable[Path]) -> None:
    """Find at the start, not after hours, what cannot be written."""
    from petlesion.images import OutputError, reason, shown

    for path in paths:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"results go into a folder; {shown(path.parent)} is none: {reason(error)}") from error
        if path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
            raise OutputError(f"results are files in a writable folder; {shown(path)} is a folder, or lies in none")


def _scored(arguments: argparse.Namespace) -> list[CaseScores]:
    """Every case, with a line on stderr for each, since large folders take their time."""
    from petlesion.evaluate import evaluate_pair, find_pairs, in_subsets, read_subsets

    pairs = find_pairs(arguments.truth, arguments.pred, steps=arguments.steps, missing=arguments.missing)
    if arguments.subsets:
        pairs = in_subsets(pairs, read_subsets(arguments.subsets))
    cases = []
    for number, pair in enumerate(pairs, start=1):
        cases.append(evaluate_pair(pair, arguments.thresholds))
        print(f"{number} of {len(pairs)}: {pair.case}, Dice {cases[-1].last.dice:.4f}", file=sys.stderr)
    return cases


def _without_cases(summary: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in summary.items() if name != "cases"}


def _table(summary: dict[str, Any]) -> str:
    """The summary as plain text: scores of the last step and areas, the recall by volume, scores by component size."""
    from petlesion.table import aligned

    rows = [(name, *map(_cell, of.values())) for name, of in (summary["last"] | summary["areas"]).items()]
    recall = [(name, *map(_cell, of.values())) for name, of in summary["recall"].items()]
    return "\n".join(
        [
            *aligned(("score", "mean", "sd", "median", "n", "undefined"), rows),
            "",
            *aligned(("lesions of", "there", "touched", "recall"), recall),
            *_threshold_table(summary["thresholds"]),
        ]
    )


def _threshold_table(thresholds: list[dict[str, Any]]) -> list[str]:
    """Mean scores without the components below each number of voxels; no line where there is none."""
    from petlesion.table import aligned

    names = ("dice", "fpv_ml", "fnv_ml")
    rows = [(str(of["below_voxels"]), *(_cell(of[name]["mean"]) for name in names)) for of in thresholds]
    return ["", *aligned(("components from voxels", *names), rows)] if rows else []


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value}" if isinstance(value, int) else f"{value:.4f}"


def _thresholds(text: str) -> tuple[int, ...]:
    """Numbers of voxels in ascending order, each once."""
    numbers = [int(part) for part in text.split(",") if part.strip().isdecimal()]
    if len(numbers) != len(text.split(",")):
        raise argparse.ArgumentTypeError(f"numbers of voxels with commas between them, such as 0,10; got {text!r}")
    return tuple(sorted(set(numbers)))
