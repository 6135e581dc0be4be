# SPDX-License-Identifier: Apache-2.0
"""Every fault of the platform's contract: its exit status, its one sentence, and an output as found or complete."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections import Counter

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from petlesion import entry
from test.faults import cases, images, runs
from test.faults.place import SLUG, Place

FAULTS = images.FAULTS + cases.FAULTS + runs.FAULTS
WEIGHTS = {id(fault) for fault in runs.WEIGHTS}
GEOMETRY = ("GetSize", "GetSpacing", "GetOrigin", "GetDirection")


def spoils_weights(fault):
    """Whether it needs weights of its own to spoil."""
    return id(fault) in WEIGHTS or "no weights" in fault.name


def answer(place, fault, capsys):
    """Exit status and lines of a run in this process."""
    try:
        status = entry.main(place.arguments(fault), started_s=time.monotonic())
    except SystemExit as ended:  # argparse's
        status = ended.code
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    return status, lines


def check_sentence(status, lines, fault):
    """No trace but one plain sentence at the end, that says what is to be said."""
    assert not [line for line in lines if line.startswith("Traceback")]
    last = lines[-1]
    last.encode("utf-8")
    assert last.isprintable()
    assert len(last) < 2000
    said = "\n".join(lines) if status == 0 else last
    assert re.search(fault.says, said), said
    if status:
        assert last.startswith("process.py: error: " if status == 2 else "petlesion: ")


def check_mask(place, fault, kept):
    """One valid mask with the PET's geometry, its report, and what else was there."""
    after = place.files()
    (mask,) = [name for name in after if name.startswith(f"images/{SLUG}/")]
    assert set(after) == {mask, "report.json", *fault.also}
    image = sitk.ReadImage(str(place.output / mask))
    assert image.GetPixelID() == sitk.sitkUInt8
    assert image.GetNumberOfComponentsPerPixel() == 1
    assert set(np.unique(sitk.GetArrayFromImage(image))) <= {0, 1}
    (pet,) = [path for path in (place.input / "images").glob("pet*/*") if path.name[0] != "." and path.suffix != ".txt"]
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(pet))
    reader.ReadImageInformation()
    for get in GEOMETRY:
        assert getattr(image, get)() == pytest.approx(getattr(reader, get)(), rel=1e-6, abs=1e-4), get
    assert json.loads(after["report.json"])["warnings"] is not None
    assert {name: after[name] for name in fault.also} == {name: kept[name] for name in fault.also}


def check(place, fault, status, lines, kept):
    """All that holds for any run."""
    assert status == fault.status, lines
    check_sentence(status, lines, fault)
    assert not list(place.root.rglob(".petlesion-*"))
    if status == 0:
        check_mask(place, fault, kept)
    else:
        assert place.files() == kept


def test_the_table_is_long_and_nothing_stands_in_it_twice():
    assert len(FAULTS) >= 150
    assert [name for name, count in Counter(map(str, FAULTS)).items() if count > 1] == []


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_fault(place, fault, capsys):
    if spoils_weights(fault):
        shutil.copytree(place.weights, place.root / "weights")
        place = Place(place.root, place.root / "weights")
    fault.spoil(place)
    kept = {name: data for name, data in place.files().items() if not name.startswith(".petlesion-")}
    torch.set_num_threads(1)
    status, lines = answer(place, fault, capsys)
    check(place, fault, status, lines, kept)
