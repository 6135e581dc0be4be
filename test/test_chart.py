# SPDX-License-Identifier: Apache-2.0
import math
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from petlesion.chart import curve, evaluation_chart
from petlesion.scores import CaseScores, score


def line(bits):
    return np.array([[[bit == "1" for bit in bits]]])


def case(name, truth, *predictions, **more):
    return CaseScores(name, tuple(score(line(one), line(truth), 1.0) for one in predictions), **more)


def size_of(path):
    with Image.open(path) as picture:
        return picture.size


def test_a_healthy_case_alone_gives_a_chart(tmp_path):
    evaluation_chart([case("a", "0000", "0000", "0110")], tmp_path / "a.png")
    assert min(size_of(tmp_path / "a.png")) > 400


def test_one_step_gives_the_volumes_alone(tmp_path):
    evaluation_chart([case("a", "0110", "0100")], tmp_path / "one.png")
    evaluation_chart([case("a", "0110", "0100", "0110")], tmp_path / "two.png")
    (one_width, one_height), (two_width, two_height) = size_of(tmp_path / "one.png"), size_of(tmp_path / "two.png")
    assert (one_width * 3, one_height * 2) == pytest.approx((two_width, two_height), abs=3)


def test_subsets_have_colours_of_their_own(tmp_path):
    cases = [case(str(k), "0110", "0100", tracer=f"T{k}") for k in range(8)]
    evaluation_chart(cases, tmp_path / "many.png")
    assert (tmp_path / "many.png").read_bytes().startswith(b"\x89PNG")


def test_a_curve_is_the_mean_with_the_standard_deviation():
    cases = [case("a", "1111", "0000", "1111"), case("b", "1111", "1111", "1111"), case("c", "0000", "0000", "0000")]
    mean, sd = curve(cases, "dice")
    assert mean.tolist() == [(0 + 1) / 2, 1]
    assert sd.tolist() == [pytest.approx(math.sqrt(0.5)), 0]


def test_a_curve_of_one_case_has_no_spread_and_of_none_no_mean():
    assert curve([case("a", "11", "10")], "dice").tolist() == [[pytest.approx(2 / 3)], [0]]
    assert np.isnan(curve([case("a", "00", "10")], "dice")).all()


def test_a_chart_leaves_no_global_state():
    code = "import sys, petlesion.chart; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "matplotlib" not in modules
