# SPDX-License-Identifier: Apache-2.0
"""What SECURITY.md promises of a case: nothing is unpickled, nothing leaves, the same case gives the same bytes."""

from __future__ import annotations

import ast
import json
import os
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from petlesion import entry
from petlesion.case import Tracer
from petlesion.inference.weights import ModelStore
from petlesion.phantom import make_phantom
from petlesion.phantom.files import write_phantom
from petlesion.simulate import simulate_clicks
from petlesion.volume import Grid
from test.test_architecture import PACKAGE, name_of, nodes

ROOT = Path(__file__).resolve().parents[1]
GUARDED = ROOT / "test" / "guarded.py"
# What makes objects of bytes; and the modules that may: they read what was trained or downloaded, never a case.
UNPICKLING = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
READS_CHECKPOINTS = {"petlesion/inference/checkpoints.py", "petlesion/training/"}
# JSON of a data set's own making, which training reads back.
READS_ITS_OWN_JSON = {"petlesion/training/", "petlesion/phantom/", "petlesion/document.py"}


# --- what the code may do, seen in its text ---------------------------------------------------------------------------


def calls(path):
    """Names of the functions called in a module, such as "torch.load", with the call."""
    for node in nodes(path, ast.Call):
        yield ast.unparse(node.func), node


def allowed(path, places):
    return any(name_of(path).startswith(place) for place in places)


def test_only_the_readers_of_checkpoints_know_pickle():
    names = {
        name_of(path)
        for path in PACKAGE
        for node in nodes(path, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names])
        if name.split(".")[0] in UNPICKLING
    }
    assert {name for name in names if not name.startswith(tuple(READS_CHECKPOINTS))} == set()


def test_checkpoints_are_loaded_as_weights_only_and_arrays_without_pickle():
    found = [(path, name, node) for path in PACKAGE for name, node in calls(path)]
    loads = [one for one in found if one[1] in {"torch.load", "np.load", "numpy.load"}]
    assert len(loads) > 3
    for path, name, node in loads:
        said = {one.arg: ast.unparse(one.value) for one in node.keywords}
        if name == "torch.load":
            assert allowed(path, READS_CHECKPOINTS), path
            assert said["weights_only"] == "True", path
        else:  # numpy's own default is the same
            assert said.get("allow_pickle", "False") == "False", path
    banned = {"eval", "exec", "compile", "os.system", "__import__"}
    assert [(name_of(path), name) for path, name, _ in found if name in banned] == []


def test_json_of_others_is_read_in_one_place():
    readers = {name_of(path) for path in PACKAGE for name, _ in calls(path) if name in {"json.load", "json.loads"}}
    assert {name for name in readers if not name.startswith(tuple(READS_ITS_OWN_JSON))} == set()


def test_a_case_imports_no_reader_of_checkpoints():
    code = "import process, sys; print(*[name for name in sys.modules if name.startswith('petlesion.inference.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    held = done.stdout.split()
    assert "petlesion.inference.weights" in held
    assert {
        "petlesion.inference.checkpoints",
        "petlesion.inference.published",
        "petlesion.inference.remote",
    }.isdisjoint(held)


# --- a whole case, guarded, and the same case again -------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """A finished process: its mask's bytes, the mask, and what it said."""

    status: int
    stderr: str
    content: bytes
    mask: np.ndarray


@pytest.fixture(scope="module")
def small_case(tmp_path_factory):
    """A coarse phantom that the shipped networks see in few tiles."""
    rng = np.random.default_rng(7)
    phantom = make_phantom(Tracer.FDG, rng, grid=Grid((24, 24, 24), (12.0, 12.0, 12.0)), n_lesions=2)
    folder = tmp_path_factory.mktemp("small")
    write_phantom(phantom, folder, simulate_clicks(phantom.truth, phantom.pet_suv, rng, n_tumor=3, n_background=2))
    return folder / "input"


def run(program, case, out, threads, seed):
    """The case through the shipped weights, in a process with a number of threads and a seed of Python's hashes."""
    words = [sys.executable, program, "--input", case, "--output", out, "--weights", ROOT / "model_weights"]
    words += ["--depth", "1", "--folds", "0", "--tracer", "FDG", "--time-limit", "0", "--device", "cpu"]
    more = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", "PYTHONHASHSEED": str(seed)}
    done = subprocess.run([str(word) for word in words], capture_output=True, check=False, env=os.environ | more)
    stderr = done.stderr.decode("utf-8")
    assert done.returncode == 0, stderr
    (path,) = (out / "images/tumor-lesion-segmentation").iterdir()
    return Run(done.returncode, stderr, path.read_bytes(), sitk.GetArrayFromImage(sitk.ReadImage(str(path))))


@pytest.fixture(scope="module")
def guarded(small_case, tmp_path_factory):
    return run(GUARDED, small_case, tmp_path_factory.mktemp("guarded"), threads=1, seed=1)


def test_a_case_unpickles_nothing_opens_no_socket_and_starts_no_program(guarded):
    assert guarded.mask.any()
    said = [line for line in guarded.stderr.splitlines() if line.startswith("guarded:")]
    assert len(said) == 1
    assert said[0].startswith("guarded: filter of system calls ")


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("import pickle; pickle.loads(pickle.dumps(1))", "something was to be unpickled"),
        ("import _pickle, pickle, pathlib; _pickle.loads(pickle.dumps(pathlib.Path))", "pickle.find_class"),
        ("import pickle, io; pickle.Unpickler(io.BytesIO(b'.'))", "something was to be unpickled"),
        ("import socket; socket.getaddrinfo('localhost', 80)", "socket.getaddrinfo"),
        ("import subprocess; subprocess.run(['true'])", "subprocess.Popen"),
        ("import os; os.system('true')", "os.system"),
    ],
    ids=["pickle", "pickle-in-c", "unpickler", "socket", "program", "shell"],
)  # fmt: skip
def test_the_guard_would_see_it(act, said):
    code = f"from test import guarded; guarded.runpy.run_path = lambda *_, **__: exec({act!r}); guarded.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, said in done.stderr) == (99, True), done.stderr


