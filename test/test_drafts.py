# SPDX-License-Identifier: Apache-2.0
"""Drafts: a file is there whole or not at all, and what killed processes left behind goes."""

from __future__ import annotations

import pytest

from petlesion import drafts
from petlesion.drafts import PREFIX, draft_folder, staged


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_file_is_renamed_into_its_place(tmp_path):
    with staged(tmp_path / "a/b.txt", tmp_path) as draft:
        draft.write_text("new")
        assert draft.parent.parent == tmp_path
        assert not (tmp_path / "a").exists()
    assert names(tmp_path) == ["a", "a/b.txt"]


@pytest.mark.parametrize("fault", [OSError("full"), KeyboardInterrupt()])
def test_what_fails_leaves_the_former_file_and_nothing_else(tmp_path, fault):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(type(fault)), staged(tmp_path / "a.txt") as draft:  # noqa: PT012 - a body is what fails
        draft.write_text("half")
        raise fault
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_what_a_killed_process_left_goes_with_the_next_draft(tmp_path):
    stale = tmp_path / f"{PREFIX}killed"
    stale.mkdir()
    (stale / "half.mha").write_bytes(b"half")
    (tmp_path / ".other").mkdir()
    with draft_folder(tmp_path) as folder:
        assert names(tmp_path) == sorted([folder.name, ".other"])
    assert names(tmp_path) == [".other"]


def test_the_drafts_of_a_process_at_work_stay(tmp_path):
    with draft_folder(tmp_path) as first:
        (first / "a").touch()
        with draft_folder(tmp_path) as second:
            assert (first / "a").exists()
            assert second.is_dir()
        assert names(tmp_path) == [first.name, f"{first.name}/a"]


def test_a_link_of_that_name_is_not_followed(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"{PREFIX}link").symlink_to(tmp_path / "precious", target_is_directory=True)
    with draft_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "precious").is_dir()


@pytest.mark.parametrize("when", ["before it is opened", "before it is locked"])
def test_a_draft_that_another_process_removed_before_it_was_locked_is_made_anew(tmp_path, monkeypatch, when):
    name = "open" if when == "before it is opened" else "flock"
    place = drafts.os if name == "open" else drafts.fcntl
    real, taken = getattr(place, name), []

    def slow(folder, *rest, **more):
        found = next(iter(tmp_path.iterdir()), None)
        if found and not taken:
            taken.append(found)
            found.rmdir()
        return real(folder, *rest, **more)

    monkeypatch.setattr(place, name, slow)
    with drafts.draft_folder(tmp_path) as folder:
        assert folder.is_dir()
        assert taken
        assert folder != taken[0]
    assert list(tmp_path.iterdir()) == []
