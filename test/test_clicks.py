# SPDX-License-Identifier: Apache-2.0
"""Clicks: both published forms, every odd file, and the way to the voxels of a grid."""

import json
from functools import cache
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petlesion.cli import main
from petlesion.clicks import (
    MAX_BYTES,
    AdmittedClicks,
    Clicks,
    ClicksError,
    ParsedClicks,
    admit_clicks,
    clicks_to_json,
    parse_clicks,
)
from petlesion.volume import Grid

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "clicks"
GRID = Grid((10, 8, 6), (2.0, 2.0, 3.0), (-200.0, -150.0, 900.0))


@cache
def platform_schema():
    """The platform's own definition of "Multiple points"."""
    schema = json.loads((Path(__file__).parent / "multiple_points.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def points_form(*points, **more) -> str:
    entries = [{"point": list(point), "name": name} for name, *point in points]
    return json.dumps({"version": {"major": 1, "minor": 0}, "type": "Multiple points", "points": entries} | more)


# --- nothing there ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        points_form(),
        "{}",
        '{"version": {"major": 1, "minor": 0}, "type": "Multiple points"}',
        '{"points": null}',
        '{"tumor": [], "background": []}',
        '{"tumor": null}',
        b"\xef\xbb\xbf{}",  # a byte order mark
    ],
)
def test_missing_or_empty_points_are_zero_clicks_without_a_warning(text):
    assert parse_clicks(text) == ParsedClicks()
    assert admit_clicks(parse_clicks(text), GRID) == AdmittedClicks(Clicks())


# --- both forms -------------------------------------------------------------------------------------------------------


def test_the_platforms_form():
    text = points_form(("tumor", 1, 2, 3), ("background", 4, 5, 0), ("tumor", 9, 7, 5))
    admitted = admit_clicks(parse_clicks(text), GRID)
    assert admitted == AdmittedClicks(Clicks(((1, 2, 3), (9, 7, 5)), ((4, 5, 0),)))


def test_the_form_of_two_lists_reads_the_same():
    lists = parse_clicks(b'{"tumor": [[1, 2, 3], [9, 7, 5]], "background": [[4, 5, 0]]}')
    assert lists == parse_clicks(points_form(("tumor", 1, 2, 3), ("background", 4, 5, 0), ("tumor", 9, 7, 5)))
    assert parse_clicks('{"background": [[4, 5, 0]]}') == ParsedClicks((), ((4.0, 5.0, 0.0),))


def test_a_file_that_mixes_both_forms_loses_nothing():
    text = points_form(("tumor", 1, 2, 3), background=[[4, 5, 0]])
    assert parse_clicks(text) == ParsedClicks(((1.0, 2.0, 3.0),), ((4.0, 5.0, 0.0),))


def test_later_clicks_come_after_those_of_the_same_kind():
    first, second = Clicks(((1, 1, 1),), ((2, 2, 2),)), Clicks(((3, 3, 3),), ())
    assert first.joined(second) == Clicks(((1, 1, 1), (3, 3, 3)), ((2, 2, 2),))
    assert Clicks().joined(first) == first.joined(Clicks()) == first


def test_a_scribble_is_only_longer():
    text = points_form(*[("tumor", x, y, 0) for x in range(300) for y in range(20)])
    admitted = admit_clicks(parse_clicks(text), Grid((300, 20, 1), (2.0, 2.0, 3.0)))
    assert len(admitted.clicks) == 6000
    assert admitted.warnings == ()


# --- each kind of repair, counted -------------------------------------------------------------------------------------


def warnings_of(text, grid=GRID):
    return admit_clicks(parse_clicks(text), grid).warnings


def test_floats_are_rounded_and_counted():
    text = points_form(("tumor", 1.4, 2, 3), ("tumor", 5.0, 5, 5), ("background", 0, 6.5, 2.49))
    admitted = admit_clicks(parse_clicks(text), GRID)
    assert admitted.clicks == Clicks(((1, 2, 3), (5, 5, 5)), ((0, 7, 2),))
    assert admitted.warnings == ("2 points of the clicks not in the middle of a voxel: rounded",)


