# SPDX-License-Identifier: Apache-2.0
"""Arrays in a folder: found again, bit for bit, and never taken from a file that is not intact."""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import shutil
import tempfile
import time

import numpy as np
import pytest

from petlesion.inference import tile_files
from petlesion.inference.tile_files import DRAFT, HEAD, MARK, TileFiles

KEY, OTHER = bytes(32), bytes([1] * 32)
SIZE = HEAD + 128 + 4000  # of a file of 1000 numbers: numpy's head has 128 bytes


def array_of(seed=0):
    return np.random.default_rng(seed).normal(size=(1, 1, 10, 10, 10)).astype(np.float32)


@pytest.fixture
def kept(tmp_path):
    """A folder in which one array was kept, and its file."""
    TileFiles.open(tmp_path / "cache").put(KEY, array_of())
    return tmp_path / "cache", tmp_path / "cache" / f"{KEY.hex()}.tile"


def test_what_was_put_is_found_by_the_next_process(kept):
    root, file = kept
    found = TileFiles.open(root).get(KEY)
    assert found.tobytes() == array_of().tobytes()
    assert (found.shape, found.dtype) == (array_of().shape, np.float32)
    assert TileFiles.open(root).get(OTHER) is None
    assert file.stat().st_size == SIZE
    assert root.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_mode & 0o777 == 0o600


def signed(array_bytes):
    return MARK + hashlib.sha256(KEY + array_bytes).digest() + array_bytes


DAMAGE = {
    "empty": lambda _: b"",
    "cut in its head": lambda data: data[: HEAD - 1],
    "cut behind its head": lambda data: data[:HEAD],
    "cut short": lambda data: data[:-1],
    "too long": lambda data: data + b"\0",
    "a bit of its values": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "a bit of its mark": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "torn: zeros at its end": lambda data: data[:2048] + bytes(len(data) - 2048),
    "foreign": lambda _: b"a letter" * 1000,
    "a pickle": lambda _: signed(pickle.dumps([1.0])),
    "numbers of another type": lambda _: signed(saved(np.zeros(3))),
    "objects": lambda _: signed(saved(np.array([None]))),
    "a head that is none": lambda _: signed(b"\x93NUMPY\x01\x00\x05\x00{'a':"),
}


def saved(array):
    with tempfile.TemporaryFile() as file:
        np.save(file, array)
        file.seek(0)
        return file.read()


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_file_that_is_not_intact_is_not_taken_but_replaced(kept, damage):
    root, file = kept
    file.write_bytes(damage(file.read_bytes()))
    memory = TileFiles.open(root)
    assert memory.get(KEY) is None
    memory.put(KEY, array_of(1))
    assert TileFiles.open(root).get(KEY).tobytes() == array_of(1).tobytes()


def test_the_file_of_another_key_is_not_taken(kept):
    root, file = kept
    file.rename(root / f"{OTHER.hex()}.tile")
    assert TileFiles.open(root).get(OTHER) is None


@pytest.mark.parametrize("what", ["link", "pipe", "folder"])
def test_what_is_no_plain_file_is_not_taken(kept, what, tmp_path):
    root, file = kept
    file.rename(tmp_path / "elsewhere")
    if what == "link":
        file.symlink_to(tmp_path / "elsewhere")
    elif what == "pipe":
        os.mkfifo(file)  # to read from it would wait for ever
    else:
        file.mkdir()
    memory = TileFiles.open(root)
    assert memory.get(KEY) is None
    memory.put(KEY, array_of(1))
    assert (memory.get(KEY) is None) == (what == "folder")
    assert (tmp_path / "elsewhere").read_bytes()[: len(MARK)] == MARK


def key(number):
    return bytes([number] * 32)


def numbers_in(root):
    return sorted(int(path.stem[:2], 16) for path in root.glob("*.tile"))


def test_the_oldest_goes_where_the_limit_is_reached(tmp_path):
    for number in range(4):
        TileFiles.open(tmp_path, 3 * SIZE).put(key(number), array_of(number))
        os.utime(tmp_path / f"{key(number).hex()}.tile", (number, number))
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 3 * SIZE
    assert numbers_in(tmp_path) == [1, 2, 3]
    assert TileFiles.open(tmp_path).get(key(1)) is not None  # used now, so that 2 is the oldest
    TileFiles.open(tmp_path, 3 * SIZE).put(key(4), array_of())
    assert numbers_in(tmp_path) == [1, 3, 4]
    TileFiles.open(tmp_path, SIZE)
    assert numbers_in(tmp_path) == [4]


