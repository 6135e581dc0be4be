# SPDX-License-Identifier: Apache-2.0
"""Training of the tracer networks: coronal pictures of many phantoms, each seen through several fields of view."""

from __future__ import annotations

import logging
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import nn
from torch.nn import functional

from petlesion.case import Tracer
from petlesion.inference.tracer import MipCnn, mip_image
from petlesion.training.loop import Batch, Schedule, build, train
from petlesion.training.scans import crop, draw_study

if TYPE_CHECKING:
    from pathlib import Path

    from petlesion.phantom import Phantom
    from petlesion.volume import Volume

LOG = logging.getLogger(__name__)
Picture = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class PictureTraining:
    """All numbers of the tracer networks' training.

    Attributes:
        n_phantoms: Coarse phantoms of each tracer.
        views: Pictures of each phantom: the whole, parts along z, and boxes around a lesion.
        n_bulky: Further FDG phantoms that are given bulky tumours.
        bulky_views: Pictures of each of them: boxes around a tumour.
        bulky_share: Share of these among the FDG pictures of a batch.
        batch_size: Pictures of a step.
        start: Steps on all pictures, from scratch.
        fold: Steps of each fold from there, on its own share of the pictures.
        scale_sd: Standard deviation of the logarithm of the factor on the SUV.
    """

    n_phantoms: int = 200
    views: int = 8
    n_bulky: int = 60
    bulky_views: int = 10
    bulky_share: float = 0.3
    batch_size: int = 32
    start: Schedule = field(default_factory=lambda: Schedule(2000, rate=1e-3, warmup=100, clip=1.0))
    fold: Schedule = field(default_factory=lambda: Schedule(200, rate=5e-4, clip=1.0))
    scale_sd: float = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Pictures in SUV, (phantoms, views, 224, 224) each: ordinary ones of both tracers, and bulky FDG tumours."""

    fdg: Picture
    psma: Picture
    bulky: Picture

    def part(self, fold: int, n_folds: int, *, left_out: bool) -> Pictures:
        """The pictures of the phantoms that a fold trains on, or of those that it leaves out."""
        if left_out:
            return Pictures(*(held[fold::n_folds] for held in (self.fdg, self.psma, self.bulky)))
        return Pictures(*(np.delete(held, np.s_[fold::n_folds], axis=0) for held in (self.fdg, self.psma, self.bulky)))


def train_tracer_folds(
    config: PictureTraining, seed: int, n_folds: int, work: Path
) -> dict[int, dict[str, torch.Tensor]]:
    """Weights of each fold, which leaves out another share of the phantoms; finished stages are read from `work`."""
    pictures = Pictures(
        make_pictures(work / "pictures", "FDG", seed, config),
        make_pictures(work / "pictures", "PSMA", seed, config),
        make_pictures(work / "pictures", "bulky", seed, config),
    )
    start = _stage(work / "tracer.pt", pictures, config, config.start, (seed, n_folds), None)
    states = {}
    for fold in range(n_folds):
        path, own = work / f"tracer_fold_{fold}.pt", pictures.part(fold, n_folds, left_out=False)
        states[fold] = _stage(path, own, config, config.fold, (seed, fold), start)
        network = MipCnn()
        network.load_state_dict(states[fold])
        LOG.info("tracer fold %d, right: %s", fold, accuracy(network, pictures.part(fold, n_folds, left_out=True)))
    return states


def make_pictures(folder: Path, kind: str, seed: int, config: PictureTraining, workers: int = 2) -> Picture:
    """Pictures of a kind ("FDG", "PSMA", "bulky"), (phantoms, views, 224, 224), in SUV; kept in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}.npy"
    if not path.exists():
        bulky = kind == "bulky"
        n, views = (config.n_bulky, config.bulky_views) if bulky else (config.n_phantoms, config.views)
        jobs = [(kind, seed + i, views) for i in range(n)]
        with ProcessPoolExecutor(workers) as pool:
            np.save(path, np.stack(list(pool.map(_draw, jobs, chunksize=4))))
    held: Picture = np.load(path)
    return held


def _draw(job: tuple[str, int, int]) -> Picture:
    kind, seed, n_views = job
    torch.set_num_threads(1)
    if kind == "bulky":
        rng = np.random.default_rng([seed, 4])
        pet = draw_study(Tracer.FDG, rng, coarse=True).pet_suv
        views = [bulky_tumour(pet, rng) for _ in range(n_views)]
    else:
        rng = np.random.default_rng([seed, 3, kind == Tracer.PSMA])
        phantom = draw_study(Tracer(kind), rng, coarse=True)
        views = [field_of_view(phantom, i, rng) for i in range(n_views)]
    return np.stack([mip_image(view) for view in views]).clip(0, 6e4).astype(np.float16)


