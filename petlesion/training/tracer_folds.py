# SPDX-License-Identifier: Apache-2.0
"""Training of the tracer networks on pictures of both tracers."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from petlesion.inference.tracer import MipCnn
from petlesion.training.loop import Batch, Schedule, build, train

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from petlesion.training.pictures import Picture

LOG = logging.getLogger(__name__)
State = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class PictureTraining:
    """All numbers of the tracer networks' training.

    Attributes:
        n_phantoms: Phantoms of each tracer.
        views: Pictures of each study: the whole, parts along z, and boxes around a lesion.
        n_bulky: Of the FDG phantoms, how many are also given bulky tumours.
        bulky_views: Pictures of each of them: boxes around a tumour.
        bulky_share: Share of these among the FDG pictures of a batch.
        real_share: Share of the real studies among the FDG pictures of a batch, where there are any.
        batch_size: Pictures of a step.
        start: Steps on all pictures.
        fold: Steps of each fold from there, on its own share of the pictures.
        scale_sd: Standard deviation of the logarithm of the factor on the SUV.
        air_share: Share of the pictures of whole bodies, and of parts along z, that are moved into the air which their
            studies were trimmed of; boxes have none.
    """

    n_phantoms: int = 70
    views: int = 8
    n_bulky: int = 30
    bulky_views: int = 10
    bulky_share: float = 0.25
    real_share: float = 0.2
    batch_size: int = 32
    start: Schedule = field(default_factory=lambda: Schedule(1500, rate=1e-3, warmup=100, clip=1.0))
    fold: Schedule = field(default_factory=lambda: Schedule(200, rate=5e-4, clip=1.0))
    scale_sd: float = 0.25
    air_share: float = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Pictures in SUV, (studies, views, 224, 224) each: phantoms of both tracers, bulky tumours, real FDG studies."""

    fdg: Picture
    psma: Picture
    bulky: Picture
    real: Picture

    def part(self, fold: int, n_folds: int, *, left_out: bool) -> Pictures:
        """The pictures of the studies that a fold trains on, or of those that it leaves out."""
        held = (self.fdg, self.psma, self.bulky, self.real)
        if left_out:
            return Pictures(*(part[fold::n_folds] for part in held))
        return Pictures(*(np.delete(part, np.s_[fold::n_folds], axis=0) for part in held))


def train_tracer_folds(
    config: PictureTraining, pictures: Pictures, seed: int, n_folds: int, work: Path, start: State | None = None
) -> dict[int, State]:
    """Weights of each fold, which leaves out another share of the studies; finished stages are read from `work`.

    Args:
        config: All numbers.
        pictures: What is learned from.
        seed: Of initial weights and batches.
        n_folds: Number of networks.
        work: Folder of the finished stages.
        start: Weights to begin with; None draws them.
    """
    common = _stage(work / "tracer.pt", pictures, config, config.start, (seed, n_folds), start)
    states = {}
    for fold in range(n_folds):
        path, own = work / f"tracer_fold_{fold}.pt", pictures.part(fold, n_folds, left_out=False)
        states[fold] = _stage(path, own, config, config.fold, (seed, fold), common)
        network = MipCnn()
        network.load_state_dict(states[fold])
        LOG.info("tracer fold %d, right: %s", fold, accuracy(network, pictures.part(fold, n_folds, left_out=True)))
    return states


def _stage(
    path: Path,
    pictures: Pictures,
    config: PictureTraining,
    schedule: Schedule,
    key: tuple[int, int],
    start: State | None,
) -> State:
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
    held: State = torch.load(path, weights_only=True)
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
    """Half of each tracer, mirrored and moved at random and scaled; (B, 1, 224, 224) and (B,), 1 for PSMA."""
    images, targets = [], []
    for i in range(config.batch_size):
        psma = i % 2 == 1
        held = pictures.psma if psma else _fdg(pictures, config, rng)
        view = int(rng.integers(held.shape[1]))
        image = held[rng.integers(held.shape[0]), view].astype(np.float32)
        image *= np.float32(np.exp(rng.normal(0, config.scale_sd)))
        image = mirror(image) if rng.random() < 0.5 else image
        trimmed = (held is pictures.psma or held is pictures.fdg) and (view == 0 or view % 2 == 1)  # no box
        images.append(in_air(image, rng) if trimmed and rng.random() < config.air_share else image)
        targets.append(float(psma))
    return torch.from_numpy(np.stack(images))[:, None], torch.tensor(targets)


def _fdg(pictures: Pictures, config: PictureTraining, rng: np.random.Generator) -> Picture:
    """The kind of FDG pictures that the next one is drawn from."""
    kind = rng.random()
    if kind < config.bulky_share and len(pictures.bulky):
        return pictures.bulky
    if kind > 1 - config.real_share and len(pictures.real):
        return pictures.real
    return pictures.fdg


def in_air(image_zx: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A picture moved along x into its empty columns: half of the time to their middle, else anywhere.

    Phantoms around organ maps are trimmed to the body, which then begins at the first column; a scanner's field of view
    has air on both sides of it.
    """
    filled = int(np.flatnonzero(image_zx.any(axis=0)).max(initial=-1)) + 1
    room = image_zx.shape[1] - filled
    return np.roll(image_zx, room // 2 if rng.random() < 0.5 else int(rng.integers(0, room + 1)), axis=1)


def mirror(image_zx: NDArray[np.float32]) -> NDArray[np.float32]:
    """A picture mirrored along x, its empty columns kept at the far end."""
    filled = int(np.flatnonzero(image_zx.any(axis=0)).max(initial=-1)) + 1
    mirrored = image_zx.copy()
    mirrored[:, :filled] = image_zx[:, filled - 1 :: -1] if filled else image_zx[:, :0]
    return mirrored


@torch.no_grad()
def accuracy(network: nn.Module, pictures: Pictures) -> str:
    """Share of right answers for the first views, which are whole studies, and for all views, as text."""
    network.eval()
    parts = []
    kinds = {"FDG": pictures.fdg, "PSMA": pictures.psma, "bulky": pictures.bulky, "real": pictures.real}
    for name, held in kinds.items():
        if not len(held):
            continue
        flat = torch.from_numpy(held.reshape(-1, 1, *held.shape[2:]).astype(np.float32))
        right = (
            (torch.cat([network(flat[i : i + 64]) for i in range(0, len(flat), 64)]) > 0) == (name == "PSMA")
        ).numpy()
        views = right.reshape(held.shape[:2])
        parts.append(f"{name} {views[:, 0].mean():.3f} of the first views, {views.mean():.3f} of all")
    return "; ".join(parts)
