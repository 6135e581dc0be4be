# SPDX-License-Identifier: Apache-2.0
"""Training of the tracer networks: coronal pictures of many phantoms, each seen through several fields of view."""

from __future__ import annotations

import logging
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from petlesion.case import Tracer
from petlesion.inference.tracer import MipCnn, mip_image
from petlesion.phantom import Phantom
from petlesion.training.loop import Batch, Schedule, build, train
from petlesion.training.scans import crop, draw_study
from petlesion.volume import Volume

LOG = logging.getLogger(__name__)
Picture = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class PictureTraining:
    """All numbers of the tracer networks' training.

    Attributes:
        n_phantoms: Coarse phantoms of each tracer.
        views: Pictures of each phantom: the whole, parts along z, and boxes around a lesion.
        batch_size: Pictures of a step.
        schedule: Steps of each fold.
        scale_sd: Standard deviation of the logarithm of the factor on the SUV.
    """

    n_phantoms: int = 200
    views: int = 8
    batch_size: int = 32
    schedule: Schedule = field(default_factory=lambda: Schedule(900, rate=5e-4, warmup=100))
    scale_sd: float = 0.25


def train_tracer_folds(
    config: PictureTraining, seed: int, n_folds: int, work: Path
) -> dict[int, dict[str, torch.Tensor]]:
    """Weights of each fold, which leaves out another share of the phantoms; finished folds are read from `work`."""
    pictures = {tracer: make_pictures(work / "pictures", tracer, seed, config) for tracer in Tracer}
    states = {}
    for fold in range(n_folds):
        path = work / f"tracer_fold_{fold}.pt"
        if not path.exists():
            torch.save(_train_fold(pictures, config, (seed, fold), n_folds), path)
        states[fold] = torch.load(path, weights_only=True)
    return states


def make_pictures(folder: Path, tracer: Tracer, seed: int, config: PictureTraining, workers: int = 2) -> Picture:
    """Pictures of one tracer, (phantoms, views, 224, 224), in SUV; kept in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{tracer}.npy"
    if not path.exists():
        jobs = [(tracer, seed + i, config.views) for i in range(config.n_phantoms)]
        with ProcessPoolExecutor(workers) as pool:
            np.save(path, np.stack(list(pool.map(_draw, jobs, chunksize=4))))
    held: Picture = np.load(path)
    return held


def _draw(job: tuple[Tracer, int, int]) -> Picture:
    tracer, seed, views = job
    rng = np.random.default_rng([seed, 3, tracer is Tracer.PSMA])
    torch.set_num_threads(1)
    phantom = draw_study(tracer, rng, coarse=True)
    return np.stack([mip_image(field_of_view(phantom, i, rng)) for i in range(views)]).clip(0, 6e4).astype(np.float16)


def field_of_view(phantom: Phantom, number: int, rng: np.random.Generator) -> Volume:
    """A part of the PET: number 0 is all of it; then in turn parts along z, boxes around lesions, boxes anywhere."""
    pet = phantom.pet_suv
    if number == 0:
        return pet
    depth, height, width = pet.array_zyx.shape
    if number % 2:
        length = int(depth * rng.uniform(0.4, 0.95))
        low = int(rng.integers(0, depth - length + 1))
        side = int(width * rng.uniform(0.0, 0.25))
        return crop(pet, (slice(low, low + length), slice(None), slice(side, width - int(width * rng.uniform(0, 0.25)))))
    if phantom.lesions and number % 4 == 2:
        lesion = phantom.lesions[rng.integers(len(phantom.lesions))]
        centre = np.array(lesion.centre_xyz[::-1])
    else:
        centre = rng.uniform(0.25, 0.75, 3) * (depth, height, width)
    half = rng.uniform(60, 160, 3) / pet.grid.spacing_zyx_mm
    low_zyx, high_zyx = np.maximum(centre - half, 0).astype(int), (centre + half).astype(int) + 1
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low_zyx, high_zyx, strict=True))
    return crop(pet, (z, y, x))


def _train_fold(
    pictures: dict[Tracer, Picture], config: PictureTraining, key: tuple[int, int], n_folds: int
) -> dict[str, torch.Tensor]:
    seed, fold = key
    own = {t: np.delete(held, np.s_[fold::n_folds], axis=0) for t, held in pictures.items()}
    rest = {t: held[fold::n_folds] for t, held in pictures.items()}
    network = build(MipCnn, seed + fold)

    def draw(rng: np.random.Generator) -> Batch:
        return _batch(own, config, rng)

    train(network, draw, functional.binary_cross_entropy_with_logits, config.schedule, np.random.default_rng(key))
    LOG.info("tracer fold %d: %s of the pictures left out are right", fold, accuracy(network, rest))
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def _batch(pictures: dict[Tracer, Picture], config: PictureTraining, rng: np.random.Generator) -> Batch:
    """Half of each tracer, mirrored at random and scaled; (B, 1, 224, 224) and (B,), 1 for PSMA."""
    images, targets = [], []
    for i in range(config.batch_size):
        tracer = (Tracer.FDG, Tracer.PSMA)[i % 2]
        held = pictures[tracer]
        image = held[rng.integers(held.shape[0]), rng.integers(held.shape[1])].astype(np.float32)
        image *= np.float32(np.exp(rng.normal(0, config.scale_sd)))
        images.append(mirror(image) if rng.random() < 0.5 else image)
        targets.append(float(tracer is Tracer.PSMA))
    return torch.from_numpy(np.stack(images))[:, None], torch.tensor(targets)


def mirror(image_zx: NDArray[np.float32]) -> NDArray[np.float32]:
    """A picture mirrored along x, its empty columns kept at the far end."""
    filled = int(np.flatnonzero(image_zx.any(axis=0)).max(initial=-1)) + 1
    mirrored = image_zx.copy()
    mirrored[:, :filled] = image_zx[:, filled - 1 :: -1] if filled else image_zx[:, :0]
    return mirrored


@torch.no_grad()
def accuracy(network: torch.nn.Module, pictures: dict[Tracer, Picture]) -> str:
    """Share of right answers for whole phantoms and for all views, as text."""
    network.eval()
    parts = []
    for tracer, held in pictures.items():
        flat = torch.from_numpy(held.reshape(-1, 1, *held.shape[2:]).astype(np.float32))
        right = ((torch.cat([network(part) for part in flat.split(64)]) > 0) == (tracer is Tracer.PSMA)).numpy()
        views = right.reshape(held.shape[:2])
        parts.append(f"{tracer} {views[:, 0].mean():.3f} of whole, {views.mean():.3f} of all")
    return "; ".join(parts)
