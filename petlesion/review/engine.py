# SPDX-License-Identifier: Apache-2.0
"""The networks' answer to a review's clicks: a whole run each time, of which only what changed is computed.

What does not depend on the clicks is not asked again: the networks stay loaded, the tracer is called once, and tiles
whose input is the same, bit for bit, are answered from memory. On a CPU the mask is that of a run without memory.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from petlesion.inference.residents import ResidentStore
from petlesion.inference.tile_memory import MemoryTiles
from petlesion.pipeline import choose_device, segment
from petlesion.report import report_of
from petlesion.review.session import Answer, PackedMask

if TYPE_CHECKING:
    from petlesion.case import Admission
    from petlesion.clicks import Clicks
    from petlesion.inference.manifest import ModelEntry
    from petlesion.inference.tile_memory import TileMemory
    from petlesion.inference.tracer import TracerCall
    from petlesion.inference.weights import ModelStore
    from petlesion.inference.workplace import Observer
    from petlesion.options import RunOptions
    from petlesion.result import Result


@dataclass(slots=True)
class Engine:
    """Answers clicks on one case. Make it with `of`.

    Attributes:
        admission: The case and what is doubtful about it.
        options: Recipe and limits; the time limit counts for each answer.
        store: The weights, whose networks stay.
        memory: The networks' answers to tiles.
        call: The tracer, once it was called or given, with the weights that voted.
    """

    admission: Admission
    options: RunOptions
    store: ModelStore
    memory: TileMemory = field(default_factory=MemoryTiles)
    call: tuple[TracerCall | None, ModelEntry | None] | None = None

    @classmethod
    def of(cls, admission: Admission, options: RunOptions, store: ModelStore) -> Engine:
        """An engine whose networks stay once they are loaded."""
        return cls(admission, options, ResidentStore.of(store))

    @property
    def device(self) -> str:
        """Where the networks run: "cpu" or "cuda"."""
        return choose_device(self.options.limits.device).type

    @property
    def reads_clicks(self) -> bool:
        """Whether clicks change the recipe's answer."""
        return any(stage.heatmap is not None for stage in self.options.recipe.stages)

    @property
    def tracer(self) -> str | None:
        """The tracer as far as it is known by now."""
        call = self.call[0] if self.call else None
        known = call.tracer if call else self.options.limits.tracer
        return None if known is None else str(known)

    def answer(self, clicks: Clicks, observer: Observer) -> tuple[Answer, tuple[int, int]]:
        """The answer to all clicks of a review, and how many tiles were computed and reused.

        Raises:
            What `pipeline.segment` raises.
        """
        limits = replace(self.options.limits, started_s=time.monotonic())
        if self.call and self.call[0]:
            limits = replace(limits, tracer=self.call[0].tracer)
        case = replace(self.admission.case, clicks=clicks)
        result = segment(case, self.store, limits, self.options.recipe, observer, memory=self.memory)
        if self.call is None:
            self.call = result.tracer, result.tracer_model
        result = replace(result, tracer=self.call[0], tracer_model=self.call[1])
        return Answer(PackedMask.of(result.mask.array_zyx > 0), result.lesions, self._report(result)), _tiles(result)

    def _report(self, result: Result) -> dict[str, object]:
        warnings = self.warnings
        warnings += (f"stopped early ({result.stopped})",) if result.stopped else ()
        recipe = self.options.recipe.name
        report = report_of(result, case_name=self.admission.case.name, recipe_name=recipe, warnings=warnings)
        return report | ({"dicom": self.admission.origin} if self.admission.origin else {})

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is doubtful about the case, as far as it is known by now."""
        call = self.call[0] if self.call else None
        return self.admission.warnings + (call.doubts if call else ())


def _tiles(result: Result) -> tuple[int, int]:
    counts = [stage.tiles for stage in result.stages if stage.tiles]
    return sum(one.computed for one in counts), sum(one.reused for one in counts)
