# SPDX-License-Identifier: Apache-2.0
"""Dask's workers: a case that kills them is a failure; the examples for those of other machines parse."""

from __future__ import annotations

import ast
import logging
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from distributed.core import Status

from petlesion.cohort import cluster
from petlesion.cohort.cases import CohortCase, CohortError
from petlesion.cohort.record import Record
from petlesion.cohort.work import BENCH
from petlesion.cohort.workforce import Workforce

EXAMPLES = Path(__file__).resolve().parents[2] / "docs/examples"
GPUS = ("GPU-a", "GPU-b")


def deadly(case, order):
    """A task that ends its worker's process at one case."""
    if case.name == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    if case.name == "broken":
        raise KeyError(order)
    return Record(case.name, "", 0, "done", {})


def test_a_case_that_kills_its_workers_is_a_failure_and_the_others_run(monkeypatch, tmp_path):
    monkeypatch.setattr(cluster, "_task", deadly)
    monkeypatch.setitem(cluster.SETTINGS, "distributed.scheduler.allowed-failures", 0)
    cases = [CohortCase(name, sockets=tmp_path) for name in ("a", "poison", "broken", "z")]
    with cluster.working(Workforce(None, 1, 1)) as client:
        found = {record.case: record for record in cluster.results(client, cases, "an order")}
    assert {name: record.status for name, record in found.items()} == {"a": 0, "poison": 5, "broken": 70, "z": 0}
    assert found["poison"].sentence.startswith("1 workers were killed while they ran this case")
    assert found["broken"].sentence == "internal error, KeyError: 'an order'"


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_S", 0.3)
    with (
        pytest.raises(CohortError, match=r"tcp://127.0.0.1:9 does not"),
        cluster.working(Workforce("tcp://127.0.0.1:9", 1, 1)),
    ):
        pass


@pytest.mark.parametrize(("number", "gpu"), [(0, "GPU-a"), (1, "GPU-b"), (2, "GPU-a")])
def test_each_worker_sees_one_gpu_and_has_its_threads(number, gpu):
    options = cluster._worker(Workforce(None, 3, 4, GPUS), number)
    assert options["nthreads"] == 1
    assert options["env"]["CUDA_VISIBLE_DEVICES"] == gpu
    assert {options["env"][name] for name in cluster.THREAD_VARIABLES} == {"4"}


def test_without_a_gpu_none_is_seen():
    assert cluster._worker(Workforce(None, 1, 1), 0)["env"]["CUDA_VISIBLE_DEVICES"] == ""


def test_the_case_at_work_hears_that_its_worker_ends(monkeypatch):
    log = logging.getLogger("petlesion")
    monkeypatch.setattr(log, "propagate", True)
    monkeypatch.setattr(log, "handlers", [])
    words = cluster.LastWords()
    words.setup(SimpleNamespace(nanny=None))
    assert not log.propagate
    monkeypatch.setattr(BENCH.termination, "came", False)
    words.teardown(SimpleNamespace(status=Status.running))
    assert not BENCH.termination.came
    words.teardown(SimpleNamespace(status=Status.closing))
    assert BENCH.termination.came


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_examples_in_python_parse_and_speak_of_what_there_is(path):
    text = path.read_text(encoding="utf-8")
    ast.parse(text)
    assert "petlesion" in text


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_manifests_parse_and_name_kind_and_version(path):
    documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    assert documents
    assert all({"apiVersion", "kind", "metadata"} <= one.keys() for one in documents)


def test_there_are_examples_of_both():
    assert {path.suffix for path in EXAMPLES.iterdir()} == {".py", ".yaml"}
