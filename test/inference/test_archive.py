# SPDX-License-Identifier: Apache-2.0
import shutil
import stat
import zipfile

import pytest

from petlesion.images import OutputError
from petlesion.inference.archive import checkpoint, model_folder, unpack
from petlesion.inference.manifest import WeightsError

MODEL = ("plans.json", "dataset.json", "fold_0/checkpoint_final.pth")


def zipped(path, members):
    with zipfile.ZipFile(path, "w") as bundle:
        for member, content in members:
            bundle.writestr(member, content)
    return path


def touched(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def link(name):
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


def test_an_empty_archive_unpacks_to_nothing(tmp_path):
    unpack(zipped(tmp_path / "a.zip", []), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_members_become_files(tmp_path):
    unpack(zipped(tmp_path / "a.zip", [("a/", ""), ("a/b.txt", "b")]), tmp_path / "out")
    assert (tmp_path / "out/a/b.txt").read_text() == "b"


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("../evil.txt", "leads out of it"),
        ("a/../../evil.txt", "leads out of it"),
        ("/evil.txt", "leads out of it"),
        ("a\\..\\..\\evil.txt", "leads out of it"),
        ("C:/evil.txt", "leads out of it"),
        (link("a"), "is a link"),
    ],
    ids=str,
)
def test_nothing_is_unpacked_where_one_member_leads_out(tmp_path, member, said):
    archive = zipped(tmp_path / "a.zip", [("good.txt", "good"), (member, "/etc")])
    with pytest.raises(WeightsError, match=said):
        unpack(archive, tmp_path / "in/out")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]


def test_an_archive_that_grows_beyond_measure_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("zeros", bytes(110_000_000))
    with pytest.raises(WeightsError, match="has at most 10000 members and"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_damaged_archive_is_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK no zip")
    with pytest.raises(WeightsError, match="must be a zip archive"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    content = bytearray(zipped(tmp_path / "b.zip", [("b.txt", "hello world")]).read_bytes())
    content[content.index(b"hello")] ^= 1
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(WeightsError, match="Bad CRC-32"):
        unpack(tmp_path / "b.zip", tmp_path / "out")


def test_a_full_disk_is_said_before_anything_is_written(tmp_path, monkeypatch):
    archive = zipped(tmp_path / "a.zip", [("a.txt", "four")])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 7, 3))
    with pytest.raises(OutputError, match="make room"):
        unpack(archive, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_the_model_is_found_wherever_it_lies(tmp_path):
    touched(tmp_path / "Dataset1/trainer", *MODEL)
    touched(tmp_path / "__MACOSX", "plans.json")
    assert model_folder(tmp_path, "anything") == tmp_path / "Dataset1/trainer"
    assert checkpoint(tmp_path, "anything") == tmp_path / "Dataset1/trainer" / MODEL[2]


def test_a_word_decides_between_several_models(tmp_path):
    for name in ("Dataset1", "Dataset2"):
        touched(tmp_path / name, *MODEL)
    assert model_folder(tmp_path, "Dataset2") == tmp_path / "Dataset2"
    assert checkpoint(tmp_path, "Dataset2").is_relative_to(tmp_path / "Dataset2")
    for word in ("Dataset", "Dataset3"):
        with pytest.raises(WeightsError, match="it holds Dataset1, Dataset2"):
            model_folder(tmp_path, word)


def test_no_model_and_no_checkpoint_are_said(tmp_path):
    touched(tmp_path, "plans.json", "dataset.json")
    with pytest.raises(WeightsError, match="it holds none"):
        model_folder(tmp_path, "Dataset1")
    with pytest.raises(WeightsError, match="it holds none"):
        checkpoint(tmp_path, "Dataset1")
