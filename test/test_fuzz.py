# SPDX-License-Identifier: Apache-2.0
"""Every fuzzed parser once more over what is kept, and over documents that Hypothesis makes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from test.fuzz.targets import TARGETS, corpus

KEPT = [(name, path) for name in TARGETS for path in corpus(name)]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
VALUES = st.recursive(
    LEAVES | st.sampled_from(["../a", "/etc", "a\0b", 2**40, -1]) | st.builds(lambda: [1] * 70),  # a list of its own
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def places(value):
    """Every (object or list, key) of a JSON value."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


@st.composite
def changed(draw, name):
    """A kept document with one to three values replaced, or removed."""
    kept = [path for path in corpus(name) if path.suffix == ".json"]
    try:
        document = json.loads(draw(st.sampled_from(kept)).read_text(encoding="utf-8-sig"))
    except ValueError:
        return draw(st.binary(max_size=60))
    for _ in range(draw(st.integers(1, 3))):
        if not (found := list(places(document))):
            break
        held, key = draw(st.sampled_from(found))
        if draw(st.booleans()):
            held[key] = draw(VALUES)
        else:
            del held[key]
    return json.dumps(document).encode()


@pytest.mark.parametrize(("name", "path"), KEPT, ids=[f"{name}-{path.stem[:24]}" for name, path in KEPT])
def test_what_is_kept_ends_as_it_should(name, path):
    TARGETS[name](path.read_bytes())


@pytest.mark.parametrize("name", [name for name in TARGETS if name != "mha"])
def test_changed_documents_end_as_they_should(name):
    # each example of plans builds a network
    @settings(deadline=None, max_examples=50 if name == "plans" else 200, database=None)
    @given(changed(name) | st.binary(max_size=60))
    def check(data):
        TARGETS[name](data)

    check()


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_changed_images_end_as_they_should(data):
    content = bytearray(data.draw(st.sampled_from(corpus("mha"))).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    TARGETS["mha"](bytes(content))


def test_the_fuzzer_itself_runs(tmp_path):
    pytest.importorskip("atheris", reason="there is no build of atheris for this system")
    words = [sys.executable, "-m", "test.fuzz", "clicks", "-runs=300", "-seed=1", f"-artifact_prefix={tmp_path}/"]
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(words, capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Done 300 runs" in done.stderr