@pytest.mark.parametrize(("position", "voxel"), [(-0.5, 0), (0.49, 0), (0.5, 1), (9.49, 9)])
def test_a_voxel_reaches_half_a_step_to_either_side(position, voxel):
    assert admit_clicks(ParsedClicks(((position, 0.0, 0.0),)), GRID).clicks.tumor_xyz == ((voxel, 0, 0),)


def test_duplicates_of_one_name_are_merged_and_counted():
    text = points_form(("tumor", 1, 2, 3), ("tumor", 1, 2, 3), ("tumor", 1, 2, 3), ("background", 1, 2, 3))
    admitted = admit_clicks(parse_clicks(text), GRID)
    assert admitted.clicks == Clicks(((1, 2, 3),), ((1, 2, 3),))
    assert admitted.warnings == ("2 points of the clicks given more than once: merged",)


def test_what_lies_outside_is_dropped_and_counted():
    text = points_form(("tumor", 1, 2, 3), ("tumor", 10, 2, 3), ("tumor", 1, -1, 3), ("background", 0, 0, 6))
    admitted = admit_clicks(parse_clicks(text), GRID)
    assert admitted.clicks == Clicks(((1, 2, 3),))
    assert admitted.warnings == ("3 points of the clicks outside the PET of (10, 8, 6) voxels: dropped",)


def test_unknown_names_are_dropped_and_counted():
    text = points_form(
        ("tumor", 1, 2, 3), ("Tumor", 1, 2, 4), ("Tumor", 1, 2, 5), ("lymph node", 0, 0, 0), (None, 1, 1, 1)
    )
    assert parse_clicks(text).tumor == ((1.0, 2.0, 3.0),)
    (warning,) = warnings_of(text)
    assert warning.startswith("4 points of the clicks named 'Tumor', 'lymph node', None, neither")
    (warning,) = warnings_of('{"tumour": [[1, 2, 3]], "background": []}')
    assert warning.startswith("1 point of the clicks named 'tumour'")


def test_coordinates_that_are_not_finite_are_dropped_and_counted():
    text = '{"tumor": [[NaN, 1, 2], [1, Infinity, 2], [1, 1, 1], [%s, 0, 0]]}' % ("9" * 400)
    admitted = admit_clicks(parse_clicks(text), GRID)
    assert admitted.clicks == Clicks(((1, 1, 1),))
    assert admitted.warnings == ("3 points of the clicks with a coordinate that is not finite: dropped",)


@pytest.mark.parametrize("version", [{"major": 2, "minor": 0}, {"major": 1, "minor": 3}, "1.0", None, [], {}])
def test_a_wrong_version_is_accepted_with_a_warning(version):
    text = points_form(("tumor", 1, 2, 3), version=version)
    assert parse_clicks(text).tumor == ((1.0, 2.0, 3.0),)
    assert [w.split(" is ")[0] for w in warnings_of(text)] == ["the clicks' version"]


def test_a_wrong_type_of_list_is_accepted_with_a_warning():
    (warning,) = warnings_of(points_form(("tumor", 1, 2, 3), type="Multiple 2D bounding boxes"))
    assert warning.startswith("the clicks' type is 'Multiple 2D bounding boxes'")


def test_each_kind_has_one_warning():
    text = points_form(
        *[("tumor", 1, 2, 3)] * 3, ("tumor", 1.2, 0, 0), ("tumor", 99, 0, 0), ("x", 1, 1, 1), version={"major": 3}
    )
    assert [warning.split()[0] for warning in warnings_of(text)] == ["the", "1", "1", "2", "1"]


# --- millimetres ------------------------------------------------------------------------------------------------------

IN_MM = points_form(("tumor", -198.0, -146.0, 909.0), ("background", -200.2, -150.0, 900.0))


def test_points_in_mm_are_never_guessed_but_recognised():
    admitted = admit_clicks(parse_clicks(IN_MM), GRID)
    assert not admitted.clicks
    assert admitted.warnings[-1].endswith("--points mm reads them so")


def test_points_in_mm_are_read_where_the_user_says_so():
    """x: (-198 + 200) / 2 = 1; y: (-146 + 150) / 2 = 2; z: (909 - 900) / 3 = 3. No voxel is hit exactly, no warning."""
    assert admit_clicks(parse_clicks(IN_MM), GRID, "mm") == AdmittedClicks(Clicks(((1, 2, 3),), ((0, 0, 0),)))


