# SPDX-License-Identifier: Apache-2.0
"""The container's entry: what a case gets, and what each fault gets. One test for each answer of the contract."""

from __future__ import annotations

import json
import shutil
import signal
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk

from petlesion import entry
from petlesion.inference.weights import ModelStore, WeightsError
from petlesion.limits import Limits, Terminated
from petlesion.recipes import AHAMED, LESION_TRACER, MESBAH, SAFDARI
from test.inference.toy_monai import toy_recipe, write_toy_store

if TYPE_CHECKING:
    from pathlib import Path

MASKS = "images/tumor-lesion-segmentation"


@pytest.fixture
def sockets(toy_case, tmp_path):
    """A writable copy of the toy case, and an empty output folder."""
    shutil.copytree(toy_case.input_dir, tmp_path / "input")
    (tmp_path / "output").mkdir()
    return tmp_path


@pytest.fixture
def run(sockets, toy_weights, capsys):
    """Run the entry on the case; its exit status and the last line on stderr."""

    def act(*options: str, weights: Path = toy_weights) -> tuple[int, str]:
        arguments = ["--input", str(sockets / "input"), "--output", str(sockets / "output"), "--weights", str(weights)]
        status = entry.main([*arguments, "--depth", "1", *options], started_s=time.monotonic())
        lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
        return status, lines[-1] if lines else ""

    return act


