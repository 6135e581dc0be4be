# SPDX-License-Identifier: Apache-2.0
"""Options of a run: what the words of the command line become."""

from __future__ import annotations

import argparse
from math import inf
from pathlib import Path

import pytest

from petlesion.case import Tracer
from petlesion.options import add_run_options, add_server_options, add_socket_options, run_options


def options(*words, on_error="fail"):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_run_options(parser, on_error)
    return run_options(parser.parse_args(words), started_s=12.5)


def test_without_words_everything_is_the_recipes():
    found = options()
    assert (found.recipe.name, found.weights, found.on_error) == ("mesbah", None, "fail")
    limits = found.limits
    assert (limits.device, limits.depth, limits.tracer) == ("auto", "voxels", None)
    assert (limits.time_limit_s, limits.body_crop, limits.tile_step, limits.folds) == (None, None, None, None)
    assert (limits.average_folds, limits.compile) == (False, False)
    assert limits.started_s == 12.5
    assert (found.reading.strict, found.reading.assume_suv, found.reading.points_unit) == (False, False, "voxels")


def test_each_word_reaches_its_field():
    words = "--device cpu --time-limit 60 --depth 4 --no-body-crop --tile-step 0.5 --folds 0,3 --tracer PSMA --strict"
    words += " --average-folds --compile"
    found = options(*words.split(), "--points", "mm", "--assume-suv", "--on-error", "mask", "--weights", "w")
    limits = found.limits
    assert (limits.device, limits.time_limit_s, limits.depth, limits.tile_step) == ("cpu", 60.0, 4, 0.5)
    assert (limits.body_crop, limits.folds, limits.tracer) == (False, (0, 3), Tracer.PSMA)
    assert (limits.average_folds, limits.compile) == (True, True)
    assert (found.reading.strict, found.reading.assume_suv, found.reading.points_unit) == (True, True, "mm")
    assert (found.on_error, found.weights) == ("mask", Path("w"))


def test_a_time_limit_of_0_is_none_at_all():
    assert options("--time-limit", "0").limits.time_limit_s == inf


def test_an_image_can_be_built_to_answer_errors_with_a_mask():
    assert options(on_error="mask").on_error == "mask"
    assert options("--on-error", "fail", on_error="mask").on_error == "fail"


def test_an_image_built_with_another_answer_is_refused():
    with pytest.raises(SystemExit) as ended:
        options(on_error="Mask")
    assert ended.value.code == 2


@pytest.mark.parametrize("depth", ["voxels", "published", "deadline"])
def test_depths_by_name(depth):
    assert options("--depth", depth).limits.depth == depth


@pytest.mark.parametrize("words", [("--depth", "3"), ("--depth", "1.0"), ("--folds", "a"), ("--folds", "")])
def test_words_that_mean_nothing_are_refused(words):
    with pytest.raises(argparse.ArgumentError):
        options(*words)


@pytest.mark.parametrize("words", [("--time-limit", "-1"), ("--tile-step", "0"), ("--folds", "1,1")])
def test_values_out_of_range_are_refused(words):
    with pytest.raises(ValueError, match="got"):
        options(*words)


def server(*words, api_method=None):
    parser = argparse.ArgumentParser()
    add_socket_options(parser)
    add_server_options(parser, "127.0.0.1", api_method)
    return parser.parse_args(words)


def test_sockets_and_server_are_where_the_platform_has_them():
    found = server()
    assert (found.input, found.output, found.slug) == (Path("/input"), Path("/output"), "tumor-lesion-segmentation")
    assert (found.host, found.port) == ("127.0.0.1", 4743)
    assert not hasattr(found, "api_method")  # a command that serves does nothing else


def test_the_way_of_running_is_that_of_the_image_unless_it_is_given():
    assert server(api_method="exec").api_method == "exec"
    assert server(api_method="invoke").api_method == "invoke"
    assert server("--api-method", "exec", api_method="invoke").api_method == "exec"


@pytest.mark.parametrize(("words", "built"), [((), "push"), (("--api-method", "push"), "exec")])
def test_another_way_of_running_is_a_matter_of_usage(words, built, capsys):
    with pytest.raises(SystemExit) as ended:
        server(*words, api_method=built)
    assert ended.value.code == 2
    assert "push" in capsys.readouterr().err
