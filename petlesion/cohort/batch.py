# SPDX-License-Identifier: Apache-2.0
"""A cohort from end to end: what is done already is kept, the rest is run, and all of it is told."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from petlesion.case import CaseError
from petlesion.cohort.cases import Failure
from petlesion.cohort.fingerprint import fingerprint_of, method_of
from petlesion.cohort.index import index_page
from petlesion.cohort.progress import CohortProgress
from petlesion.cohort.record import RECORD, Record, read_record
from petlesion.cohort.tables import cohort_csv, failures_csv
from petlesion.cohort.work import Order, done, without
from petlesion.drafts import draft_folder, staged
from petlesion.entry import open_store
from petlesion.images import OutputError, reason, shown
from petlesion.limits import Terminated, UsageError
from petlesion.outcome import DONE, INTERRUPTED, TERMINATED
from petlesion.termination import sigterm_raises

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from petlesion.cohort.cases import CohortCase, Found
    from petlesion.cohort.workforce import Workforce
    from petlesion.options import RunOptions

READERS = 4  # of files whose bytes are compared


@dataclass(slots=True)
class Tally:
    """How a cohort stands.

    Attributes:
        records: Of the cases that ended, by name, kept ones included.
        cases: How many were found, usable or not.
        failures: Cases that could not be used as they were found.
        kept: How many were done before.
        ended: Why the cohort ended early: 0, 130 (from the keyboard) or 143 (SIGTERM).
    """

    cases: int
    failures: tuple[Failure, ...]
    records: dict[str, Record] = field(default_factory=dict)
    kept: int = 0
    ended: int = 0
    begun_s: float = field(default_factory=time.monotonic)

    @property
    def masks(self) -> list[Record]:
        """The cases with a mask."""
        return [record for record in self.records.values() if record.status == DONE]

    @property
    def all_failures(self) -> list[Failure]:
        """Every case without one, for whatever reason."""
        ran = [Failure(one.case, one.status, one.sentence) for one in self.records.values() if one.status != DONE]
        return [*self.failures, *ran]

    @property
    def status(self) -> int:
        """The exit status: 0 where there is any mask, else that of the first failure."""
        return self.ended or (DONE if self.masks else min(self.all_failures, key=lambda one: one.case).status)

    def figures(self) -> dict[str, Any]:
        """The cohort's figures as plain JSON values."""
        rows = [record.row for record in self.masks]
        return {
            "cases": self.cases,
            "masks": len(rows),
            "failures": len(self.all_failures),
            "kept": self.kept,
            "ran": len(self.records) - self.kept,
            "lesions": sum(row["n_lesions"] for row in rows),
            "cases_without_lesion": sum(not row["n_lesions"] for row in rows),
            "tmtv_ml": round(sum(row["tmtv_ml"] for row in rows), 6),
            "seconds": round(time.monotonic() - self.begun_s, 3),
            "complete": not self.ended,
        }


def run_cohort(found: Found, order: Order, workforce: Workforce, *, retry: bool = False) -> Tally:
    """Run the cases that are not done yet, and write both tables and the page, whatever ends the cohort.

    Args:
        found: The cases.
        order: What is done with each; see `order_for`.
        workforce: Who does it.
        retry: Run cases again that failed for what their files hold.

    Raises:
        OutputError: When the output cannot be written.
        CohortError: When the workers cannot be had.
    """
    failures = tuple(replace(one, sentence=without(one.sentence, order.source)) for one in found.failures)
    tally = Tally(len(found.cases) + len(failures), failures)
    _prepare(order.out)
    try:
        with sigterm_raises():
            kept = _kept(found.cases, order, retry=retry)
            tally.records |= {record.case: record for record in kept}
            tally.kept = len(kept)
            _run([case for case in found.cases if case.name not in tally.records], order, workforce, tally)
    except (Terminated, KeyboardInterrupt) as error:
        tally.ended = TERMINATED if isinstance(error, Terminated) else INTERRUPTED
        finished = [case for case in found.cases if case.name not in tally.records]  # whose records nobody fetched
        tally.records |= {record.case: record for record in _kept(finished, order, retry=False)}
    write_overview(tally, order.out)
    return tally


def order_for(options: RunOptions, source: Path, out: Path, threads: int) -> Order:
    """What is done with each case of a cohort.

    Raises:
        WeightsError: Names model and file; before any case is run.
        PlansError: Where plans ask for what is not supported.
    """
    store = open_store(options)
    found = replace(options, weights=store.root)
    return Order(found, method_of(found, store), source, out, threads)


def write_overview(tally: Tally, out: Path) -> None:
    """Write cohort.csv, failures.csv and index.html, each whole or not at all; what is there already is left alone.

    Raises:
        OutputError: When one of them cannot be written.
    """
    texts = {
        "cohort.csv": cohort_csv(tally.masks),
        "failures.csv": failures_csv(tally.all_failures),
        "index.html": index_page(tally.masks, tally.all_failures),
    }
    try:
        for name, text in texts.items():
            if _text_of(out / name) == text:
                continue
            with staged(out / name) as draft:
                draft.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _unwritable(out, error) from error


def _run(cases: Sequence[CohortCase], order: Order, workforce: Workforce, tally: Tally) -> None:
    progress = CohortProgress(len(cases))
    if tally.records:
        progress.say(f"{len(tally.records)} cases are done already")
    if not cases:
        return
    try:
        from petlesion.cohort.cluster import results, working  # noqa: PLC0415 - a second, and an extra of its own
    except ImportError as error:
        raise UsageError(
            f"a cohort is run by Dask, which is not installed ({error.name}); pip install 'distributed>=2026.8,<2027'"
        ) from None
    wanted = min(workforce.workers, len(cases))
    with working(replace(workforce, workers=wanted)) as client:
        there = len(client.scheduler_info(n_workers=-1)["workers"])
        progress.say(f"{len(cases)} cases to run, {there} workers of {order.threads} CPU threads")
        for record in results(client, cases, order):
            tally.records[record.case] = record
            progress(record)


def _kept(cases: Sequence[CohortCase], order: Order, *, retry: bool) -> list[Record]:
    """The records of cases that are done; of those that have none, nothing is read."""
    with ThreadPoolExecutor(READERS) as readers:
        found = list(readers.map(lambda case: _record_of(case, order), cases))
    kept = [record for record in found if record is not None]
    if not retry:
        return kept
    for failed in [record for record in kept if record.status != DONE]:
        (order.out / failed.case / RECORD).unlink(missing_ok=True)
    return [record for record in kept if record.status == DONE]


def _record_of(case: CohortCase, order: Order) -> Record | None:
    place = order.out / case.name
    if read_record(place) is None:
        return None
    try:
        return done(place, fingerprint_of(case, order.method))
    except (CaseError, OSError):
        return None  # the worker finds the words


def _text_of(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _prepare(out: Path) -> None:
    """Make the output's folder, and remove what killed workers left in it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with draft_folder(out):
            pass
    except OSError as error:
        raise _unwritable(out, error) from error


def _unwritable(out: Path, error: OSError) -> OutputError:
    return OutputError(f"results go into a writable folder; {shown(out)} is none: {reason(error)}; give another --out")