def only(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def image(sockets, which):
    return only(sockets / "input" / "images" / which)


def report_of(sockets):
    return json.loads((sockets / "output" / "report.json").read_text(encoding="utf-8"))


def nothing_written(sockets):
    return [p for p in (sockets / "output").rglob("*") if p.is_file()] == []


def test_a_case_ends_in_one_mask_and_a_report(run, sockets):
    status, last = run()
    assert status == 0
    mask = sitk.ReadImage(str(only(sockets / "output" / MASKS)))
    pet = sitk.ReadImage(str(image(sockets, "pet")))
    assert only(sockets / "output" / MASKS).name == image(sockets, "ct").name
    assert mask.GetPixelID() == sitk.sitkUInt8
    assert set(np.unique(sitk.GetArrayFromImage(mask))) == {0, 1}
    for get in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(mask, get)() == pytest.approx(getattr(pet, get)())
    report = report_of(sockets)
    assert (report["complete"], report["fallback"], report["tracer"]["name"]) == (True, "", "FDG")
    assert f"{len(report['lesions'])} lesions" in last
    assert sorted(p.name for p in (sockets / "output").iterdir()) == ["images", "report.json"]


def test_the_report_says_how_the_mask_came_about(run, sockets, toy_store):
    run("--time-limit", "0", "--folds", "1")
    report = report_of(sockets)
    (stage,) = report["stages"]
    assert stage["plan"] == {
        "folds": [1],
        "flips": [[]],
        "tile_step": 0.6,
        "averaged_folds": False,
        "reason": "A depth of 1 was asked for: not mirrored.",
    }
    assert stage["sweeps_done"] == [{"fold": 1, "flip": []}]
    fold = toy_store.entry("mesbah", "fdg").fold(1)
    assert stage["model"]["weights"] == [{"fold": 1, "file": fold.file, "sha256": fold.sha256}]
    assert stage["model"]["synthetic"] is True
    assert [fold["fold"] for fold in report["tracer"]["model"]["weights"]] == [0, 1]
    assert report["tracer"]["votes"] == ["FDG", "FDG"]
    assert set(report["seconds"]) >= {"tracer", "heatmap", "prepare", "sweeps", "restore"}
    assert report["versions"]["python"].startswith("3.")
    assert report["tmtv_ml"] == pytest.approx(sum(lesion["volume_ml"] for lesion in report["lesions"]))
    assert "research use only" in report["notice"]


def test_another_socket_can_take_the_mask(run, sockets):
    assert run("--slug", "automated-petct-lesion-segmentation")[0] == 0
    assert only(sockets / "output" / "images").name == "automated-petct-lesion-segmentation"


def test_missing_clicks_are_zero_clicks(run, sockets):
    (sockets / "input" / "lesion-clicks.json").unlink()
    assert run()[0] == 0


def test_a_broken_clicks_file_is_a_warning(run, sockets):
    (sockets / "input" / "lesion-clicks.json").write_text("{")
    assert run()[0] == 0
    assert any("lesion-clicks.json" in text for text in report_of(sockets)["warnings"])


def test_strict_refuses_a_broken_clicks_file(run, sockets):
    (sockets / "input" / "lesion-clicks.json").write_text("{")
    status, last = run("--strict")
    assert (status, nothing_written(sockets)) == (3, True)
    assert last.startswith("petlesion: ")
    assert "lesion-clicks.json" in last


def test_a_missing_pet_is_bad_input(run, sockets):
    image(sockets, "pet").unlink()
    status, last = run()
    assert (status, nothing_written(sockets)) == (3, True)
    assert "images/pet" in last


def test_a_truncated_ct_is_bad_input(run, sockets):
    path = image(sockets, "ct")
    path.write_bytes(path.read_bytes()[:-500])
    status, last = run()
    assert (status, nothing_written(sockets)) == (3, True)
    assert path.name in last


def test_a_pet_in_bq_is_bad_input_with_the_remedy(run, sockets):
    path = image(sockets, "pet")
    sitk.WriteImage(sitk.ReadImage(str(path)) * 5000.0, str(path))
    status, last = run()
    assert (status, nothing_written(sockets)) == (3, True)
    assert "--assume-suv" in last


def test_missing_weights_are_a_fault_of_the_model(run, sockets, tmp_path):
    status, last = run(weights=tmp_path / "nowhere")
    assert (status, nothing_written(sockets)) == (4, True)
    assert "nowhere/manifest.json" in last


def test_damaged_weights_are_named(run, sockets, toy_weights, tmp_path):
    shutil.copytree(toy_weights, tmp_path / "copy")
    file = tmp_path / "copy/mesbah/fdg/fold_1.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    status, last = run(weights=tmp_path / "copy")
    assert (status, nothing_written(sockets)) == (4, True)
    assert "fold_1.safetensors" in last
    assert "SHA-256" in last


def test_an_ensemble_that_is_not_there_is_found_before_the_case_is_read(run, sockets, toy_weights, tmp_path):
    shutil.copytree(toy_weights, tmp_path / "copy")
    manifest = tmp_path / "copy/manifest.json"
    content = json.loads(manifest.read_text())
    content["models"] = [model for model in content["models"] if model["role"] != "psma"]
    manifest.write_text(json.dumps(content))
    image(sockets, "pet").unlink()  # would be status 3
    status, last = run(weights=tmp_path / "copy")
    assert status == 4
    assert "mesbah/psma" in last
    assert run("--tracer", "FDG", weights=tmp_path / "copy")[0] == 3  # that ensemble is not needed now


def test_weights_that_read_other_channels_are_refused(run, sockets, toy_weights, tmp_path):
    shutil.copytree(toy_weights, tmp_path / "copy")
    manifest = tmp_path / "copy/manifest.json"
    content = json.loads(manifest.read_text())
    next(model for model in content["models"] if model["role"] == "fdg")["channels"] = ["pet", "ct", "clicks"]
    manifest.write_text(json.dumps(content))
    status, last = run(weights=tmp_path / "copy")
    assert (status, nothing_written(sockets)) == (4, True)
    assert "mesbah/fdg must read the channels" in last


def test_a_fold_that_is_not_there_is_a_fault_of_the_model(run, sockets):
    status, last = run("--folds", "9")
    assert (status, nothing_written(sockets)) == (4, True)
    assert "9" in last


def test_too_little_time_is_said_with_no_mask(run, sockets):
    status, last = run("--time-limit", "0.001")
    assert (status, nothing_written(sockets)) == (5, True)
    assert "time ran out" in last


def test_an_output_that_cannot_be_written_is_found_first(run, sockets):
    shutil.rmtree(sockets / "output")
    (sockets / "output").write_text("a file")
    image(sockets, "pet").unlink()  # would be status 3
    status, last = run()
    assert status == 6
    assert "output" in last


@pytest.mark.parametrize("options", [("--depth", "3"), ("--tile-step", "2"), ("--folds", "x"), ("--recipe", "none")])
def test_wrong_usage_ends_with_2(run, options):
    with pytest.raises(SystemExit) as ended:
        run(*options)
    assert ended.value.code == 2


def test_an_unforeseen_error_is_internal_with_its_trace_before_the_sentence(run, sockets, monkeypatch):
    def fail(*_args, **_kwargs):
        raise KeyError("unforeseen")

    monkeypatch.setattr(entry, "segment", fail)
    status, last = run()
    assert (status, nothing_written(sockets)) == (70, True)
    assert last.startswith("petlesion: internal error, KeyError")


def test_no_memory_is_a_limit_and_not_an_internal_error(run, monkeypatch):
    def fail(*_args, **_kwargs):
        raise MemoryError("Unable to allocate 1 GiB")

    monkeypatch.setattr(entry, "segment", fail)
    status, last = run()
    assert status == 5
    assert "out of memory" in last


def test_sigterm_before_a_mask_ends_with_143_and_none(run, sockets, monkeypatch):
    def wait(*_args, **_kwargs):
        signal.raise_signal(signal.SIGTERM)
        time.sleep(30)  # never slept: the signal's exception comes first

    monkeypatch.setattr(entry, "segment", wait)
    begun = time.monotonic()
    status, last = run()
    assert (status, nothing_written(sockets)) == (143, True)
    assert time.monotonic() - begun < 5
    assert "terminated" in last


def test_sigterm_during_the_sweeps_keeps_the_finished_ones(run, sockets, monkeypatch):
    class Impatient:
        def __call__(self, progress):
            if (progress.sweep, progress.tile) == (2, 1):
                signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(entry, "ProgressLine", Impatient)
    status, _ = run()
    assert status == 143
    report = report_of(sockets)
    assert (report["complete"], report["stopped"]) == (False, "terminated")
    assert len(report["stages"][0]["sweeps_done"]) == 1
    assert only(sockets / "output" / MASKS)


def test_the_handler_of_sigterm_is_put_back(run):
    before = signal.getsignal(signal.SIGTERM)
    run()
    assert signal.getsignal(signal.SIGTERM) is before


def test_off_the_main_thread_no_handler_is_set(run):
    seen = []
    thread = threading.Thread(target=lambda: seen.append(run()[0]))
    thread.start()
    thread.join()
    assert seen == [0]


def test_on_error_mask_thresholds_around_the_clicks(run, sockets, toy_case, tmp_path):
    status, _ = run("--on-error", "mask", weights=tmp_path / "nowhere")
    assert status == 0
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(only(sockets / "output" / MASKS))))
    assert mask.sum() > 0
    hits = [mask[z, y, x] for x, y, z in toy_case.clicks.tumor_xyz]
    assert sum(hits) >= len(hits) / 2  # a click at a lesion's edge may lie below half of its maximum
    report = report_of(sockets)
    assert report["fallback"] == "PET threshold around the tumour clicks"
    assert "nowhere" in report["stopped"]


