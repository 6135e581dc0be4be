# SPDX-License-Identifier: Apache-2.0
"""Training batches: patches of prepared cases, with clicks drawn anew each time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from petlesion.training.augment import coarse_dropout, flip, vary_intensity
from petlesion.training.cases import HALF
from petlesion.training.guidance import PatchClicks, draw_guidance
from petlesion.training.organ_head import UNKNOWN
from petlesion.training.own_statistics import SliceSums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from petlesion.inference.normalize import Intensity
    from petlesion.recipe import HeatmapRule
    from petlesion.training.cases import TrainingCase
    from petlesion.volume import Index, Triple

N_CLICKS = 10


@dataclass(frozen=True, slots=True)
class Sampling:
    """How patches are drawn.

    Attributes:
        patch_zyx: Size in voxels.
        batch_size: Patches of a batch.
        lesion_share: Share of patches around a lesion voxel, in every batch: Dice has no gradient where a whole batch
            is without lesions, and there false positives would cost next to nothing.
        large_share: Share of these whose voxel is drawn from all lesion voxels, so that large lesions come more often;
            the others come from a lesion drawn first, each as often as another.
        hot_share: Share of the other patches around a background click: the uptake that is mistaken for tumour.
        edge_share: Share of the others at the image's faces, edges and corners: tiles lie there, and air that looks
            odd.
        without_clicks: Share of patches without any click.
        scanners_mm: Voxel sizes (z, y, x) of scanners whose heatmaps are drawn in half of the patches: the width of a
            click is given in the scanner's voxels. Empty: always the case's own.
        spacing_mm: Spacing of the network's grid.
        misalign: Share of patches whose CT is moved by up to two voxels along y and x (LesionTracer).
        mask_dropout: Share of patches of another network's mask that get holes.
        augment: Whether patches are flipped and varied in intensity.
        z_score: Whether the PET is normalised by mean and spread of its own image, as far as a case tells them, instead
            of the plans' statistics.
    """

    patch_zyx: Index = (48, 48, 48)
    batch_size: int = 2
    lesion_share: float = 0.6
    large_share: float = 0.0
    hot_share: float = 0.25
    edge_share: float = 0.0
    without_clicks: float = 0.15
    scanners_mm: tuple[Triple, ...] = ()
    spacing_mm: float = 4.0
    misalign: float = 0.0
    mask_dropout: float = 0.8
    augment: bool = True
    z_score: bool = False


@dataclass(frozen=True)
class Patches:
    """A source of batches.

    Attributes:
        cases: What patches are cut from.
        pet: Statistics of the PET channel, to read SUV from normalised values.
        heatmap: How clicks are drawn.
        sampling: How patches are drawn.
    """

    cases: Sequence[TrainingCase]
    pet: Intensity
    heatmap: HeatmapRule
    sampling: Sampling

    @cached_property
    def _with_lesions(self) -> list[TrainingCase]:
        return [case for case in self.cases if len(case.spots_zyx)]

    @cached_property
    def _sums(self) -> dict[int, SliceSums]:
        """Of each case that was asked for, by its identity: the cases live as long as this does."""
        return {}

    def batch(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch: CT, PET and clicks, float32 (B, 3, Z, Y, X), and the targets, float32 (B, 2, Z, Y, X).

        The targets are the share of lesion in [0, 1] and the class of the organ head.
        """
        size = self.sampling.batch_size
        n_lesion = int(size * self.sampling.lesion_share + rng.random())  # the share on average, where it is no whole
        pairs = [self._patch(rng, around_lesion=i < n_lesion) for i in range(size)]
        images = torch.from_numpy(np.stack([image for image, _ in pairs]))
        targets = np.stack([target for _, target in pairs]).astype(np.float32)
        targets[:, 0] /= 255
        return images, torch.from_numpy(targets)

    def _patch(self, rng: np.random.Generator, *, around_lesion: bool) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        cases = (self._with_lesions if around_lesion else self.cases) or self.cases
        case = cases[int(rng.integers(len(cases)))]
        n_tumor, n_background = draw_counts(rng, self.sampling.without_clicks)
        physician = rng.integers(len(case.tumor_zyx))
        tumor = case.tumor_zyx[physician][:n_tumor]
        background = case.background_zyx[physician][:n_background]
        if around_lesion and len(case.spots_zyx):
            corner = self._around(self._lesion_voxel(case, rng), case, rng)
        else:
            corner = self._elsewhere(case, case.background_zyx[physician], rng)
        image, target = cut(case, corner, self.sampling.patch_zyx, self._ct_shift(rng))
        if case.mask_zyx is None:
            suv = np.maximum(image[1] * np.float32(self.pet.std) + np.float32(self.pet.mean), 0)
            clicks = PatchClicks(tumor - corner, _suv_at(case, tumor, self.pet), background - corner)
            image[2] = draw_guidance(suv, clicks, self._scale(case, rng), self.heatmap)
        else:
            image[2] = self._mask(case.mask_zyx, corner, rng)
        if self.sampling.augment:
            vary_intensity(image, self.pet, rng)
        if self.sampling.z_score:
            mean, spread = self._own_statistics(case, rng)
            image[1] = (image[1] - np.float32(mean)) / np.float32(spread)
        return flip(image, target, rng) if self.sampling.augment else (image, target)

    def _own_statistics(self, case: TrainingCase, rng: np.random.Generator) -> tuple[float, float]:
        """Mean and spread of the PET of an image that holds the case, in the units of the case's channel."""
        sums = self._sums.get(id(case)) or self._sums.setdefault(id(case), SliceSums.of(case.image_czyx[1]))
        if not self.sampling.augment:
            return sums.whole()
        return sums.drawn(rng, air=-self.pet.mean / self.pet.std)

    def _mask(
        self, mask_zyx: NDArray[np.uint8], corner_zyx: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """The patch of a mask, in training with holes in it."""
        patch = self.sampling.patch_zyx
        held = mask_zyx[tuple(slice(int(c), int(c) + n) for c, n in zip(corner_zyx, patch, strict=True))]
        shown = np.pad(held, [(0, n - m) for n, m in zip(patch, held.shape, strict=True)])
        dropped = self.sampling.augment and rng.random() < self.sampling.mask_dropout
        return coarse_dropout(shown, rng) if dropped else shown

    def _ct_shift(self, rng: np.random.Generator) -> Index:
        if not self.sampling.augment or rng.random() >= self.sampling.misalign:
            return (0, 0, 0)
        y, x = rng.integers(-2, 3, 2)
        return (0, int(y), int(x))

    def _scale(self, case: TrainingCase, rng: np.random.Generator) -> Triple:
        """Voxels of a scanner for each voxel of the network along z, y and x."""
        known = self.sampling.scanners_mm
        if known and self.sampling.augment and rng.random() < 0.5:
            z, y, x = (self.sampling.spacing_mm / s for s in known[rng.integers(len(known))])
        else:
            z, y, x = (float(s) for s in case.scale_zyx)
        return (z, y, x)

    def _elsewhere(
        self, case: TrainingCase, background_zyx: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """First voxel of a patch wherever it falls, lesion or none."""
        kind = rng.random()
        if kind < self.sampling.hot_share and len(background_zyx):
            centre = np.rint(background_zyx[rng.integers(len(background_zyx))]).astype(np.int64)
            return self._around(centre, case, rng)
        room = self._room(case)
        corner = rng.integers(0, room + 1)
        if kind > 1 - self.sampling.edge_share:
            corner = np.where(rng.random(3) < 0.5, corner, room * rng.integers(0, 2, 3))
        return np.asarray(corner, dtype=np.int64)

    def _around(self, centre_zyx: NDArray[np.int64], case: TrainingCase, rng: np.random.Generator) -> NDArray[np.int64]:
        """First voxel of a patch that holds `centre_zyx` in its middle part, kept inside the image."""
        size = np.array(self.sampling.patch_zyx)
        corner = centre_zyx - size // 2 + rng.integers(-(size // 3), size // 3 + 1)
        return np.asarray(np.clip(corner, 0, self._room(case)), dtype=np.int64)

    def _room(self, case: TrainingCase) -> NDArray[np.int64]:
        """Last first voxel of a patch; 0 along an axis on which the image is smaller than the patch."""
        return np.maximum(np.array(case.truth_zyx.shape) - self.sampling.patch_zyx, 0)

    def _lesion_voxel(self, case: TrainingCase, rng: np.random.Generator) -> NDArray[np.int64]:
        if self.sampling.large_share and rng.random() < self.sampling.large_share:
            inside = np.flatnonzero(case.truth_zyx >= HALF)
            return np.array(np.unravel_index(inside[rng.integers(len(inside))], case.truth_zyx.shape))
        voxel: NDArray[np.int64] = case.spots_zyx[rng.integers(len(case.spots_zyx))]
        return voxel


def draw_counts(rng: np.random.Generator, without: float) -> tuple[int, int]:
    """Clicks of each kind: none at all, the same number of both (as the challenge's steps), or any numbers."""
    if rng.random() < without:
        return 0, 0
    n_tumor = int(rng.integers(0, N_CLICKS + 1))
    return (n_tumor, n_tumor) if rng.random() < 0.5 else (n_tumor, int(rng.integers(0, N_CLICKS + 1)))


def cut(
    case: TrainingCase, corner_zyx: NDArray[np.int64], patch_zyx: Index, ct_shift_zyx: Index = (0, 0, 0)
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A patch with an empty third channel, (3, Z, Y, X), and truth and organs, (2, Z, Y, X), as the case has them.

    Where the image ends, all are zero.

    The CT is read `ct_shift_zyx` voxels aside, where the image reaches there.
    """
    window = tuple(slice(int(c), int(c) + p) for c, p in zip(corner_zyx, patch_zyx, strict=True))
    image, target = np.zeros((3, *patch_zyx), np.float32), np.zeros((2, *patch_zyx), np.uint8)
    found = case.truth_zyx[window]
    held = tuple(slice(0, n) for n in found.shape)
    image[(slice(0, 2), *held)] = case.image_czyx[(slice(None), *window)]
    aside = tuple(
        slice(int(c) + s, int(c) + s + n) for c, s, n in zip(corner_zyx, ct_shift_zyx, found.shape, strict=True)
    )
    reaches = all(a.start >= 0 and a.stop <= n for a, n in zip(aside, case.truth_zyx.shape, strict=True))
    if any(ct_shift_zyx) and reaches:
        image[0][held] = case.image_czyx[0][aside]
    target[0][held], target[1][held] = found, case.organs_zyx[window]
    if case.organs_zyx.flat[0] == UNKNOWN:
        target[1] = UNKNOWN
    return image, target


def _suv_at(case: TrainingCase, points_zyx: NDArray[np.float64], pet: Intensity) -> NDArray[np.float64]:
    """SUV at points of the network's grid, (N,)."""
    last = np.array(case.truth_zyx.shape) - 1
    z, y, x = np.clip(np.rint(points_zyx).astype(int), 0, last).T
    return np.asarray(case.image_czyx[1, z, y, x].astype(np.float64) * pet.std + pet.mean)
