# SPDX-License-Identifier: Apache-2.0
"""A review without networks: answers are masks that a test prepares, given at once by a worker of the test's."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from petlesion.case import Admission, PetCtCase
from petlesion.clicks import Clicks
from petlesion.inference.workplace import Progress
from petlesion.lesions import LesionMask, measure_lesions
from petlesion.report import mask_report
from petlesion.review.room import Room
from petlesion.review.saving import Folder
from petlesion.review.session import Answer, PackedMask
from petlesion.review.source import Source
from petlesion.volume import Grid, Volume

GRID = Grid((12, 10, 8), (4.0, 5.0, 3.0), (-20.0, 15.0, 100.0))
PATIENCE_S = 30


def box(*ranges):
    """A boolean mask on GRID with boxes of voxels, each ((x0, x1), (y0, y1), (z0, z1)), half open."""
    mask = np.zeros(GRID.shape_zyx, bool)
    for (x0, x1), (y0, y1), (z0, z1) in ranges:
        mask[z0:z1, y0:y1, x0:x1] = True
    return mask


LARGE = ((0, 4), (0, 3), (0, 2))  # 24 voxels
SMALL = ((8, 10), (6, 8), (5, 7))  # 8 voxels


def answer_of(mask):
    volume = LesionMask.of(mask, GRID)
    pet = Volume(np.arange(960, dtype=np.float32).reshape(GRID.shape_zyx) / 96, GRID)
    lesions = measure_lesions(volume, pet)
    return Answer(PackedMask.of(mask), lesions, mask_report(lesions, case_name="a case"))


@dataclass
class Engine:
    """Answers with its masks in turn, the last one for ever; `go` lets it, and `error` is raised instead."""

    masks: list = field(default_factory=lambda: [box(LARGE), box(LARGE, SMALL)])
    clicks: Clicks = Clicks()  # noqa: RUF009 - a frozen value
    go: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None
    reads_clicks: bool = True
    asked: list = field(default_factory=list)
    options = SimpleNamespace(recipe=SimpleNamespace(name="mesbah"))
    device, tracer, warnings = "cpu", "FDG", ("a doubt",)

    def __post_init__(self):
        self.go.set()
        pet = Volume(np.ones(GRID.shape_zyx, np.float32), GRID)
        ct = Volume(np.full(GRID.shape_zyx, 40.6, np.float32), GRID)
        self.admission = Admission(PetCtCase("a case", ct, pet, self.clicks))

    def answer(self, clicks, observer):
        assert self.go.wait(PATIENCE_S)
        observer(Progress(1, 2, 3, 6))
        if self.error:
            raise self.error
        self.asked.append(clicks)
        return answer_of(self.masks.pop(0) if len(self.masks) > 1 else self.masks[0]), (3, 4)


class Bench:
    """A room with its worker."""

    def __init__(self, engine, folder):
        self.engine = engine
        self.room = Room(engine, Folder(folder, Source()))
        self.worker = threading.Thread(target=self.room.work)
        self.worker.start()

    def settled(self):
        """The state once nothing is under way."""
        end = time.monotonic() + PATIENCE_S
        while (state := self.room.state())["busy"]:
            assert time.monotonic() < end
            time.sleep(0.005)
        return state

    def mask(self):
        return self.room.mask(self.room.revision).unpacked()

    def close(self):
        self.engine.go.set()
        self.room.close()
        self.worker.join(PATIENCE_S)
        assert not self.worker.is_alive()


@pytest.fixture
def make_bench(tmp_path):
    benches = []

    def make(**engine):
        bench = Bench(Engine(**engine), tmp_path / "out")
        benches.append(bench)
        bench.room.begin()
        return bench

    yield make
    for bench in benches:
        bench.close()


@pytest.fixture
def bench(make_bench):
    made = make_bench()
    made.settled()
    return made
