# SPDX-License-Identifier: Apache-2.0
"""The review's own server and room, with an engine that knows the answer."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from petlesion.components import Components
from petlesion.inference.workplace import Progress
from petlesion.lesions import LesionMask, measure_lesions
from petlesion.report import mask_report
from petlesion.review.guard import Guard
from petlesion.review.listening import listening
from petlesion.review.room import Room
from petlesion.review.saving import Folder
from petlesion.review.session import Answer, PackedMask
from petlesion.review.source import Source
from petlesion.review.web import application

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from petlesion.case import Admission

TOKEN = "a-token-of-the-tests"  # noqa: S105 - guards nothing but a test


@dataclass(slots=True)
class MaskEngine:
    """Answers with the components of a fixed mask, but for those `missed` (by number), unless they are clicked at.

    A background click takes the component at it away. `pause_s` is how long an answer takes.
    """

    admission: Admission
    inside_zyx: NDArray[np.bool_]
    missed: tuple[int, ...] = ()
    pause_s: float = 0.0
    reads_clicks: bool = True
    asked: list = field(default_factory=list)

    device = "cpu"
    tracer = "FDG"
    options = SimpleNamespace(recipe=SimpleNamespace(name="mask"))

    @property
    def warnings(self):
        return self.admission.warnings

    def answer(self, clicks, observer):
        self.asked.append(clicks)
        for tile in range(1, 5):
            observer(Progress(sweep=1, sweeps=1, tile=tile, tiles=4))
            time.sleep(self.pause_s / 4)
        pet = self.admission.case.pet_suv
        labels, lesions = self.all()
        wanted = {lesion.number for lesion in lesions} - set(self.missed)
        wanted |= {labels[point[::-1]] for point in clicks.tumor_xyz}
        wanted -= {labels[point[::-1]] for point in clicks.background_xyz}
        inside = np.isin(labels, list(wanted - {0}))
        found = measure_lesions(LesionMask.of(inside, pet.grid), pet)
        report = mask_report(found, case_name=self.admission.case.name)
        return Answer(PackedMask.of(inside), found, report), (len(clicks.tumor_xyz) + 1, 12)

    def all(self):
        """Numbers of the mask's components as lesions, (Z, Y, X), and the lesions."""
        pet = self.admission.case.pet_suv
        parts = Components.of(self.inside_zyx, connectivity=26)
        order = np.argsort(np.argsort(-parts.sizes(), kind="stable"), kind="stable") + 1
        labels = np.zeros(self.inside_zyx.shape, int)
        labels[parts.box][parts.inside_zyx] = order[parts.labels]
        return labels, measure_lesions(LesionMask.of(self.inside_zyx, pet.grid), pet)


@dataclass(slots=True)
class Stage:
    """A server whose review can be exchanged."""

    port: int = 0
    room: Room | None = None
    _app: object = None

    async def __call__(self, scope, receive, send):
        await self._app(scope, receive, send)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def door(self) -> str:
        return f"{self.origin}/?token={TOKEN}"

    @contextmanager
    def showing(self, engine, out: Path) -> Iterator[Room]:
        """A review under way while inside."""
        folder = Folder(out, Source())
        folder.check()
        self.room = Room(engine, folder)
        self._app = application(self.room)
        worker = threading.Thread(target=self.room.work)
        worker.start()
        try:
            self.room.begin()
            yield self.room
        finally:
            self.room.close()
            worker.join(60)


@contextmanager
def stage() -> Iterator[Stage]:
    """A server that listens while inside."""
    made = Stage()
    with listening(lambda port: Guard(made, TOKEN, port), 0) as made.port:
        yield made
