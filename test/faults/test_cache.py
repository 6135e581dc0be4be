# SPDX-License-Identifier: Apache-2.0
"""--cache through process.py: the steps of an interactive case, and a folder with which something is wrong."""

from __future__ import annotations

import json
import re
import shutil
import time

import pytest
import SimpleITK as sitk
import torch

from petlesion import entry
from petlesion.inference.tile_files import HEAD, NAME
from test.faults import runs
from test.faults.images import FINE
from test.faults.place import SLUG, Fault, sound
from test.faults.test_faults import answer, check
from test.faults.test_processes import lines_of


def step(case, output, weights, *options):
    """One step of the toy case: its mask's bytes and its report."""
    folders = ["--input", str(case), "--output", str(output), "--weights", str(weights)]
    words = [*folders, "--depth", "1", "--device", "cpu", "--folds", "0", *options]
    assert entry.main(words, started_s=time.monotonic()) == 0
    (mask,) = (output / "images" / SLUG).iterdir()
    return mask.read_bytes(), json.loads((output / "report.json").read_text())


def test_each_step_of_an_interactive_case_is_the_same_as_without(toy_case, toy_weights, tmp_path):
    """Clicks come, one goes again, and at last all are gone; between the steps the folder is copied, as a volume is."""
    torch.set_num_threads(1)
    case, cache = tmp_path / "case", tmp_path / "cache"
    shutil.copytree(toy_case.input_dir, case)
    for file in (case / "images").glob("*/*.mha"):
        image = sitk.ReadImage(str(file))
        image.SetSpacing((8.0, 8.0, 8.0))  # the network's: a cubic spline would carry a click through these few voxels
        sitk.WriteImage(image, str(file))
    tumor, background = (
        [{"point": list(point), "name": name} for point in points]
        for points, name in ((toy_case.clicks.tumor_xyz, "tumor"), (toy_case.clicks.background_xyz, "background"))
    )
    steps = [[], tumor[:1], tumor[:2], [*tumor[:2], background[0]], tumor[:2], []]
    computed, calls = [], []
    for number, points in enumerate(steps):
        (case / "lesion-clicks.json").write_text(json.dumps({"points": points}))
        without, plain = step(case, tmp_path / f"without-{number}", toy_weights)
        mask, report = step(case, tmp_path / f"with-{number}", toy_weights, "--cache", str(cache))
        assert mask == without
        assert report["lesions"] == plain["lesions"]
        assert report["tracer"] == plain["tracer"]
        assert "tiles" not in plain["stages"][0]
        tiles = report["stages"][0]["tiles"]
        computed.append(tiles["computed"])
        calls.append(tiles["computed"] + tiles["reused"])
        moved = cache.rename(tmp_path / f"cache-{number}")
        shutil.copytree(moved, cache)
    assert len(set(calls)) == 1
    assert computed[0] == calls[0]  # nothing was there
    assert 0 < computed[1] < calls[0]  # the tiles around the first click
    assert 0 < computed[2] < calls[0]
    assert 0 < computed[3] <= calls[0]  # a background click is drawn wide, and these voxels are coarse
    assert computed[4:] == [0, 0]  # as in the steps 2 and 0


def checked(place, fault, status, lines, kept):
    """All that holds for any run; its lines, and its counts of tiles."""
    check(place, fault, status, lines, kept)
    return lines, json.loads((place.output / "report.json").read_text())["stages"][0].get("tiles")


def with_cache(place):
    return Fault("", sound, 0, FINE, ("--cache", str(place.root / "cache")))


def cached(place, capsys):
    """A run with --cache: its lines, and its counts of tiles."""
    torch.set_num_threads(1)
    return checked(place, with_cache(place), *answer(place, with_cache(place), capsys), {})


ALL, NONE = {"computed": 1, "reused": 0}, {"computed": 0, "reused": 1}


def masks(place):
    return {name: data for name, data in place.files().items() if name.endswith(".mha")}


def test_other_weights_reuse_nothing(place, capsys):
    assert cached(place, capsys)[1] == ALL
    first = masks(place)
    lines, tiles = cached(place, capsys)
    assert tiles == NONE
    assert "tiles: 0 computed, 1 reused" in lines
    assert masks(place) == first
    shutil.copytree(place.weights, place.root / "weights")
    other = type(place)(place.root, place.root / "weights")
    runs.tensors(lambda state: state.update({runs.first(state): state[runs.first(state)] * 0.5}))(other)
    assert cached(other, capsys)[1] == ALL


@pytest.mark.parametrize("damage", [lambda data: data[:-100], lambda data: bytes(len(data)), lambda _: b""])
def test_torn_files(place, capsys, damage):
    cached(place, capsys)
    first = masks(place)
    for file in (place.root / "cache").iterdir():
        file.write_bytes(damage(file.read_bytes()))
    assert cached(place, capsys)[1] == ALL
    assert cached(place, capsys)[1] == NONE
    assert masks(place) == first


def test_a_folder_that_is_a_file(place, capsys):
    (place.root / "cache").write_text("a file")
    lines, tiles = cached(place, capsys)
    assert tiles is None
    assert any(re.match("warning: nothing is reused: the folder of --cache", line) for line in lines)
    assert (place.root / "cache").read_text() == "a file"


def test_a_disk_on_which_a_mask_has_room_and_a_tile_has_none(place, forks):
    """A tile has 16 kB; the mask, its report and a prepared channel have less than 8."""
    fault = with_cache(place)
    status, stderr = forks.run(place.arguments(fault), place.root, FSIZE=8000)
    lines, tiles = checked(place, fault, status, lines_of(stderr), {})
    assert tiles == ALL
    assert any(line.startswith("warning: nothing more is kept for the next step") for line in lines)
    left = list((place.root / "cache").iterdir())
    assert left
    assert all(NAME.fullmatch(file.name) and HEAD < file.stat().st_size < 8000 for file in left)


@pytest.mark.parametrize("inside", [f"images/{SLUG}", f"images/{SLUG}/cache", "images", "images/../images/x"])
def test_never_among_the_images_of_the_output(place, capsys, inside):
    fault = Fault("", sound, 2, "--cache lies outside of the results", ("--cache", str(place.output / inside)))
    check(place, fault, *answer(place, fault, capsys), {})
