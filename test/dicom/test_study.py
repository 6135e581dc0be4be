# SPDX-License-Identifier: Apache-2.0
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petlesion.case import CaseError
from petlesion.dicom.faults import DicomError
from petlesion.dicom.intake import read_pet_folder
from petlesion.dicom.study import find_study
from petlesion.dicom.wishes import DicomWishes
from test.dicom.objects import DIRECTORY, ct_series, file_of, pet_header, pet_series, place, save


def test_nested_folders_any_names_and_strangers(tmp_path):
    pet_series(tmp_path / "A" / "B C" / "1")
    for k, path in enumerate(ct_series(tmp_path / "x.dcm")):
        path.rename(path.with_name(f"IM{k:04d}.dcm"))
    save(file_of(DIRECTORY), tmp_path, "DICOMDIR")
    (tmp_path / "notes.txt").write_text("no DICOM")
    (tmp_path / "empty").touch()
    (tmp_path / "half").write_bytes(b"\0" * 128 + b"DICM\x02\0\0\0UL")
    (tmp_path / ".hidden").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "broken link").symlink_to(tmp_path / "nowhere")
    study = find_study(tmp_path)
    assert [(one.kind, len(one.planes), one.unfit) for one in study.series] == [("PET", 4, ""), ("CT", 6, "")]
    assert (study.others, study.strangers) == (0, 4)


def test_files_without_the_preamble_are_read(tmp_path):
    for path in pet_series(tmp_path):
        path.write_bytes(path.read_bytes()[132:])
    assert len(find_study(tmp_path).series[0].planes) == 4


@pytest.mark.parametrize("size", [0, 1, 131, 132, 133, 140, 300, 500, 700])
def test_a_file_cut_anywhere_is_no_error(tmp_path, size):
    paths = pet_series(tmp_path)
    paths[0].write_bytes(paths[0].read_bytes()[:size])
    assert find_study(tmp_path).series[0].kind == "PET"


def test_no_folder_and_no_images_are_refused(tmp_path):
    with pytest.raises(DicomError, match="a DICOM study is a folder"):
        find_study(tmp_path / "absent")
    save(file_of("1.2.840.10008.5.1.4.1.1.88.67"), tmp_path, "report")
    (tmp_path / "text").write_text("x")
    with pytest.raises(DicomError, match=r"among 2 files in .* there is none \(1 are DICOM of other kinds\)"):
        find_study(tmp_path)


def slice_at(folder, k):
    """A slice, byte for byte the same each time."""
    header = place(pet_header(SOPInstanceUID=f"1.2.3.4.{k}"), 3.0 * k)
    header.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.4.{k}"
    return save(header, folder, f"{k}")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(132, 1200), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_damaged_header_is_read_or_refused_in_words(tmp_path_factory, damages):
    folder = tmp_path_factory.mktemp("damaged")
    for path in [slice_at(folder, k) for k in range(3)]:
        damaged = bytearray(path.read_bytes())
        for place_in_file, value in damages:
            damaged[min(place_in_file, len(damaged) - 1)] = value
        path.write_bytes(bytes(damaged))
    with contextlib.suppress(CaseError):
        read_pet_folder(folder, DicomWishes())
