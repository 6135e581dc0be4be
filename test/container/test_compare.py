# SPDX-License-Identifier: Apache-2.0
import json
import os

import numpy as np
import pytest
import SimpleITK as sitk

from test.container.compare import MASKS, compare_values, main, the_mask

REPORT = {"lesions": [{"number": 1, "volume_ml": 2.0}], "tracer": {"name": "FDG"}, "seconds": {"sweeps": 1.0}}


def output(folder, mask, report=REPORT, name="a.mha", spacing=(1.0, 1.0, 1.0)):
    (folder / MASKS).mkdir(parents=True)
    image = sitk.GetImageFromArray(np.asarray(mask, np.uint8))
    image.SetSpacing(spacing)
    sitk.WriteImage(image, folder / MASKS / name)
    if os.getuid() == 0:  # as the container's user would leave it
        os.chown(folder / MASKS / name, 1000, 1000)
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return folder


def test_two_empty_masks_are_the_same(tmp_path):
    folders = [output(tmp_path / name, [[[0, 0]]]) for name in ("outside", "inside")]
    assert "0 voxels, 1 lesions, Dice 1.000000" in main(*folders)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mask": [[[1, 0]]]}, "Dice between the masks"),  # 2 * 1 / (2 + 1)
        ({"name": "b.mha"}, "b.mha inside"),
        ({"spacing": (1.0, 1.0, 2.0)}, "GetSpacing"),
        ({"report": REPORT | {"tracer": {"name": "PSMA"}}}, "report.tracer.name: 'FDG' outside, 'PSMA' inside"),
        ({"report": REPORT | {"lesions": []}}, "report.lesions"),
        ({"report": REPORT | {"warnings": []}}, "report: "),
    ],
)
def test_a_difference_is_named(tmp_path, change, words):
    outside = output(tmp_path / "outside", [[[1, 1]]])
    inside = output(tmp_path / "inside", **({"mask": [[[1, 1]]]} | change))
    with pytest.raises(SystemExit, match=words):
        main(outside, inside)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can tell that the container ran as root")
def test_a_mask_of_root_is_refused(tmp_path):
    outside, inside = (output(tmp_path / name, [[[1]]]) for name in ("outside", "inside"))
    os.chown(the_mask(inside), 0, 0)
    with pytest.raises(SystemExit, match="uid 0"):
        main(outside, inside)


def test_a_second_file_beside_the_mask_is_refused(tmp_path):
    folder = output(tmp_path, [[[1]]])
    (folder / MASKS / "a.json").touch()
    with pytest.raises(SystemExit, match="must hold one file"):
        the_mask(folder)


def test_times_and_versions_may_differ_and_figures_in_the_last_digits():
    one = {"seconds": 1.0, "versions": {"python": "3.11.2"}, "x": 1.0, "s": [{"seconds_by_sweep": [1.0]}]}
    other = {"seconds": 2.0, "versions": {}, "x": 1.0 + 1e-6, "s": [{"seconds_by_sweep": [3.0]}]}
    assert list(compare_values(one, other)) == []
    assert list(compare_values({"x": 1.0}, {"x": 1.1})) == ["report.x: 1.0 outside, 1.1 inside"]
