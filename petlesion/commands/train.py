# SPDX-License-Identifier: Apache-2.0
"""`petlesion train`: train the networks of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

SUMMARY = "train the networks of a recipe"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--recipe", choices=("mesbah",), default="mesbah")
    parser.add_argument("--role", choices=("tracer", "fdg", "psma", "all"), default="all")
    parser.add_argument(
        "--synthetic", action="store_true", required=True, help="train the small shipped weights on phantoms"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed gives the same training")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="store to write into")


def run(arguments: argparse.Namespace, _started_s: float) -> int:
    """Do it; the exit status."""
    from petlesion.training.synthetic import train_default_weights

    roles = ("tracer", "fdg", "psma") if arguments.role == "all" else (arguments.role,)
    train_default_weights(arguments.out, roles=roles, seed=arguments.seed)
    return 0
