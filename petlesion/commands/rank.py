# SPDX-License-Identifier: Apache-2.0
"""`petlesion rank`: several systems' evaluations, ranked by the rules of a challenge."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petlesion.limits import UsageError

if TYPE_CHECKING:
    import argparse

    from petlesion.ranking import Rank

MAX_BYTES = 100_000_000  # some 10,000 cases of several steps each
SUMMARY = "rank evaluations by the rules of autoPET III, IV or V"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("evaluations", type=Path, nargs="+", metavar="JSON", help="written by `petlesion evaluate`, "
        "one for each system, of the same cases; the file's name is the system's")  # fmt: skip
    parser.add_argument("--challenge", choices=("III", "IV", "V"), required=True, help="III: last Dice 1/2, FPV 1/4, "
        "FNV 1/4; IV: half of the last scores, half of the areas over the steps, weighted alike; V: areas of Dice and "
        "of detection F1, half and half")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, _started_s: float) -> int:
    """Do it; the exit status."""
    from petlesion.ranking import rank_systems
    from petlesion.summary import means_for_ranks

    summaries = {path.stem: _read(path) for path in arguments.evaluations}
    if len(summaries) != len(arguments.evaluations):
        raise UsageError("each system has a name of its own, the file's; two files have the same: rename one")
    means = {name: means_for_ranks(one) for name, one in summaries.items()}
    _check_cases(summaries)
    ranks = rank_systems(means, arguments.challenge)
    print(json.dumps([asdict(one) for one in ranks], indent=2) if arguments.json else _table(ranks))
    return 0


def _read(path: Path) -> dict[str, Any]:
    from petlesion.document import DocumentError, read_document
    from petlesion.evaluate import EvaluationError

    try:
        content = read_document(path, MAX_BYTES)
    except DocumentError as error:
        raise EvaluationError(f"an evaluation is JSON; {path} {error}") from error
    return content if isinstance(content, dict) else {}


def _check_cases(summaries: dict[str, dict[str, Any]]) -> None:
    from petlesion.evaluate import EvaluationError

    cases = {name: [(one["case"], len(one["steps"])) for one in of["cases"]] for name, of in summaries.items()}
    first, *others = cases.items()
    if different := [name for name, of in others if of != first[1]]:
        raise EvaluationError(
            f"systems are ranked by the same cases and steps; {different[0]} has others than {first[0]}: evaluate "
            "both on the same folder of truth"
        )


def _table(ranks: tuple[Rank, ...]) -> str:
    from petlesion.table import aligned

    metrics = list(ranks[0].ranks)
    rows = [
        (one.system, f"{one.place:g}", f"{one.value:.4f}", *(f"{one.ranks[metric]:.4g}" for metric in metrics))
        for one in ranks
    ]
    return "\n".join(aligned(("system", "place", "weighted rank", *metrics), rows))
