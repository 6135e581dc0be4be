# SPDX-License-Identifier: Apache-2.0
"""The review as the page sees it: one state, many askers, one worker.

The server's threads ask for the state and hand in what is to be done; whatever takes long is done by `work`, in the
main thread, because Python delivers signals there alone.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Literal

from petlesion.clicks import BACKGROUND, TUMOR
from petlesion.outcome import sentence_of
from petlesion.report import lesion_figures
from petlesion.review.session import Click, History, PackedMask, Snapshot, clicks_of
from petlesion.termination import Termination, sigterm_raises
from petlesion.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from petlesion.inference.workplace import Progress
    from petlesion.lesions import Lesion
    from petlesion.review.engine import Engine
    from petlesion.review.saving import Folder
    from petlesion.volume import Grid, Index

LOG = logging.getLogger(__name__)
MOST_CLICKS = 500
LESION_FIGURES = ("volume_ml", "suv_max", "suv_mean", "suv_peak", "tlg", "centroid_xyz", "longest_diameter_mm")
Json = dict[str, Any]


class BusyError(RuntimeError):
    """Something is under way; ask again when it has ended."""


class RefusedError(ValueError):
    """What cannot be done. Its text is for the user."""


@dataclass(slots=True)
class Room:
    """A review under way. Every method may be called by any thread, but `work` by the main thread alone.

    Attributes:
        engine: Answers clicks.
        folder: Where the review is saved.
        clicks: The clicks on the screen; the last one may be waiting for its answer.
        history: The moments; None before the first answer.
        revision: A number for what is on the screen; another one after each change.
        busy: Whether something is under way.
        progress: How far it has come, in [0, 1].
        message: The last plain sentence about what went wrong.
        seconds: From the last click to its answer.
        tiles: How many tiles the last answer computed and reused.
    """

    engine: Engine
    folder: Folder
    clicks: tuple[Click, ...] = ()
    history: History | None = None
    revision: int = 0
    busy: bool = False
    progress: float = 0.0
    message: str = ""
    seconds: float | None = None
    tiles: tuple[int, int] | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _jobs: SimpleQueue[Callable[[], None] | None] = field(default_factory=SimpleQueue, repr=False)

    # --- asked by the page ---

    def state(self) -> Json:
        """What is on the screen, as JSON."""
        with self._lock:
            now, past = (self.history.now, self.history) if self.history else (None, None)
            kept = _kept(now) if now else ()
            totals = lesion_figures(kept)
            return {
                "revision": self.revision,
                "busy": self.busy,
                "progress": round(self.progress, 3),
                "clicks": [{"id": one.number, "name": one.name, "point": list(one.point_xyz)} for one in self.clicks],
                "lesions": _lesions(now) if now else [],
                "totals": {"number": len(kept)} | {name: totals[name] for name in ("tmtv_ml", "tlg", "dmax_mm")},
                "can_undo": bool(past and past.past) and not self.busy,
                "can_redo": bool(past and past.undone) and not self.busy,
                "seconds": None if self.seconds is None else round(self.seconds, 2),
                "tiles": dict(zip(("computed", "reused"), self.tiles, strict=True)) if self.tiles else None,
                "message": self.message,
            }

    def mask(self, revision: int) -> PackedMask:
        """The mask on the screen; empty before the first answer.

        Raises:
            LookupError: When the screen shows another revision by now.
        """
        with self._lock:
            if revision != self.revision:
                raise LookupError(f"the mask on the screen is revision {self.revision}; {revision} is not there")
            return self.history.now.shown if self.history else PackedMask.empty(self._grid.shape_zyx)

    # --- done for the page ---

    def begin(self) -> None:
        """Ask for the first answer, to the clicks that came with the case.

        Raises:
            BusyError: When something is under way.
        """
        clicks = self.engine.admission.case.clicks
        named = [(TUMOR, one) for one in clicks.tumor_xyz] + [(BACKGROUND, one) for one in clicks.background_xyz]
        self.clicks = tuple(Click(number, *one) for number, one in enumerate(named, start=1))
        self._ask(self.clicks)

    def click(self, name: Literal["tumor", "background"], point_xyz: Index) -> Json:
        """Ask for the answer to one more click; the state.

        Raises:
            BusyError: When something is under way.
            RefusedError: When the click cannot be set.
        """
        with self._lock:
            self._check_free()
            if not self.engine.reads_clicks:
                raise RefusedError("this recipe reads no clicks; start the review with another --recipe")
            if not self._grid.contains(point_xyz):
                raise RefusedError(f"a click lies inside the PET of {self._grid.size_xyz} voxels; got {point_xyz}")
            if len(self.clicks) >= MOST_CLICKS:
                raise RefusedError(f"a review has at most {MOST_CLICKS} clicks; undo some, or save and begin anew")
            if any((one.name, one.point_xyz) == (name, point_xyz) for one in self.clicks):
                raise RefusedError(f"there is a {name} click at {point_xyz} already")
            number = max((one.number for one in self.clicks), default=0) + 1
            self._ask((*self.clicks, Click(number, name, point_xyz)))
            return self.state()

    def undo(self) -> Json:
        """One moment back; the state. BusyError, or RefusedError where there is none."""
        return self._change(lambda history: history.undo())

    def redo(self) -> Json:
        """One moment on again; the state. BusyError, or RefusedError where there is none."""
        return self._change(lambda history: history.redo())

    def keep_lesion(self, number: int, *, kept: bool) -> Json:
        """Remove a lesion or bring it back; the state. BusyError, or RefusedError where there is none."""

        def changed(history: History) -> History:
            snapshot = history.now.with_lesion(number, kept=kept)
            return history if history.now.kept[number - 1] == kept else history.then(snapshot)

        return self._change(changed)

    def save(self) -> Future[tuple[str, ...]]:
        """Have everything written; the names of the files, or what was raised, in a while.

        Raises:
            BusyError: When something is under way.
            RefusedError: When there is no answer yet.
        """
        done: Future[tuple[str, ...]] = Future()
        with self._lock:
            self._check_free()
            if self.history is None:
                raise RefusedError("there is no mask yet to be saved")
            snapshot = self.history.now
            self._place(lambda: self._save(snapshot, done))
        return done

    # --- the worker ---

    def work(self, check: Callable[[], None] = lambda: None) -> None:
        """Do what is handed in, until `close`; `check` is called after each job.

        Raises:
            Terminated: When SIGTERM came.
        """
        while (job := self._jobs.get()) is not None:
            try:
                with sigterm_raises():
                    job()
            finally:
                with self._lock:
                    self.busy = False
            Termination.current().check()  # it may have come when the run could not be stopped any more
            check()

    def close(self) -> None:
        """Let `work` end when it has done what was handed in before."""
        self._jobs.put(None)

    @property
    def _grid(self) -> Grid:
        return self.engine.admission.case.grid

    def _check_free(self) -> None:
        if self.busy:
            raise BusyError("something is under way; try again when it has ended")

    def _place(self, job: Callable[[], None]) -> None:
        with self._lock:
            self._check_free()
            self.busy, self.progress, self.message = True, 0.0, ""
            self._jobs.put(job)

    def _ask(self, clicks: tuple[Click, ...]) -> None:
        arrived_s = time.monotonic()
        with self._lock:
            former = self.clicks
            self._place(lambda: self._answer(clicks, former, arrived_s))
            self.clicks = clicks

    def _answer(self, clicks: tuple[Click, ...], former: tuple[Click, ...], arrived_s: float) -> None:
        try:
            answer, tiles = self.engine.answer(clicks_of(clicks), self._observe)
        except Exception as error:
            LOG.warning("petlesion: %s", sentence_of(error), exc_info=LOG.isEnabledFor(logging.DEBUG))
            with self._lock:
                self.clicks = former
                self.message = f"no answer: {sentence_of(error)}"
            return
        history = self.history  # nobody changes it while this is under way
        snapshot = history.now.then(clicks, answer) if history else Snapshot.first(clicks, answer)
        with self._lock:
            self._show(history.then(snapshot) if history else History(snapshot))
            self.seconds, self.tiles, self.progress = time.monotonic() - arrived_s, tiles, 1.0
        LOG.info("%s, %s; %.1f s, %d tiles computed, %d reused", counted(len(clicks), "click"),
                 counted(len(answer.lesions), "lesion"), self.seconds, *tiles)  # fmt: skip

    def _save(self, snapshot: Snapshot, done: Future[tuple[str, ...]]) -> None:
        if not done.set_running_or_notify_cancel():
            return
        try:
            names = self.folder.save(snapshot, self.engine.admission)
        except Exception as error:  # noqa: BLE001 - whatever it is, the review goes on
            LOG.warning("petlesion: %s", sentence_of(error))
            with self._lock:
                self.busy, self.message = False, f"not everything was saved: {sentence_of(error)}"
            done.set_exception(error)
            return
        with self._lock:
            self.busy = False
        done.set_result(names)

    def _observe(self, progress: Progress) -> None:
        self.progress = ((progress.sweep - 1) * progress.tiles + progress.tile) / (progress.sweeps * progress.tiles)

    def _change(self, change: Callable[[History], History]) -> Json:
        with self._lock:
            self._check_free()
            if self.history is None:
                raise RefusedError("there is no mask yet")
            try:
                self._show(change(self.history))
            except LookupError as error:
                raise RefusedError(str(error)) from None
            self.message = ""
            return self.state()

    def _show(self, history: History) -> None:
        self.history, self.clicks = history, history.now.clicks
        self.revision += 1


def _kept(snapshot: Snapshot) -> Sequence[Lesion]:
    return [lesion for lesion, kept in zip(snapshot.answer.lesions, snapshot.kept, strict=True) if kept]


def _lesions(snapshot: Snapshot) -> list[Json]:
    figures = lesion_figures(snapshot.answer.lesions)["lesions"]
    return [
        {"number": one["number"], "kept": kept} | {name: one[name] for name in LESION_FIGURES}
        for one, kept in zip(figures, snapshot.kept, strict=True)
    ]
