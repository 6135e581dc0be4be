# SPDX-License-Identifier: Apache-2.0
"""What economies that change the answer gain, and what they cost: the same cases with each, through the whole pipeline.

    python -m benchmarks.beyond_exact --data DIR --json FILE [--n 24] [--height-mm 320] [--depth 1] [--weights DIR]

DIR holds `organ_maps/`, `clicks/` and `petct_sts/`. The cases are those of `benchmarks.systems`: phantoms of parts of
bodies around kept-out organ maps, and kept-out sarcomas, the tracer of each given, no clicks. Each is segmented by all
folds, by fewer, and by one network of their averaged weights. Folds that have answered a tile are not asked again, so
that all of this costs little more than all folds once; `windows` is how many a run of its own would send through the
networks. FILE keeps every case, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from benchmarks.systems import SUBSETS, figures, interval, studies
from petlesion.case import PetCtCase
from petlesion.inference.weights import ModelStore
from petlesion.limits import Limits
from petlesion.pipeline import segment

if TYPE_CHECKING:
    from petlesion.inference.weights import Build, ModelEntry
    from petlesion.training.studies import Study

Json = dict[str, Any]
WAYS: dict[str, Json] = {
    "all folds": {},
    "three folds": {"folds": (0, 1, 2)},
    "two folds": {"folds": (0, 1)},
    "one fold": {"folds": (0,)},
    "averaged": {"average_folds": True},
}


class Recalled(nn.Module):
    """A network that answers the same tile once."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.answers = network, dict[bytes, torch.Tensor]()

    def forward(self, tile: torch.Tensor) -> torch.Tensor:
        """The answer, from memory where it is known."""
        key = blake2b(np.ascontiguousarray(tile.numpy())).digest()
        if key not in self.answers:
            self.answers[key] = self.network(tile)
        return self.answers[key]

    def __deepcopy__(self, memo: dict[int, Any]) -> Recalled:
        """A copy, whose weights are about to be others, knows no answers."""
        return Recalled(copy.deepcopy(self.network, memo))


@dataclass(frozen=True, slots=True)
class RecallingStore(ModelStore):
    """A store whose networks remember; `networks` is emptied after each case."""

    networks: dict[tuple[str, int], Recalled] = field(default_factory=dict, compare=False)

    def network(self, entry: ModelEntry, fold: int, device: torch.device, build: Build) -> nn.Module:
        """The network of a fold."""
        return self.networks.setdefault((entry.name, fold), Recalled(build(self, entry, fold, device)))


def main() -> None:
    """Go through the cases, keep each, and print the means."""
    options = arguments()
    held: Json = json.loads(options.json.read_text(encoding="utf-8")) if options.json.exists() else {"cases": {}}
    store = ModelStore.open(options.weights)
    for subset in options.subsets:
        for name, study in studies(options, subset, options.n):
            key = f"{subset} {name}"
            if key not in held["cases"]:
                recalling = RecallingStore(store.root, store.entries)
                ways = {way: scored(recalling, study, chosen, options.depth) for way, chosen in WAYS.items()}
                held["cases"][key] = {"subset": str(subset), "ways": ways}
                print(key, {way: (round(one["dice"], 3), one["windows"]) for way, one in ways.items()}, flush=True)
            keep(options, held)
    print(table(held["cases"]))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of organ_maps/, clicks/ and petct_sts/")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="where every case is kept")
    parser.add_argument("--subsets", nargs="+", choices=SUBSETS, default=list(SUBSETS))
    parser.add_argument("--n", type=int, default=24, help="phantoms of each tracer")
    parser.add_argument("--height-mm", type=float, default=320.0, help="of the part of the body that is drawn")
    parser.add_argument("--depth", type=int, choices=(1, 2, 4, 8), default=1, help="flips")
    parser.add_argument("--weights", type=Path, metavar="DIR", help="folder of the weights")
    return parser.parse_args()


def scored(store: ModelStore, study: Study, chosen: Json, depth: int) -> Json:
    """Scores of one run, and the windows that its networks answer."""
    case = PetCtCase("study", study.ct_hu, study.pet_suv)
    limits = Limits(time_limit_s=float("inf"), depth=depth, tracer=study.tracer, **chosen)
    swept: list[object] = []
    result = segment(case, store, limits, observer=swept.append)
    return figures(result.mask.array_zyx > 0, study) | {"windows": len(swept)}


def keep(options: argparse.Namespace, held: Json) -> None:
    """Write the file."""
    held |= {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}, torch {torch.__version__}",
        "depth": options.depth,
        "height_mm": options.height_mm,
        "means": means(held["cases"]),
    }
    options.json.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


def means(cases: Json) -> Json:
    """Means of each subset and way, and the paired difference in Dice to all folds with its 95 % interval."""
    found: Json = {}
    for subset in sorted({case["subset"] for case in cases.values()}):
        held = [case["ways"] for case in cases.values() if case["subset"] == subset]
        first = np.array([ways["all folds"]["dice"] for ways in held])
        found[subset] = {"n": len(held)}
        for way in WAYS:
            figured = {key: [ways[way][key] for ways in held] for key in ("dice", "fpv_ml", "fnv_ml", "windows")}
            against = np.array(figured["dice"]) - first
            found[subset][way] = {key: round(float(np.mean(values)), 4) for key, values in figured.items()} | {
                "dice_against_all": round(float(against.mean()), 4),
                "interval": [round(bound, 4) for bound in interval(against)],
            }
    return found


def table(cases: Json) -> str:
    """The means as a table in Markdown."""
    lines = []
    for subset, ways in means(cases).items():
        lines += [
            f"\n{subset}, n = {ways.pop('n')}\n",
            "| way | Dice | against all folds | FPV ml | FNV ml | windows |",
        ]
        lines += ["|---|---|---|---|---|---|"]
        for way, one in ways.items():
            low, high = one["interval"]
            against = f"{one['dice_against_all']:+.4f} ({low:+.4f} to {high:+.4f})"
            lines.append(f"| {way} | {one['dice']:.4f} | {against} | {one['fpv_ml']:.2f} | {one['fnv_ml']:.2f} "
                         f"| {one['windows']:.1f} |")  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main()
