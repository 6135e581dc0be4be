# SPDX-License-Identifier: Apache-2.0
"""What the check of the supply chain makes of an answer."""

import json

import pytest

from test.supply.audit import ignored, locked, runtime, verdict, write_bill

FAULT = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fix_versions": ["2.1"], "description": "a hole"}


def answer(*packages):
    return {"dependencies": list(packages), "fixes": []}


def package(name, *faults):
    return {"name": name, "version": "2.0", "vulns": list(faults)}


UNKNOWN = {"name": "b", "skip_reason": "Dependency not found and could not be audited: b (1)"}


def test_the_lock_has_one_version_for_each_package_and_the_torch_that_is_there():
    found = locked()
    assert {"torch", "numpy", "simpleitk", "hypothesis", "nnunetv2"} <= found.keys()
    assert runtime() <= found.keys()


@pytest.mark.parametrize("said", [None, answer(), answer(UNKNOWN)])
def test_where_nobody_knows_a_package_the_check_is_skipped_aloud(said):
    assert verdict(said, 2, {}) == "skipped: no advisory service"


def test_a_sound_lock_passes():
    words = verdict(answer(package("a"), UNKNOWN), 2, {})
    assert words == "1 packages asked about, 1 unknown to the service, 0 accepted with a reason"


def test_a_known_vulnerability_fails():
    with pytest.raises(SystemExit, match=r"a 2.0: PYSEC-2026-1, mended in 2.1"):
        verdict(answer(package("a", FAULT)), 1, {"PYSEC-2026-2": "another"})


@pytest.mark.parametrize("name", ["PYSEC-2026-1", "CVE-2026-1"])
def test_one_that_is_named_with_a_reason_is_accepted_and_counted(name):
    accepted = ignored(f"# a comment\n\n{name} we never call it  # since 1.0\n")
    assert accepted == {name: "we never call it"}
    assert verdict(answer(package("a", FAULT)), 1, accepted).endswith("1 accepted with a reason")


def test_one_without_a_reason_is_not_accepted():
    with pytest.raises(SystemExit, match="no reason for PYSEC-2026-1"):
        ignored("PYSEC-2026-1\n")


def test_the_bill_of_materials_names_what_the_container_installs(tmp_path):
    names = write_bill(tmp_path / "sbom.cdx.json")
    content = json.loads((tmp_path / "sbom.cdx.json").read_text())
    assert (content["bomFormat"], content["metadata"]["component"]["name"]) == ("CycloneDX", "petlesion")
    assert runtime() <= names
    numpy = next(one for one in content["components"] if one["name"] == "numpy")
    assert numpy["version"] == locked()["numpy"]
    assert numpy["purl"] == f"pkg:pypi/numpy@{numpy['version']}"
