# SPDX-License-Identifier: Apache-2.0
import contextlib
import copy
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petlesion.inference.manifest import WeightsError
from petlesion.inference.nnunet_plans import NnunetPlans, PlansError
from petlesion.inference.normalize import Intensity, Normalization, Scheme
from petlesion.inference.resample import ResamplingRule
from test.nnunet_reference import toy_dataset, toy_plans


def changed(value, path, new):
    """A deep copy of a JSON value with `new` at `path`; `...` takes the key away."""
    value = copy.deepcopy(value)
    place = value
    for key in path[:-1]:
        place = place[key]
    if new is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = new
    return value


FULLRES = ("configurations", "3d_fullres")


def test_the_parts_that_inference_needs():
    plans = NnunetPlans.parse(toy_plans((16, 24, 32), (3.0, 2.0, 1.0)), toy_dataset())
    assert plans.patch_zyx == (16, 24, 32)
    assert plans.spacing_zyx_mm == (3.0, 2.0, 1.0)
    assert plans.transpose_forward == plans.transpose_backward == (0, 1, 2)
    assert plans.channel_names == ("CT", "PET", "clicks")
    assert plans.labels == (("background", 0), ("tumor", 1))
    assert (plans.n_channels, plans.n_classes) == (3, 2)
    assert plans.image_resampling == ResamplingRule(order=3)
    assert plans.logit_resampling == ResamplingRule(order=1)
    assert plans.normalizations[0] == Normalization(Scheme.CT, intensity=Intensity(107.73, 286.34, -832.06, 1127.76))
    assert plans.normalizations[2] == Normalization(Scheme.NONE)


def test_the_inverse_of_a_transpose():
    plans = NnunetPlans.parse(toy_plans(forward=(2, 0, 1)), toy_dataset())
    assert plans.transpose_forward == (2, 0, 1)
    assert plans.transpose_backward == (1, 2, 0)


def test_a_configuration_overrides_what_it_inherits():
    plans = toy_plans((16, 24, 32))
    plans["configurations"]["small"] = {"inherits_from": "3d_fullres", "patch_size": [8, 8, 8]}
    plans["configurations"]["smaller"] = {"inherits_from": "small", "spacing": [4.0, 4.0, 4.0]}
    parsed = NnunetPlans.parse(plans, toy_dataset(), "smaller")
    assert parsed.patch_zyx == (8, 8, 8)
    assert parsed.spacing_zyx_mm == (4.0, 4.0, 4.0)
    assert parsed.normalizations == NnunetPlans.parse(plans, toy_dataset()).normalizations


def test_names_of_earlier_versions():
    plans, dataset = toy_plans(), toy_dataset()
    new = "foreground_intensity_properties_per_channel"
    plans["foreground_intensity_properties_by_modality"] = plans.pop(new)
    dataset["modality"] = dataset.pop("channel_names")
    assert NnunetPlans.parse(plans, dataset) == NnunetPlans.parse(toy_plans(), toy_dataset())


def test_ignore_is_no_class():
    dataset = changed(toy_dataset(), ("labels", "ignore"), 2)
    assert NnunetPlans.parse(toy_plans(), dataset).n_classes == 2


@pytest.mark.parametrize(
    ("path", "new", "named"),
    [
        (("configurations",), ..., "configurations"),
        (("configurations", "3d_fullres"), ..., "3d_fullres"),
        ((*FULLRES, "inherits_from"), "3d_fullres", "inherit"),
        ((*FULLRES, "patch_size"), ..., "patch_size"),
        ((*FULLRES, "patch_size"), [192, 192], "patch_size"),
        ((*FULLRES, "patch_size"), [0, 192, 192], "patch_size"),
        ((*FULLRES, "spacing"), [3.0, -2.0, 2.0], "spacing"),
        ((*FULLRES, "spacing"), [3.0, float("nan"), 2.0], "spacing"),
        ((*FULLRES, "previous_stage"), "3d_lowres", "previous_stage"),
        ((*FULLRES, "preprocessor_name"), "MyPreprocessor", "preprocessor_name"),
        ((*FULLRES, "normalization_schemes"), ["CTNormalization"] * 2, "normalization_schemes"),
        ((*FULLRES, "normalization_schemes", 1), "RGBTo01Normalization", "RGBTo01Normalization"),
        ((*FULLRES, "resampling_fn_data"), "resample_torch_fornnunet", "resampling_fn_data"),
        ((*FULLRES, "resampling_fn_data_kwargs", "order_z"), 1, "resampling_fn_data_kwargs"),
        ((*FULLRES, "resampling_fn_data_kwargs", "order"), 6, "order"),
        ((*FULLRES, "resampling_fn_data_kwargs", "new"), 1, "resampling_fn_data_kwargs"),
        ((*FULLRES, "resampling_fn_probabilities_kwargs", "force_separate_z"), "no", "force_separate_z"),
        ((*FULLRES, "resampling_fn_probabilities"), ..., "resampling_fn_probabilities"),
        (("transpose_forward",), [0, 1, 1], "transpose_forward"),
        (("transpose_backward",), [1, 0, 2], "transpose_backward"),
        (("label_manager",), "MyLabels", "label_manager"),
        (("foreground_intensity_properties_per_channel", "1"), ..., "'1'"),
        (("foreground_intensity_properties_per_channel", "0", "std"), ..., "'std'"),
    ],
)
def test_what_plans_cannot_ask_for(path, new, named):
    with pytest.raises(PlansError, match=re.escape(named)):
        NnunetPlans.parse(changed(toy_plans(), path, new), toy_dataset())


@pytest.mark.parametrize(
    ("path", "new", "named"),
    [
        (("channel_names",), ..., "channel_names"),
        (("channel_names",), {"1": "CT"}, "channel_names"),
        (("labels",), ..., "labels"),
        (("labels", "tumor"), [1, 2], "region"),
        (("labels", "tumor"), 2, "labels"),
        (("labels", "background"), ..., "labels"),
        (("labels", "tumor"), "one", "tumor"),
    ],
)
def test_what_a_data_set_cannot_ask_for(path, new, named):
    with pytest.raises(PlansError, match=re.escape(named)):
        NnunetPlans.parse(toy_plans(), changed(toy_dataset(), path, new))


def test_plans_are_part_of_the_weights():
    assert issubclass(PlansError, WeightsError)


def paths(value, above=()):
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*above, key)
        if isinstance(inner, dict | list):
            yield from paths(inner, (*above, key))


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(),
    st.text(max_size=3),
    st.just([]),
    st.just({}),
    st.just(...),
)


@given(path=st.sampled_from(list(paths(toy_plans()))), junk=JUNK)
def test_broken_plans_end_in_a_plans_error_or_none(path, junk):
    with contextlib.suppress(PlansError):
        NnunetPlans.parse(changed(toy_plans(), path, junk), toy_dataset())


@given(path=st.sampled_from(list(paths(toy_dataset()))), junk=JUNK)
def test_a_broken_data_set_ends_in_a_plans_error_or_none(path, junk):
    with contextlib.suppress(PlansError):
        NnunetPlans.parse(toy_plans(), changed(toy_dataset(), path, junk))