def bulky_tumour(pet_suv: Volume, rng: np.random.Generator) -> Volume:
    """A box 5 cm around a bulky tumour that is put into a PET: 15-2500 ml, as sarcomas are, often with a cold core."""
    spacing = np.array(pet_suv.grid.spacing_zyx_mm)
    radius = (np.exp(rng.uniform(np.log(15e3), np.log(2.5e6))) * 0.75 / np.pi) ** (1 / 3)
    radii = radius * np.exp(rng.normal(0, 0.25, 3))
    body = np.argwhere(pet_suv.array_zyx[::4, ::4, ::4] > 0.3) * 4
    centre = body[rng.integers(len(body))]
    half = np.ceil((radii + 50) / spacing).astype(int)
    low, high = np.maximum(centre - half, 0), centre + half + 1
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    box = crop(pet_suv, (z, y, x))
    axes = np.meshgrid(*(np.arange(n) for n in box.array_zyx.shape), indexing="ij")
    away = (
        sum(((a - c + o) * s / r) ** 2 for a, c, o, s, r in zip(axes, centre, low, spacing, radii, strict=True)) ** 0.5
    )
    away *= 1 + 0.25 * _smooth(away.shape, 15 / spacing, rng)
    profile = 1 / (1 + np.exp((away - 1) * 12))
    if rng.random() < 0.5:
        profile *= 1 - rng.uniform(0.3, 0.9) / (1 + np.exp((away - rng.uniform(0.4, 0.8)) * 12))
    top = np.exp(rng.uniform(np.log(1.5), np.log(22)))
    profile *= np.exp(0.3 * _smooth(away.shape, 8 / spacing, rng))
    return box.with_array((box.array_zyx + top * np.minimum(profile, 1.5)).astype(np.float32))


def _smooth(shape: tuple[int, ...], sigma_zyx: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Smooth noise of standard deviation one; sigma in voxels."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), sigma_zyx)
    return np.asarray(noise / max(float(noise.std()), 1e-6))


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
        return crop(
            pet, (slice(low, low + length), slice(None), slice(side, width - int(width * rng.uniform(0, 0.25))))
        )
    if phantom.lesions and number % 4 == 2:
        lesion = phantom.lesions[rng.integers(len(phantom.lesions))]
        centre = np.array(lesion.centre_xyz[::-1])
    else:
        centre = rng.uniform(0.25, 0.75, 3) * (depth, height, width)
    half = rng.uniform(60, 160, 3) / pet.grid.spacing_zyx_mm
    low_zyx, high_zyx = np.maximum(centre - half, 0).astype(int), (centre + half).astype(int) + 1
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low_zyx, high_zyx, strict=True))
    return crop(pet, (z, y, x))


def _stage(
    path: Path,
    pictures: Pictures,
    config: PictureTraining,
    schedule: Schedule,
    key: tuple[int, int],
    start: dict[str, torch.Tensor] | None,
) -> dict[str, torch.Tensor]:
    """Train a network from `start` (or from scratch) and give its weights; a finished stage is read from disk."""
    if not path.exists():
        network = build(new_network, key[0])
        if start is not None:
            network.load_state_dict(start)
        draw = partial(_batch, pictures, config)
        losses: list[float] = []

        def observe(step: int, loss: float) -> None:
            losses.append(loss)
            if step % 200 == 0:
                LOG.info("%s: step %d, loss %.4f", path.stem, step, np.mean(losses[-200:]))

        train(network, draw, functional.binary_cross_entropy_with_logits, schedule, np.random.default_rng(key), observe)
        torch.save(network.state_dict(), path)
    held: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
    return held


def new_network() -> MipCnn:
    """A network with He's initial weights, which keep the few units of its last layers alive; made for SUV around 5."""
    network = MipCnn()
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            module.bias = nn.Parameter(torch.full((len(module.weight),), 0.05))
    with torch.no_grad():
        next(network.parameters()).mul_(0.2)
    return network


def _batch(pictures: Pictures, config: PictureTraining, rng: np.random.Generator) -> Batch:
    """Half of each tracer, mirrored at random and scaled; (B, 1, 224, 224) and (B,), 1 for PSMA."""
    images, targets = [], []
    for i in range(config.batch_size):
        psma = i % 2 == 1
        bulky = not psma and rng.random() < config.bulky_share
        held = pictures.psma if psma else pictures.bulky if bulky else pictures.fdg
        image = held[rng.integers(held.shape[0]), rng.integers(held.shape[1])].astype(np.float32)
        image *= np.float32(np.exp(rng.normal(0, config.scale_sd)))
        images.append(mirror(image) if rng.random() < 0.5 else image)
        targets.append(float(psma))
    return torch.from_numpy(np.stack(images))[:, None], torch.tensor(targets)


def mirror(image_zx: NDArray[np.float32]) -> NDArray[np.float32]:
    """A picture mirrored along x, its empty columns kept at the far end."""
    filled = int(np.flatnonzero(image_zx.any(axis=0)).max(initial=-1)) + 1
    mirrored = image_zx.copy()
    mirrored[:, :filled] = image_zx[:, filled - 1 :: -1] if filled else image_zx[:, :0]
    return mirrored


@torch.no_grad()
def accuracy(network: nn.Module, pictures: Pictures) -> str:
    """Share of right answers for whole phantoms, for all views and for bulky tumours, as text."""
    network.eval()
    parts = []
    for name, held in (("FDG", pictures.fdg), ("PSMA", pictures.psma), ("bulky", pictures.bulky)):
        flat = torch.from_numpy(held.reshape(-1, 1, *held.shape[2:]).astype(np.float32))
        right = (
            (torch.cat([network(flat[i : i + 64]) for i in range(0, len(flat), 64)]) > 0) == (name == "PSMA")
        ).numpy()
        views = right.reshape(held.shape[:2])
        parts.append(f"{name} {views[:, 0].mean():.3f} of the first views, {views.mean():.3f} of all")
    return "; ".join(parts)
