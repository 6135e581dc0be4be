# SPDX-License-Identifier: Apache-2.0
"""Samples as the networks get them: clicks anew each time, on lesions; organs where they are known."""

import json

import numpy as np
import pytest
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from scipy import ndimage

from petlesion.recipes import MESBAH
from petlesion.training.dataset import PLANS_NAME
from petlesion.training.loaders import StudyDataset, StudyLoader
from petlesion.training.organs import UNKNOWN
from petlesion.training.preprocessed import CLICKS
from petlesion.training.redraw import DrawClicks

NAMES = [f"fdg_{i:010d}_01-01-2001" for i in range(1, 5)]
RULE = MESBAH.stages[0].heatmap


class Watch:
    """A chain that draws the clicks and keeps the samples that it was given."""

    def __init__(self):
        self.seen = []

    def __call__(self, **sample):
        self.seen.append(dict(sample))
        return DrawClicks(RULE)(**sample)


@pytest.fixture
def dataset(prepared):
    return StudyDataset(str(prepared.folders.cases), list(NAMES), with_organs=True)


@pytest.fixture
def loader(prepared, dataset):
    plans = json.loads((prepared.folders.preprocessed / f"{PLANS_NAME}.json").read_text())
    description = json.loads((prepared.folders.preprocessed / "dataset.json").read_text())
    labels = PlansManager(plans).get_label_manager(description)
    return StudyLoader(
        *(dataset, 2, (16, 16, 16), (16, 16, 16), labels), oversample_foreground_percent=1.0, chain=Watch(), seed=(1, 2)
    )


def test_channels_are_ct_pet_and_steps_of_suv(dataset):
    data, seg, organs, _ = dataset.load_case(NAMES[0])
    stored = super(StudyDataset, dataset).load_case(NAMES[0])[0]
    box = (slice(None), slice(2, 9), slice(3, 8), slice(1, 5))
    assert data.shape == stored.shape == (3, *organs.shape) == (3, *seg.shape[1:])
    np.testing.assert_array_equal(data[box][:2], stored[box][:2])
    assert set(np.unique(data[box][2])) <= set(range(256))


def test_a_case_without_a_map_is_unknown_everywhere(dataset):
    known, unknown = (dataset.load_case(name)[2][:] for name in (NAMES[0], NAMES[3]))
    assert UNKNOWN not in known
    assert (unknown == UNKNOWN).all()


def test_without_organs_there_is_one_mask(prepared):
    assert StudyDataset(str(prepared.folders.cases), list(NAMES), with_organs=False).load_case(NAMES[0])[2] is None


def test_tumour_clicks_lie_on_lesions_of_the_network_grid(dataset):
    _, seg, _, properties = dataset.load_case(NAMES[0])
    lesion = ndimage.binary_dilation(seg[0] == 1, np.ones((3, 3, 3)))
    clicks = properties[CLICKS]
    points = clicks["tumor_zyx"][~np.isnan(clicks["tumor_zyx"]).any(axis=-1)]
    z, y, x = np.clip(np.rint(points).astype(int), 0, np.array(lesion.shape) - 1).T
    assert lesion.mean() < 0.02
    assert lesion[z, y, x].mean() > 0.6  # one of three small lesions has vanished on the coarse grid


def test_clicks_differ_between_iterations_and_lie_on_lesions_of_the_patch(loader):
    batches = [next(loader) for _ in range(6)]
    assert batches[0]["data"].shape == (2, 3, 16, 16, 16)
    assert batches[0]["target"].shape == (2, 2, 16, 16, 16)
    counts = {(len(s["clicks"].points.tumor_zyx), len(s["clicks"].points.background_zyx)) for s in loader._chain.seen}
    assert len(counts) > 4
    lesions = [ndimage.binary_dilation(s["segmentation"][0] == 1, np.ones((3, 3, 3))) for s in loader._chain.seen]
    hits = []
    for sample, lesion in zip(loader._chain.seen, lesions, strict=True):
        points = np.rint(sample["clicks"].points.tumor_zyx).astype(int)
        hits.extend(lesion[tuple(point)] for point in points if ((point >= 0) & (point < 16)).all())
    assert len(hits) > 3
    assert np.mean(lesions) < 0.1
    assert np.mean(hits) > 0.6


def test_the_same_seed_gives_the_same_clicks_and_each_worker_its_own(loader):
    def drawn(thread):
        loader._rng, loader._chain.seen = None, []
        loader.set_thread_id(thread)
        next(loader)
        return [len(s["clicks"].points.tumor_zyx) for s in loader._chain.seen], loader._rng.random()

    assert drawn(0)[1] == drawn(0)[1]
    assert drawn(0)[1] != drawn(1)[1]
