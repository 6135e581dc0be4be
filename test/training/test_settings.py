# SPDX-License-Identifier: Apache-2.0
"""Settings of a training as a file."""

from dataclasses import replace

import pytest

from petlesion.limits import UsageError
from petlesion.recipes import MESBAH
from petlesion.training.settings import FILE, TrainingSettings

PUBLISHED = TrainingSettings.of(MESBAH.training, "fdg")


def test_the_published_schedule():
    assert (PUBLISHED.epochs, PUBLISHED.iterations, PUBLISHED.initial_rate) == (1500, 350, 1e-3)
    assert TrainingSettings.of(MESBAH.training, "psma").iterations == 250


def test_what_is_saved_is_loaded(tmp_path):
    assert TrainingSettings.load(tmp_path) is None
    settings = replace(PUBLISHED, epochs=3, pretrained="a.pth", checkpoint_activations=True)
    settings.save(tmp_path / "fold_0")
    assert TrainingSettings.load(tmp_path / "fold_0") == settings


@pytest.mark.parametrize("text", ["", "[]", '{"epochs": 1}'])
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UsageError, match="must hold the settings"):
        TrainingSettings.load(tmp_path)


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"iterations": 0}, {"initial_rate": 0.0}, {"save_every": 0}, {"seed": -1}]
)
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError, match="are positive"):
        replace(PUBLISHED, **wrong)
