# SPDX-License-Identifier: Apache-2.0
"""Dask under a cohort: workers of this machine, each a process of its own, or those of a scheduler somewhere else."""

from __future__ import annotations

import logging
import signal
import threading
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dask
from distributed import (
    Client,
    KilledWorker,
    Nanny,
    Reschedule,
    Scheduler,
    SpecCluster,
    Worker,
    WorkerPlugin,
    as_completed,
)
from distributed.core import Status

from petlesion.cohort.cases import CohortError
from petlesion.cohort.record import Record
from petlesion.cohort.work import BENCH, run_case
from petlesion.images import printable
from petlesion.limits import Terminated
from petlesion.outcome import OUT_OF_LIMITS, sentence_of, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from petlesion.cohort.cases import CohortCase
    from petlesion.cohort.work import Order
    from petlesion.cohort.workforce import Workforce

LOCALHOST = "127.0.0.1"
DEATHS = 2  # of workers that a case survives; at the next it is a failure
CONNECT_S = 30
ENDING = {Status.closing, Status.closing_gracefully, Status.closed}
SETTINGS: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": DEATHS,
    "distributed.scheduler.worker-saturation": 1.0,  # a worker that dies takes the one case that it runs with it
    "distributed.comm.timeouts.connect": f"{CONNECT_S}s",
}
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)


class LastWords(WorkerPlugin):  # type: ignore[misc]
    """Tells the case at work when its worker is to end, and keeps the case's log to its report."""

    name = "petlesion"

    def setup(self, worker: Worker) -> None:
        """Make the worker ready; Ctrl-C, which a terminal sends to every process, is for the one that started it."""
        log = logging.getLogger("petlesion")
        log.addHandler(logging.NullHandler())
        log.propagate = False
        if worker.nanny and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def teardown(self, worker: Worker) -> None:
        """Where the worker ends, let its case know; it does not where another cohort only takes this one's place."""
        BENCH.termination.came = BENCH.termination.came or worker.status in ENDING


@contextmanager
def working(workforce: Workforce) -> Iterator[Client]:
    """A client of the workers, who end on leaving where they were started here.

    Raises:
        CohortError: When no scheduler answers at the address.
    """
    with dask.config.set(SETTINGS):
        if workforce.scheduler is None:
            with _local(workforce) as cluster, Client(cluster, set_as_default=False) as client:
                yield _ready(client)
            return
        try:
            client = Client(workforce.scheduler, set_as_default=False, timeout=CONNECT_S)
        except (OSError, ValueError) as error:
            raise CohortError(
                f"a scheduler of Dask answers at its address; {printable(workforce.scheduler)} does not "
                f"({type(error).__name__}); start one with `dask scheduler`, or mend the address"
            ) from error
        with client:
            yield _ready(client)


def results(client: Client, cases: Sequence[CohortCase], order: Order) -> Iterator[Record]:
    """The cases' records in the order in which they end.

    A result stays in its worker only until it is fetched, lest the worker's death has the case run again.
    """
    run = uuid.uuid4().hex
    names = {f"{run}-{number}": case.name for number, case in enumerate(cases)}
    for future in as_completed(client.map(_task, cases, key=list(names), order=order), loop=client.loop):
        yield future.result() if future.status == "finished" else _lost(names[future.key], future.exception())
        future.release()


def _task(case: CohortCase, order: Order) -> Record:
    """What a worker runs: a case whose worker is to end is given to another."""
    try:
        return run_case(case, order)
    except Terminated:
        raise Reschedule from None


def _lost(case: str, error: BaseException | None) -> Record:
    """The record of a case that no worker could answer for."""
    if isinstance(error, KilledWorker):
        sentence = (
            f"{error.allowed_failures + 1} workers were killed while they ran this case, as it happens where memory "
            "ends; give each worker more, or run the case by itself"
        )
        return Record(case, "", OUT_OF_LIMITS, sentence, {})
    known = error or RuntimeError("the case was cancelled")
    return Record(case, "", status_of(known), sentence_of(known), {})


def _ready(client: Client) -> Client:
    client.register_plugin(LastWords())
    return client


def _local(workforce: Workforce) -> SpecCluster:
    """Workers on this machine, which nobody else's machine can reach: no dashboard, and 127.0.0.1 alone."""
    listening = {"host": LOCALHOST, "dashboard": False}
    scheduler = {"cls": Scheduler, "options": {**listening, "port": 0}}
    workers = {
        number: {"cls": Nanny, "options": {**listening, **_worker(workforce, number)}}
        for number in range(workforce.workers)
    }
    return SpecCluster(scheduler=scheduler, workers=workers, silence_logs=logging.CRITICAL)


def _worker(workforce: Workforce, number: int) -> dict[str, Any]:
    """A worker's options: one case at a time, its own GPU, and a fixed number of threads whoever else is there."""
    variables = dict.fromkeys(THREAD_VARIABLES, str(workforce.threads))
    gpus = workforce.gpus
    return {
        "nthreads": 1,
        "memory_limit": 0,  # the system's own is enough, and a case that nears a share of it is no fault
        "silence_logs": logging.CRITICAL,
        "env": variables | {"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)] if gpus else ""},
    }