def test_voxels_read_as_mm_are_recognised_too():
    admitted = admit_clicks(parse_clicks(points_form(("tumor", 1, 2, 3))), GRID, "mm")
    assert not admitted.clicks
    assert admitted.warnings[-1].endswith("leave out --points mm")


def test_no_hint_where_neither_unit_fits_or_one_point_is_inside():
    assert len(warnings_of(points_form(("tumor", 5000, 5000, 5000)))) == 1
    assert not any("--points" in w for w in warnings_of(points_form(("tumor", 1, 1, 1), ("tumor", -198, -146, 909))))


# --- broken files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "must be JSON"),
        ("{", "must be JSON"),
        ('{"points": [}', "must be JSON"),
        (b"\xff\xfe\x00{", "UTF-8"),
        ("[[1, 2, 3]]", "object; this one holds a list"),
        ("null", "object; this one holds a NoneType"),
        ('"points"', "object"),
        ('{"points": {}}', '"points" must be a list'),
        ('{"points": "none"}', '"points" must be a list'),
        ('{"points": [[1, 2, 3]]}', 'object with a "point"'),
        ('{"points": [{"name": "tumor"}]}', 'object with a "point"'),
        ('{"points": [{"name": "tumor", "point": [1, 2]}]}', "three numbers"),
        ('{"points": [{"name": "tumor", "point": [1, 2, 3, 4]}]}', "three numbers"),
        ('{"points": [{"name": "tumor", "point": null}]}', "three numbers"),
        ('{"points": [{"name": "tumor", "point": [1, 2, "3"]}]}', "three numbers"),
        ('{"points": [{"name": "tumor", "point": [1, 2, null]}]}', "three numbers"),
        ('{"points": [{"name": "tumor", "point": [1, 2, true]}]}', "True"),
        ('{"tumor": [1, 2, 3]}', "three numbers"),
        ('{"tumor": {"x": 1}}', '"tumor" must be a list'),
        ("[" * 100_000, "nested too deeply"),
        ('{"tumor": [[%s, 0, 0]]}' % ("9" * 5000), "must be JSON"),
        (" " * (MAX_BYTES + 1), "at most 10,000,000 bytes"),
    ],
)
def test_broken_files_are_refused_in_words(text, word):
    with pytest.raises(ClicksError, match=word) as caught:
        parse_clicks(text)
    message = str(caught.value)
    assert message.isascii()
    assert "\n" not in message
    assert len(message) < 300


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
numbers = st.integers() | st.floats() | st.just(10**400)
near_points = st.fixed_dictionaries(
    {"point": st.lists(numbers, min_size=3, max_size=3) | json_values},
    optional={"name": st.sampled_from(["tumor", "background", "x"]) | json_values},
)
near_files = st.fixed_dictionaries(
    {},
    optional={
        "points": st.lists(near_points, max_size=4) | json_values,
        "version": json_values,
        "type": json_values,
        "tumor": st.lists(st.lists(numbers, min_size=3, max_size=3), max_size=3) | json_values,
        "lymph": json_values,
    },
)


@settings(deadline=None, max_examples=200)
@given(st.one_of(near_files, json_values), st.sampled_from(["voxels", "mm"]))
def test_no_json_raises_anything_but_clicks_error(value, unit):
    try:
        parsed = parse_clicks(json.dumps(value))
    except ClicksError as error:
        parsed = ParsedClicks(warnings=(str(error),))
    admitted = admit_clicks(parsed, GRID, unit)
    assert admitted.clicks.within(GRID) == admitted.clicks
    assert all(warning.isprintable() for warning in admitted.warnings)
    assert len(set(admitted.clicks.tumor_xyz)) == len(admitted.clicks.tumor_xyz) <= len(parsed.tumor)


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_no_bytes_raise_anything_but_clicks_error(data):
    try:
        parse_clicks(data)
    except ClicksError:
        return


# --- writing ----------------------------------------------------------------------------------------------------------

on_grid = st.tuples(st.integers(0, 9), st.integers(0, 7), st.integers(0, 5))
some_clicks = st.builds(Clicks, *[st.lists(on_grid, unique=True).map(tuple)] * 2)


