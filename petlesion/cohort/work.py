# SPDX-License-Identifier: Apache-2.0
"""One case of a cohort in a worker: the way of `entry.answer`, with the networks of the case before.

A worker runs its cases one after the other, in a thread. Everything is written into a draft folder of the output, which
takes the case's place when it is finished; a worker that is killed leaves only a draft, which the next run removes.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from petlesion.case import CaseError
from petlesion.cohort.desk import CohortDesk
from petlesion.cohort.fingerprint import fingerprint_of, method_of, why_unread
from petlesion.cohort.record import Record, read_record
from petlesion.cohort.shelf import FILES, NEEDED, discard, put
from petlesion.drafts import draft_folder
from petlesion.entry import answer, open_store
from petlesion.images import OutputError, reason, shown
from petlesion.inference.residents import ResidentStore
from petlesion.inference.weights import ModelStore, WeightsError
from petlesion.limits import Terminated
from petlesion.outcome import BAD_INPUT, DONE, TERMINATED, Ending, sentence_of, status_of
from petlesion.termination import Termination, heard_from

if TYPE_CHECKING:
    from pathlib import Path

    from petlesion.cohort.cases import CohortCase
    from petlesion.options import RunOptions

FINAL = {DONE, BAD_INPUT}  # the same bytes end so again; any other ending is worth another try


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done with each case.

    Attributes:
        options: The run's choices; paths are absolute.
        method: `fingerprint.method_of` where the cohort was started; the worker's own must be the same.
        source: Folder of the cohort, which sentences leave out.
        out: Folder of the results.
        threads: CPU threads for a case.
    """

    options: RunOptions
    method: str
    source: Path
    out: Path
    threads: int


@dataclass(slots=True)
class Bench:
    """What a worker's process keeps from case to case; there is one, `BENCH`."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    termination: Termination = field(default_factory=Termination)
    method: str = ""
    store: ModelStore | None = None

    def store_for(self, order: Order) -> ModelStore:
        """The weights of an order, with the networks that former cases have loaded.

        Raises:
            WeightsError: When they are not those with which the cohort was started.
        """
        if self.store is None or self.method != order.method:
            self.store = None
            store = open_store(order.options)
            if method_of(order.options, store) != order.method:
                raise WeightsError(
                    f"every worker has the weights and the version of petlesion that the cohort was started with; "
                    f"{shown(store.root)} of this worker has not; install and copy the same"
                )
            self.method, self.store = order.method, ResidentStore.of(store)
        return self.store


BENCH = Bench()


def run_case(case: CohortCase, order: Order) -> Record:
    """Run one case and put its results in their place; every error becomes a record with its status and sentence.

    Raises:
        Terminated: When the worker is to end; the case runs elsewhere.
    """
    with BENCH.lock, heard_from(BENCH.termination):
        BENCH.termination.check()
        torch.set_num_threads(order.threads)
        try:
            record = _run(case, order)
        except Exception as error:  # noqa: BLE001 - one bad case is a row of failures
            record = Record(case.name, "", status_of(error), sentence_of(error), {})
        if record.status == TERMINATED:
            raise Terminated(record.sentence)
        return _seen_from(order.source, record)


def _run(case: CohortCase, order: Order) -> Record:
    store = BENCH.store_for(order)
    place = order.out / case.name
    try:
        fingerprint = _fingerprint(case, order.method)
        if (former := done(place, fingerprint)) is not None:  # by a worker who died before it could say so
            return former
        discard(place)
        with draft_folder(order.out) as home:
            record = _segment(CohortDesk(case, home / case.name), order, store, fingerprint)
            record = _seen_from(order.source, _seen_from(home, record))
            if record.status in FINAL:
                record.write(home / case.name)
                put(home / case.name, place)
            return record
    except OSError as error:
        raise OutputError(f"a case's folder must be writable; {shown(place)} is not: {reason(error)}") from error


def _fingerprint(case: CohortCase, method: str) -> str:
    try:
        return fingerprint_of(case, method)
    except OSError as error:
        raise CaseError(why_unread(error)) from None


def _segment(desk: CohortDesk, order: Order, store: ModelStore, fingerprint: str) -> Record:
    desk.folder.mkdir()
    limits = replace(order.options.limits, started_s=time.monotonic())
    ending = answer(replace(order.options, limits=limits), desk, store, lambda _: Termination.current().check())
    if ending.status == DONE and desk.row is None:
        ending = Ending(status_of(RuntimeError()), "internal error: no mask was written")
    if ending.status != DONE:
        desk.row = desk.thumbnail = None
        for name in FILES:
            (desk.folder / name).unlink(missing_ok=True)
    return desk.record(fingerprint, ending)


def done(place: Path, fingerprint: str) -> Record | None:
    """The record of a case that is done: its fingerprint matches, and its mask and report are there or it has none."""
    record = read_record(place)
    if record is None or record.fingerprint != fingerprint or record.status not in FINAL:
        return None
    there = record.status != DONE or all((place / name).is_file() for name in NEEDED)
    return record if there else None


def _seen_from(folder: Path, record: Record) -> Record:
    return replace(record, sentence=without(record.sentence, folder))


def without(sentence: str, folder: Path) -> str:
    """A sentence with the paths below a folder as they are seen from there."""
    return sentence.replace(f"{shown(folder)}/", "")
