# SPDX-License-Identifier: Apache-2.0
"""What names the patient stays in DICOM: every byte, file name and line of every other output is looked through.

The study is a hostile one: each attribute that can hold words holds a secret of its own, names are too long, dates are
none, and the files are named after the patient.
"""

from __future__ import annotations

import gzip
import re
import time
import warnings
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from pydicom.datadict import DicomDictionary
from pydicom.tag import Tag

from petlesion import cli, entry
from petlesion.case import Tracer
from petlesion.images import read_image
from petlesion.phantom import make_phantom
from petlesion.volume import Grid
from test.dicom.objects import phantom_study
from test.documents import make_sandbox

if TYPE_CHECKING:
    from pathlib import Path

NAME, IDENTIFIER, BORN = "Secretive^Jane^Anonyma", "MRN-0815-4711", "19310417"
SECRETS = ("Secretive", "Anonyma", "MRN-0815", BORN, "17.04.1931", "ACC-7788", "Nowhere Clinic", "Dr House", "Q-SECRET")
QUICK = ("--depth", "1", "--device", "cpu", "--folds", "0", "--tracer", "FDG")
WORDS = {"PN", "LO", "SH", "ST", "LT", "UT"}


def identify(header: pydicom.Dataset) -> None:
    """Put what names the patient where scanners, archives and careless people put it."""
    header.PatientName, header.PatientID, header.PatientBirthDate = NAME, IDENTIFIER, BORN
    header.OtherPatientIDs, header.AccessionNumber, header.StudyID = f"{IDENTIFIER}-B", "ACC-7788", "MRN-0815-S"
    header.InstitutionName, header.ReferringPhysicianName = "Nowhere Clinic", "Dr House"
    header.PatientAddress, header.PatientComments = "Q-SECRET street", f"call Mrs {NAME}"
    header.StudyDate, header.StudyTime = "20200102", "103000"
    header.add_new(0x00090010, "LO", "SOME VENDOR")
    header.add_new(0x00091002, "LO", f"Q-SECRET {NAME}")


