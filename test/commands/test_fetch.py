# SPDX-License-Identifier: Apache-2.0
"""`petlesion weights fetch`, whole, against a server on this machine."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
import torch

from petlesion import cli
from petlesion.commands.fetch import writable_store
from petlesion.images import OutputError
from petlesion.inference.architectures import network_from_plans
from petlesion.inference.weights import ModelStore
from test.inference.models import checkpoint, write_folder
from test.nnunet_reference import toy_dataset, toy_plans
from test.record_server import RecordServer, serving

ARCHIVE, FINAL = "weights.zip", "checkpoint_final.pth"
FOLDER = "Dataset222_AutoPETIII_2024/autoPET3_Trainer__plans__3d_fullres"
FOLDS = (0, 1)


def zipped(folder, root):
    """The folder as an archive that no compression makes small, so that a connection can break in its midst."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as bundle:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            bundle.write(path, path.relative_to(root))
        bundle.writestr("noise.bin", np.random.default_rng(1).bytes(300_000))
    return content.getvalue()


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A model of CT and PET, as its authors publish it: the archive of a model folder of nnU-Net."""
    root = tmp_path_factory.mktemp("published")
    plans = toy_plans(schemes=("CTNormalization", "CTNormalization"), masks=(False, False))
    contents = {}
    for fold in FOLDS:
        with torch.random.fork_rng():
            torch.manual_seed(fold)
            state = network_from_plans(plans, "3d_fullres", 2, 2).state_dict()
        contents[f"fold_{fold}/{FINAL}"] = checkpoint(state, trainer="autoPET3_Trainer")
    write_folder(root / FOLDER, contents, plans)
    (root / FOLDER / "dataset.json").write_text(json.dumps(toy_dataset(("CT", "PET"))))
    return zipped(root, root)


@pytest.fixture
def server(published, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(RecordServer({ARCHIVE: published})) as it:
        yield it


@pytest.fixture
def fetch(server, tmp_path):
    def run(*words, name="lesion_tracer"):
        fixed = ("--record", "7", "--api", server.api, "--cache", tmp_path / "cache", "--out", tmp_path / "out")
        return cli.main([str(word) for word in ("weights", "fetch", name, *fixed, *words)])

    return run


def kept(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) if folder.exists() else []


def test_a_model_is_downloaded_imported_and_verified(fetch, tmp_path, capsys):
    assert fetch() == 0
    printed = capsys.readouterr().out
    for said in ("Toy weights", "doi:10.5281/zenodo.7, licence: cc-by-4.0", ARCHIVE, "1 files", "all sound"):
        assert said in printed
    assert f"into {tmp_path / 'out'}" in printed
    (entry,) = ModelStore.open(tmp_path / "out").entries
    assert (entry.name, entry.channels, entry.licence, entry.fold_numbers) == (
        "lesion_tracer/all",
        ("ct", "pet"),
        "CC-BY-4.0",
        FOLDS,
    )
    assert entry.source.startswith("doi:10.5281/zenodo.7; autoPET3_Trainer")
    assert kept(tmp_path / "cache") == ["7", f"7/{ARCHIVE}"]


def test_json_is_all_that_is_printed(fetch, tmp_path, capsys):
    assert fetch("--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["doi"], said["licence"], said["store"]) == ("10.5281/zenodo.7", "CC-BY-4.0", str(tmp_path / "out"))
    assert [fold["fold"] for fold in said["model"]["folds"]] == list(FOLDS)
    assert said["verified_bytes"] > 0


def test_a_second_fetch_downloads_nothing(fetch, server):
    assert (fetch(), fetch()) == (0, 0)
    assert server.asked == [None]


def test_a_download_that_was_cut_is_taken_up_by_the_next_command(fetch, server, tmp_path, capsys):
    server.cuts = [200_000, 0]
    assert fetch() == 4
    assert "it goes on where it ended" in capsys.readouterr().err
    assert kept(tmp_path / "out") == []
    assert fetch() == 0
    assert server.asked[-1].startswith("bytes=")
    assert ModelStore.open(tmp_path / "out").verify() > 0


def test_a_wrong_checksum_imports_nothing(fetch, server, tmp_path, capsys):
    server.stated = {ARCHIVE: "0" * 32}
    assert fetch() == 4
    assert ARCHIVE in capsys.readouterr().err
    assert (kept(tmp_path / "out"), kept(tmp_path / "cache")) == ([], ["7"])


def test_an_archive_that_leads_out_of_its_folder_imports_nothing(fetch, server, tmp_path, capsys):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as bundle:
        bundle.writestr("../../evil.txt", "evil")
    server.contents = {ARCHIVE: content.getvalue()}
    assert fetch() == 4
    assert "leads out of it" in capsys.readouterr().err
    assert (kept(tmp_path / "out"), kept(tmp_path / "cache")) == ([], ["7", f"7/{ARCHIVE}"])
    assert not list(tmp_path.rglob("evil.txt"))


def test_another_licence_is_refused_before_the_download_unless_accepted(fetch, server, tmp_path, capsys):
    server.licence = "cc-by-nc-4.0"
    assert fetch() == 2
    assert "--accept-license cc-by-nc-4.0" in capsys.readouterr().err
    assert (server.asked, kept(tmp_path / "cache")) == ([], [])
    assert fetch("--accept-license", "CC-BY-NC-4.0") == 0
    assert ModelStore.open(tmp_path / "out").entries[0].licence == "CC-BY-NC-4.0"


def test_an_unknown_record_is_said(fetch, capsys):
    assert fetch("--record", "8") == 4
    assert "404" in capsys.readouterr().err


def test_a_changed_record_is_refused(server, capsys):
    server.number = "14007247"
    words = ("weights", "fetch", "lesion_tracer", "--api", server.api)
    assert cli.main(list(words)) == 4
    assert "must hold autoPET-3-LesionTracer.zip with the MD5" in capsys.readouterr().err


def test_a_pretrained_start_is_unpacked_for_training(fetch, server, tmp_path, capsys):
    for name in ("Dataset617_nativect", "Dataset619_nativemultistem"):
        write_folder(tmp_path / "src" / name, {f"fold_all/{FINAL}": {}})
    server.contents = {ARCHIVE: zipped(tmp_path / "src", tmp_path / "src")}
    path = tmp_path / "out/Dataset619_nativemultistem/fold_all" / FINAL
    assert fetch(name="lesion_tracer_pretrained") == 0
    assert f"--pretrained {path}" in capsys.readouterr().out
    assert fetch("--json", name="lesion_tracer_pretrained") == 0
    assert json.loads(capsys.readouterr().out)["checkpoint"] == str(path)
    assert not (tmp_path / "out/manifest.json").exists()


def test_the_store_is_the_first_usual_place_that_can_be_written(tmp_path):
    places = (tmp_path / "none", tmp_path / "first", tmp_path / "second")
    assert writable_store(None, places) == tmp_path / "second"
    (tmp_path / "first").mkdir()
    assert writable_store(None, places) == tmp_path / "first"
    assert writable_store(tmp_path / "mine", places) == tmp_path / "mine"


def test_a_store_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="choose another with --out"):
        writable_store(tmp_path / "file/store")