def test_the_written_form_is_the_platforms():
    assert clicks_to_json(Clicks()) == {"version": {"major": 1, "minor": 0}, "type": "Multiple points", "points": []}
    assert clicks_to_json(Clicks(((1, 2, 3),), ((4, 5, 0),)))["points"] == [
        {"point": [1, 2, 3], "name": "tumor"},
        {"point": [4, 5, 0], "name": "background"},
    ]


@settings(deadline=None)
@given(some_clicks)
def test_what_is_written_reads_back(clicks):
    assert admit_clicks(parse_clicks(json.dumps(clicks_to_json(clicks))), GRID) == AdmittedClicks(clicks)


@settings(deadline=None)
@given(some_clicks)
def test_clicks_pass_admission_as_they_are(clicks):
    assert admit_clicks(clicks, GRID) == AdmittedClicks(clicks)
    assert admit_clicks(ParsedClicks.of(clicks), GRID) == AdmittedClicks(clicks)


def test_truth_and_length():
    assert not Clicks()
    assert Clicks((), ((0, 0, 0),))
    assert len(Clicks(((1, 2, 3),), ((0, 0, 0),))) == 2


# --- real files -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared click files of autoPET IV are not here")
def test_the_challenges_own_files_need_nothing_but_merging():
    files = sorted(SHARED.glob("*.json"))
    assert len(files) == 320
    large = Grid((2000, 2000, 2000), (1.0, 1.0, 1.0))
    for file in files:
        content = json.loads(file.read_bytes())
        platform_schema().validate(content)
        parsed = parse_clicks(file.read_bytes())
        admitted = admit_clicks(parsed, large)
        assert parsed.warnings == (), file.name
        assert len(parsed.background) == 10
        assert len(parsed.tumor) in (0, 10)
        points = [(one["name"], *one["point"]) for one in content["points"]]
        if again := len(points) - len(set(points)):
            (warning,) = admitted.warnings
            assert warning.startswith(f"{again} point"), file.name
            assert warning.endswith("of the clicks given more than once: merged"), file.name
        else:
            assert admitted.warnings == (), file.name


# --- the platform's schema --------------------------------------------------------------------------------------------

INDICES = st.tuples(*[st.integers(-(2**40), 2**40)] * 3)


@settings(deadline=None)
@given(st.lists(INDICES, max_size=5).map(tuple), st.lists(INDICES, max_size=5).map(tuple))
def test_what_is_written_is_multiple_points_to_the_platform(tumor, background):
    platform_schema().validate(json.loads(json.dumps(clicks_to_json(Clicks(tumor, background)))))


def test_numpys_integers_are_written_as_numbers():
    clicks = Clicks((tuple(np.array([1, 2, 3], np.int64)),), (tuple(np.array([4, 5, 6], np.uint16)),))
    platform_schema().validate(json.loads(json.dumps(clicks_to_json(clicks))))


@pytest.mark.parametrize(
    "spoiled",
    [
        {"type": "Point"},
        {"version": {"major": 1}},
        {"version": {"major": 1, "minor": 0.5}},
        {"points": [{"point": [1, 2]}]},
        {"points": [{"point": [1, 2, "3"]}]},
        {"points": [{"name": "tumor"}]},
        {"points": [{"point": [1, 2, 3], "colour": "red"}]},
        {"tumor": []},
    ],
)
def test_the_schema_refuses_other_files(spoiled):
    assert not platform_schema().is_valid(clicks_to_json(Clicks(((1, 2, 3),))) | spoiled)


def test_the_files_of_the_commands_are_multiple_points(tmp_path):
    phantom = ["phantom", "--tracer", "FDG", "--seed", "3", "--shape", "40,40,40", "--spacing", "10,10,12"]
    assert main([*phantom, "--out", str(tmp_path)]) == 0
    (pet,) = (tmp_path / "input/images/pet").iterdir()
    words = ["clicks", "--truth", str(tmp_path / "truth.mha"), "--pet", str(pet), "--seed", "1"]
    assert main([*words, "--out", str(tmp_path / "clicks.json")]) == 0
    assert main([*words, "--steps", "--out", str(tmp_path / "steps")]) == 0
    files = [tmp_path / "clicks.json", tmp_path / "input/lesion-clicks.json", *(tmp_path / "steps").rglob("*.json")]
    assert len(files) > 5
    for file in files:
        platform_schema().validate(json.loads(file.read_text(encoding="utf-8")))