def rewritten(study: Path, change) -> Path:
    """The study with each header changed, under names of files that name the patient too."""
    for number, path in enumerate(sorted(path for path in study.rglob("I*") if path.is_file())):
        header = pydicom.dcmread(path)
        change(header)
        header.save_as(path.with_name(f"Secretive_Jane_{number}.dcm"), enforce_file_format=True)
        path.unlink()
    return study


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Tiny weights, and the phantom that they see."""
    return make_sandbox(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def study(tmp_path):
    rng = np.random.default_rng(3)
    phantom = make_phantom(Tracer.FDG, rng, grid=Grid((20, 20, 20), (12.0, 12.0, 12.0)), n_lesions=2)
    return rewritten(phantom_study(tmp_path / "study", phantom), identify)


def spellings(secret: str) -> list[bytes]:
    """The ways in which a secret may be written."""
    return [secret.encode(), secret.encode("utf-16-le"), secret.encode("utf-16-be")]


def found_in(content: bytes, name: str = "") -> list[str]:
    """The secrets in a file, whether plain or compressed, or in its name."""
    layers = [name.encode(), content]
    if content[:2] == b"\x1f\x8b":
        layers.append(gzip.decompress(content))
    for at in [match.start() for match in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", content)][:50]:
        try:
            layers.append(zlib.decompressobj().decompress(content[at:]))
        except zlib.error:
            continue
    return [secret for secret in SECRETS if any(word in layer for word in spellings(secret) for layer in layers)]


def leaks(folder: Path, said: str) -> dict[str, list[str]]:
    """Everything below a folder, and everything that was said, with the secrets that it tells."""
    told = {
        str(path.relative_to(folder)): found_in(path.read_bytes() if path.is_file() else b"", path.name)
        for path in folder.rglob("*")
    }
    told["what was said"] = found_in(said.encode())
    return {name: secrets for name, secrets in told.items() if secrets}


def run(capfd, *words):
    status = cli.main([str(word) for word in words])
    said = capfd.readouterr()
    return status, said.out + said.err


def test_the_search_finds_what_is_hidden(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"of MRN-0815-4711"))
    (tmp_path / "b.png").write_bytes(b"PNG" + zlib.compress(b"tEXt Secretive"))
    (tmp_path / "Anonyma").mkdir()
    (tmp_path / "c.txt").write_text("nothing")
    assert leaks(tmp_path, "born 17.04.1931") == {
        "a.gz": ["MRN-0815"],
        "b.png": ["Secretive"],
        "Anonyma": ["Anonyma"],
        "what was said": ["17.04.1931"],
    }


def test_masks_reports_pages_and_log_tell_nothing_of_the_patient(study, prepared, tmp_path, capfd):
    out = tmp_path / "out"
    out.mkdir()
    words = ("--out", out / "mask.nii.gz", "--report-dir", out / "reports", "--weights", prepared / "my_weights")
    status, said = run(capfd, "segment", "--dicom", study, *words, *QUICK)
    assert status == 0, said
    assert {path.name for path in (out / "reports").iterdir()} == {"report.json", "lesions.csv", "report.html"}
    assert leaks(out, said) == {}


def test_the_sockets_tell_nothing_either(study, prepared, tmp_path, capfd):
    sockets, out = tmp_path / "input", tmp_path / "output"
    for kind, folder in (("pet", "S1"), ("ct", "S2")):
        (sockets / "images" / kind).mkdir(parents=True)
        for path in (study / folder).iterdir():
            path.rename(sockets / "images" / kind / path.name)
    out.mkdir()
    words = ["--input", str(sockets), "--output", str(out), "--page", "--weights", str(prepared / "my_weights"), *QUICK]
    assert entry.main(words, started_s=time.monotonic()) == 0
    said = capfd.readouterr()
    assert leaks(out, said.out + said.err) == {}


def spoil_weight(header):
    header.PatientWeight = None


def spoil_name(header):
    header.PatientName = "=".join(["Secretive" * 12] * 3)


def spoil_birth(header):
    header.add(pydicom.DataElement(0x00100030, "DA", "17.04.1931", validation_mode=pydicom.config.IGNORE))


def spoil_charset(header):
    header.SpecificCharacterSet = "ISO_IR 999"


SPOILS = [spoil_weight, spoil_name, spoil_birth, spoil_charset]


def spoiled(study, spoil):
    for path in sorted(study.rglob("*.dcm")):
        with pydicom.config.disable_value_validation(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path)
            spoil(header)
            header.save_as(path)
    return study


@pytest.mark.parametrize("spoil", SPOILS)
def test_faulty_headers_are_read_or_refused_without_quoting_them(study, prepared, spoil, tmp_path, capfd):
    out = tmp_path / "out"
    out.mkdir()
    words = ("--out", out / "mask.nii.gz", "--report-dir", out / "reports", "--weights", prepared / "my_weights")
    status, said = run(capfd, "segment", "--dicom", spoiled(study, spoil), *words, *QUICK)
    assert status == (3 if spoil is spoil_weight else 0), said
    assert leaks(out, said) == {}


def export(study, prepared, out, *more):
    mask, pet = prepared / "mask.mha", prepared / "PET.mha"
    return "export-dicom", "--series", study / "S1", "--mask", mask, "--pet", pet, "--out", out, "--rtstruct", *more


@pytest.mark.parametrize("spoil", SPOILS)
def test_anonymised_objects_hold_nothing_and_plain_ones_the_patient(study, prepared, spoil, tmp_path, capfd):
    spoiled(study, spoil)
    status, said = run(capfd, *export(study, prepared, tmp_path / "anonymous", "--anonymise"))
    assert status == 0, said
    assert len(list((tmp_path / "anonymous").iterdir())) == 3
    assert leaks(tmp_path / "anonymous", said) == {}
    status, said = run(capfd, *export(study, prepared, tmp_path / "plain", "--per-lesion"))
    assert found_in(said.encode()) == []
    assert status == (3 if spoil is spoil_charset else 0), said
    if spoil in {spoil_weight, spoil_birth}:
        assert all(pydicom.dcmread(path).PatientID == IDENTIFIER for path in (tmp_path / "plain").iterdir())


def test_no_attribute_of_words_survives_anonymising(study, prepared, tmp_path, capfd):
    """Each attribute of the standard's dictionary that holds words holds a secret of its own."""
    tags = {
        tag: entry_[4]
        for tag, entry_ in DicomDictionary.items()
        if entry_[0] in WORDS and tag >> 16 > 0x0002 and not entry_[3]
    }

    def fill(header):
        for tag, keyword in tags.items():
            if keyword and tag not in header:
                header.add_new(Tag(tag), DicomDictionary[tag][0], f"SECRET{tag:08X}")

    rewritten_headers = spoiled(study, fill)
    status, said = run(capfd, *export(rewritten_headers, prepared, tmp_path / "out", "--anonymise"))
    assert status == 0, said
    content = b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())
    left = {tags[int(found, 16)] for found in re.findall(rb"SECRET([0-9A-F]{8})", content)}
    assert left == set()
    assert read_image(prepared / "mask.mha").array_zyx.any()
