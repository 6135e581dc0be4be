# SPDX-License-Identifier: Apache-2.0
"""The sockets: a case is found, read and admitted; a mask is the one image of its folder."""

import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from petlesion.case import CaseError
from petlesion.challenge import (
    AUTOPET_III_MASK_SLUG,
    MASK_SLUG,
    check_output,
    read_case,
    read_clicks,
    read_files,
    read_pet,
    write_result,
)
from petlesion.clicks import Clicks, ParsedClicks, clicks_to_json
from petlesion.images import ImageError, OutputError, read_image
from petlesion.itk import to_image
from petlesion.read_options import ReadOptions
from petlesion.sockets import one_image
from petlesion.volume import Grid, Volume

GRID = Grid((10, 8, 6), (4.0, 4.0, 3.0), (-20.0, -16.0, 100.0))
ARRAY = np.random.default_rng(1).random((6, 8, 10)).astype(np.float32)
CT, PET = Volume(ARRAY * 1000 - 900, GRID), Volume(ARRAY * 5, GRID)
DEFAULT = ReadOptions()
CLICKS = Clicks(((1, 2, 3),), ((4, 5, 0), (0, 0, 0)))


def put(volume: Volume, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(to_image(volume), str(path), True)
    return path


@pytest.fixture
def case_dir(tmp_path: Path) -> Path:
    """A case at the fixed paths."""
    folder = tmp_path / "input"
    put(CT, folder / "images/ct/0f9c-ct.mha")
    put(PET, folder / "images/pet/77aa-pet.mha")
    (folder / "lesion-clicks.json").write_text(json.dumps(clicks_to_json(CLICKS)))
    return folder


def list_inputs(folder: Path, *places: tuple[str, str]) -> None:
    entries = [{"interface": {"slug": slug, "relative_path": path}} for slug, path in places]
    (folder / "inputs.json").write_text(json.dumps(entries))


def refusal(folder: Path, options: ReadOptions = DEFAULT) -> str:
    with pytest.raises(CaseError) as caught:
        read_case(folder, options)
    assert str(caught.value).isprintable()
    return str(caught.value)


@contextmanager
def nobody():
    """Run as a user who may do nothing here; skip where the tests themselves may not become one."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_case_at_the_fixed_paths(case_dir):
    admission = read_case(case_dir)
    assert admission.warnings == ()
    assert admission.case.name == "0f9c-ct"
    assert admission.case.clicks == CLICKS
    assert admission.case.grid.same_as(GRID, 1e-9)
    assert np.array_equal(admission.case.ct_hu.array_zyx, CT.array_zyx)
    assert np.array_equal(admission.case.pet_suv.array_zyx, PET.array_zyx)


def test_input_as_a_symlink_to_a_read_only_folder(case_dir, tmp_path):
    for path in [*case_dir.rglob("*"), case_dir]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    link = tmp_path / "link"
    link.symlink_to(case_dir, target_is_directory=True)
    assert read_case(link).case.clicks == CLICKS
    for path in [case_dir, *case_dir.rglob("*")]:
        path.chmod(0o755)


def test_a_case_where_inputs_json_says(case_dir):
    (case_dir / "images/ct").rename(case_dir / "images/other-ct")
    (case_dir / "images/pet").rename(case_dir / "images/other-pet")
    (case_dir / "lesion-clicks.json").rename(case_dir / "clicks.json")
    places = [
        ("ct", "images/other-ct"),
        ("pet", "images/other-pet/"),
        ("lesion-clicks", "clicks.json"),
        ("age", "a.json"),
    ]
    list_inputs(case_dir, *places)
    assert read_case(case_dir).case.clicks == CLICKS


def test_inputs_json_without_clicks_leaves_their_fixed_path(case_dir):
    list_inputs(case_dir, ("ct", "images/ct"), ("pet", "images/pet"))
    assert read_case(case_dir).case.clicks == CLICKS
    (case_dir / "lesion-clicks.json").unlink()
    assert not read_case(case_dir).case.clicks


def test_a_broken_inputs_json_is_refused_by_name(case_dir):
    (case_dir / "inputs.json").write_text("[")
    assert str(case_dir / "inputs.json") in refusal(case_dir)
    list_inputs(case_dir, ("ct", "images/ct"))
    assert "lists no socket of the PET; it has 'ct'" in refusal(case_dir)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd"])
def test_other_formats_and_their_stems(case_dir, suffix):
    (case_dir / "images/ct/0f9c-ct.mha").unlink()
    put(CT, case_dir / f"images/ct/a.b{suffix}")
    assert read_case(case_dir).case.name == "a.b"


def test_no_such_case(tmp_path):
    assert "cannot be read: No such file or directory" in refusal(tmp_path / "none")


def test_no_image_names_the_folder_and_what_is_there(case_dir):
    (case_dir / "images/ct/0f9c-ct.mha").rename(case_dir / "images/ct/ct.txt")
    assert f"{case_dir / 'images/ct'} holds no images: ct.txt; leave exactly one there" in refusal(case_dir)
    (case_dir / "images/ct/ct.txt").unlink()
    assert "holds no images: nothing" in refusal(case_dir)
    (case_dir / "images/ct").rmdir()
    assert f"{case_dir / 'images/ct'} cannot be read: No such file" in refusal(case_dir)


def test_several_images_are_named(case_dir):
    shutil.copy(case_dir / "images/pet/77aa-pet.mha", case_dir / "images/pet/b.mha")
    assert f"{case_dir / 'images/pet'} holds 2 images: 77aa-pet.mha, b.mha; leave exactly one" in refusal(case_dir)
    for number in range(8):
        (case_dir / f"images/pet/c{number}.mha").touch()
    assert "holds 10 images: 77aa-pet.mha, b.mha, c0.mha, c1.mha, c2.mha and 5 more" in refusal(case_dir)


def test_hidden_files_and_other_kinds_do_not_count(case_dir):
    for name in (".DS_Store", "._77aa-pet.mha", "readme.txt"):
        (case_dir / "images/pet" / name).write_bytes(b"x")
    assert one_image(case_dir / "images/pet", "PET").name == "77aa-pet.mha"
    assert read_case(case_dir).warnings == ()


def test_a_damaged_image_is_refused_by_name(case_dir):
    path = case_dir / "images/pet/77aa-pet.mha"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ImageError, match=r"the PET must be .*77aa-pet\.mha is damaged or cut short"):
        read_case(case_dir)


def test_a_folder_that_may_not_be_read(case_dir):
    case_dir.parent.chmod(0o700)
    with nobody():
        assert "Permission denied" in refusal(case_dir)


def test_bq_is_refused_unless_the_user_insists(case_dir):
    put(Volume(ARRAY * 20000, GRID), case_dir / "images/pet/77aa-pet.mha")
    assert "--assume-suv" in refusal(case_dir)
    assert read_case(case_dir, ReadOptions(assume_suv=True)).case.pet_suv.array_zyx.max() > 10000


def test_points_in_mm(case_dir):
    """x: (-16 + 20) / 4 = 1; y: (-8 + 16) / 4 = 2; z: (109 - 100) / 3 = 3."""
    (case_dir / "lesion-clicks.json").write_text('{"tumor": [[-16, -8, 109]]}')
    assert "--points mm reads them so" in read_case(case_dir).warnings[-1]
    assert read_case(case_dir, ReadOptions(points_unit="mm")).case.clicks == Clicks(((1, 2, 3),))


# --- clicks -----------------------------------------------------------------------------------------------------------


def test_missing_clicks_are_zero_clicks(case_dir):
    (case_dir / "lesion-clicks.json").unlink()
    admission = read_case(case_dir, ReadOptions(strict=True))
    assert not admission.case.clicks
    assert admission.warnings == ()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"tumor": [["x", 1, 2]]}', b"\xff"])
def test_broken_clicks_are_a_warning_and_zero_clicks_unless_strict(case_dir, content):
    path = case_dir / "lesion-clicks.json"
    path.write_bytes(content)
    admission = read_case(case_dir)
    assert not admission.case.clicks
    (warning,) = admission.warnings
    assert warning.startswith(str(path))
    assert warning.endswith("going on without clicks")
    assert "leave out --strict" in refusal(case_dir, ReadOptions(strict=True))


def test_clicks_that_are_a_folder(tmp_path):
    points = read_clicks(tmp_path)
    assert points == ParsedClicks(warnings=(f"{tmp_path}: it cannot be read: Is a directory; going on without clicks",))


def test_a_file_of_clicks_too_large_is_not_read_whole(tmp_path):
    with (tmp_path / "c.json").open("wb") as stream:
        stream.truncate(10_000_000_000)  # a hole, not bytes
    assert "at most 10,000,000 bytes" in read_clicks(tmp_path / "c.json").warnings[0]


def test_named_files(case_dir):
    ct, pet = case_dir / "images/ct/0f9c-ct.mha", case_dir / "images/pet/77aa-pet.mha"
    assert not read_files(ct, pet, None, ReadOptions()).case.clicks
    assert read_files(ct, pet, case_dir / "lesion-clicks.json", ReadOptions()).case.clicks == CLICKS
    with pytest.raises(CaseError, match=r"the file of clicks must exist; .*none\.json does not"):
        read_files(ct, pet, case_dir / "none.json", ReadOptions())


# --- the PET alone, for the mask of last resort -----------------------------------------------------------------------


def test_the_pet_of_a_sound_case(case_dir):
    name, pet, clicks, warnings = read_pet(case_dir)
    assert (name, clicks, warnings) == ("0f9c-ct", CLICKS, ())
    assert np.array_equal(pet.array_zyx, PET.array_zyx)


def test_the_pet_of_a_refused_case(case_dir):
    """Bq/ml with NaN, a CT that is no image, clicks that are broken, a listing that is broken: there is a PET."""
    array = ARRAY * 20000
    array[0, 0, 0] = np.nan
    put(Volume(array, GRID), case_dir / "images/pet/77aa-pet.mha")
    (case_dir / "images/ct/0f9c-ct.mha").write_bytes(b"")
    (case_dir / "lesion-clicks.json").write_text("{")
    (case_dir / "inputs.json").write_text("{")
    name, pet, clicks, warnings = read_pet(case_dir, ReadOptions(strict=True))
    assert (name, clicks, len(warnings)) == ("0f9c-ct", Clicks(), 2)
    assert pet.array_zyx[0, 0, 0] == 0
    shutil.rmtree(case_dir / "images/ct")
    assert read_pet(case_dir)[0] == "77aa-pet"
    shutil.rmtree(case_dir / "images/pet")
    with pytest.raises(CaseError, match="the PET lies alone"):
        read_pet(case_dir)


# --- output -----------------------------------------------------------------------------------------------------------

MASK = Volume(ARRAY > 0.8, GRID)


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_mask_is_alone_in_its_socket_and_the_report_beside(tmp_path):
    assert check_output(tmp_path / "out") == ()
    path = write_result(MASK, "0f9c-ct", {"tmtv_ml": 1.5}, tmp_path / "out")
    assert files_in(tmp_path / "out") == [f"images/{MASK_SLUG}/0f9c-ct.mha", "report.json"]
    assert np.array_equal(read_image(path).array_zyx, MASK.array_zyx)
    assert json.loads((tmp_path / "out/report.json").read_text()) == {"tmtv_ml": 1.5}


def test_the_slug_is_a_setting(tmp_path):
    path = write_result(MASK, "a", {}, tmp_path, AUTOPET_III_MASK_SLUG)
    assert path == tmp_path / "images/automated-petct-lesion-segmentation/a.mha"


@pytest.mark.parametrize("slug", ["", "a/b", "..", ".", "-a", "a b"])
def test_a_slug_that_is_none_is_refused(tmp_path, slug):
    with pytest.raises(OutputError, match="a slug is of letters"):
        check_output(tmp_path, slug)


@pytest.mark.parametrize("name", ["", "a/b", "../a"])
def test_a_name_that_is_none_is_refused(tmp_path, name):
    with pytest.raises(OutputError, match="named as the CT file"):
        write_result(MASK, name, {}, tmp_path)
    assert files_in(tmp_path) == []


def full_disk(*_):
    raise OutputError("full")


def test_masks_of_other_runs_are_announced_and_removed_last(tmp_path, monkeypatch):
    folder = tmp_path / "images" / MASK_SLUG
    old = put(MASK, folder / "old.mha")
    (folder / "notes.txt").write_bytes(b"mine")
    (warning,) = check_output(tmp_path)
    assert warning.endswith("will be removed: old.mha")
    with monkeypatch.context() as patch:
        patch.setattr("petlesion.challenge.write_mask", full_disk)
        with pytest.raises(OutputError):
            write_result(MASK, "new", {}, tmp_path)
    assert old.exists()
    write_result(MASK, "new", {}, tmp_path)
    assert files_in(folder) == ["new.mha", "notes.txt"]
    write_result(MASK, "new", {}, tmp_path)  # its own mask of a former run
    assert files_in(folder) == ["new.mha", "notes.txt"]


def test_the_check_leaves_nothing_behind(tmp_path):
    check_output(tmp_path / "a" / "b")
    assert files_in(tmp_path) == []
    assert [p.name for p in (tmp_path / "a" / "b").rglob("*")] == ["images", MASK_SLUG]


def test_an_output_that_is_a_file(tmp_path):
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(
        OutputError, match=rf"{tmp_path / 'out'} is not for uid {os.geteuid()}: (Not a dir|File exists)"
    ):
        check_output(tmp_path / "out")


def test_an_output_that_may_not_be_written():
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others as a whole
        Path(folder).chmod(0o755)
        out = Path(folder) / "out"
        out.mkdir(mode=0o755)
        with nobody(), pytest.raises(OutputError, match=r"is not for uid 65534: Permission denied; mount it writable"):
            check_output(out)
        (out / "images" / MASK_SLUG).mkdir(parents=True)
        out.chmod(0o777)
        with nobody(), pytest.raises(OutputError, match="is not for uid 65534: Permission denied"):
            check_output(out)