def test_the_filter_of_system_calls_ends_a_process_that_asks_for_a_socket():
    code = "from test.guarded import end_at_the_first_socket as end; import _socket; print(end()); _socket.socket()"
    done = subprocess.run([sys.executable, "-uc", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.stdout, done.returncode) in {("True\n", -31), ("False\n", 0)}  # 31: SIGSYS


def test_the_same_case_twice_gives_the_same_bytes(guarded, small_case, tmp_path):
    assert run(ROOT / "process.py", small_case, tmp_path, threads=1, seed=2).content == guarded.content


def test_another_number_of_threads_gives_the_same_mask(guarded, small_case, tmp_path):
    other = run(ROOT / "process.py", small_case, tmp_path, threads=2, seed=1).mask
    both = 2 * np.count_nonzero(other & guarded.mask) / (np.count_nonzero(other) + np.count_nonzero(guarded.mask))
    assert both >= 0.99999


# --- weights that somebody else made ----------------------------------------------------------------------------------


@pytest.fixture
def refused(toy_case, tmp_path, capsys):
    """Exit status and last line of a case with a store of weights that was tampered with."""

    def act(root):
        words = ["--input", toy_case.input_dir, "--output", tmp_path / "out", "--weights", root, "--depth", "1"]
        status = entry.main([str(word) for word in words], started_s=time.monotonic())
        assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
        return status, capsys.readouterr().err.splitlines()[-1]

    return act


@pytest.fixture
def store(toy_weights, tmp_path):
    """A copy of the toy store's small files; its weights are links to the toy's, inside the folder."""
    root = tmp_path / "weights"
    for path in toy_weights.rglob("*"):
        if path.is_file():
            (root / path.relative_to(toy_weights)).parent.mkdir(parents=True, exist_ok=True)
            (root / path.relative_to(toy_weights)).write_bytes(path.read_bytes())
    return root


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def first_fold(root):
    return root / ModelStore.open(root).entry("mesbah", "fdg").folds[0].file


def record_size(root):
    """Let the manifest know the first fold's new size, so that it is the file's head that is refused."""
    size = first_fold(root).stat().st_size

    def change(content):
        model = next(one for one in content["models"] if one["role"] == "fdg")
        model["folds"][0]["bytes"] = size

    edit(root / "manifest.json", change)


def head(text: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(text) if length is None else length) + text


@pytest.mark.parametrize(
    "content",
    [
        head(b"{}", 2**63),
        head(b"{}", 2**40),
        head(b"[" * 10_000),
        head(json.dumps({"w": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 8]}}).encode()) + bytes(8),
        head(json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 2**50]}}).encode()) + bytes(8),
        head(json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}).encode()) + bytes(8),
        head(json.dumps({"w": {"dtype": "F99", "shape": [2], "data_offsets": [0, 8]}}).encode()) + bytes(8),
        b"\x80\x04\x95",
        b"PK\x03\x04" + bytes(100),
    ],
    ids=["longest", "long", "deep", "shape", "beyond", "backwards", "kind", "pickle", "zip"],
)
def test_absurd_heads_of_safetensors_are_refused_as_model_errors(store, refused, content):
    first_fold(store).write_bytes(content)
    record_size(store)
    status, last = refused(store)
    assert status == 4
    assert "must be a safetensors file" in last


@pytest.mark.parametrize("file", ["../fold_0.safetensors", "/etc/passwd", "mesbah/../../x", "a\0b", "a\\..\\b"])
def test_paths_out_of_the_folder_are_refused_as_model_errors(store, refused, file):
    edit(store / "manifest.json", lambda content: content["models"][0]["folds"][0].update(file=file))
    status, last = refused(store)
    assert status == 4
    assert "lies inside its folder" in last


def test_links_out_of_the_folder_or_in_a_circle_are_refused_as_model_errors(store, refused, tmp_path):
    fold = first_fold(store)
    fold.replace(tmp_path / "outside")
    fold.symlink_to(tmp_path / "outside")
    status, last = refused(store)
    assert (status, "leads to" in last) == (4, True)
    fold.unlink()
    fold.symlink_to(fold.name)
    status, last = refused(store)
    assert (status, "cannot be followed" in last or "cannot be read" in last) == (4, True), last


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 50_000, "nested too deeply"),
        (" " * 1_000_001, "too long"),
        ('{"format": 1, "format": 1, "models": []}', "has the key 'format' twice"),
        ('{"format": NaN, "models": []}', "holds NaN"),
        ('{"format": 1%s, "models": []}' % ("0" * 100), "more than 64 bits"),
        ('{"format": 1e999, "models": []}', "beyond any that can be computed with"),
        ('{"format": 1, "models": ["\\ud800"]}', "not Unicode"),
    ],
)
@pytest.mark.parametrize("file", ["manifest.json", "mesbah/fdg/plans.json", "mesbah/fdg/dataset.json"])
def test_json_beyond_its_bounds_is_refused_as_a_model_error(store, refused, file, text, said):
    (store / file).write_text(text)
    status, last = refused(store)
    assert (status, said in last, file in last) == (4, True, True), last


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(store, refused):
    (store / "manifest.json").unlink()
    os.mkfifo(store / "manifest.json")
    assert refused(store)[0] == 4