def test_on_error_mask_without_clicks_is_an_empty_mask(run, sockets, tmp_path):
    (sockets / "input" / "lesion-clicks.json").unlink()
    image(sockets, "ct").unlink()
    assert run("--on-error", "mask", weights=tmp_path / "nowhere")[0] == 0
    mask = sitk.ReadImage(str(only(sockets / "output" / MASKS)))
    assert sitk.GetArrayFromImage(mask).sum() == 0
    assert mask.GetSize() == sitk.ReadImage(str(image(sockets, "pet"))).GetSize()
    assert report_of(sockets)["fallback"] == "empty mask"


def test_on_error_mask_cannot_help_without_a_pet(run, sockets):
    image(sockets, "pet").unlink()
    status, last = run("--on-error", "mask")
    assert (status, nothing_written(sockets)) == (3, True)
    assert "images/pet" in last


def test_on_error_mask_does_not_answer_a_termination(run, sockets, monkeypatch):
    def stop(*_args, **_kwargs):
        raise Terminated("terminated on the platform's request")

    monkeypatch.setattr(entry, "segment", stop)
    assert run("--on-error", "mask")[0] == 143
    assert nothing_written(sockets)


def test_which_models_a_run_needs():
    assert entry.needed_roles(MESBAH, Limits()) == ("tracer", "fdg", "psma")
    assert entry.needed_roles(MESBAH, Limits(tracer="PSMA")) == ("psma",)
    assert entry.needed_roles(LESION_TRACER, Limits()) == ("all",)
    assert entry.needed_roles(SAFDARI, Limits()) == ("stage1", "stage2_swinunetr", "stage2_segresnetds", "stage2_unet")


def refused(store, recipe):
    with pytest.raises(WeightsError) as error:
        entry.check_recipe(store, recipe, Limits())
    return str(error.value)


def test_weights_of_another_system_are_refused_by_name(tmp_path, toy_store):
    assert "not lesion_tracer/all" in refused(toy_store, LESION_TRACER)
    recipe = toy_recipe(SAFDARI)
    store = write_toy_store(tmp_path, recipe, folds=(0,))
    entry.check_recipe(store, recipe, Limits())
    assert "not ahamed/all" in refused(store, AHAMED)

    def but(name, **changes):
        return ModelStore(store.root, tuple(replace(e, **changes) if e.role == name else e for e in store.entries))

    assert "not safdari/stage2_unet" in refused(but("stage2_unet", role="stage3"), recipe)
    assert "safdari/stage1 must read the channels ['ct', 'pet']" in refused(but("stage1", channels=("pet",)), recipe)
    other = store.entry("safdari", "stage2_segresnetds").plans
    assert "safdari/stage2_unet must be a network of UNet; it is of SegResNetDS" in refused(
        but("stage2_unet", plans=other), recipe
    )
    assert "must be a network of DynUNet; it is of nnU-Net" in refused(_with_nnunet(store, toy_store), recipe)


def _with_nnunet(store, toy_store):
    """The store with an nnU-Net model in the place of the first stage's."""
    shutil.copytree(toy_store.root / "mesbah", store.root / "mesbah")
    fdg = toy_store.entry("mesbah", "fdg")
    first = replace(fdg, system="safdari", role="stage1", channels=("ct", "pet"))
    return ModelStore(store.root, (first, *(e for e in store.entries if e.role != "stage1")))


def test_a_signal_that_a_library_hid_ends_the_case_as_the_signal_does(run, monkeypatch):
    """safetensors turns what is raised while it reads into an error of its own."""

    def hiding(*_):
        try:
            signal.raise_signal(signal.SIGTERM)
        except Terminated as error:
            raise WeightsError("the file cannot be read") from error

    monkeypatch.setattr(entry, "check_recipe", hiding)
    assert run() == (143, "petlesion: terminated on the platform's request")
