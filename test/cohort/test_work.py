# SPDX-License-Identifier: Apache-2.0
"""One case in a worker: whatever it lies in, whatever goes wrong, and with the networks of the case before."""

from __future__ import annotations

import re
import shutil
import threading
from dataclasses import replace

import pytest

from petlesion.cohort import work
from petlesion.cohort.cases import CohortCase
from petlesion.cohort.index import index_page
from petlesion.cohort.record import read_record
from petlesion.cohort.shelf import FILES
from petlesion.cohort.tables import cohort_csv
from petlesion.cohort.work import BENCH, run_case
from petlesion.images import read_image
from petlesion.limits import Terminated
from petlesion.report import NOTICE
from test.cohort.conftest import options_of, put_case, put_image
from test.dicom.objects import SECRETS, phantom_study
from test.faults.place import ct_array, pet_array


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def sockets(order):
    return CohortCase("a", sockets=put_case(order.source / "a") / "input")


def test_a_case_is_named_by_the_cohort_wherever_it_lies(order, sockets):
    pair = {
        kind: put_image(order.source / f"SUV-{kind}.nii.gz", array)
        for kind, array in (("ct", ct_array()), ("pet", pet_array()))
    }
    for case in (sockets, CohortCase("b", **pair)):
        record = run_case(case, order)
        assert (record.status, record.row["case"]) == (0, case.name), record.sentence
        assert record.sentence.endswith(f": {case.name}/mask.nii.gz")
        text = (order.out / case.name / "report.html").read_text()
        assert f"{case.name}: PET/CT lesion report" in text
        assert NOTICE in text
    a, b = (read_image(order.out / name / "mask.nii.gz").array_zyx for name in "ab")
    assert (a == b).all()
    assert record.thumbnail.address.startswith("data:image/png;base64,")


def test_what_is_done_is_handed_back_as_it_was(order, sockets):
    first = run_case(sockets, order)
    mask = order.out / "a/mask.nii.gz"
    when = mask.stat().st_mtime_ns
    assert run_case(sockets, order) == first == read_record(order.out / "a")
    assert mask.stat().st_mtime_ns == when


def test_a_bad_case_leaves_its_record_and_no_former_mask(order, sockets):
    run_case(sockets, order)
    (order.source / "a/input/images/pet/8e1c.mha").unlink()
    record = run_case(sockets, order)
    assert (record.status, record.sentence[:3]) == (3, "the")
    assert str(order.source) not in record.sentence
    assert files(order.out) == ["a/record.json"]
    assert read_record(order.out / "a") == record


def test_what_another_try_may_mend_leaves_nothing(order, sockets, monkeypatch):
    def crowded(*_):
        raise MemoryError("no more")

    run_case(sockets, order)
    monkeypatch.setattr(work, "answer", lambda *_: crowded())
    (order.source / "a/input/lesion-clicks.json").write_text('{"points": []}')
    record = run_case(sockets, order)
    assert (record.status, record.fingerprint) == (5, "")
    assert files(order.out) == []


def test_a_folder_of_others_in_the_output_is_the_cases_failure(order, sockets):
    (order.out / "a").mkdir()
    (order.out / "a/thesis.txt").touch()
    assert run_case(sockets, order).status == 6
    assert files(order.out) == ["a/thesis.txt"]


def test_weights_other_than_those_of_the_start_are_refused(order, sockets):
    record = run_case(sockets, replace(order, method="0" * 64))
    assert record.status == 4
    assert "started with" in record.sentence


def test_networks_are_loaded_once(order, sockets, toy_weights, tmp_path, monkeypatch):
    copy = shutil.copytree(toy_weights, tmp_path / "weights")
    copied = replace(order, options=options_of(copy))
    monkeypatch.setattr(BENCH, "store", None)
    assert run_case(sockets, copied).status == 0
    for path in copy.rglob("*.safetensors"):
        path.unlink()
    other = CohortCase("b", sockets=put_case(order.source / "b", 8.0) / "input")
    assert run_case(other, copied).status == 0
    monkeypatch.setattr(BENCH, "store", None)
    assert run_case(replace(other, name="c"), copied).status == 4


@pytest.mark.parametrize("when", ["before", "in its midst"])
def test_a_case_in_a_thread_ends_with_its_worker(order, sockets, monkeypatch, when):
    monkeypatch.setattr(BENCH.termination, "came", when == "before")
    read = work.CohortDesk.read

    def reading(desk, options):
        BENCH.termination.came = True
        return read(desk, options)

    monkeypatch.setattr(work.CohortDesk, "read", reading)
    met = []

    def act():
        try:
            run_case(sockets, order)
        except Terminated as error:
            met.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    thread.join(120)
    assert len(met) == 1
    assert files(order.out) == []


def test_a_dicom_study_is_a_case_of_which_no_output_tells_the_patient(order, toy_case):
    study = phantom_study(order.source / "pat1", toy_case.phantom)
    record = run_case(CohortCase("pat1", dicom=study), order)
    assert (record.status, record.row["tracer"]) == (0, "FDG"), record.sentence
    text = "".join((order.out / "pat1" / name).read_text() for name in FILES if not name.startswith("mask"))
    text += index_page([record], []) + cohort_csv([record])
    words = re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)  # pictures may spell anything
    assert [secret for secret in SECRETS if secret in words] == []
