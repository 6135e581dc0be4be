# SPDX-License-Identifier: Apache-2.0
"""Faults in real processes of process.py: a sample of the table, limits of the system, closed streams, no locale."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from test.faults import runs
from test.faults.forks import ROOT
from test.faults.images import FINE, renamed
from test.faults.place import Fault, Place, sound
from test.faults.test_faults import FAULTS, check, spoils_weights

SAMPLE = FAULTS[7::15]


def lines_of(stderr: bytes) -> list[str]:
    text = stderr.decode("utf-8")
    assert "\r" not in text
    return [line for line in text.splitlines() if line.strip()]


def test_the_sample_is_large_and_of_all_kinds():
    assert len(SAMPLE) >= 20
    assert {fault.status for fault in SAMPLE} >= {0, 2, 3, 4}


@pytest.mark.parametrize("fault", SAMPLE, ids=str)
def test_fault(place, forks, fault):
    if spoils_weights(fault):
        shutil.copytree(place.weights, place.root / "weights")
        place = Place(place.root, place.root / "weights")
    fault.spoil(place)
    kept = place.files()
    status, stderr = forks.run(place.arguments(fault), place.root)
    check(place, fault, status, lines_of(stderr), kept)


@pytest.mark.parametrize("size", [0, 64, 400])
def test_a_disk_that_is_full(place, forks, size):
    """A limit on the size of files stands for it: for all, for the mask, for the report. stderr is a file, too."""
    runs.former(place)
    kept = place.files()
    status, _ = forks.run(place.arguments(Fault("", sound, 6, "")), place.root, FSIZE=size)
    assert status == 6
    assert place.files() == kept
    assert not list(place.root.rglob(".petlesion-*"))


FEW = r"petlesion: too many open files.*raise the limit \(ulimit -n\)$"


@pytest.mark.parametrize("files", [0, 3, 8, 15])
def test_few_open_files(place, forks, files):
    """Whatever is open already: a run that can open fewer than 16 more files ends before it has begun."""
    runs.former(place)
    kept = place.files()
    status, stderr = forks.run(place.arguments(Fault("", sound, 5, FEW)), place.root, FREE_FILES=files)
    check(place, Fault("", sound, 5, FEW), status, lines_of(stderr), kept)


@pytest.mark.parametrize("files", [16, 30])
def test_enough_open_files(place, forks, files):
    fault = Fault("", sound, 0, FINE, ("--page", "--on-error", "mask"), ("lesions.csv", "report.html"))
    status, stderr = forks.run(place.arguments(fault), place.root, FREE_FILES=files)
    assert status == 0, lines_of(stderr)
    assert {"lesions.csv", "report.html", "report.json"} < set(place.files())


@pytest.mark.parametrize(
    ("opened", "on_error"),
    [(2, "fail"), (5, "fail"), (5, "mask"), (19, "fail"), (33, "mask"), (47, "fail"), (50, "fail")],
)
def test_no_more_files_from_one_moment_on(place, forks, opened, on_error):
    """As where other processes take the system's last ones. Which file it is that fails is not always known."""
    arguments = place.arguments(Fault("", sound, 5, FEW, ("--on-error", on_error)))
    status, stderr = forks.run(arguments, place.root, OPENED=opened)
    lines = [line for line in lines_of(stderr) if not line.startswith("Error in cpuinfo")]  # a library's of torch
    assert status in {0, 3, 4, 5, 6}, lines
    assert not [line for line in lines if line.startswith("Traceback")]
    there = {name for name in place.files() if not name.startswith(".petlesion-")}  # which the next run removes
    assert len(there) == 2 if status == 0 else len(there) in {0, 2}, there
    if status:
        assert lines[-1].startswith("petlesion: ")


@pytest.mark.parametrize("megabytes", [1, 4, 16])
def test_little_memory(place, forks, megabytes):
    fault = Fault("", sound, 0, ".", ("--folds", "0"))
    status, stderr = forks.run(place.arguments(fault), place.root, DATA=megabytes << 20)
    lines = lines_of(stderr)
    assert status in {0, 5}, lines
    if status == 5:
        assert "memory" in lines[-1]
        assert place.files() == {}


def start(arguments, **options):
    """process.py in a fresh interpreter."""
    return subprocess.run([sys.executable, str(ROOT / "process.py"), *arguments], check=False, **options)


def test_no_locale_no_home_and_umlauts(place):
    renamed("Müller 1.mha")(place)
    environment = {key: value for key, value in os.environ.items() if key not in {"HOME", "LANG"}}
    environment |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "TMPDIR": "/nowhere"}
    fault = Fault("", sound, 0, "1.mha")
    done = start(place.arguments(fault), capture_output=True, env=environment, cwd=place.root)
    assert done.stdout == b""
    check(place, fault, done.returncode, lines_of(done.stderr), {})


@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)])
def test_closed_streams_and_a_folder_that_is_gone(place, closed):
    gone = place.root / "gone"
    gone.mkdir()

    def close():
        gone.rmdir()
        for number in closed:
            os.close(number)

    fault = replace(Fault("", sound, 0, "."), options=("--depth", "1"))
    done = start(place.arguments(fault), stderr=subprocess.PIPE, cwd=gone, preexec_fn=close)
    check(place, fault, done.returncode, lines_of(done.stderr) or ["nothing"], {})


def test_a_reader_of_stderr_that_has_left(place):
    read, write = os.pipe()
    os.close(read)
    fault = Fault("", sound, 0, ".")
    done = start(place.arguments(fault), stderr=write)
    os.close(write)
    check(place, fault, done.returncode, ["nothing"], {})
