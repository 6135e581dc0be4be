# SPDX-License-Identifier: Apache-2.0
"""`petlesion clicks`: simulated clicks of a physician on known lesions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import argparse

SUMMARY = "simulate a physician's clicks on known lesions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--truth", type=Path, required=True, metavar="FILE", help="mask of the lesions")
    parser.add_argument("--pet", type=Path, required=True, metavar="FILE", help="PET in SUV, on the same grid")
    parser.add_argument("--seed", type=int, required=True, metavar="N")
    parser.add_argument("--steps", action="store_true", help="write step_0.json to step_10.json into the folder OUT")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE|DIR")


def run(arguments: argparse.Namespace, _started_s: float) -> int:
    """Do it; the exit status."""
    from petlesion.clicks import clicks_to_json
    from petlesion.images import read_image
    from petlesion.simulate import click_steps, simulate_clicks

    truth, pet = read_image(arguments.truth, "truth"), read_image(arguments.pet, "PET")
    clicks = simulate_clicks(truth, pet, np.random.default_rng(arguments.seed))
    if not arguments.steps:
        arguments.out.write_text(json.dumps(clicks_to_json(clicks)), encoding="utf-8")
        return 0
    arguments.out.mkdir(parents=True, exist_ok=True)
    for number, step in enumerate(click_steps(clicks)):
        text = json.dumps(clicks_to_json(step))
        (arguments.out / f"step_{number}.json").write_text(text, encoding="utf-8")
    return 0
