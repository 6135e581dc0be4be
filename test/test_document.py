# SPDX-License-Identifier: Apache-2.0
"""JSON that others wrote: what is read, and what is refused in words."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petlesion.document import DEPTH, DocumentError, parse_document, read_bytes, read_document

LONG = 1000


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        (b"\xef\xbb\xbf{}", {}),  # a byte order mark
        (nested(DEPTH), json.loads(nested(DEPTH))),
        ('{"a": 1, "b": {"a": 2}}', {"a": 1, "b": {"a": 2}}),  # equal keys, but of two objects
        (f"[{2**63 - 1}, {-(2**63)}, 1e308]", [2**63 - 1, -(2**63), 1e308]),
        ('"\\ud83d\\ude00 \u00e9"', "\U0001f600 \u00e9"),  # a pair of surrogates is one character
    ],
)
def test_plain_json_is_read(text, value):
    assert parse_document(text, LONG) == value


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "is no JSON"),
        ("{]", "is no JSON"),
        ("1 2", "is no JSON: Extra data"),
        (b"\xff\xfe[\x00]\x00", "is not UTF-8: invalid start byte at byte 0"),
        (" " * (LONG + 1), "is too long: at most 1,000 bytes are read"),
        (nested(DEPTH + 1), "is nested too deeply: at most 32 levels are read"),
        ('{"b": 0, "a": 1, "a": 2}', "has the key 'a' twice in one object"),
        ('[{"a": [{"\\u0061": 1, "a": 1}]}]', "has the key 'a' twice in one object"),
        ("[NaN]", "holds NaN, which is no number of JSON"),
        ("[-Infinity]", "holds -Infinity"),
        ("[1e999]", "holds a number beyond any that can be computed with"),
        (f"[{2**63}]", "holds a whole number of more than 64 bits"),
        ("9" * 900, "holds a whole number of more than 64 bits"),
        ('["\\ud800"]', r"holds a text that is not Unicode: '\\ud800'"),
        ('{"\\udc80": 0}', r"holds a text that is not Unicode: '\\udc80'"),
    ],
)
def test_everything_else_is_refused_in_words(text, fault):
    with pytest.raises(DocumentError, match=fault) as caught:
        parse_document(text, LONG)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


def test_an_integer_of_thousands_of_digits_is_refused():
    with pytest.raises(DocumentError, match="is no JSON: Exceeds the limit"):
        parse_document("9" * 5000, 10_000)


def test_what_exhausts_the_parsers_own_stack_is_refused_alike():
    with pytest.raises(DocumentError, match="is nested too deeply"):
        parse_document(nested(100_000), 1_000_000)


def test_a_caller_that_weighs_each_value_gets_every_number():
    assert parse_document(f"[Infinity, 1e999, {2**70}]", LONG, exact=False) == [float("inf"), float("inf"), 2**70]
    assert parse_document('"\\ud800"', LONG, exact=False) == "\ud800"
    for text in ('{"a": 1, "a": 2}', nested(DEPTH + 1)):  # no matter of a value
        with pytest.raises(DocumentError):
            parse_document(text, LONG, exact=False)


def test_no_more_of_a_file_is_read_than_is_allowed(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"[1]" + b" " * 10_000)
    assert len(read_bytes(path, 100)) == 101
    with pytest.raises(DocumentError, match="at most 100 bytes"):
        read_document(path, 100)
    assert read_document(path, 20_000) == [1]


def test_a_pipe_is_not_waited_for_and_a_device_not_read_to_its_end(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(DocumentError, match="is no regular file"):
            read_bytes(path, 100)
    with pytest.raises(IsADirectoryError):
        read_bytes(tmp_path, 100)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(VALUES)
def test_what_json_writes_is_read_back(value):
    assert parse_document(json.dumps(value), 10**9) == value
    assert parse_document(json.dumps(value, ensure_ascii=False).encode(), 10**9) == value


@settings(deadline=None, max_examples=200)
@given(st.text() | st.binary(), st.booleans())
def test_whatever_the_text_is_it_is_read_as_json_reads_it_or_refused(text, exact):
    try:
        value = parse_document(text, LONG, exact=exact)
    except DocumentError:
        return
    assert json.dumps(value) == json.dumps(json.loads(text))
