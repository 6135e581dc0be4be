# SPDX-License-Identifier: Apache-2.0
"""SIGTERM at each step of a case: the finished sweeps' mask or none, exit status 143, nothing half-written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from petlesion import challenge, desk, drafts, entry, pipeline
from petlesion.inference import ensemble, workplace
from petlesion.inference.tiles import Tiling
from test.faults.forks import ROOT
from test.faults.place import SLUG, Fault, sound

BOUND_S = 5.0
TWO_SWEEPS = Fault("", sound, 143, "", ("--depth", "2", "--tracer", "auto"))


def hooked(monkeypatch, where, name, *, after=False, call=1):
    """Send the signal when a function is called for the `call`th time, before it acts or after."""
    original, calls = getattr(where, name), []

    def rung(*args, **kwargs):
        calls.append(name)
        now = len(calls) == call
        if now and not after:
            os.kill(os.getpid(), signal.SIGTERM)
        answer = original(*args, **kwargs)
        if now and after:
            os.kill(os.getpid(), signal.SIGTERM)
        return answer

    monkeypatch.setattr(where, name, rung)


def run(place, capsys):
    """Exit status and last line; no run takes longer than the platform waits."""
    torch.set_num_threads(1)
    begun = time.process_time()
    status = entry.main(place.arguments(TWO_SWEEPS), started_s=time.monotonic())
    assert time.process_time() - begun < BOUND_S
    assert not list(place.root.rglob(".petlesion-*"))
    return status, capsys.readouterr().err.splitlines()[-1]


def mask_of(place):
    (file,) = (place.output / "images" / SLUG).iterdir()
    return sitk.GetArrayFromImage(sitk.ReadImage(str(file)))


BEFORE = [
    (entry, "check_recipe"),  # start
    (desk, "check_output"),
    (challenge, "find_files"),  # sockets
    (challenge, "read_image"),  # pixels and geometry, in threads
    (challenge, "admit"),
    (pipeline, "recall_tracer"),
    (pipeline, "read_plans"),  # recipe and weights
    (pipeline, "draw_channels"),  # heatmap
    (pipeline, "prepare_input"),
    (pipeline, "plan_inference"),
    (pipeline, "load_network"),
    (Tiling, "pad"),  # tiles
    (ensemble, "_sweep"),
]


@pytest.mark.parametrize(("where", "name"), BEFORE, ids=lambda value: value if isinstance(value, str) else "")
def test_before_the_first_sweep_is_done_there_is_no_mask(place, capsys, monkeypatch, where, name):
    hooked(monkeypatch, where, name)
    assert run(place, capsys) == (143, "petlesion: terminated on the platform's request")
    assert place.files() == {}


def test_in_the_second_sweep_the_mask_is_that_of_the_first(place, capsys, monkeypatch):
    hooked(monkeypatch, ensemble, "_forward", call=2)
    status, last = run(place, capsys)
    assert (status, set(np.unique(mask_of(place)))) == (143, {0, 1})
    assert last == "petlesion: stopped early (terminated); the mask is that of the finished sweeps"
    assert b'"stopped": "terminated"' in place.files()["report.json"]


AFTER = [
    (workplace.Workplace, "add", True),
    (workplace.Workplace, "lead", False),
    (pipeline, "restore", False),
    (pipeline, "restore", True),
    (pipeline, "apply_rules", False),
    (pipeline, "measure_lesions", True),
    (entry, "report_of", False),
    (challenge, "write_mask", False),
    (drafts, "_opened", True),
    (challenge, "write_mask", True),
    (challenge, "_remove_others", False),
    (challenge, "_remove_others", True),
]


@pytest.mark.parametrize(("where", "name", "after"), AFTER, ids=lambda value: value if isinstance(value, str) else "")
def test_after_the_last_sweep_the_mask_is_complete(place, capsys, monkeypatch, where, name, after):
    calls = {"add": 2, "_opened": 3}  # the second sweep's; the mask's file, after the folders of the check
    hooked(monkeypatch, where, name, after=after, call=calls.get(name, 1))
    status, last = run(place, capsys)
    assert status == 143
    assert last == "petlesion: terminated on the platform's request; the mask is complete"
    assert sorted(place.files()) == [f"images/{SLUG}/8e1c-case.mha", "report.json"]
    assert set(np.unique(mask_of(place))) == {0, 1}


def test_during_the_imports(tmp_path):
    """As the first process of a container would ignore the signal, a handler is set before anything heavy."""
    command = [sys.executable, "-X", "importtime", str(ROOT / "process.py"), "--output", str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=tmp_path)
    while b"numpy" not in (line := process.stderr.readline()):  # the imports are under way
        assert line
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert time.monotonic() - begun < 2 * BOUND_S  # of a machine that may be busy
    assert process.returncode == 143
    assert stderr.endswith(b"petlesion: terminated on the platform's request\n")
    assert list(tmp_path.iterdir()) == []
