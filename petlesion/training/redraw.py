# SPDX-License-Identifier: Apache-2.0
"""Clicks drawn anew for every patch, in nnU-Net's chain of transforms.

The heatmap is drawn AFTER the spatial transform, from clicks that went through it, and stays out of the transforms of
intensity: at inference its Gaussians always have the width of the recipe in voxels of the scanner, whatever the size
and the pose of the patient. Drawn before, they would grow, shrink and turn with the patient, and be blurred, noisy
and gamma-corrected, as the networks will never see them. The mirror comes after it: it leaves Gaussians as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import RandomTransform

from petlesion.training.guidance import PatchClicks, Points, draw_guidance
from petlesion.training.misalign import MisalignCt
from petlesion.training.preprocessed import STEPS_PER_SUV, in_steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from petlesion.recipe import HeatmapRule, Stage
    from petlesion.volume import Triple

Sample = dict[str, Any]
N_CLICKS = 10
IMAGES = 2  # CT and PET, a sample's first channels; as it is loaded, the second PET in steps follows


@dataclass(frozen=True, slots=True, eq=False)
class SampleClicks:
    """Clicks of a sample, in voxels of its patch.

    Attributes:
        points: The clicks.
        scale_zyx: Voxels of the scanner's grid for each voxel of the network's grid.
    """

    points: PatchClicks
    scale_zyx: Triple


def draw_clicks(
    held: Mapping[str, NDArray[np.float64]], corner_zyx: Sequence[int], rng: np.random.Generator
) -> SampleClicks:
    """Some clicks of one of a case's physicians: 0 to 10 of each kind, the first ones of the lists.

    Half of the time both kinds have the same number, as in the challenge's steps, each step as often as another;
    else each number is drawn on its own.

    Args:
        held: Clicks as `preprocessed` writes them.
        corner_zyx: First voxel of the patch.
        rng: Source of the choice.
    """
    n_tumor = int(rng.integers(N_CLICKS + 1))
    n_background = n_tumor if rng.random() < 0.5 else int(rng.integers(N_CLICKS + 1))
    physician = int(rng.integers(len(held["tumor_zyx"])))
    tumor, suv = held["tumor_zyx"][physician][:n_tumor], held["tumor_suv"][physician][:n_tumor]
    background = held["background_zyx"][physician][:n_background]
    there = ~np.isnan(tumor).any(axis=-1)
    corner = np.asarray(corner_zyx, dtype=float)
    points = PatchClicks(tumor[there] - corner, suv[there], background[~np.isnan(background).any(axis=-1)] - corner)
    z, y, x = (float(s) for s in held["scale_zyx"])
    return SampleClicks(points, (z, y, x))


class SpatialWithClicks(BasicTransform):  # type: ignore[misc]  # nnU-Net's transforms have no types
    """nnU-Net's spatial transform (without elastic deformation), applied to the clicks of a sample as well."""

    def __init__(self, spatial: BasicTransform) -> None:
        super().__init__()
        if spatial.p_elastic_deform or spatial.random_crop:
            raise ValueError("clicks follow rotation, scaling and a central crop; got deformation or a random crop")
        self.spatial = spatial

    def __call__(self, **sample: Any) -> Sample:  # noqa: ANN401 - nnU-Net's samples
        """The sample after the transform."""
        shape = sample["image"].shape[1:]
        parameters = self.spatial.get_parameters(**sample)
        clicks: SampleClicks = sample["clicks"]
        sample = self.spatial.apply(sample, **parameters)
        there = [
            output_position(points, parameters["affine"], shape, sample["image"].shape[1:])
            for points in (clicks.points.tumor_zyx, clicks.points.background_zyx)
        ]
        points = replace(clicks.points, tumor_zyx=there[0], background_zyx=there[1])
        return sample | {"clicks": replace(clicks, points=points)}