def test_what_this_case_has_used_stays_and_the_rest_of_it_is_not_kept(tmp_path):
    """Else a case larger than the limit would remove each tile shortly before it is asked for again."""
    memory = TileFiles.open(tmp_path, 3 * SIZE)
    for number in range(5):
        memory.put(key(number), array_of(number))
    assert numbers_in(tmp_path) == [0, 1, 2]
    assert memory.writable


def test_files_of_others_are_let_alone_and_not_counted(tmp_path):
    (tmp_path / "letter.txt").write_bytes(bytes(10 * SIZE))
    (tmp_path / "x.tile").write_bytes(bytes(10 * SIZE))
    memory = TileFiles.open(tmp_path, SIZE)
    memory.put(KEY, array_of())
    assert memory.get(KEY) is not None
    assert {"letter.txt", "x.tile"} < {path.name for path in tmp_path.iterdir()}


def test_drafts_of_killed_processes_go_and_those_of_living_ones_stay(tmp_path):
    for name, age_s in (("old", 7200), ("new", 60)):
        (tmp_path / f"{DRAFT}{name}").write_bytes(b"half of a ")
        os.utime(tmp_path / f"{DRAFT}{name}", (time.time() - age_s,) * 2)
    TileFiles.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{DRAFT}new"]


def test_a_folder_that_is_a_file_is_a_warning(tmp_path, caplog):
    (tmp_path / "cache").write_bytes(b"")
    assert TileFiles.open(tmp_path / "cache") is None
    assert TileFiles.open(tmp_path / "cache" / "deeper") is None
    assert caplog.text.count("warning: nothing is reused") == 2


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EMFILE])
def test_where_nothing_can_be_written_what_is_there_is_read(kept, number, monkeypatch, caplog):
    def refuse(**_):
        raise OSError(number, os.strerror(number))

    root, _ = kept
    monkeypatch.setattr(tile_files.tempfile, "mkstemp", refuse)
    memory = TileFiles.open(root)
    memory.put(OTHER, array_of())
    memory.put(OTHER, array_of())
    assert memory.get(KEY) is not None
    assert memory.get(OTHER) is None
    assert caplog.text.count("warning: nothing more is kept") == 1


def test_room_is_left_on_the_disk_for_the_mask(kept, monkeypatch, caplog):
    root, _ = kept
    monkeypatch.setattr(tile_files, "SPARE_BYTES", shutil.disk_usage(root).total)
    memory = TileFiles.open(root)
    memory.put(OTHER, array_of())
    assert memory.get(OTHER) is None
    assert memory.get(KEY) is not None
    assert "would be left on the disk" in caplog.text


def test_a_disk_that_is_full_halfway_leaves_no_draft(kept, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    root, _ = kept
    monkeypatch.setattr(tile_files.Path, "replace", full)
    TileFiles.open(root).put(OTHER, array_of())
    assert len(list(root.iterdir())) == 1


def in_a_process(work):
    """Do it in a forked process; its number."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - nothing of pytest may run on here
            os._exit(1)
        os._exit(0)
    return child


def test_processes_side_by_side(tmp_path):
    """Two that write and read the same 12 arrays in a folder for 6: each reads what is right, or nothing."""
    arrays = {number: array_of(number) for number in range(12)}

    def work():
        for turn in range(20):
            memory = TileFiles.open(tmp_path, 6 * SIZE)
            for number, array in arrays.items():
                found = memory.get(key(number))
                if found is None:
                    memory.put(key(number), array)
                elif found.tobytes() != array.tobytes():
                    raise ValueError(turn)
            if not memory.writable:
                raise ValueError(turn)

    children = [in_a_process(work) for _ in range(2)]
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
    TileFiles.open(tmp_path, 6 * SIZE)
    assert len(numbers_in(tmp_path)) <= 6
    assert not list(tmp_path.glob(f"{DRAFT}*"))
