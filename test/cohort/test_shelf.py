# SPDX-License-Identifier: Apache-2.0
"""A case's folder in the output: whole, replaced, and never taken from others."""

from __future__ import annotations

import pytest

from petlesion.cohort.shelf import FILES, discard, put
from petlesion.images import OutputError


def filled(folder, text, *more):
    folder.mkdir(parents=True)
    for name in (*FILES, *more):
        (folder / name).write_text(text)
    return folder


def names(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_new_folder_takes_the_place_of_the_old_one(tmp_path):
    old, new = filled(tmp_path / "a", "old"), filled(tmp_path / "draft/a", "new")
    (new / "lesions.csv").unlink()
    put(new, old)
    assert names(old) == dict.fromkeys(set(FILES) - {"lesions.csv"}, "new")
    assert not new.exists()


def test_what_others_put_beside_the_results_stays(tmp_path):
    old, new = filled(tmp_path / "a", "old", "notes.txt"), filled(tmp_path / "draft/a", "new")
    put(new, old)
    assert names(old) == dict.fromkeys(FILES, "new") | {"notes.txt": "old"}


def test_a_folder_of_others_is_not_touched(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/mask.nii.gz").write_text("mine")
    (tmp_path / "a/ct.nii.gz").write_text("mine")
    with pytest.raises(OutputError, match="holds other things already"):
        discard(tmp_path / "a")
    assert names(tmp_path / "a") == {"mask.nii.gz": "mine", "ct.nii.gz": "mine"}
    (tmp_path / "b").write_text("a file")
    with pytest.raises(OutputError):
        discard(tmp_path / "b")


def test_nothing_there_is_nothing_to_do(tmp_path):
    discard(tmp_path / "none")
    discard(filled(tmp_path / "a", "old"))
    assert not (tmp_path / "a").exists()
