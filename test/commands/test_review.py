# SPDX-License-Identifier: Apache-2.0
"""`petlesion review`: what its words become."""

from __future__ import annotations

from pathlib import Path

import pytest

from petlesion import cli
from petlesion.commands import review as command
from petlesion.review import service
from petlesion.review.saving import Folder
from petlesion.review.source import Source


@pytest.fixture
def reviewed(monkeypatch):
    """What the command hands to the service."""
    seen = []
    monkeypatch.setattr(service, "review", lambda *arguments: seen.append(arguments) or 0)
    return seen


@pytest.mark.parametrize(
    ("words", "source"),
    [
        ("CASE", Source(case=Path("CASE"))),
        ("--dicom STUDY --clicks c.json", Source(study=Path("STUDY"), clicks=Path("c.json"))),
        ("--ct ct.mha --pet pet.mha", Source(ct=Path("ct.mha"), pet=Path("pet.mha"))),
    ],
)
def test_the_words_reach_the_service(reviewed, words, source):
    assert cli.main(["review", *words.split(), "--out", "out", "--port", "80", "--weights", "w"]) == 0
    ((options, folder, door),) = reviewed
    assert folder == Folder(Path("out"), source)
    assert (door.port, options.weights, options.limits.depth) == (80, Path("w"), 1)


def test_depth_and_anonymity_are_the_user_s_choice(reviewed):
    assert cli.main(["review", "CASE", "--out", "out", "--depth", "voxels", "--anonymise"]) == 0
    ((options, folder, door),) = reviewed
    assert (options.limits.depth, folder.anonymise, door.port) == ("voxels", True, 0)


@pytest.mark.parametrize(
    "words",
    ["", "CASE --dicom STUDY", "--ct ct.mha", "--pet pet.mha", "CASE --ct ct.mha --pet pet.mha", "--dicom S --ct c.mha",
     "CASE --clicks c.json", "CASE --tile-step 2"],
)  # fmt: skip
def test_words_that_do_not_go_together_are_a_matter_of_usage(reviewed, words, capsys):
    assert cli.main(["review", *words.split(), "--out", "out"]) == 2
    assert capsys.readouterr().err.startswith("petlesion: ")
    assert reviewed == []


@pytest.mark.usefixtures("reviewed")
@pytest.mark.parametrize("words", ["--cache DIR", "--on-error mask"])
def test_what_a_person_at_the_page_has_no_use_for_is_no_choice(words, capsys):
    with pytest.raises(SystemExit):
        cli.main(["review", "CASE", "--out", "out", *words.split()])
    assert "unrecognized arguments" in capsys.readouterr().err


@pytest.mark.usefixtures("reviewed")
def test_the_address_to_listen_on_is_no_choice(capsys):
    with pytest.raises(SystemExit):
        cli.main(["review", "CASE", "--out", "out", "--host", "0.0.0.0"])  # noqa: S104 - refused
    assert "--host" in capsys.readouterr().err


@pytest.mark.parametrize("quiet", [True, False])
def test_the_address_is_printed_and_opened_where_wanted(reviewed, monkeypatch, capsys, quiet):
    opened = []
    monkeypatch.setattr(command.webbrowser, "open", opened.append)
    assert cli.main(["review", "CASE", "--out", "out", *(["--no-browser"] if quiet else [])]) == 0
    reviewed[0][2].announce("http://127.0.0.1:1/?token=t")
    assert capsys.readouterr().out == "http://127.0.0.1:1/?token=t\n"
    assert opened == ([] if quiet else ["http://127.0.0.1:1/?token=t"])


def test_without_the_extra_its_name_is_said(monkeypatch, capsys):
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "uvicorn" else object())
    assert cli.main(["review", "CASE", "--out", "out"]) == 2
    assert "needs uvicorn: pip install 'starlette>=1,<2' 'uvicorn>=0.54,<1'" in capsys.readouterr().err
