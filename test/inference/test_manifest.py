# SPDX-License-Identifier: Apache-2.0
import json
import string
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petlesion.inference.manifest import JSON_BYTES, FoldFile, ModelEntry, WeightsError, parse_manifest, render_manifest
from test.inference.models import ENTRY, TRACER

SHA = "0123456789abcdef" * 4
FOLD = FoldFile(0, "mesbah/fdg/fold_0.safetensors", SHA, 123)
WRITTEN = replace(ENTRY, plans="mesbah/fdg/plans.json", dataset="mesbah/fdg/dataset.json", folds=(FOLD,))


def manifest(**changes: object) -> str:
    """A manifest of one model, with fields changed; None removes a field."""
    content = json.loads(render_manifest([WRITTEN]))
    model = content["models"][0] | changes
    content["models"] = [{key: value for key, value in model.items() if value is not None}]
    return json.dumps(content)


def outcome(text: str | bytes) -> tuple[ModelEntry, ...] | str:
    """The models of a manifest, or what is said against it."""
    try:
        return parse_manifest(text)
    except WeightsError as error:
        return str(error)


def test_no_models_is_a_manifest():
    assert parse_manifest(render_manifest([])) == ()


def test_the_text_is_the_published_schema():
    assert json.loads(render_manifest([replace(TRACER, folds=(FOLD,))])) == {
        "format": 1,
        "models": [
            {
                "system": "mesbah",
                "role": "tracer",
                "architecture": "mip_cnn",
                "channels": ["pet"],
                "licence": "CC0-1.0",
                "source": "a test",
                "training_data": "none",
                "synthetic": True,
                "folds": [{"fold": 0, "file": "mesbah/fdg/fold_0.safetensors", "sha256": SHA, "bytes": 123}],
            }
        ],
    }


WORDS = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8)
TEXTS = st.text(max_size=20)
FOLDS = st.lists(st.integers(0, 9), unique=True).map(
    lambda numbers: tuple(FoldFile(n, f"a/fold_{n}.safetensors", SHA, n + 1) for n in sorted(numbers))
)
ENTRIES = st.builds(
    ModelEntry,
    system=WORDS,
    role=WORDS,
    architecture=st.just("nnunet"),
    channels=st.lists(st.sampled_from(["ct", "pet", "clicks"]), min_size=1).map(tuple),
    licence=TEXTS,
    source=TEXTS,
    training_data=TEXTS,
    synthetic=st.booleans(),
    configuration=st.text(min_size=1),
    plans=st.just("a/plans.json"),
    dataset=st.just("a/dataset.json"),
    mirror_axes=st.sets(st.integers(0, 2)).map(tuple),
    folds=FOLDS,
)


@settings(deadline=None, max_examples=30)
@given(st.lists(ENTRIES, max_size=3, unique_by=lambda entry: entry.name))
def test_reading_undoes_writing(entries):
    assert parse_manifest(render_manifest(entries)) == tuple(entries)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.sampled_from([*json.loads(manifest())["models"][0]]), JSON))
def test_whatever_stands_in_a_field_is_read_or_refused_by_name(changes):
    found = outcome(manifest(**changes))
    assert "manifest.json" in found if isinstance(found, str) else len(found) == 1


@settings(deadline=None, max_examples=50)
@given(st.text() | st.binary() | JSON.map(json.dumps))
def test_whatever_the_text_is_it_is_read_or_refused(text):
    found = outcome(text)
    assert isinstance(found, tuple) or "manifest.json" in found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[]", "an object is expected"),
        ("{}", "the format must be 1; it is None"),
        ('{"format": 2, "models": []}', "the format must be 1; it is 2"),
        ('{"format": 1, "models": {}}', '"models" must be a list'),
        (" " * (JSON_BYTES + 1), "at most 1,000,000 bytes"),
        (manifest(licence=None), r'models\[0\]: "licence" is missing'),
        (manifest(synthetic="no"), r'models\[0\]: "synthetic" must be of type bool'),
        (manifest(architecture="cascade"), "an architecture is one of"),
        (manifest(system="../mesbah"), "a word of a-z, 0-9 and _"),
        (manifest(channels=[]), "at least one input channel"),
        (manifest(channels=[1]), '"channels" must be a list of str'),
        (manifest(mirror_axes=[3]), "mirror axes are of 0, 1, 2"),
        (manifest(mirror_axes=[True]), '"mirror_axes" must be a list of int'),
        (manifest(plans=None), r"a model of the architecture nnunet needs \['plans'\]"),
        (manifest(folds=[{"fold": True}]), r'folds\[0\]: "fold" must be of type int'),
        (manifest(folds=[7]), r"folds\[0\]: an object is expected; got int"),
    ],
)
def test_what_is_wrong_is_named(text, said):
    with pytest.raises(WeightsError, match=said):
        parse_manifest(text)


def test_a_role_is_listed_once():
    with pytest.raises(WeightsError, match="mesbah/fdg is listed 2 times"):
        parse_manifest(render_manifest([WRITTEN, WRITTEN]))


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../a", "a/../../b", "a\\..\\b", "a\0b"])
def test_paths_stay_inside_the_folder(path):
    with pytest.raises(WeightsError, match="relative path"):
        FoldFile(0, path, SHA, 1)
    with pytest.raises(WeightsError, match="relative path"):
        replace(WRITTEN, plans=path)


@pytest.mark.parametrize("changes", [{"fold": -1}, {"bytes": 0}, {"sha256": SHA[:-1]}, {"sha256": SHA.upper()}])
def test_a_fold_has_a_number_a_size_and_a_digest(changes):
    with pytest.raises(WeightsError):
        replace(FOLD, **changes)


def test_folds_are_listed_in_order_and_found_by_number():
    two = replace(FOLD, fold=2)
    entry = replace(WRITTEN, folds=(FOLD, two))
    assert (entry.fold_numbers, entry.fold(2)) == ((0, 2), two)
    with pytest.raises(WeightsError, match=r"has the folds \[0, 2\], not 1"):
        entry.fold(1)
    with pytest.raises(WeightsError, match="ascending order"):
        replace(WRITTEN, folds=(two, FOLD))