def output_position(
    points_zyx: Points, affine: NDArray[np.float64] | None, shape_in: Sequence[int], shape_out: Sequence[int]
) -> Points:
    """Where points of the input come to lie in the output of nnU-Net's spatial transform.

    The transform reads output voxel o at A (o - (n_out - 1) / 2) + (n_in - 1) / 2 of the input; without rotation and
    scaling it crops from n_in // 2 - n_out // 2 on.

    Args:
        points_zyx: (N, 3) in voxels.
        affine: A, (3, 3), or None.
        shape_in: n_in, (z, y, x).
        shape_out: n_out, (z, y, x).
    """
    n_in, n_out = np.array(shape_in), np.array(shape_out)
    if affine is None:
        return np.asarray(points_zyx - (n_in // 2 - n_out // 2))
    return np.asarray((points_zyx - (n_in - 1) / 2) @ np.linalg.inv(affine).T + (n_out - 1) / 2)


class DrawClicks(BasicTransform):  # type: ignore[misc]  # as above
    """Draws a sample's clicks in place of its second PET, by which they are cut; takes the clicks out of the sample.

    Args:
        rule: How they are drawn.
        channels: Which maps of clicks there are, by the names of `inference.channels`.
    """

    def __init__(self, rule: HeatmapRule, channels: Sequence[str] = ("clicks",)) -> None:
        super().__init__()
        self.rule = replace(rule, suv_cut=rule.suv_cut * STEPS_PER_SUV)
        self.channels = channels

    def __call__(self, **sample: Any) -> Sample:  # noqa: ANN401 - nnU-Net's samples
        """The sample with the maps behind CT and PET in `image`, (C, Z, Y, X)."""
        clicks: SampleClicks = sample.pop("clicks")
        steps = sample["image"][IMAGES].numpy()
        points = replace(clicks.points, tumor_suv=in_steps(clicks.points.tumor_suv).astype(np.float64))
        shown = [_shown(name, points, self.rule) for name in self.channels]
        maps = np.stack([draw_guidance(steps, some, clicks.scale_zyx, rule) for some, rule in shown])
        return sample | {"image": torch.cat([sample["image"][:IMAGES], torch.from_numpy(maps)])}


def _shown(channel: str, points: PatchClicks, rule: HeatmapRule) -> tuple[PatchClicks, HeatmapRule]:
    """The clicks that a channel shows, and how: as `inference.channels` draws them."""
    nowhere = np.zeros((0, 3))
    match channel:
        case "tumor_clicks":
            return replace(points, background_zyx=nowhere), rule
        case "background_clicks":
            alone = PatchClicks(nowhere, np.zeros(0), points.background_zyx)
            return alone, replace(rule, background_only_sign=1)
        case _:
            return points, rule


class OnImages(BasicTransform):  # type: ignore[misc]  # as above
    """Transforms of intensity that leave the maps of clicks as they are."""

    def __init__(self, transforms: Sequence[BasicTransform]) -> None:
        super().__init__()
        self.transforms = transforms

    def __call__(self, **sample: Any) -> Sample:  # noqa: ANN401 - nnU-Net's samples
        """The sample with CT and PET changed."""
        images, maps = sample["image"][:IMAGES], sample["image"][IMAGES:]
        for transform in self.transforms:
            images = transform(image=images)["image"]
        return sample | {"image": torch.cat([images, maps])}


def training_chain(stock: ComposeTransforms, stage: Stage, *, misalign: bool) -> ComposeTransforms:
    """nnU-Net's training transforms with misalignment before them, and clicks drawn between space and intensity.

    Args:
        stock: What `nnUNetTrainer.get_training_transforms` gives: the spatial transform, then those of intensity, each
            with a probability, then mirror and labels.
        stage: How clicks are drawn, if they are.
        misalign: Whether the CT is moved.
    """
    before = [MisalignCt()] if misalign else []
    if stage.heatmap is None:
        return ComposeTransforms([*before, *stock.transforms])
    spatial, *others = stock.transforms
    intensity = [one for one in others if isinstance(one, RandomTransform)]
    rest = [one for one in others if not isinstance(one, RandomTransform)]
    clicks = DrawClicks(stage.heatmap, stage.channels[IMAGES:])
    return ComposeTransforms([*before, SpatialWithClicks(spatial), clicks, OnImages(intensity), *rest])


def validation_chain(stock: ComposeTransforms, stage: Stage) -> ComposeTransforms:
    """nnU-Net's validation transforms with clicks drawn before them, if they are."""
    if stage.heatmap is None:
        return stock
    return ComposeTransforms([DrawClicks(stage.heatmap, stage.channels[IMAGES:]), *stock.transforms])
