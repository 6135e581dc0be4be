# SPDX-License-Identifier: Apache-2.0
"""inputs.json: found by slug or by path, and refused by name where it is broken."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from petlesion.case import CaseError
from petlesion.listing import Listing, Socket

CT = Socket("CT", ("ct", "ct-image"), "images/ct")


def listing(tmp_path, *places, key="interface"):
    entries = [
        {
            key: {"slug": slug, "relative_path": path, "kind": "Image"},
            "file": None,
            "image": {"name": "x"},
            "value": None,
        }
        for slug, path in places
    ]
    (tmp_path / "inputs.json").write_text(json.dumps(entries))
    return Listing.read(tmp_path / "inputs.json")


def test_an_empty_list_has_nothing(tmp_path):
    empty = listing(tmp_path)
    assert empty.find(CT) is None
    with pytest.raises(CaseError, match=r"lists no socket of the CT; it has none; mend it, or remove it"):
        empty.find_needed(CT)


@pytest.mark.parametrize("key", ["interface", "socket"])
@pytest.mark.parametrize("slug", ["ct", "ct-image"])
def test_found_by_slug_wherever_it_lies(tmp_path, key, slug):
    assert (
        listing(tmp_path, ("pet", "images/pet"), (slug, "images/other/"), key=key).find(CT) == tmp_path / "images/other"
    )


def test_found_by_path_whatever_its_slug(tmp_path):
    assert listing(tmp_path, ("computed-tomography", "images/ct")).find_needed(CT) == tmp_path / "images/ct"


def test_the_same_place_twice_is_one_place(tmp_path):
    assert listing(tmp_path, ("ct", "images/ct"), ("ct-image", "images/ct")).find(CT) == tmp_path / "images/ct"


def test_two_places_are_refused(tmp_path):
    with pytest.raises(CaseError, match="several sockets of the CT: 'ct', 'ct-image'"):
        listing(tmp_path, ("ct", "images/ct"), ("ct-image", "images/ct2")).find(CT)


@pytest.mark.parametrize("path", ["/etc", "../other", "images/../../other", "images/\0ct"])
def test_no_place_outside_the_folder(tmp_path, path):
    with pytest.raises(CaseError, match="places the CT outside its folder"):
        listing(tmp_path, ("ct", path)).find(CT)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b"", "cannot be read"),
        (b"[{", "cannot be read"),
        (b"\xff\xff", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b'{"inputs": []}', "holds no list"),
        (b"null", "holds no list"),
        (b"[1]", 'without "socket" or "interface"'),
        (b'[{"interface": null}]', 'without "socket" or "interface"'),
        (b'[{"interface": "ct"}]', 'without "socket" or "interface"'),
        (b'[{"interface": {"slug": "ct"}}]', 'without "slug" or "relative_path"'),
        (b'[{"interface": {"slug": 1, "relative_path": "x"}}]', 'without "slug" or "relative_path"'),
    ],
)
def test_broken_lists_are_refused_by_name(tmp_path, text, word):
    (tmp_path / "inputs.json").write_bytes(text)
    with pytest.raises(CaseError, match=word) as caught:
        Listing.read(tmp_path / "inputs.json")
    assert str(tmp_path / "inputs.json") in str(caught.value)
    assert str(caught.value).isprintable()


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=4) | st.sampled_from(["ct", "images/ct", "../x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["interface", "socket", "slug", "relative_path"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(anything)
def test_no_json_raises_anything_but_case_error(tmp_path, value):
    (tmp_path / "inputs.json").write_text(json.dumps(value))
    try:
        place = Listing.read(tmp_path / "inputs.json").find(CT)
    except CaseError:
        return
    assert place is None or place.is_relative_to(tmp_path)
