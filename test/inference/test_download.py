# SPDX-License-Identifier: Apache-2.0
import errno
import shutil
from pathlib import Path

import numpy as np
import pytest

from petlesion.images import OutputError
from petlesion.inference.download import check_room, download, missing_bytes
from petlesion.inference.manifest import WeightsError
from petlesion.inference.records import PublishedRecord
from petlesion.inference.remote import ask_record
from test.record_server import RecordServer, serving

CONTENT = np.random.default_rng(1).bytes(1_000_000)
HALF = 500_000
RECORD = PublishedRecord(doi="10.5281/zenodo.7", licence="CC-BY-4.0", folder="x")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    with serving(RecordServer({"a.bin": CONTENT})) as it:
        yield it


def fetched(server, cache, say=lambda _: None):
    return download(ask_record(RECORD, server.api), cache, say)


def begun(asked):
    """Where each download began."""
    return [int(one[6:-1]) if one else 0 for one in asked]


def test_what_is_there_already_is_not_downloaded_again(server, tmp_path):
    for _ in range(2):
        (path,) = fetched(server, tmp_path / "cache")
        assert path.read_bytes() == CONTENT
    assert server.asked == [None]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["a.bin"]


def test_a_cut_connection_is_taken_up_where_it_ended(server, tmp_path):
    server.cuts = [HALF]
    (path,) = fetched(server, tmp_path)
    assert path.read_bytes() == CONTENT
    first, second = begun(server.asked)
    assert first == 0
    assert 0 < second <= HALF


def test_the_next_run_goes_on_where_the_last_one_was_given_up(server, tmp_path):
    server.cuts = [HALF, 0]
    with pytest.raises(WeightsError, match=r"a\.bin of .* it goes on where it ended"):
        fetched(server, tmp_path)
    (part,) = tmp_path.iterdir()
    assert part.suffix == ".part"
    assert missing_bytes(ask_record(RECORD, server.api), tmp_path) == 1_000_000 - part.stat().st_size < 1_000_000
    (path,) = fetched(server, tmp_path)
    assert path.read_bytes() == CONTENT
    assert begun(server.asked)[-1] > 0
    assert missing_bytes(ask_record(RECORD, server.api), tmp_path) == 0


def test_a_server_without_ranges_begins_anew(server, tmp_path):
    server.cuts, server.ranges = [HALF], False
    (path,) = fetched(server, tmp_path)
    assert path.read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(server, tmp_path):
    server.stated = {"a.bin": "0" * 32}
    with pytest.raises(WeightsError, match=r"a\.bin of .*must be the file that was published"):
        fetched(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_of_the_cache_is_replaced(server, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"damaged")
    (path,) = fetched(server, tmp_path)
    assert path.read_bytes() == CONTENT


def test_progress_is_told_in_lines(server, tmp_path, monkeypatch):
    monkeypatch.setattr("petlesion.inference.download.TOLD_BYTES", 300_000)
    said = []
    fetched(server, tmp_path, said.append)
    assert [line.startswith(("a.bin: 0 of 1 MB", "a.bin: 1 of 1 MB")) for line in said] == [True] * 3


def test_no_room_is_said_before_the_download(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 7, 3))
    check_room(tmp_path, 3, "this")
    with pytest.raises(OutputError, match=r"this needs .* make room"):
        check_room(tmp_path, 4, "this")


def test_a_disk_that_fills_up_meanwhile_is_said(server, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left on device; make room"):
        fetched(server, tmp_path)
