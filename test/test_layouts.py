# SPDX-License-Identifier: Apache-2.0
"""autoPET's two forms: images by their names, and nothing read of them."""

from __future__ import annotations

from petlesion.layouts import autopet_pair, image_named, images_in, nnunet_pairs


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_a_pair_is_there_for_each_pet_and_a_missing_ct_is_named(tmp_path):
    touch(tmp_path / "b_0000.nii.gz", tmp_path / "b_0001.nii.gz", tmp_path / "a_1_0001.mha", tmp_path / "c_0000.mha")
    first, second = nnunet_pairs(tmp_path)
    assert (first.name, first.ct.name, first.pet.name) == ("a_1", "a_1_0000.nii.gz", "a_1_0001.mha")
    assert (second.name, second.ct.is_file()) == ("b", True)
    assert nnunet_pairs(tmp_path / "none") == []


def test_a_folder_without_suv_is_no_study(tmp_path):
    touch(tmp_path / "x/PET.nii.gz", tmp_path / "y/SUV.nii.gz")
    assert autopet_pair(tmp_path / "x") is None
    pair = autopet_pair(tmp_path / "y")
    assert (pair.name, pair.ct) == ("y", tmp_path / "y/CTres.nii.gz")


def test_images_are_told_by_their_suffix(tmp_path):
    touch(tmp_path / "b.mha", tmp_path / "a.nrrd", tmp_path / "notes.txt")
    assert [path.name for path in images_in(tmp_path)] == ["a.nrrd", "b.mha"]
    assert image_named(tmp_path, "b") == tmp_path / "b.mha"
