# SPDX-License-Identifier: Apache-2.0
"""Four tiny studies, the data set that is prepared from them, and a small recipe."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from petlesion.case import Tracer
from petlesion.phantom import make_phantom
from petlesion.phantom.files import write_phantom
from petlesion.recipes import MESBAH
from petlesion.schedule import NetworkSize
from petlesion.simulate import simulate_clicks
from petlesion.training.dataset import Preparation, prepare_dataset
from petlesion.training.layouts import find_studies
from petlesion.volume import Grid

if TYPE_CHECKING:
    from pathlib import Path

    from petlesion.training.preprocessed import Folders

GRID = Grid((30, 24, 40), (14.0, 14.0, 20.0))
SIZE = NetworkSize((4, 8, 8), (1, 1, 1), (16, 16, 16), (20.0, 16.0, 16.0))
TOY = replace(MESBAH, training=replace(MESBAH.training, network=SIZE, batch_size=2))
PREPARATION = Preparation(TOY, Tracer.FDG, n_folds=2)


@dataclass(frozen=True)
class Prepared:
    """Studies, the folder that they were prepared into, and the data set's folders."""

    studies: Path
    out: Path
    folders: Folders


def write_study(
    folder: Path, seed: int, *, tracer: Tracer = Tracer.FDG, clicks: bool = True, n_lesions: int = 3
) -> None:
    """A phantom in the platform's sockets."""
    rng = np.random.default_rng(seed)
    phantom = make_phantom(tracer, rng, grid=GRID, n_lesions=n_lesions)
    write_phantom(phantom, folder, simulate_clicks(phantom.truth, phantom.pet_suv, rng) if clicks else None)


def prepare(root: Path) -> Prepared:
    """Four studies of four patients; the last one has neither clicks nor an organ map."""
    for seed in range(1, 5):
        write_study(root / "studies" / f"fdg_{seed:010x}_01-01-2001", seed, clicks=seed < 4)
    (root / "studies" / "fdg_0000000004_01-01-2001" / "organs.mha").unlink()
    folders = prepare_dataset(find_studies(root / "studies"), root / "prepared", PREPARATION)
    return Prepared(root / "studies", root / "prepared", folders)
