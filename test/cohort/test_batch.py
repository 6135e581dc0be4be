# SPDX-License-Identifier: Apache-2.0
"""The bar: forty cases, four of them bad, two workers of which one is killed midway."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from petlesion import cli
from petlesion.cohort.batch import order_for, run_cohort
from petlesion.cohort.cases import CohortCase, Found
from petlesion.cohort.find import find_cases
from petlesion.cohort.work import run_case
from petlesion.cohort.workforce import Workforce
from petlesion.limits import UsageError
from test.cohort.conftest import WORDS, make_cohort, options_of, put_case

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 200
NOBODY = Workforce(None, 1, 1)


def words(cohort, out, weights, *more):
    given = ["batch", cohort.root, "--out", out, "--weights", weights, "--threads", 1, *WORDS, *more]
    return [str(word) for word in given]


def masks(out):
    return {path.parent.name: path.read_bytes() for path in sorted(out.glob("*/mask.nii.gz"))}


def rows(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def content(out):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.rglob("*") if path.is_file()}


def workers_of(process):
    """The processes of Dask's workers, below that of the command."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [one for one in children if any("spawn_main" in word for word in one.cmdline())]


def waited_for(process, what):
    end_s = time.monotonic() + PATIENCE_S
    while not (found := what()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end_s
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def forty(tmp_path_factory):
    return make_cohort(tmp_path_factory.mktemp("forty") / "cohort", 36)


@pytest.fixture(scope="module")
def killed(forty, toy_weights, tmp_path_factory):
    """A batch of two workers, one of them killed once some masks are there: its folder, output and addresses."""
    out = tmp_path_factory.mktemp("killed") / "out"
    command = [sys.executable, "-m", "petlesion", *words(forty, out, toy_weights, "--workers", "2", "--json")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    waited_for(process, lambda: len(masks(out)) > 3)
    first = workers_of(process)
    every = [psutil.Process(process.pid), *first]
    addresses = {one.laddr.ip for each in every for one in each.net_connections() if one.status == "LISTEN"}
    first[0].send_signal(signal.SIGKILL)
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, stderr
    return out, json.loads(stdout), stderr, addresses, len(first)


def test_every_good_case_has_a_mask_and_every_bad_one_a_row(killed, forty):
    out, figures, stderr, _, workers = killed
    assert (workers, set(masks(out))) == (2, set(forty.good))
    assert [row["case"] for row in rows(out / "cohort.csv")] == list(forty.good)
    failures = rows(out / "failures.csv")
    assert [(row["case"], row["status"]) for row in failures] == [(name, "3") for name in forty.bad]
    assert str(forty.root) not in (out / "failures.csv").read_text() + (out / "index.html").read_text()
    assert (figures["cases"], figures["masks"], figures["failures"], figures["kept"]) == (40, 36, 4, 0)
    ended = [line for line in stderr.splitlines() if " of 39" in line]
    assert len(ended) == 39  # nothing twice: bad-none is no case
    assert not {"\r", "\x1b"} & set(stderr)


def test_nothing_is_left_half_written(killed):
    out = killed[0]
    assert not list(out.glob(".petlesion-*"))
    kinds = {"record.json", "mask.nii.gz", "report.json", "lesions.csv", "report.html"}
    for folder in {path.parent for path in out.glob("*/mask.nii.gz")}:
        assert {path.name for path in folder.iterdir()} == kinds


def test_nobody_elses_machine_can_reach_the_workers(killed):
    assert killed[3] == {"127.0.0.1"}


def test_the_masks_are_those_of_one_worker(killed, forty, toy_weights, tmp_path, monkeypatch):
    monkeypatch.setattr("petlesion.cohort.desk.draw", lambda *_: None)  # it takes longer than these masks
    order = order_for(options_of(toy_weights), forty.root, tmp_path, threads=1)
    found = find_cases(forty.root, "auto", tmp_path)
    assert {run_case(case, order).status for case in found.cases} == {0, 3}
    assert masks(tmp_path) == masks(killed[0])
    assert len(set(masks(tmp_path).values())) > 1


def test_resume_does_nothing(killed, forty, toy_weights, capsys):
    out = killed[0]
    before = content(out)
    assert cli.main(words(forty, out, toy_weights, "--json")) == 0
    assert content(out) == before
    figures = json.loads(capsys.readouterr().out)
    assert (figures["kept"], figures["ran"], figures["failures"]) == (39, 0, 4)


def test_what_changed_runs_again_and_nothing_else(killed, forty, toy_weights, monkeypatch):
    ran = []
    monkeypatch.setattr("petlesion.cohort.batch._run", lambda cases, *_: ran.append([case.name for case in cases]))
    out = killed[0]
    order = order_for(options_of(toy_weights), forty.root, out, threads=2)
    cases = list(find_cases(forty.root, "auto", out).cases)
    cases[5] = replace(cases[5], sockets=forty.root / "c10/input")  # c02 with other bytes
    (out / "c03/mask.nii.gz").rename(out / "c03-mask")
    run_cohort(Found(tuple(cases)), order, NOBODY)
    assert ran == [["c02", "c03"]]
    (out / "c03-mask").rename(out / "c03/mask.nii.gz")
    other = order_for(options_of(toy_weights, "--points", "mm"), forty.root, out, threads=1)
    run_cohort(Found(tuple(cases)), other, NOBODY)
    assert len(ran[1]) == 39
    run_cohort(find_cases(forty.root, "auto", out), order, NOBODY, retry=True)
    assert ran[2] == ["bad-bqml", "bad-cut", "bad-half"]


def test_sigterm_ends_a_batch_with_its_tables_written(forty, toy_weights, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "petlesion", *words(forty, out, toy_weights, "--workers", "1")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    waited_for(process, lambda: masks(out))
    process.terminate()
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 143, stderr
    assert 0 < len(masks(out)) < 36
    assert stdout.startswith(f"ended early; {len(masks(out))} of 40 cases have a mask, ")
    assert [row["case"] for row in rows(out / "cohort.csv")] == list(masks(out))
    assert not list(out.glob(".petlesion-*"))
    assert "Traceback" not in stderr


def test_where_no_case_has_a_mask_the_status_is_that_of_a_failure(toy_weights, tmp_path, monkeypatch):
    monkeypatch.setattr("petlesion.cohort.batch._run", lambda *_: None)
    (tmp_path / "cohort/empty").mkdir(parents=True)
    order = order_for(options_of(toy_weights), tmp_path / "cohort", tmp_path / "out", threads=1)
    tally = run_cohort(find_cases(tmp_path / "cohort", "auto", tmp_path / "out"), order, NOBODY)
    assert tally.status == 3


def test_without_dask_the_remedy_is_named(order, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "petlesion.cohort.cluster", None)
    case = CohortCase("a", sockets=put_case(tmp_path / "cohort/a") / "input")
    with pytest.raises(UsageError, match="pip install 'distributed"):
        run_cohort(Found((case,)), order, NOBODY)
