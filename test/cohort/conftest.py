# SPDX-License-Identifier: Apache-2.0
"""Small cohorts: cases of 10 x 12 x 14 voxels, each a little different, and what they are run with."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk

from petlesion.cohort.batch import order_for
from petlesion.options import add_run_options, run_options
from test.faults.place import ct_array, mha, pet_array

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ("--depth", "1", "--folds", "0", "--tracer", "FDG", "--device", "cpu")


def put_case(folder: Path, heat: float = 9.0) -> Path:
    """A case's sockets in `folder`/input; its lesion has the SUV `heat`."""
    pet = pet_array()
    pet[pet == 9.0] = heat
    for kind, array in (("ct", ct_array()), ("pet", pet)):
        (folder / "input/images" / kind).mkdir(parents=True)
        (folder / "input/images" / kind / "8e1c.mha").write_bytes(mha(array))
    return folder


def put_image(path: Path, array: np.ndarray) -> Path:
    """An image of the small case as a file of any kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((8.0, 8.0, 9.0))
    sitk.WriteImage(image, str(path))
    return path


@dataclass(frozen=True)
class Cohort:
    """A folder of cases, of which some cannot be segmented."""

    root: Path
    good: tuple[str, ...]
    bad: tuple[str, ...]


def make_cohort(root: Path, good: int) -> Cohort:
    """Cases c00, c01, ...; and bad ones: in Bq/ml, cut short, without a CT, and with nothing at all."""
    names = tuple(f"c{number:02}" for number in range(good))
    for number, name in enumerate(names):
        put_case(root / name, 5.0 + number / 8)
    put_case(root / "bad-bqml", 9.0)
    (root / "bad-bqml/input/images/pet/8e1c.mha").write_bytes(mha(pet_array() * np.float32(5000)))
    put_case(root / "bad-cut")
    path = root / "bad-cut/input/images/pet/8e1c.mha"
    path.write_bytes(path.read_bytes()[:-100])
    put_case(root / "bad-half")
    (root / "bad-half/input/images/ct/8e1c.mha").unlink()
    (root / "bad-none").mkdir()
    return Cohort(root, names, ("bad-bqml", "bad-cut", "bad-half", "bad-none"))


def options_of(weights, *words):
    parser = argparse.ArgumentParser()
    add_run_options(parser, of_many=True)
    return run_options(parser.parse_args(["--weights", str(weights), *WORDS, *words]), started_s=0.0)


@pytest.fixture
def order(toy_weights, tmp_path):
    """What is done with each case; results go to tmp_path/out, which is there."""
    (tmp_path / "out").mkdir()
    return order_for(options_of(toy_weights), tmp_path / "cohort", tmp_path / "out", threads=1)
