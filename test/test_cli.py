# SPDX-License-Identifier: Apache-2.0
"""The command line: each command once through, as a user calls it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from petlesion import cli
from petlesion.clicks import parse_clicks
from petlesion.images import read_image, write_mask
from petlesion.inference.tracer import MipCnn
from petlesion.itk import to_image
from petlesion.phantom.organs import Organ
from petlesion.volume import Grid, Volume
from test.inference.models import checkpoint, toy_network, write_folder


def petlesion(*words):
    return cli.main([str(word) for word in words])


def only(folder):
    (path,) = folder.iterdir()
    return path


@pytest.fixture
def small_phantom(tmp_path):
    words = ("--tracer", "PSMA", "--seed", 3, "--shape", "40,40,50", "--spacing", "10,10,12", "--lesions", 2)
    assert petlesion("phantom", *words, "--click-count", 3, "--out", tmp_path) == 0
    return tmp_path


def test_a_command_is_needed():
    with pytest.raises(SystemExit) as ended:
        petlesion()
    assert ended.value.code == 2


@pytest.mark.parametrize("command", sorted(cli.COMMANDS))
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        petlesion(command, "--help")
    assert ended.value.code == 0
    assert "usage: petlesion" in capsys.readouterr().out


def test_phantom_lays_out_a_case(small_phantom):
    pet = read_image(only(small_phantom / "input/images/pet"), "PET")
    assert pet.grid.size_xyz == (40, 40, 50)
    assert len(parse_clicks((small_phantom / "input/lesion-clicks.json").read_bytes()).tumor) <= 3
    truth = json.loads((small_phantom / "truth.json").read_text())
    assert (truth["tracer"], truth["n_lesions"]) == ("PSMA", 2)


def test_shape_and_spacing_go_together(tmp_path):
    assert petlesion("phantom", "--tracer", "FDG", "--seed", 1, "--shape", "9,9,9", "--out", tmp_path) == 2


def test_a_phantom_around_an_organ_map(small_phantom, tmp_path):
    organs = read_image(small_phantom / "organs.mha", "organs")
    labels = np.where(organs.array_zyx == Organ.LIVER, 3, 0).astype(np.uint8)
    sitk.WriteImage(to_image(organs.with_array(labels)), str(tmp_path / "map.nii.gz"))
    words = ("--tracer", "FDG", "--seed", 1, "--organs", tmp_path / "map.nii.gz", "--lesions", 1)
    sites = ("--sites", small_phantom / "input/lesion-clicks.json")
    assert petlesion("phantom", *words, *sites, "--out", tmp_path / "own") == 0
    drawn = read_image(tmp_path / "own/organs.mha", "organs")
    np.testing.assert_array_equal(drawn.array_zyx == Organ.LIVER, labels == 3)
    shape = ("--shape", "20,20,30", "--spacing", "20,20,20")
    assert petlesion("phantom", *words, *shape, "--out", tmp_path / "coarse") == 0
    coarse = read_image(tmp_path / "coarse/organs.mha", "organs").grid
    middles = [g.world_mm(tuple((n - 1) / 2 for n in g.size_xyz)) for g in (coarse, organs.grid)]
    np.testing.assert_allclose(*middles, atol=1e-3)


def test_a_picture_is_no_organ_map(small_phantom, tmp_path, capsys):
    pet = only(small_phantom / "input/images/pet")
    words = ("--tracer", "FDG", "--seed", 1, "--organs", pet, "--out", tmp_path / "out")
    assert petlesion("phantom", *words) == 3
    assert "whole numbers" in capsys.readouterr().err


def test_sites_go_with_an_organ_map(tmp_path):
    words = ("--tracer", "FDG", "--seed", 1, "--sites", tmp_path / "clicks.json", "--out", tmp_path)
    assert petlesion("phantom", *words) == 2


def test_a_value_out_of_range_is_a_matter_of_usage(tmp_path, capsys):
    words = ("--ct", "a.mha", "--pet", "b.mha", "--out", tmp_path / "mask.mha", "--tile-step", 2)
    assert petlesion("segment", *words) == 2
    assert "(0, 1]" in capsys.readouterr().err


def test_a_report_that_is_not_there_is_bad_input(tmp_path, capsys):
    assert petlesion("table", tmp_path / "none.json") == 3
    assert "none.json" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["9,9", "9,9,x", ""])
def test_three_numbers_are_three_numbers(tmp_path, text):
    with pytest.raises(SystemExit) as ended:
        petlesion("phantom", "--tracer", "FDG", "--seed", 1, "--shape", text, "--out", tmp_path)
    assert ended.value.code == 2


def test_clicks_by_steps(small_phantom):
    pet = only(small_phantom / "input/images/pet")
    words = ("--truth", small_phantom / "truth.mha", "--pet", pet, "--seed", 1)
    assert petlesion("clicks", *words, "--out", small_phantom / "clicks.json") == 0
    assert petlesion("clicks", *words, "--steps", "--out", small_phantom / "steps") == 0
    whole = json.loads((small_phantom / "clicks.json").read_text())
    steps = [json.loads((small_phantom / f"steps/step_{k}.json").read_text()) for k in range(11)]
    assert steps[0]["points"] == []
    assert steps[10] == whole
    assert [len(step["points"]) for step in steps] == sorted(len(step["points"]) for step in steps)


def test_segment_picture_and_table(toy_case, toy_weights, tmp_path, capsys):
    ct, pet = (only(toy_case.input_dir / "images" / kind) for kind in ("ct", "pet"))
    mask, report = tmp_path / "mask.mha", tmp_path / "report.json"
    words = ("--ct", ct, "--pet", pet, "--clicks", toy_case.input_dir / "lesion-clicks.json", "--depth", 1)
    words += ("--weights", toy_weights, "--report-dir", tmp_path / "reports")
    assert petlesion("segment", *words, "--out", mask, "--report", report) == 0
    assert (tmp_path / "reports" / "report.json").read_bytes() == report.read_bytes()
    assert "FDG" in (tmp_path / "reports" / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "reports" / "lesions.csv").read_text().startswith("number,")
    found = read_image(mask, "mask")
    assert found.grid.same_as(toy_case.phantom.pet_suv.grid)
    assert np.count_nonzero(found.array_zyx) > 0
    assert petlesion("picture", "--pet", pet, "--mask", mask, "--out", tmp_path / "mip.png") == 0
    assert (tmp_path / "mip.png").read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    assert petlesion("table", report) == 0
    assert "SUVmax" in capsys.readouterr().out


def test_clicks_may_be_moved(small_phantom):
    pet = only(small_phantom / "input/images/pet")
    words = ("clicks", "--truth", small_phantom / "truth.mha", "--pet", pet, "--seed", 1)
    assert petlesion(*words, "--out", small_phantom / "plain.json") == 0
    assert petlesion(*words, "--offset", 2, "--out", small_phantom / "moved.json") == 0
    plain, moved = ((small_phantom / name).read_text() for name in ("plain.json", "moved.json"))
    assert plain != moved
    assert len(json.loads(plain)["points"]) == len(json.loads(moved)["points"])


def test_scribbles_by_rounds(small_phantom):
    truth = read_image(small_phantom / "truth.mha", "truth")
    write_mask(truth.with_array(np.zeros(truth.grid.shape_zyx, np.uint8)), small_phantom / "mask.mha")
    words = ("clicks", "--truth", small_phantom / "truth.mha", "--seed", 1, "--scribbles")
    more = ("--mask", small_phantom / "mask.mha", "--kind", "random", "--rounds", 2)
    assert petlesion(*words, *more, "--steps", "--out", small_phantom / "steps") == 0
    steps = [parse_clicks((small_phantom / f"steps/step_{k}.json").read_bytes()) for k in range(3)]
    assert [len(step.background) for step in steps] == [0, 0, 0]
    assert 0 == len(steps[0].tumor) < len(steps[1].tumor) < len(steps[2].tumor)
    after = ("--after", small_phantom / "steps/step_2.json", "--out", small_phantom / "joined.json")
    assert petlesion(*words, *more, *after) == 0
    joined = parse_clicks((small_phantom / "joined.json").read_bytes())
    assert joined.tumor[: len(steps[2].tumor)] == steps[2].tumor
    assert len(joined.tumor) == 2 * len(steps[2].tumor)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "clicks need --pet"),
        (("--scribbles",), "scribbles need --mask"),
        (("--scribbles", "--mask", "m.mha", "--pet", "p.mha"), "scribbles do not take --pet"),
        (("--scribbles", "--mask", "m.mha", "--offset", 1), "scribbles do not take --offset"),
        (("--pet", "p.mha", "--mask", "m.mha"), "clicks do not take --mask"),
        (("--pet", "p.mha", "--kind", "random"), "clicks do not take --kind"),
        (("--pet", "p.mha", "--error", "largest"), "clicks do not take --error"),
        (("--pet", "p.mha", "--rounds", 1), "clicks do not take --rounds"),
        (("--pet", "p.mha", "--offset", -1), "0 or more"),
    ],
)
def test_options_of_clicks_and_of_scribbles_do_not_mix(tmp_path, capsys, options, sentence):
    assert petlesion("clicks", "--truth", "t.mha", "--seed", 1, "--out", tmp_path / "a.json", *options) == 2
    assert sentence in capsys.readouterr().err


def two_systems(tmp_path, small_phantom):
    """A folder of truth with one phantom, and two interactions: one perfect at once, one only at its end."""
    truth = tmp_path / "truth"
    truth.mkdir()
    (truth / "a.mha").write_bytes((small_phantom / "truth.mha").read_bytes())
    mask = read_image(truth / "a.mha", "truth")
    empty = mask.with_array(np.zeros(mask.grid.shape_zyx, np.uint8))
    for system, masks in (("good", (mask, mask)), ("late", (empty, mask))):
        for step, one in enumerate(masks):
            folder = tmp_path / system / f"step_{step:02d}"
            folder.mkdir(parents=True)
            write_mask(one.with_array(one.array_zyx.astype(np.uint8)), folder / "a.mha")
    return truth


def test_evaluate_and_rank(small_phantom, tmp_path, capsys):
    truth = two_systems(tmp_path, small_phantom)
    (tmp_path / "subsets.csv").write_text("case,tracer,centre\na,PSMA,LMU\n")
    for system in ("good", "late"):
        words = ("--truth", truth, "--pred", tmp_path / system, "--steps", "--subsets", tmp_path / "subsets.csv")
        out = ("--out", tmp_path / f"{system}.json", "--csv", tmp_path / "a.csv", "--picture", tmp_path / "a.png")
        assert petlesion("evaluate", *words, *out, "--thresholds", "0,10") == 0
    assert "auc_dice" in capsys.readouterr().out
    found = json.loads((tmp_path / "late.json").read_text())
    assert (found["last"]["dice"]["mean"], found["areas"]["auc_dice"]["mean"]) == (1, (0 + 1) / 2)
    assert list(found["subsets"]) == ["PSMA LMU"]
    assert [row["below_voxels"] for row in found["thresholds"]] == [0, 10]
    assert found["thresholds"][0]["dice"] == found["last"]["dice"]
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1 + 2 + 2
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert petlesion("rank", tmp_path / "late.json", tmp_path / "good.json", "--challenge", "IV", "--json") == 0
    ranks = json.loads(capsys.readouterr().out)
    assert [(one["system"], one["place"]) for one in ranks] == [("good", 1), ("late", 2)]
    assert petlesion("rank", tmp_path / "late.json", tmp_path / "good.json", "--challenge", "III") == 0
    assert "1.5" in capsys.readouterr().out  # the last step is the same


def test_a_table_of_scores_by_component_size(tmp_path, capsys):
    # 1 ml a voxel. a: 1 false and 2 true of 2 voxels; b: 1 true of 1 voxel, 2 false
    for name, truth, predicted in (("a", "0011", "1011"), ("b", "1000", "1011")):
        for folder, bits in (("truth", truth), ("mine", predicted)):
            (tmp_path / folder).mkdir(exist_ok=True)
            array = np.array([[[int(bit) for bit in bits]]], np.uint8)
            write_mask(Volume(array, Grid((4, 1, 1), (5.0, 10.0, 20.0))), tmp_path / folder / f"{name}.mha")
    words = ("--truth", tmp_path / "truth", "--pred", tmp_path / "mine", "--out", tmp_path / "a.json")
    assert petlesion("evaluate", *words, "--thresholds", "3,0,2") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[-3:]]
    dice = [(2 * 2 / 5 + 2 * 1 / 4) / 2, (2 * 2 / 4 + 0) / 2, 0]
    assert rows == [
        ["0", f"{dice[0]:.4f}", "1.5000", "0.0000"],  # FPV (1 + 2) / 2
        ["2", f"{dice[1]:.4f}", "1.0000", "0.5000"],  # FPV (0 + 2) / 2, FNV (0 + 1) / 2
        ["3", f"{dice[2]:.4f}", "0.0000", "1.5000"],  # nothing is left: FNV (2 + 1) / 2
    ]
    assert petlesion("evaluate", *words) == 0
    assert "components" not in capsys.readouterr().out


def test_evaluate_prints_json_and_refuses_what_does_not_go_together(small_phantom, tmp_path, capsys):
    truth = two_systems(tmp_path, small_phantom)
    words = ("--truth", truth, "--out", tmp_path / "a.json")
    assert petlesion("evaluate", *words, "--pred", tmp_path / "good/step_01", "--json") == 0
    assert json.loads(capsys.readouterr().out)["last"]["dice"]["mean"] == 1
    assert petlesion("evaluate", *words, "--pred", truth, "--steps") == 3
    assert "step_00" in capsys.readouterr().err
    for wrong in ("-1", "10,", "ten", "1.5"):
        with pytest.raises(SystemExit, match="2"):
            petlesion("evaluate", *words, "--pred", truth, f"--thresholds={wrong}")
    assert petlesion("evaluate", *words, "--pred", truth, "--csv", truth) == 6
    assert petlesion("evaluate", *words, "--pred", truth, "--csv", tmp_path / "a.json" / "a.csv") == 6
    assert petlesion("rank", tmp_path / "a.json", "--challenge", "V") == 3  # it has no steps
    assert petlesion("rank", tmp_path / "a.json", tmp_path / "a.json", "--challenge", "III") == 2
    (tmp_path / "b.json").write_text("{")
    assert petlesion("rank", tmp_path / "b.json", "--challenge", "III") == 3


def test_systems_are_ranked_by_the_same_cases(small_phantom, tmp_path, capsys):
    truth = two_systems(tmp_path, small_phantom)
    for out, *more in (("a.json", tmp_path / "good/step_00"), ("b.json", tmp_path / "good", "--steps")):
        assert petlesion("evaluate", "--truth", truth, "--pred", *more, "--out", tmp_path / out) == 0
    assert petlesion("rank", tmp_path / "a.json", tmp_path / "b.json", "--challenge", "III") == 3
    assert "same cases" in capsys.readouterr().err


def test_segment_ends_as_the_entry_does(toy_case, tmp_path):
    pet = only(toy_case.input_dir / "images/pet")
    words = ("--ct", tmp_path / "none.mha", "--pet", pet, "--out", tmp_path / "mask.mha")
    assert petlesion("segment", *words) == 3


def test_a_published_folder_is_imported_listed_and_verified(tmp_path, capsys):
    folder = write_folder(tmp_path / "src", {"fold_0/checkpoint_final.pth": checkpoint(toy_network().state_dict())})
    words = ("--recipe", "mesbah", "--role", "fdg", "--out", tmp_path / "store", "--license", "CC-BY-4.0")
    assert petlesion("weights", "import", folder, *words) == 0
    printed = capsys.readouterr().out
    assert "licence: CC-BY-4.0" in printed
    assert "nnUNetTrainer_organs_FDG" in printed
    assert petlesion("weights", "list", tmp_path / "store") == 0
    assert "mesbah/fdg: 1 folds" in capsys.readouterr().out
    assert petlesion("weights", "verify", tmp_path / "store", "--json") == 0
    assert json.loads(capsys.readouterr().out)["sound"] is True


def test_state_dicts_of_the_tracer_network_are_imported(tmp_path, capsys):
    (tmp_path / "src").mkdir()
    for fold in (0, 1):
        torch.save(MipCnn().state_dict(), tmp_path / f"src/fold_{fold}.pth")
    words = ("--recipe", "mesbah", "--role", "tracer", "--out", tmp_path / "store")
    assert petlesion("weights", "import", tmp_path / "src", *words) == 0
    assert petlesion("weights", "list", tmp_path / "store", "--json") == 0
    listing = json.loads(capsys.readouterr().out.split("\n", 1)[1])
    assert [fold["fold"] for fold in listing["models"][0]["folds"]] == [0, 1]


def test_a_fault_of_weights_ends_with_4_and_a_sentence(tmp_path, capsys):
    assert petlesion("weights", "verify", tmp_path) == 4
    assert "manifest.json" in capsys.readouterr().err
