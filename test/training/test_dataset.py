# SPDX-License-Identifier: Apache-2.0
"""A data set from a folder of studies: stock nnU-Net reads it, a second run changes nothing, others are refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets

from petlesion.case import Tracer
from petlesion.training.dataset import ORGANS, PLANS_NAME, Preparation, dataset_name, prepare_dataset
from petlesion.training.layouts import DataError, find_studies
from petlesion.training.plans import intensity_properties
from petlesion.training.raw_case import CaseFacts
from test.training.toy import PREPARATION, TOY, write_study


def read(path):
    return json.loads(path.read_text())


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.*") if path.suffix in {".mha", ".b2nd", ".pkl"}}


def test_names_of_data_sets():
    assert dataset_name("mesbah", "fdg") == "Dataset701_mesbah_fdg"
    assert Preparation().dataset_name == "Dataset700_mesbah"
    assert Preparation(tracer=Tracer.PSMA).dataset_name == "Dataset702_mesbah_psma"


def test_the_full_size_is_the_default():
    network = Preparation().recipe.training.network
    assert (network.patch_zyx, network.features[-1]) == ((192, 192, 192), 320)


def test_stock_nnunet_reads_the_data_set(prepared):
    dataset = read(prepared.folders.raw / "dataset.json")
    assert dataset["channel_names"] == {"0": "CT", "1": "PET", "2": "noNorm"}
    cases = get_filenames_of_train_images_and_targets(str(prepared.folders.raw), dataset)
    assert len(cases) == dataset["numTraining"] == 4
    assert all(len(case["images"]) == 3 for case in cases.values())
    plans = PlansManager(str(prepared.folders.preprocessed / f"{PLANS_NAME}.json"))
    configuration = plans.get_configuration("3d_fullres")
    assert plans.dataset_name == prepared.folders.raw.name
    assert configuration.normalization_schemes == ["CTNormalization", "CTNormalization", "NoNormalization"]
    assert (prepared.folders.preprocessed / configuration.data_identifier) == prepared.folders.cases
    assert sorted(p.name for p in (prepared.folders.preprocessed / "gt_segmentations").iterdir()) == [
        f"{name}.mha" for name in sorted(cases)
    ]


def test_statistics_are_those_of_lesion_voxels_of_all_studies(prepared):
    facts = [CaseFacts.load(path) for path in sorted((prepared.folders.raw / "studies").iterdir())]
    plans = read(prepared.folders.preprocessed / f"{PLANS_NAME}.json")
    pet = np.concatenate([one.lesion_values[1] for one in facts])
    assert plans["foreground_intensity_properties_per_channel"]["1"] == intensity_properties(pet)
    fingerprint = read(prepared.folders.preprocessed / "dataset_fingerprint.json")
    assert fingerprint["spacings"] == [[20, 14, 14]] * 4
    assert fingerprint["shapes_after_crop"] == [[40, 24, 30]] * 4


def test_the_organ_head_is_in_the_plans_where_there_are_maps(prepared):
    assert read(prepared.folders.preprocessed / f"{PLANS_NAME}.json")[ORGANS] == list(TOY.training.organs)


def test_splits_and_cases_agree(prepared):
    splits = read(prepared.folders.preprocessed / "splits_final.json")
    names = sorted(path.stem for path in prepared.folders.cases.glob("*.pkl"))
    assert [sorted(split["train"] + split["val"]) for split in splits] == [names, names]


def test_a_second_run_changes_nothing_and_an_interrupted_one_goes_on(prepared):
    before = times(prepared.out)
    lost = prepared.folders.cases / "fdg_0000000002_01-01-2001.pkl"
    lost.unlink()
    prepare_dataset(find_studies(prepared.studies), prepared.out, PREPARATION)
    after = times(prepared.out)
    assert after.keys() == before.keys()
    assert {path.name[:14] for path in after if after[path] != before[path]} == {"fdg_0000000002"}


def test_other_settings_and_other_studies_are_refused(prepared):
    studies = find_studies(prepared.studies)
    with pytest.raises(DataError, match="was prepared with others: seed; remove it"):
        prepare_dataset(studies, prepared.out, replace(PREPARATION, seed=1))
    with pytest.raises(DataError, match="was prepared with others: fdg_0000000003"):
        prepare_dataset([s for s in studies if "003" not in s.name], prepared.out, PREPARATION)
    changed = [replace(s, clicks=None) if "001_" in s.name else s for s in studies]
    changed = [replace(s, clicks=None) if "001_" in s.name else s for s in studies]
    with pytest.raises(DataError, match="fdg_0000000001"):
        prepare_dataset(changed, prepared.out, PREPARATION)


def test_nothing_is_written_where_there_are_too_few_patients(prepared, tmp_path):
    with pytest.raises(DataError, match="5 folds for 4 patients"):
        prepare_dataset(find_studies(prepared.studies), tmp_path / "out", replace(PREPARATION, n_folds=5))
    assert not (tmp_path / "out").exists()


def test_healthy_studies_alone_have_no_statistics(tmp_path):
    for seed in (1, 2):
        write_study(tmp_path / "studies" / f"case_{seed}", seed, n_lesions=0)
    with pytest.raises(DataError, match="every study is healthy"):
        prepare_dataset(find_studies(tmp_path / "studies"), tmp_path / "out", PREPARATION)


def test_a_study_that_was_mended_in_time_is_taken(tmp_path):
    for seed in (1, 2):
        write_study(tmp_path / "studies" / f"case_{seed}", seed)
    truth = tmp_path / "studies" / "case_2" / "truth.mha"
    whole = truth.read_bytes()
    truth.write_bytes(whole[:-20])
    with pytest.raises(DataError, match="case case_2: the lesion mask must be one intact"):
        prepare_dataset(find_studies(tmp_path / "studies"), tmp_path / "out", PREPARATION)
    truth.write_bytes(whole)
    folders = prepare_dataset(find_studies(tmp_path / "studies"), tmp_path / "out", PREPARATION)
    assert len(list(folders.cases.glob("*.pkl"))) == 2
