# SPDX-License-Identifier: Apache-2.0
"""Folders of masks: which files go together, what is refused, and scores from the disk."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
import SimpleITK as sitk

from petlesion.evaluate import (
    EvaluationError,
    Pair,
    Subset,
    evaluate_pair,
    find_masks,
    find_pairs,
    in_subsets,
    read_mask,
    read_subsets,
    write_csv,
)
from petlesion.images import OutputError, read_image
from petlesion.itk import to_image
from petlesion.volume import Grid, Volume
from test.real_data import SHARED_DATA

MASKS = SHARED_DATA / "lesion_masks"
SPACING_MM = (5.0, 10.0, 20.0)  # 1 ml a voxel


def write(path, bits, spacing_mm=SPACING_MM, dtype=np.uint8, value=1):
    """A mask along x."""
    array = np.array([[[int(bit) * value for bit in bits]]], dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(to_image(Volume(array, Grid((len(bits), 1, 1), spacing_mm))), str(path))
    return path


def test_an_empty_folder_has_no_masks(tmp_path):
    assert find_masks(tmp_path, "truth") == {}


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(EvaluationError, match="is none"):
        find_masks(tmp_path / "nowhere", "truth")


def test_masks_are_found_by_their_names(tmp_path):
    for name in ("b.nii.gz", "a.v2.mha", "c/truth.nrrd", "c/organs.mha", "d/mask.mha", ".hidden.mha", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_masks(tmp_path, "truth")
    assert {case: path.relative_to(tmp_path).as_posix() for case, path in found.items()} == {
        "a.v2": "a.v2.mha",
        "b": "b.nii.gz",
        "c": "c/truth.nrrd",
    }


@pytest.mark.parametrize("other", ["a.nii.gz", "a/truth.mha"])
def test_two_masks_of_one_case_are_refused(tmp_path, other):
    write(tmp_path / "a.mha", "1")
    write(tmp_path / other, "1")
    with pytest.raises(EvaluationError, match="one mask"):
        find_masks(tmp_path, "truth")


def test_cases_go_together_by_name(tmp_path):
    for name in ("truth/b.nii.gz", "truth/a/truth.mha", "pred/a.mha", "pred/b/mask.mha"):
        write(tmp_path / name, "1")
    assert find_pairs(tmp_path / "truth", tmp_path / "pred") == [
        Pair("a", tmp_path / "truth/a/truth.mha", (tmp_path / "pred/a.mha",)),
        Pair("b", tmp_path / "truth/b.nii.gz", (tmp_path / "pred/b/mask.mha",)),
    ]


def test_no_truth_at_all_is_refused(tmp_path):
    (tmp_path / "truth").mkdir()
    write(tmp_path / "pred/a.mha", "1")
    with pytest.raises(EvaluationError, match="needs true masks"):
        find_pairs(tmp_path / "truth", tmp_path / "pred")


def test_a_prediction_without_truth_is_refused(tmp_path):
    for name in ("truth/a.mha", "pred/a.mha", "pred/b.mha"):
        write(tmp_path / name, "1")
    with pytest.raises(EvaluationError, match="needs its truth by the same name; b of"):
        find_pairs(tmp_path / "truth", tmp_path / "pred")


def test_a_missing_prediction_is_refused_taken_as_empty_or_left_out(tmp_path):
    for name in ("truth/a.mha", "truth/b.mha", "pred/a.mha"):
        write(tmp_path / name, "1")
    folders = tmp_path / "truth", tmp_path / "pred"
    with pytest.raises(EvaluationError, match="--missing"):
        find_pairs(*folders)
    assert [(pair.case, pair.predictions[0] is None) for pair in find_pairs(*folders, missing="empty")] == [
        ("a", False),
        ("b", True),
    ]
    assert [pair.case for pair in find_pairs(*folders, missing="skip")] == ["a"]
    (tmp_path / "pred/a.mha").unlink()
    with pytest.raises(EvaluationError, match="needs predictions"):
        find_pairs(*folders, missing="skip")


def test_steps_are_folders_in_the_order_of_their_numbers(tmp_path):
    write(tmp_path / "truth/a.mha", "1")
    for step in range(11):
        write(tmp_path / f"pred/step_{step}/a.mha", "1")
    (pair,) = find_pairs(tmp_path / "truth", tmp_path / "pred", steps=True)
    assert [path.parent.name for path in pair.predictions] == [f"step_{step}" for step in range(11)]


@pytest.mark.parametrize("steps", [(), (0,), (0, 2), (1, 2)])
def test_steps_with_a_gap_or_too_few_are_refused(tmp_path, steps):
    write(tmp_path / "truth/a.mha", "1")
    for step in steps:
        write(tmp_path / f"pred/step_{step:02d}/a.mha", "1")
    with pytest.raises(EvaluationError, match="without a gap"):
        find_pairs(tmp_path / "truth", tmp_path / "pred", steps=True)


def test_a_case_that_lacks_one_step_is_missing(tmp_path):
    for name in ("truth/a.mha", "truth/b.mha", "pred/step_00/a.mha", "pred/step_00/b.mha", "pred/step_01/a.mha"):
        write(tmp_path / name, "11")
    folders = tmp_path / "truth", tmp_path / "pred"
    with pytest.raises(EvaluationError, match="at every step; b has none"):
        find_pairs(*folders, steps=True)
    assert [pair.case for pair in find_pairs(*folders, steps=True, missing="skip")] == ["a"]
    b = find_pairs(*folders, steps=True, missing="empty")[1]
    assert [step.dice for step in evaluate_pair(b).steps] == [1, 0]
    assert evaluate_pair(b).missing_steps == (1,)


def test_a_case_is_scored_in_ml_of_its_own_grid(tmp_path):
    pair = Pair(
        "a",
        write(tmp_path / "t.nii.gz", "0110110"),
        (write(tmp_path / "p.mha", "1100001"),),
        Subset("FDG", "UKT"),
    )
    found = evaluate_pair(pair)
    assert (found.case, found.tracer, found.centre) == ("a", "FDG", "UKT")
    assert found.last.dice == 2 / 7
    assert found.last.fpv_ml == pytest.approx(1.0)
    assert found.last.fnv_ml == pytest.approx(2.0)


def test_small_components_are_removed_at_the_last_step(tmp_path):
    truth, prediction = write(tmp_path / "t.mha", "0000111"), write(tmp_path / "p.mha", "1011011")
    found = evaluate_pair(Pair("a", truth, (prediction, prediction)), thresholds=(0, 2, 3))
    # Predicted are 1, 2 and 2 voxels; the first two touch no lesion, of which the last covers two of three voxels.
    assert [(n, one.dice, one.fpv_ml, one.fnv_ml) for n, one in found.by_threshold] == [
        (0, 2 * 2 / (5 + 3), 3.0, 0.0),
        (2, 2 * 2 / (4 + 3), 2.0, 0.0),
        (3, 0.0, 0.0, 3.0),
    ]
    assert found.last == found.by_threshold[0][1]


def test_each_file_is_read_once_whatever_the_thresholds(tmp_path, monkeypatch):
    pair = Pair("a", write(tmp_path / "t.mha", "0110"), (write(tmp_path / "p.mha", "0101"),))
    read = []
    monkeypatch.setattr("petlesion.evaluate.read_image", lambda path, what: read.append(path) or read_image(path, what))
    assert len(evaluate_pair(pair, thresholds=(0, 5, 10, 20, 40, 80)).by_threshold) == 6
    assert read == [pair.truth, *pair.predictions]


def test_a_healthy_case_loses_its_false_positives_only(tmp_path):
    pair = Pair("a", write(tmp_path / "t.mha", "0000"), (write(tmp_path / "p.mha", "1011"),))
    found = evaluate_pair(pair, thresholds=(0, 2, 3)).by_threshold
    assert [(n, one.fpv_ml) for n, one in found] == [(0, 3.0), (2, 2.0), (3, 0.0)]
    assert all(math.isnan(one.dice) and math.isnan(one.fnv_ml) for _, one in found)


def test_other_grids_are_refused_by_name(tmp_path):
    truth = write(tmp_path / "t.mha", "01")
    for name, bits, spacing in (("p.mha", "010", SPACING_MM), ("q.mha", "01", (6.0, 10.0, 20.0))):
        with pytest.raises(EvaluationError, match=f"share one grid; .*{name} has .*resample"):
            evaluate_pair(Pair("a", truth, (write(tmp_path / name, bits, spacing),)))


def test_a_mask_may_have_any_one_value(tmp_path):
    assert read_mask(write(tmp_path / "a.mha", "0110", value=255), "truth").array_zyx.tolist() == [
        [[False, True, True, False]]
    ]


@pytest.mark.parametrize("bits", ["0120", "12"])
def test_labels_are_no_mask(tmp_path, bits):
    with pytest.raises(EvaluationError, match="one other value"):
        read_mask(write(tmp_path / "a.mha", bits), "truth")


def test_not_a_number_is_no_mask(tmp_path):
    image = sitk.GetImageFromArray(np.array([[[0.0, np.nan]]], np.float32))
    sitk.WriteImage(image, str(tmp_path / "a.mha"))
    with pytest.raises(EvaluationError, match="one other value"):
        read_mask(tmp_path / "a.mha", "truth")


def test_subsets_come_from_csv_or_json(tmp_path):
    (tmp_path / "a.csv").write_text("case,tracer,centre\na,FDG,UKT\nb,PSMA,\n")
    (tmp_path / "a.json").write_text(json.dumps({"a": {"tracer": "FDG", "centre": "UKT"}, "b": {"tracer": "PSMA"}}))
    expected = {"a": Subset("FDG", "UKT"), "b": Subset("PSMA", "")}
    assert read_subsets(tmp_path / "a.csv") == read_subsets(tmp_path / "a.json") == expected


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "name\na\n"), ("a.json", "[1]"), ("a.json", '{"a": 1}'), ("b", "{")]
)
def test_other_files_are_no_subsets(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(EvaluationError, match="columns case, tracer, centre"):
        read_subsets(tmp_path / name)


def test_each_case_is_in_a_subset(tmp_path):
    pairs = [Pair("a", tmp_path, ()), Pair("b", tmp_path, ())]
    with pytest.raises(EvaluationError, match="; b has none"):
        in_subsets(pairs, {"a": Subset("FDG")})
    assert in_subsets(pairs[:1], {"a": Subset("FDG"), "z": Subset()})[0].subset.tracer == "FDG"


def test_the_table_is_csv_with_empty_cells(tmp_path):
    write_csv([{"case": "a, b", "dice": None}, {"case": "c", "dice": 0.5}], tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == 'case,dice\n"a, b",\nc,0.5\n'
    with (tmp_path / "a.csv").open(newline="") as stream:
        assert [row["dice"] for row in csv.DictReader(stream)] == ["", "0.5"]


def test_a_table_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="table"):
        write_csv([{"case": "a"}], tmp_path / "file" / "a.csv")


@pytest.mark.skipif(not MASKS.is_dir(), reason="the published masks are not beside the repository")
@pytest.mark.parametrize("system", ["nnUNet_baseline", "datacentric"])
def test_the_scores_of_the_official_evaluation_from_the_disk(system):
    case = "psma_95b833d46f153cd2"
    expected = json.loads((MASKS / "expected_metrics.json").read_text())[system]
    found = evaluate_pair(Pair(case, MASKS / f"{case}_2018-04-16.nii.gz", (MASKS / f"{case}_{system}_pred.nii.gz",)))
    assert {name: found.last.figures()[name] for name in expected} == expected
