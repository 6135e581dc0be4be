# SPDX-License-Identifier: Apache-2.0
"""process.py as the platform starts it: a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import SimpleITK as sitk

PROCESS = Path(__file__).resolve().parents[1] / "process.py"


def command(toy_case, toy_weights, output, *options):
    words = ["--input", toy_case.input_dir, "--output", output, "--weights", toy_weights, *options]
    return [sys.executable, str(PROCESS), *map(str, words)]


def test_a_case_goes_through_whatever_the_locale(toy_case, toy_weights, tmp_path):
    done = subprocess.run(
        command(toy_case, toy_weights, tmp_path, "--depth", "1"),
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0"},
    )
    stderr = done.stderr.decode("utf-8")
    assert done.returncode == 0, stderr
    assert "\r" not in stderr
    assert done.stdout == b""
    (mask,) = (tmp_path / "images/tumor-lesion-segmentation").iterdir()
    assert sitk.ReadImage(str(mask)).GetSize() == toy_case.phantom.pet_suv.grid.size_xyz


def test_help_names_every_option_and_exit_status():
    done = subprocess.run([sys.executable, str(PROCESS), "--help"], capture_output=True, check=True, text=True)
    for option in (
        "--input",
        "--output",
        "--weights",
        "--recipe",
        "--device",
        "--time-limit",
        "--depth",
        "--body-crop",
    ):
        assert option in done.stdout
    for option in (
        "--tile-step",
        "--folds",
        "--tracer",
        "--strict",
        "--points",
        "--assume-suv",
        "--on-error",
        "--cache",
    ):
        assert option in done.stdout
    assert "143" in done.stdout


def test_the_build_argument_arrives_as_an_environment_variable(toy_case, tmp_path):
    done = subprocess.run(
        command(toy_case, tmp_path / "no-weights", tmp_path / "out"),
        capture_output=True,
        check=False,
        env=os.environ | {"PETLESION_ON_ERROR": "mask"},
    )
    assert done.returncode == 0, done.stderr.decode()
    assert len(list((tmp_path / "out/images/tumor-lesion-segmentation").iterdir())) == 1


@pytest.mark.parametrize("delay_s", [1.0, 4.0])
def test_sigterm_ends_within_five_seconds_with_a_whole_mask_or_none(toy_case, toy_weights, tmp_path, delay_s):
    words = command(toy_case, toy_weights, tmp_path, "--depth", "8", "--no-body-crop", "--tile-step", "0.3")
    process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    time.sleep(delay_s)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert time.monotonic() - begun < 5
    assert process.returncode in {143, -signal.SIGTERM}  # the latter before Python could set its handler
    for mask in (tmp_path / "images").rglob("*.mha"):
        assert sitk.ReadImage(str(mask)).GetSize() == toy_case.phantom.pet_suv.grid.size_xyz
    assert not list(tmp_path.rglob(".petlesion-*"))


CAPPED = """
import re, resource, sys, time
from pathlib import Path
from petlesion.entry import main
from petlesion.inference.allocator import take_workspaces
take_workspaces()
used_kb = int(re.search(r"VmData:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
cap = (used_kb << 10) + (int(sys.argv[1]) << 20)
resource.setrlimit(resource.RLIMIT_DATA, (cap, cap))
sys.exit(main(sys.argv[2:], started_s=time.monotonic()))
"""


@pytest.mark.parametrize(("megabytes", "statuses"), [(1, {5}), (12, {5}), (40, {0, 5}), (800, {0})])
def test_too_little_memory_ends_in_a_mask_or_in_one_sentence(toy_case, toy_weights, tmp_path, megabytes, statuses):
    """The platform caps memory by RLIMIT_DATA, as `ulimit -d` does; here so much is left after the start."""
    words = ["--input", toy_case.input_dir, "--output", tmp_path, "--weights", toy_weights, "--no-body-crop"]
    done = subprocess.run(
        [sys.executable, "-c", CAPPED, str(megabytes), *map(str, words), "--depth", "1", "--folds", "0"],
        capture_output=True,
        check=False,
        cwd=PROCESS.parent,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    stderr = done.stderr.decode()
    assert done.returncode in statuses, stderr
    if done.returncode == 5:
        assert stderr.splitlines()[-1].startswith("petlesion: ")
        assert "memory" in stderr.splitlines()[-1]
    assert len(list(tmp_path.rglob("*.mha"))) == (done.returncode == 0)
