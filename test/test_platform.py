# SPDX-License-Identifier: Apache-2.0
"""process.py as the platform's own runner starts, calls and stops it: sagemaker-shim's `UserProcess`, exec and invoke.

Its module also moves files to and from S3, with clients that want older packages than ours. No test touches S3: empty
modules stand in for the clients.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import shutil
import socket
import sys
import types
from base64 import b64encode
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import SimpleITK as sitk

PROCESS = Path(__file__).resolve().parents[1] / "process.py"
MASKS = "images/tumor-lesion-segmentation"
GRAND_CHALLENGE = "GRAND_CHALLENGE_COMPONENT_"
SLOW = ("--depth", "8", "--no-body-crop", "--tile-step", "0.2")


@dataclass(frozen=True)
class Task:
    """What `UserProcess` reads of a task."""

    pk: str
    timeout: timedelta = timedelta(minutes=5)


@pytest.fixture(scope="module")
def shim():
    clients = {name: types.ModuleType(name) for name in ("aioboto3", "botocore", "botocore.config")}
    clients["botocore.config"].Config = object
    with pytest.MonkeyPatch.context() as patch:
        for name, module in clients.items():
            patch.setitem(sys.modules, name, module)
        yield importlib.import_module("sagemaker_shim.models")
        sys.modules.pop("sagemaker_shim.models")


@pytest.fixture
def sockets(tmp_path):
    (tmp_path / "output").mkdir()
    return tmp_path


@pytest.fixture
def started_as(shim, sockets, toy_weights, monkeypatch):
    """A `UserProcess` with the image's ENTRYPOINT, and options as its CMD."""

    def make(api_method, *options):
        cmd = ("--input", sockets / "input", "--output", sockets / "output", "--weights", toy_weights, *options)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        settings = {
            "ENTRYPOINT_B64J": encoded(sys.executable, PROCESS),
            "CMD_B64J": encoded(*cmd, "--host", "127.0.0.1", "--port", port),
            "API_METHOD": api_method,
            "USER_WEBSERVER_PORT": str(port),
            "HEALTH_CHECK_CALL_TIMEOUT_SECONDS": "1",  # also the pause between two looks; it is 10 there
            "SIGTERM_GRACE_SECONDS": "30",  # 5 there; the machine of a test may be busy
            "SET_EXTRA_GROUPS": "False",
        }
        for name, value in settings.items():
            monkeypatch.setenv(GRAND_CHALLENGE + name, value)
        monkeypatch.setenv("PETLESION_API_METHOD", api_method)  # as the Dockerfile sets it with the label
        return shim.UserProcess()

    return make


def encoded(*words):
    return b64encode(json.dumps([str(word) for word in words]).encode()).decode()


def put(sockets, case):
    """The platform's change of cases: both folders are emptied, and the next case is linked."""
    shutil.rmtree(sockets / "output")
    (sockets / "output").mkdir()
    (sockets / "input").unlink(missing_ok=True)
    (sockets / "input").symlink_to(case, target_is_directory=True)


def masks(sockets):
    folder = sockets / "output" / MASKS
    return [path.read_bytes() for path in folder.iterdir()] if folder.exists() else []


def only(folder):
    (path,) = folder.iterdir()
    return path


@pytest.fixture
def without_pet(tiny_case, tmp_path):
    shutil.copytree(tiny_case, tmp_path / "without-pet")
    only(tmp_path / "without-pet/images/pet").unlink()
    return tmp_path / "without-pet"


@pytest.fixture
def undecodable(tiny_case, tmp_path):
    """A case of which the CT has a name with bytes that are not UTF-8."""
    folder = tmp_path / "undecodable"
    shutil.copytree(tiny_case, folder)
    ct = only(folder / "images/ct")
    os.rename(os.fsencode(ct), os.fsencode(ct.parent) + b"/\xff\xfe.mha")  # noqa: PTH104 - bytes
    return folder


async def execute(process, pk):
    """One case by exec: the exit status, after all that the streams held was decoded."""
    return await process.run_inference(task=Task(pk))


def test_exec_and_invoke_give_the_same_mask_and_each_fault_its_answer(
    started_as, sockets, tiny_case, without_pet, undecodable
):
    put(sockets, tiny_case)
    assert asyncio.run(execute(started_as("exec", "--depth", "1"), "one")) == 0
    (twin,) = masks(sockets)
    put(sockets, undecodable)
    process = started_as("exec", "--depth", "1")
    assert asyncio.run(execute(process, "two")) == 3
    assert "is not UTF-8" in process.last_stderr_lines[-1]
    assert masks(sockets) == []

    async def call_each():
        process = started_as("invoke", "--depth", "1")
        await process.setup()
        assert process.healthy
        codes = []
        for case in (tiny_case, without_pet, undecodable, tiny_case):
            put(sockets, case)
            codes.append(await process.run_inference(task=Task(case.name)))
            assert masks(sockets) == ([twin] if case == tiny_case else [])
            if case != tiny_case:
                assert process.last_stderr_lines[-1].startswith("petlesion: ")
        await process.teardown()
        assert process.stdout_task.result() is None
        assert process.stderr_task.result() is None  # every byte was UTF-8
        return codes, process.process.returncode

    assert asyncio.run(call_each()) == ([0, 1, 1, 0], 143)


def test_a_time_out_ends_exec_with_a_whole_mask_or_none(started_as, sockets, toy_case):
    put(sockets, toy_case.input_dir)
    process = started_as("exec", *SLOW)

    async def run_out():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.run_inference(task=Task("slow")), timeout=15)

    asyncio.run(run_out())
    assert process.process.returncode in {143, -15}  # the latter before Python could set its handler
    whole_or_none(sockets, toy_case)


def test_a_time_out_of_invoke_ends_in_a_teardown_with_a_whole_mask_or_none(shim, started_as, sockets, toy_case):
    put(sockets, toy_case.input_dir)
    process = started_as("invoke", *SLOW)

    async def run_out():
        await process.setup()
        with pytest.raises(shim.UserSafeError, match="time limit"):
            await process.run_inference(task=Task("slow", timedelta(seconds=2)))
        assert not process.healthy
        await process.teardown()

    asyncio.run(run_out())
    assert process.process.returncode == 143
    whole_or_none(sockets, toy_case)


def whole_or_none(sockets, toy_case):
    for mask in (sockets / "output").rglob("*.mha"):
        assert sitk.ReadImage(str(mask)).GetSize() == toy_case.phantom.pet_suv.grid.size_xyz
    assert not list(sockets.rglob(".petlesion-*"))
