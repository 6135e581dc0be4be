# SPDX-License-Identifier: Apache-2.0
"""Training batches of MONAI's networks: patches of prepared cases, augmented, with the first stage's mask if wanted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from petlesion.inference.tiles import padding
from petlesion.training.augment import coarse_dropout
from petlesion.training.monai_augment import augmented

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from petlesion.schedule import MonaiTraining
    from petlesion.training.monai_dataset import MonaiDataset
    from petlesion.volume import Index

MASK = "mask"
Voxel = TypeVar("Voxel", bound=np.generic)
Jobs = tuple[tuple[int, bool], ...]
Patch = tuple["NDArray[np.float32]", "NDArray[np.uint8]"]


@dataclass(frozen=True)
class MonaiPatches:
    """A source of batches.

    Attributes:
        dataset: Where the cases lie.
        names: The cases that patches are cut from.
        channels: Names of the network's input channels.
        training: Batch size, share of lesions, augmentations.
        patch_xyz: Size of a patch in voxels.
        device: Where batches go.
        workers: Threads that cut patches while the network takes its steps; 0 for none.
    """

    dataset: MonaiDataset
    names: Sequence[str]
    channels: tuple[str, ...]
    training: MonaiTraining
    patch_xyz: Index
    device: torch.device
    workers: int = 0

    @cached_property
    def _with_lesions(self) -> list[str]:
        return [name for name in self.names if not self.dataset.is_healthy(name)]

    def batch(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Images, float32, (B, C, X, Y, Z), and truth, float32 of 0 and 1, (B, X, Y, Z); it depends on `rng` alone.

        Raises:
            DataError: When a mask of the first stage is wanted and missing.
        """
        jobs = self._jobs(rng)
        pairs = (
            [found.result() for found in self._ahead(jobs, rng)] if self.workers else [self._patch(*j) for j in jobs]
        )
        images = torch.from_numpy(np.stack([image for image, _ in pairs]))
        truths = torch.from_numpy(np.stack([truth for _, truth in pairs]).astype(np.float32))
        return images.to(self.device), truths.to(self.device)

    def _jobs(self, rng: np.random.Generator) -> Jobs:
        """The seed of each patch of a batch, and whether it lies around a lesion."""
        size = self.training.batch_size
        n_lesion = int(size * self.training.lesion_share + rng.random())  # the share on average
        return tuple((int(rng.integers(2**63)), i < n_lesion) for i in range(size))

    def _ahead(self, jobs: Jobs, rng: np.random.Generator) -> list[Future[Patch]]:
        """The patches of a batch, begun when the batch before was asked for; those of the next are begun now.

        A copy of the generator foretells the next batch, so that a savepoint's state is that of the batches taken.
        """
        found = self._begun.pop(jobs, None) or self._begin(jobs)
        self._begun.clear()
        following = self._jobs(deepcopy(rng))
        self._begun[following] = self._begin(following)
        return found

    def _begin(self, jobs: Jobs) -> list[Future[Patch]]:
        return [self._pool.submit(self._patch, *job) for job in jobs]

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.workers)

    @cached_property
    def _begun(self) -> dict[Jobs, list[Future[Patch]]]:
        return {}

    def _patch(self, seed: int, around_lesion: bool) -> Patch:  # noqa: FBT001
        """One patch, (C, X, Y, Z) and (X, Y, Z)."""
        rng = np.random.default_rng(seed)
        names = (self._with_lesions if around_lesion else self.names) or self.names
        name = names[int(rng.integers(len(names)))]
        case = self.dataset.case(name)
        around = around_lesion and len(case.spots) > 0
        spot = case.spots[rng.integers(len(case.spots))] if around else rng.integers(0, case.truth.shape)
        arrays = [*case.image, *([self.dataset.mask(name)] if MASK in self.channels else [])]
        image = np.stack([cut(array, spot, self.patch_xyz).astype(np.float32) for array in arrays])
        truth = cut(case.truth, spot, self.patch_xyz)
        image, truth = augmented(image, truth, self.channels, self.training.augmentations, rng)
        if MASK in self.channels and rng.random() < self.training.coarse_dropout:
            index = self.channels.index(MASK)
            image[index] = coarse_dropout(image[index], rng)
        return image, truth


def cut(array: NDArray[Voxel], centre: NDArray[np.integer], patch: Index) -> NDArray[Voxel]:
    """A patch around a voxel, moved into the array where it would leave it; with zeros around a smaller array.

    Args:
        array: (X, Y, Z).
        centre: The voxel, (3,).
        patch: Size of the patch.

    Returns:
        (patch), as inference pads and cuts its tiles.
    """
    room = np.maximum(np.array(array.shape) - patch, 0)
    corner = np.clip(centre - np.array(patch) // 2, 0, room)
    part = array[tuple(slice(int(a), int(a) + n) for a, n in zip(corner, patch, strict=True))]
    x, y, z = part.shape
    return np.pad(part, padding((x, y, z), patch))
