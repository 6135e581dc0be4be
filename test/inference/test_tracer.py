# SPDX-License-Identifier: Apache-2.0
"""The tracer call: picture, network, vote."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from torch import nn

from petlesion.case import Tracer
from petlesion.inference.manifest import WeightsError
from petlesion.inference.tracer import (
    MipCnn,
    TracerCall,
    call_tracer,
    coronal_mip,
    mip_image,
    spline_matrix,
    vote,
    window,
)
from petlesion.volume import Grid, Volume


def volume(array, spacing=(3.0, 3.0, 3.0)):
    array = np.asarray(array, dtype=np.float32)
    return Volume(array, Grid(array.shape[::-1], spacing))


def test_an_empty_pet_gives_an_empty_picture():
    mip = mip_image(volume(np.zeros((3, 4, 5))))
    assert mip.shape == (224, 224)
    assert mip.dtype == np.float32
    assert not mip.any()


def test_the_picture_is_the_maximum_along_y_at_3_mm():
    pet = np.zeros((2, 3, 2), np.float32)
    pet[0, 2, 1], pet[1, 0, 0], pet[1, 1, 0] = 7, 2, 5
    np.testing.assert_array_equal(coronal_mip(volume(pet)), [[0, 7], [5, 0]])


def test_a_small_picture_is_filled_with_zeros_at_its_far_end():
    np.testing.assert_array_equal(window(np.array([[1.0, 2.0]], np.float32), 3), [[1, 2, 0], [0, 0, 0], [0, 0, 0]])


def test_a_large_picture_is_cut_around_its_centre():
    row = np.arange(5, dtype=np.float32)  # (5 - 2) // 2 = 1 is cut off in front, 2 behind
    np.testing.assert_array_equal(window(np.stack([row, row]), 2), [[1, 2], [1, 2]])


def test_nothing_is_resampled_where_the_spacing_is_3_mm():
    np.testing.assert_array_equal(spline_matrix(4, 3.0, 3.0), np.eye(4))


def test_the_spline_keeps_constants_and_inner_cubics():
    matrix = spline_matrix(40, 2.0, 3.0).astype(float)
    assert matrix.shape == (27, 40)  # 40 * 2 / 3 = 26.7
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-6)
    at = np.arange(40) / 40
    inner = slice(8, 18)  # away from the mirrored ends a cubic spline has cubics exactly
    np.testing.assert_allclose((matrix @ at**3)[inner], (np.arange(27)[inner] * 1.5 / 40) ** 3, atol=1e-5)


@pytest.mark.parametrize("spacing", [(4.07, 4.07, 2.0), (5.47, 5.47, 3.27), (2.04, 2.04, 3.0)])
def test_the_picture_equals_that_of_simpleitk(spacing):
    pet = np.random.default_rng(0).random((20, 25, 30), dtype=np.float32) * 10
    image = sitk.GetImageFromArray(pet)
    image.SetSpacing(spacing)
    size = [round(n * s / 3) for n, s in zip((30, 25, 20), spacing, strict=True)]
    there = sitk.Resample(
        image, size, sitk.Transform(), sitk.sitkBSpline, image.GetOrigin(), (3.0, 3.0, 3.0), image.GetDirection(), 0.0
    )
    expected = sitk.GetArrayFromImage(there).max(axis=1)
    np.testing.assert_allclose(coronal_mip(volume(pet, spacing)), expected, atol=1e-4)


def test_one_slice_is_enough():
    assert mip_image(volume(np.ones((1, 1, 1)), (6.0, 6.0, 6.0)))[0, 0] == 1


def test_the_network_has_the_published_size():
    # 8*64+8, 16*8*9+16, 32*16*9+32, 64*32*9+64, 128*64*9+128, 256*128*36+256; then 256*128+128, ..., 4+1
    convolutions = 520 + 1168 + 4640 + 18496 + 73856 + 1179904
    dense = 32896 + 8256 + 1040 + 68 + 5
    network = MipCnn()
    assert sum(p.numel() for p in network.parameters()) == convolutions + dense
    assert network(torch.zeros(2, 1, 224, 224)).shape == (2,)


def test_the_last_convolution_takes_exactly_what_is_left():
    sizes, image = [], torch.zeros(1, 1, 224, 224)
    for layer in MipCnn().features:
        image = layer(image)
        if isinstance(layer, nn.Conv2d):
            sizes.append(image.shape[-1])
    assert sizes == [112, 55, 27, 13, 6, 1]


def test_the_majority_decides_whatever_the_mean():
    call = vote((0.51, 0.52, 0.53, 0.0, 0.0))
    assert call.tracer is Tracer.PSMA
    assert call.votes == (Tracer.PSMA,) * 3 + (Tracer.FDG,) * 2
    assert vote((0.49, 0.48, 0.47, 1.0, 1.0)).tracer is Tracer.FDG


def test_one_half_rounds_to_fdg():
    assert vote((0.5,)) == TracerCall(Tracer.FDG, (Tracer.FDG,), (0.5,))


def test_a_tie_goes_by_the_mean():
    assert vote((0.9, 0.4)).tracer is Tracer.PSMA
    assert vote((0.6, 0.1)).tracer is Tracer.FDG


class Always(nn.Module):
    def __init__(self, logit):
        super().__init__()
        self.logit = nn.Parameter(torch.tensor([logit]))

    def forward(self, mip):
        assert mip.shape == (1, 1, 224, 224)
        return self.logit


def test_every_fold_votes_in_its_order():
    call = call_tracer(volume(np.ones((2, 2, 2))), {2: Always(-3.0), 0: Always(3.0), 1: Always(3.0)})
    assert call.tracer is Tracer.PSMA
    assert call.votes == (Tracer.PSMA, Tracer.PSMA, Tracer.FDG)
    assert call.probabilities[2] == pytest.approx(1 / (1 + np.exp(3)))


def test_no_fold_is_refused():
    with pytest.raises(WeightsError, match="at least one fold"):
        call_tracer(volume(np.ones((2, 2, 2))), {})


def test_the_headers_word_goes_before_a_vote_with_a_warning_where_they_differ():
    call = vote((0.1, 0.2, 0.9))
    assert call.with_record(None).doubts == call.with_record(Tracer.FDG).doubts == ()
    differing = call.with_record(Tracer.PSMA)
    assert (differing.tracer, differing.votes) == (Tracer.PSMA, call.votes)
    assert "the header names PSMA as tracer, the images look like FDG: PSMA is taken" in differing.doubts[0]


def test_what_was_given_goes_before_the_header_with_a_warning_where_they_differ():
    assert TracerCall(Tracer.FDG).with_record(Tracer.FDG).doubts == ()
    given = TracerCall(Tracer.FDG).with_record(Tracer.PSMA)
    assert given.tracer is Tracer.FDG
    assert given.doubts == ("the header names PSMA as tracer, --tracer FDG: FDG is taken",)
