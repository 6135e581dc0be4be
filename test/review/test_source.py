# SPDX-License-Identifier: Apache-2.0
"""Where cases come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from petlesion.case import CaseError
from petlesion.read_options import ReadOptions
from petlesion.review.source import Source


def test_a_folder_of_sockets_and_its_files_are_one_case(tiny_case):
    from_folder = Source(case=tiny_case).read("out", ReadOptions()).case
    [ct], [pet] = ((tiny_case / "images" / kind).iterdir() for kind in ("ct", "pet"))
    from_files = Source(ct=ct, pet=pet, clicks=tiny_case / "lesion-clicks.json").read("out", ReadOptions()).case
    assert (from_folder.name, from_folder.clicks) == (from_files.name, from_files.clicks)
    assert len(from_folder.clicks) == 1
    assert len(Source(ct=ct, pet=pet).read("out", ReadOptions()).case.clicks) == 0


def test_what_is_no_case_is_refused(tmp_path):
    for source in (Source(case=tmp_path), Source(study=tmp_path), Source(ct=tmp_path / "ct.mha", pet=Path("pet.mha"))):
        with pytest.raises(CaseError):
            source.read("out", ReadOptions())
    with pytest.raises(ValueError, match="a source is"):
        Source().read("out", ReadOptions())
