# SPDX-License-Identifier: Apache-2.0
"""Where a case comes from and its mask goes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from petlesion.desk import FileDesk, SocketDesk
from petlesion.images import OutputError, read_image
from petlesion.lesions import measure_lesions
from petlesion.read_options import ReadOptions
from petlesion.report import mask_report


def file_desk(toy_case, tmp_path, **changes):
    ct, pet = (next((toy_case.input_dir / "images" / kind).iterdir()) for kind in ("ct", "pet"))
    places = {
        "ct": ct,
        "pet": pet,
        "clicks": toy_case.input_dir / "lesion-clicks.json",
        "mask": tmp_path / "mask.mha",
        "report": tmp_path / "report.json",
    }
    return FileDesk(**(places | changes))


def test_files_and_sockets_give_the_same_case(toy_case, tmp_path):
    from_files = file_desk(toy_case, tmp_path).read(ReadOptions()).case
    from_sockets = SocketDesk(toy_case.input_dir, tmp_path).read(ReadOptions()).case
    assert from_files.name == from_sockets.name
    assert from_files.clicks == from_sockets.clicks
    assert set(from_files.clicks.tumor_xyz) == set(toy_case.clicks.tumor_xyz)  # duplicates are merged
    assert np.array_equal(from_files.pet_suv.array_zyx, from_sockets.pet_suv.array_zyx)


def test_clicks_and_report_may_be_left_out(toy_case, tmp_path):
    desk = file_desk(toy_case, tmp_path, clicks=None, report=None)
    assert not desk.read(ReadOptions()).case.clicks
    assert desk.write(toy_case.phantom.truth, "name", {"a": 1}) == tmp_path / "mask.mha"
    assert [path.name for path in tmp_path.iterdir()] == ["mask.mha"]


def test_mask_and_report_go_where_they_were_asked(toy_case, tmp_path):
    desk = file_desk(toy_case, tmp_path)
    assert desk.check() == ()
    desk.write(toy_case.phantom.truth, "name", {"a": 1})
    written = read_image(tmp_path / "mask.mha", "mask")
    assert np.array_equal(written.array_zyx, toy_case.phantom.truth.array_zyx)
    assert json.loads((tmp_path / "report.json").read_text()) == {"a": 1}


def test_all_reports_go_into_a_folder_that_is_made(toy_case, tmp_path):
    desk = file_desk(toy_case, tmp_path, report=None, folder=tmp_path / "new" / "reports")
    case = desk.read(ReadOptions()).case
    assert desk.check() == ()
    assert not (tmp_path / "new").exists()
    report = mask_report(measure_lesions(toy_case.phantom.truth, case.pet_suv), case_name=case.name)
    desk.write(toy_case.phantom.truth, "name", report, case)
    names = ["lesions.csv", "report.html", "report.json"]
    assert sorted(path.name for path in (tmp_path / "new" / "reports").iterdir()) == names


def test_a_folder_of_reports_that_cannot_be_made_is_found_at_the_start(toy_case, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        file_desk(toy_case, tmp_path, folder=tmp_path / "file" / "reports").check()


@pytest.mark.parametrize("page", [False, True])
def test_the_platform_gets_a_page_only_where_it_was_asked_for(toy_case, tmp_path, page):
    desk = SocketDesk(toy_case.input_dir, tmp_path, page=page)
    case = desk.read(ReadOptions()).case
    report = mask_report(measure_lesions(toy_case.phantom.truth, case.pet_suv), case_name=case.name)
    desk.write(toy_case.phantom.truth, "name", report, case)
    files = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert files == {"report.json"} | ({"lesions.csv", "report.html"} if page else set())


@pytest.mark.parametrize("name", ["mask", "mask.png"])
def test_a_mask_of_no_known_kind_is_found_at_the_start(toy_case, tmp_path, name):
    with pytest.raises(OutputError, match=name):
        file_desk(toy_case, tmp_path, mask=tmp_path / name).check()


@pytest.mark.parametrize("which", ["mask", "report"])
def test_a_folder_that_is_not_there_is_found_at_the_start(toy_case, tmp_path, which):
    desk = file_desk(toy_case, tmp_path, **{which: tmp_path / "missing" / "file"})
    with pytest.raises(OutputError, match="missing"):
        desk.check()


def test_at_a_users_desk_there_is_no_last_resort(toy_case, tmp_path):
    assert file_desk(toy_case, tmp_path).read_pet(ReadOptions()) is None


def test_at_the_sockets_the_pet_is_the_last_resort(toy_case, tmp_path):
    name, pet, clicks, _ = SocketDesk(toy_case.input_dir, tmp_path).read_pet(ReadOptions())
    assert name == next((toy_case.input_dir / "images/ct").iterdir()).stem
    assert pet.grid.same_as(toy_case.phantom.pet_suv.grid)
    assert set(clicks.tumor_xyz) == set(toy_case.clicks.tumor_xyz)
