# SPDX-License-Identifier: Apache-2.0
"""A review in a process of its own, from its address to its end."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from petlesion.case import Tracer, admit
from petlesion.challenge import read_case
from petlesion.click_file import read_clicks
from petlesion.images import read_image
from petlesion.inference.weights import ModelStore
from petlesion.limits import Limits
from petlesion.pipeline import segment
from petlesion.read_options import ReadOptions

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 300  # machines may be slow


class Page:
    """What a page does: asks with the cookie that the address gave it."""

    def __init__(self, address):
        parts = urlsplit(address)
        self.port, self.token = parts.port, parts.query.removeprefix("token=")
        status, _, headers = self.ask("GET", f"/?{parts.query}", cookie="")
        assert status == 303
        self.cookie = headers["set-cookie"].split(";")[0]

    def ask(self, method, path, body=None, cookie=None):
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)) as connection:
            headers = {"Cookie": self.cookie if cookie is None else cookie}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers

    def state(self):
        """The state once nothing is under way."""
        end = time.monotonic() + PATIENCE_S
        while (state := json.loads(self.ask("GET", "/api/state")[1]))["busy"]:
            assert time.monotonic() < end
            time.sleep(0.05)
        return state


def hearing_ctrl_c():
    """In the new process: shells let those that they start in the background ignore SIGINT, and so their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def reviewing(*words):
    """The process, and its page."""
    command = [sys.executable, "-m", "petlesion", "review", *map(str, words), "--no-browser"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=ROOT, preexec_fn=hearing_ctrl_c, **pipes)  # noqa: PLW1509 - no threads yet
    try:
        address = process.stdout.readline().strip()
        if not address:
            pytest.fail(process.stderr.read())
        yield process, Page(address)
    finally:
        process.kill()
        process.communicate()


def ended(process, number):
    """Status, seconds and what was said on stderr after a signal."""
    begun = time.monotonic()
    process.send_signal(number)
    said = process.communicate(timeout=PATIENCE_S)[1]
    return process.returncode, time.monotonic() - begun, said


def test_a_review_from_its_address_to_sigterm(tiny_case, toy_weights, tmp_path):
    out = tmp_path / "out"
    words = (tiny_case, "--out", out, "--weights", toy_weights, "--device", "cpu", "--folds", "0", "--tracer", "FDG")
    with reviewing(*words) as (process, page):
        assert page.ask("GET", "/api/state", cookie="")[0] == 403
        first = page.state()
        assert (first["message"], first["revision"], len(first["clicks"])) == ("", 1, 1)
        assert page.ask("POST", "/api/clicks", {"name": "background", "point": [3, 4, 5]})[0] == 202
        assert page.state()["revision"] == 2
        assert page.ask("POST", "/api/save")[0] == 200
        status, seconds, said = ended(process, signal.SIGTERM)
    assert (status, said.splitlines()[-1]) == (143, "petlesion: terminated on the platform's request")
    assert seconds < 5
    assert page.token not in said
    given = read_case(tiny_case, ReadOptions()).case
    case = admit("again", given.ct_hu, given.pet_suv, read_clicks(out / "lesion-clicks.json")).case
    limits = Limits(device="cpu", depth=1, folds=(0,), tracer=Tracer.FDG)
    mask = segment(case, ModelStore.open(toy_weights), limits).mask
    assert np.array_equal(read_image(out / "mask.nii.gz").array_zyx > 0, mask.array_zyx > 0)


def test_ctrl_c_ends_it_too(tiny_case, toy_weights, tmp_path):
    words = (tiny_case, "--out", tmp_path, "--weights", toy_weights, "--device", "cpu", "--folds", "0")
    with reviewing(*words) as (process, _):
        status, seconds, said = ended(process, signal.SIGINT)  # in the midst of the first answer
    assert (status, said.splitlines()[-1]) == (130, "petlesion: ended from the keyboard")
    assert seconds < 5


def test_what_cannot_begin_ends_as_other_commands_do(tmp_path):
    command = [sys.executable, "-m", "petlesion", "review", str(tmp_path), "--out", str(tmp_path / "out")]
    command += ["--weights", str(tmp_path), "--no-browser"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("petlesion: ")
