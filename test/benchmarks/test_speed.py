# SPDX-License-Identifier: Apache-2.0
"""What `benchmarks.speed` makes of the figures of a run."""

import json
import subprocess
import sys

from benchmarks.speed import SETTINGS, apart, process, throughput
from benchmarks.with_gpu_memory import gpu_memory


def test_passes_are_sweeps_times_windows():
    """400 x 400 x 326 voxels: 4 x 4 x 3 windows of 192^3 at a step of one half."""
    setting = SETTINGS["full-size"]
    found = throughput(setting, (326, 400, 400), sweeps=40, seconds=960.0)
    assert found == {"passes": 1920, "passes_per_s": 2.0, "tflops": 9.74}  # 2 x 4.87
    assert (setting.flips, len(setting.folds)) == (8, 5)


def test_only_the_full_size_networks_have_a_known_arithmetic():
    assert "tflops" not in throughput(SETTINGS["whole-body"], (326, 400, 400), sweeps=1, seconds=1.0)
    toy = throughput(SETTINGS["full-size-toy"], (80, 80, 80), sweeps=1, seconds=8.0)
    assert toy == {"passes": 8, "passes_per_s": 1.0, "tflops": 0.18}  # 4.87 / 27


def test_without_a_gpu_there_is_no_memory_of_one():
    assert gpu_memory() == {}


def test_process_py_runs_as_it_is_and_one_line_more_is_printed(tmp_path):
    words = ["-m", "benchmarks.with_gpu_memory", "--input", str(tmp_path), "--output", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert json.loads(done.stdout.splitlines()[-1]) == {}
    assert "Traceback" not in done.stderr


def test_a_process_is_measured():
    figures, printed = process(["-c", "print(7)"])
    assert printed == "7\n"
    assert figures.keys() == {"wall_s", "cpu_s", "peak_gb", "load"}


def test_what_is_made_apart_comes_back():
    assert apart(divmod, 7, 2) == (3, 1)
