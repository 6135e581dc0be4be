# SPDX-License-Identifier: Apache-2.0
"""Cases one after the other in one process: each as in a process of its own, and nothing of it left for the next."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import threading
import time
import weakref
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from petlesion import entry, service
from petlesion.calls import Calls
from petlesion.desk import SocketDesk
from petlesion.images import OutputError
from petlesion.inference.weights import ModelStore, WeightsError
from petlesion.limits import Terminated
from petlesion.options import add_run_options, run_options
from petlesion.outcome import BAD_INPUT, DONE, INTERNAL, OUT_OF_LIMITS, OUTPUT, TERMINATED, Ending
from petlesion.termination import Termination, sigterm_raises

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S = 300


def options(*words):
    parser = argparse.ArgumentParser()
    add_run_options(parser)
    return run_options(parser.parse_args([str(word) for word in words]), started_s=0.0)


def only(folder):
    (path,) = folder.iterdir()
    return path


@dataclass
class Sockets:
    """The folders of the platform, which a test fills before each call."""

    root: Path

    @property
    def desk(self):
        return SocketDesk(self.root / "input", self.root / "output")

    def put(self, case):
        for folder in ("input", "output"):
            shutil.rmtree(self.root / folder, ignore_errors=True)
        shutil.copytree(case, self.root / "input")
        (self.root / "output").mkdir()

    def files(self):
        return [path for path in (self.root / "output").rglob("*") if path.is_file()]

    def result(self):
        """The mask, and the report without the times of its steps."""
        mask = sitk.GetArrayFromImage(sitk.ReadImage(str(only(self.root / "output/images/tumor-lesion-segmentation"))))
        report = json.loads((self.root / "output/report.json").read_text())
        report.pop("seconds")
        for stage in report["stages"]:
            stage.pop("seconds_by_sweep")
        return mask, report


@pytest.fixture
def sockets(tmp_path):
    return Sockets(tmp_path)


@pytest.fixture(scope="module")
def cases(tiny_case, tmp_path_factory):
    """Good ones with and without clicks, one with NaN and a broken file of clicks, one without a PET."""
    root = tmp_path_factory.mktemp("cases")
    for name in ("clicked", "plain", "odd", "bad"):
        shutil.copytree(tiny_case, root / name)
    (root / "plain/lesion-clicks.json").unlink()
    (root / "odd/lesion-clicks.json").write_text("{")
    ct = only(root / "odd/images/ct")
    image = sitk.Cast(sitk.ReadImage(str(ct)), sitk.sitkFloat32)
    image[3, 3, 3] = float("nan")
    sitk.WriteImage(image, str(ct))
    only(root / "bad/images/pet").unlink()
    return root


@contextmanager
def attending(chosen, desk, store):
    """`attend` in another thread; gives a function that makes a call and waits for its ending."""
    calls = Calls()
    calls.open()
    worker = threading.Thread(target=service.attend, args=(calls, chosen, desk, store))
    worker.start()

    def call(arrived_s=None):
        placed = calls.place(time.monotonic() if arrived_s is None else arrived_s)
        assert placed.ended.wait(PATIENCE_S)
        placed.sent.set()
        return placed.ending

    try:
        yield call
    finally:
        calls.close()
        worker.join(PATIENCE_S)


def test_each_case_is_as_in_a_process_of_its_own_whatever_came_before(sockets, cases, toy_weights):
    chosen = options("--weights", toy_weights, "--depth", 1)
    twins = {}
    for name in ("clicked", "plain", "odd"):
        sockets.put(cases / name)
        assert (
            entry.answer(options("--weights", toy_weights, "--depth", 1, "--time-limit", 0), sockets.desk).status == 0
        )
        twins[name] = sockets.result()
    assert len(twins["odd"][1]["warnings"]) == 2
    with attending(chosen, sockets.desk, service.resident_store(chosen)) as call:
        for name in ("odd", "clicked", "bad", "plain", "clicked"):
            sockets.put(cases / name)
            ending = call()
            if name == "bad":
                assert ending.status == BAD_INPUT
                assert "images/pet" in ending.sentence
                assert sockets.files() == []
                continue
            assert ending.status == DONE
            mask, report = sockets.result()
            np.testing.assert_array_equal(mask, twins[name][0])
            assert report == twins[name][1]
            assert f"{len(report['lesions'])} lesions" in ending.sentence


def test_every_network_is_loaded_once_and_before_the_first_case(sockets, cases, toy_weights, monkeypatch):
    read = []
    load = ModelStore.load
    monkeypatch.setattr(
        ModelStore, "load", lambda store, model, fold: read.append(model.name) or load(store, model, fold)
    )
    chosen = options("--weights", toy_weights, "--depth", 1)
    store = service.resident_store(chosen)
    assert sorted(read) == ["mesbah/fdg"] * 2 + ["mesbah/psma"] * 2 + ["mesbah/tracer"] * 2
    sockets.put(cases / "plain")
    with attending(chosen, sockets.desk, store) as call:
        assert [call().status for _ in range(2)] == [DONE, DONE]
    assert len(read) == 6


def test_only_what_the_options_can_need_is_loaded(toy_weights):
    chosen = options("--weights", toy_weights, "--tracer", "PSMA", "--folds", "1")
    held = service.resident_store(chosen).held
    assert [(name, fold) for name, fold, _ in held] == [("mesbah/psma", 1)]


def test_the_time_limit_counts_from_the_arrival_of_the_call(sockets, cases, toy_weights):
    chosen = options("--weights", toy_weights, "--depth", 1, "--time-limit", 1000)
    sockets.put(cases / "plain")
    with attending(chosen, sockets.desk, service.resident_store(chosen)) as call:
        late = call(time.monotonic() - 2000)
        assert (late.status, "time ran out" in late.sentence) == (OUT_OF_LIMITS, True)
        assert call().status == DONE  # although the options were made with a clock that began at 0


def test_an_unforeseen_error_ends_its_case_alone(sockets, cases, toy_weights, monkeypatch, capsys):
    segment, failures = entry.segment, [KeyError("unforeseen"), MemoryError("no more")]

    def fail_first(*arguments, **named):
        if failures:
            raise failures.pop(0)
        return segment(*arguments, **named)

    monkeypatch.setattr(entry, "segment", fail_first)
    chosen = options("--weights", toy_weights, "--depth", 1)
    sockets.put(cases / "plain")
    with attending(chosen, sockets.desk, service.resident_store(chosen)) as call:
        assert [call().status for _ in range(3)] == [INTERNAL, OUT_OF_LIMITS, DONE]
    assert "Traceback" in capsys.readouterr().err


def test_nothing_of_a_case_outlives_its_answer(sockets, cases, toy_weights, monkeypatch):
    kept, answers = [], []
    segment = entry.segment

    def watched(case, *arguments, **named):
        kept.extend(map(weakref.ref, (case.ct_hu.array_zyx, case.pet_suv.array_zyx)))
        if len(answers) == 1:
            raise ValueError("with a trace that holds the case")
        result = segment(case, *arguments, **named)
        kept.append(weakref.ref(result.mask.array_zyx))
        return result

    monkeypatch.setattr(entry, "segment", watched)
    chosen = options("--weights", toy_weights, "--depth", 1)
    sockets.put(cases / "clicked")
    with attending(chosen, sockets.desk, service.resident_store(chosen)) as call:
        answers.append(call())
        answers.append(call())
    assert [answer.status for answer in answers] == [DONE, INTERNAL]
    assert [reference() for reference in kept] == [None] * 5


def test_no_random_number_is_drawn_and_no_setting_of_torch_changed(sockets, cases, toy_weights):
    chosen = options("--weights", toy_weights, "--depth", 1)
    store = service.resident_store(chosen)
    before = state_of_randomness()
    sockets.put(cases / "clicked")
    with attending(chosen, sockets.desk, store) as call:
        assert call().status == DONE
    assert state_of_randomness() == before


def state_of_randomness():
    numpy = np.random.get_state()  # noqa: NPY002 - the global state is what must not change
    return (
        *(random.getstate(), numpy[1].tolist(), numpy[2], torch.get_rng_state().tolist()),
        *(torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled(), np.geterr()),
    )


def test_weights_that_are_missing_are_a_fault_at_the_start(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(service, "attend", lambda *_: pytest.fail("it took calls"))
    chosen = options("--weights", tmp_path / "nowhere")
    assert service.serve(chosen, SocketDesk(tmp_path, tmp_path), "127.0.0.1", 0) == 4
    assert "nowhere/manifest.json" in capsys.readouterr().err.splitlines()[-1]


def test_where_errors_are_answered_with_a_mask_missing_weights_are_too(sockets, cases, tmp_path):
    chosen = options("--weights", tmp_path / "nowhere", "--on-error", "mask")
    assert service.resident_store(chosen) is None
    with pytest.raises(WeightsError):
        service.resident_store(options("--weights", tmp_path / "nowhere"))
    sockets.put(cases / "clicked")
    with attending(chosen, sockets.desk, None) as call:
        ending = call()
    assert ending.status == DONE
    assert ending.sentence.startswith("a mask of last resort")
    assert json.loads((sockets.root / "output/report.json").read_text())["fallback"]


def test_a_port_that_is_taken_is_a_matter_of_usage(tmp_path, toy_weights):
    chosen = options("--weights", toy_weights)
    assert service.serve(chosen, SocketDesk(tmp_path, tmp_path), "127.0.0.1", 99999) == 2


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), 130), (Terminated("now"), 143), (OSError(), 70)])
def test_what_ends_the_server_has_its_exit_status(tmp_path, monkeypatch, error, status):
    def fail(_options):
        raise error

    monkeypatch.setattr(service, "resident_store", fail)
    assert service.serve(options(), SocketDesk(tmp_path, tmp_path), "127.0.0.1", 0) == status


def test_a_case_that_sigterm_ended_ends_the_server(sockets, monkeypatch):
    def stop(*_):
        raise Terminated("terminated on the platform's request")

    monkeypatch.setattr(entry, "_process", stop)
    calls = Calls()
    calls.open()
    call = calls.place(0.0)
    assert service.attend(calls, options(), sockets.desk, None) == TERMINATED
    assert call.ending.status == TERMINATED


def test_a_signal_that_a_failing_case_kept_in_mind_ends_the_server(sockets, monkeypatch):
    def fail_late(*_):
        Termination.current().keeping = True
        signal.raise_signal(signal.SIGTERM)
        raise OutputError("the disk is full")

    monkeypatch.setattr(entry, "_process", fail_late)
    calls = Calls()
    calls.open()
    call = calls.place(0.0)
    with sigterm_raises(), pytest.raises(Terminated):
        service.attend(calls, options(), sockets.desk, None)
    assert call.ending == Ending(OUTPUT, "the disk is full")


def test_a_signal_that_a_library_hid_during_the_loading_ends_the_server(tmp_path, monkeypatch, capsys):
    def hiding(_):
        try:
            signal.raise_signal(signal.SIGTERM)
        except Terminated as error:
            raise WeightsError("the file cannot be read") from error

    monkeypatch.setattr(service, "resident_store", hiding)
    assert service.serve(options(), SocketDesk(tmp_path, tmp_path), "127.0.0.1", 0) == TERMINATED
    assert capsys.readouterr().err.splitlines()[-1] == "petlesion: terminated on the platform's request"
