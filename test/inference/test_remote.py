# SPDX-License-Identifier: Apache-2.0
import builtins
import hashlib
import socket
from dataclasses import replace

import pytest

from petlesion.inference.manifest import WeightsError
from petlesion.inference.records import PublishedRecord
from petlesion.inference.remote import RemoteFile, agreed_licence, ask_record, downloader
from petlesion.limits import UsageError
from test.record_server import RecordServer, serving

CONTENT = b"weights"
RECORD = PublishedRecord(doi="10.5281/zenodo.7", licence="CC-BY-4.0", folder="x")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    with serving(RecordServer({"a.bin": CONTENT})) as it:
        yield it


def test_a_record_says_what_it_holds(server):
    found = ask_record(RECORD, server.api)
    assert (found.title, found.doi, found.licence, found.bytes) == ("Toy weights", RECORD.doi, "cc-by-4.0", 7)
    assert found.files[0].checksum == "md5:" + hashlib.md5(CONTENT).hexdigest()  # noqa: S324 - Zenodo's


def test_an_unknown_record_is_said(server):
    with pytest.raises(WeightsError, match=r"404 .* check --record and --api"):
        ask_record(replace(RECORD, doi="10.5281/zenodo.8"), server.api)


def test_a_server_that_is_busy_is_no_wrong_address(server):
    server.status = 503
    with pytest.raises(WeightsError, match=r"503 .* later"):
        ask_record(RECORD, server.api)


def test_no_server_is_said():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        with pytest.raises(WeightsError, match=r"could not be fetched: .* check the network"):
            ask_record(RECORD, f"http://127.0.0.1:{taken.getsockname()[1]}/api")


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {}},
        {"files": None},
        {"files": [{"key": "a.bin", "size": 1, "checksum": "md5:1", "links": {"self": "x"}}]},
        {"files": [{"key": "../a.bin", "size": 1, "checksum": "md5:" + "0" * 32, "links": {"self": "x"}}]},
        {"files": [{"key": "a.bin", "size": "1", "checksum": "md5:" + "0" * 32, "links": {"self": "x"}}]},
    ],
)
def test_an_answer_that_is_not_zenodos_is_refused(server, monkeypatch, change):
    answer = server.record() | change
    monkeypatch.setattr(RecordServer, "record", lambda _: answer)
    with pytest.raises(WeightsError, match="must answer as Zenodo's API does"):
        ask_record(RECORD, server.api)


def test_a_record_without_files_is_refused(server):
    server.contents = {}
    with pytest.raises(WeightsError, match="it holds no files"):
        ask_record(RECORD, server.api)


def test_a_record_that_was_changed_since_is_refused(server):
    known = (("a.bin", "0" * 32),)
    with pytest.raises(WeightsError, match=r"must hold a\.bin with the MD5 0{32}; it states md5:"):
        ask_record(replace(RECORD, md5=known), server.api)
    assert ask_record(replace(RECORD, md5=known).at("7"), server.api).files


def test_the_licence_must_be_the_one_that_is_known_or_one_that_is_accepted(server):
    assert agreed_licence(ask_record(RECORD, server.api), RECORD, None) == "CC-BY-4.0"
    server.licence = "cc-by-nc-4.0"
    found = ask_record(RECORD, server.api)
    for accepted in (None, "CC-BY-4.0"):
        with pytest.raises(UsageError, match=r"known here under CC-BY-4\.0, .* --accept-license cc-by-nc-4\.0"):
            agreed_licence(found, RECORD, accepted)
    assert agreed_licence(found, RECORD, "CC-BY-NC-4.0") == "CC-BY-NC-4.0"


def test_without_pooch_the_remedy_is_named(monkeypatch):
    plain = builtins.__import__

    def without(name, *rest):
        if name == "pooch":
            raise ImportError(name)
        return plain(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match="pip install 'pooch"):
        downloader()


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "/a", "a/b", "a\\b"])
def test_a_file_of_a_record_stays_in_the_cache(name):
    with pytest.raises(ValueError, match="no path"):
        RemoteFile(name, 1, "md5:" + "0" * 32, "http://127.0.0.1")
