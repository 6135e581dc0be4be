# SPDX-License-Identifier: Apache-2.0
"""Which tracer was injected: the coronal maximum-intensity picture of the PET, read by five small CNNs that vote.

Source: Mesbah et al., autoPET IV. The PET is resampled to 3 mm isotropic by a cubic B-spline, its maximum is taken
along y, and the centre window of 224 x 224 pixels (z down, x across, raw SUV) goes through each network.

The resampling is the one of SimpleITK's `sitkBSpline` (mirrored at the outer voxels' centres, zero outside the image)
on the grid that starts at the first voxel. It is linear and separable, so it is one matrix for each axis.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.linalg import solve_banded
from torch import nn

from petlesion.case import Tracer
from petlesion.inference.manifest import ModelEntry, WeightsError
from petlesion.inference.tile_memory import key_of, machinery, recall

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from petlesion.inference.tile_memory import TileMemory
    from petlesion.inference.weights import ModelStore
    from petlesion.volume import Volume

SPACING_MM = 3.0
WINDOW = 224
SLAB = 32  # slices that are copied at a time
CONVOLUTIONS = ((1, 8, 8), (8, 16, 3), (16, 32, 3), (32, 64, 3), (64, 128, 3), (128, 256, 6))  # in, out, kernel
DENSE = (256, 128, 64, 16, 4, 1)


class MipCnn(nn.Module):
    """The tracer network: (B, 1, 224, 224) in SUV -> (B,) logits, positive for PSMA.

    Sizes, each (n + 2 p - k) // 2 + 1 with stride 2: 224 -(k8 p3)-> 112 -(k3)-> 55 -> 27 -> 13 -> 6, and the last
    kernel of 6 takes exactly what is left: 1. With any padding of the four k3 layers 7 would be left, not 6.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for n_in, n_out, kernel in CONVOLUTIONS:
            last, first = kernel == 6, kernel == 8
            layers += [nn.Conv2d(n_in, n_out, kernel, stride=1 if last else 2, padding=3 if first else 0), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        dense: list[nn.Module] = []
        for n_in, n_out in itertools.pairwise(DENSE):
            dense += [nn.Linear(n_in, n_out), nn.ReLU()]
        self.classifier = nn.Sequential(*dense[:-1])

    def forward(self, mip: torch.Tensor) -> torch.Tensor:
        """Logits (B,) of pictures (B, 1, 224, 224)."""
        logits: torch.Tensor = self.classifier(self.features(mip).flatten(1))
        return logits[:, 0]


@dataclass(frozen=True, slots=True)
class TracerCall:
    """The tracer of a case, and how it came about.

    Attributes:
        tracer: The majority's answer.
        votes: One for each fold, in the order of the folds; empty where the tracer was given.
        probabilities: Of PSMA, one for each fold, in [0, 1].
        recorded: What the images' header names; None where it names neither.
    """

    tracer: Tracer
    votes: tuple[Tracer, ...] = ()
    probabilities: tuple[float, ...] = ()
    recorded: Tracer | None = None

    def with_record(self, recorded: Tracer | None) -> TracerCall:
        """The call beside what the images' header names, which goes before a vote and not before what was given."""
        goes_first = recorded is not None and bool(self.votes)
        return replace(self, tracer=recorded if goes_first and recorded else self.tracer, recorded=recorded)

    @property
    def doubts(self) -> tuple[str, ...]:
        """A warning where the header and the vote, or the header and what was given, name different tracers."""
        if self.recorded is None:
            return ()
        if not self.votes:
            text = f"the header names {self.recorded} as tracer, --tracer {self.tracer}: {self.tracer} is taken"
            return (text,) if self.tracer != self.recorded else ()
        voted = vote(self.probabilities).tracer
        text = f"the header names {self.recorded} as tracer, the images look like {voted}: {self.tracer} is taken"
        return (f"{text}; give --tracer {voted} if the header is wrong",) if voted != self.recorded else ()


def call_tracer(pet_suv: Volume, networks: Mapping[int, nn.Module]) -> TracerCall:
    """Let the networks vote on the tracer.

    Args:
        pet_suv: PET in SUV, (Z, Y, X).
        networks: A `MipCnn` for each fold, made by `load_tracer_networks`.

    Raises:
        WeightsError: When there is no network.
    """
    if not networks:
        raise WeightsError("the tracer is a vote of at least one fold; got none; give --tracer FDG or PSMA instead")
    first = next(iter(networks.values()))
    mip = torch.from_numpy(mip_image(pet_suv))[None, None].to(next(first.parameters()).device)
    with torch.inference_mode():
        return vote(tuple(float(torch.sigmoid(networks[fold](mip))) for fold in sorted(networks)))


def recall_tracer(
    pet_suv: Volume,
    entry: ModelEntry,
    device: torch.device,
    memory: TileMemory | None,
    load: Callable[[], Mapping[int, nn.Module]],
) -> TracerCall:
    """The vote, taken from the memory where that holds it for the same PET, weights and machinery.

    Args:
        pet_suv: PET in SUV, (Z, Y, X).
        entry: The tracer's model.
        device: Where its networks run.
        memory: See `tile_memory`; None where there is none.
        load: Gives the networks where they are needed.

    Raises:
        WeightsError: When there is no network, or it cannot be loaded.
    """

    def key() -> bytes:
        hashes = [fold.sha256 for fold in entry.folds]
        return key_of("tracer", hashes, pet_suv.grid.spacing_mm, machinery(device), array=pet_suv.array_zyx)

    def compute() -> NDArray[np.float32]:
        return np.array(call_tracer(pet_suv, load()).probabilities, np.float32)  # what they were: it loses nothing

    return vote(tuple(map(float, recall(memory, key, compute))))


def vote(probabilities: tuple[float, ...]) -> TracerCall:
    """The majority of the folds' rounded probabilities of PSMA; a tie, possible for even counts, goes by the mean."""
    votes = tuple(Tracer.PSMA if p > 0.5 else Tracer.FDG for p in probabilities)
    lead = 2 * votes.count(Tracer.PSMA) - len(votes)
    psma = lead > 0 or (lead == 0 and sum(probabilities) > len(votes) / 2)
    return TracerCall(Tracer.PSMA if psma else Tracer.FDG, votes, probabilities)


def load_tracer_networks(store: ModelStore, entry: ModelEntry, device: torch.device) -> dict[int, nn.Module]:
    """All folds of a tracer model, by number, on `device`, in fp32 and evaluation mode.

    Raises:
        WeightsError: When a file is missing or damaged, or its keys are not those of the network.
    """
    return {number: store.network(entry, number, device, _load) for number in entry.fold_numbers}


def _load(store: ModelStore, entry: ModelEntry, number: int, device: torch.device) -> nn.Module:
    state = {key: tensor.float() for key, tensor in store.load(entry, number).items()}
    with torch.device("meta"):
        network = MipCnn()
    try:
        network.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise WeightsError(f"{store.root / entry.fold(number).file} must hold a MIP-CNN: {error}") from error
    return network.to(device).eval().requires_grad_(requires_grad=False)


def mip_image(pet_suv: Volume) -> NDArray[np.float32]:
    """The coronal maximum-intensity picture at 3 mm, its centre window of (224, 224) pixels, (z, x), raw SUV."""
    return window(coronal_mip(pet_suv))


def window(mip_zx: NDArray[np.float32], size: int = WINDOW) -> NDArray[np.float32]:
    """The centre `size` x `size` of a picture; an axis that is shorter is filled with zeros at its far end."""
    found = mip_zx[tuple(slice(max(0, (n - size) // 2), max(0, (n - size) // 2) + size) for n in mip_zx.shape)]
    return np.pad(found, [(0, size - n) for n in found.shape])


def coronal_mip(pet_suv: Volume) -> NDArray[np.float32]:
    """Maximum along y of the PET at 3 mm isotropic, float32, (Z', X') with n' = round(n * spacing / 3).

    Only the volume with its narrower x is held: the maximum is taken slice by slice.
    """
    along_z, along_y, along_x = (
        torch.from_numpy(spline_matrix(n, spacing, SPACING_MM))
        for n, spacing in zip(pet_suv.grid.shape_zyx, pet_suv.grid.spacing_zyx_mm, strict=True)
    )
    slabs = np.array_split(pet_suv.array_zyx, max(1, len(pet_suv.array_zyx) // SLAB))
    volume = torch.cat([_along_last(torch.tensor(slab, dtype=torch.float32), along_x) for slab in slabs])
    volume = _along_first(volume, along_z)
    mip = torch.stack([(along_y @ plane).amax(dim=0) for plane in volume])
    return np.ascontiguousarray(mip.numpy())


def _along_last(volume: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    return volume if _is_identity(matrix) else volume @ matrix.T


def _along_first(volume: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    return volume if _is_identity(matrix) else (matrix @ volume.flatten(1)).reshape(-1, *volume.shape[1:])


def _is_identity(matrix: torch.Tensor) -> bool:
    return matrix.shape[0] == matrix.shape[1] and torch.equal(matrix, torch.eye(len(matrix)))


def spline_matrix(n: int, spacing_mm: float, new_spacing_mm: float) -> NDArray[np.float32]:
    """The matrix (n', n) that resamples n samples by a cubic B-spline; exactly the identity where nothing changes.

    Args:
        n: Number of samples.
        spacing_mm: Their distance.
        new_spacing_mm: The distance of the n' = max(1, round(n * spacing / new spacing)) new samples, the first of
            which is the first old one. New samples further than half a voxel outside are zero, as SimpleITK's are.
    """
    n_new = max(1, round(n * spacing_mm / new_spacing_mm))
    at = np.arange(n_new, dtype=np.float64) * (new_spacing_mm / spacing_mm)
    if n == 1 or (n_new == n and np.array_equal(at, np.arange(n))):
        return np.eye(n_new, n, dtype=np.float32) if n > 1 else (at[:, None] <= 0.5).astype(np.float32)
    inside = at <= n - 0.5
    return ((_basis(at, n) @ _coefficients(n)) * inside[:, None]).astype(np.float32)


def _basis(at: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Values of the n B-splines, mirrored at the first and the last sample, at the positions `at`: (len(at), n)."""
    basis = np.zeros((len(at), n))
    left = np.floor(at).astype(int)
    t = at - left
    weights = ((1 - t) ** 3 / 6, 2 / 3 - t**2 + t**3 / 2, (1 + 3 * t + 3 * t**2 - 3 * t**3) / 6, t**3 / 6)
    for offset, weight in zip((-1, 0, 1, 2), weights, strict=True):
        np.add.at(basis, (np.arange(len(at)), _mirror(left + offset, n)), weight)
    return basis


def _mirror(index: NDArray[np.int_], n: int) -> NDArray[np.int_]:
    """Indices folded back into 0..n-1 at the outer samples: -1 is 1, n is n-2."""
    period = 2 * (n - 1)
    folded = np.abs(index) % period
    return np.asarray(np.minimum(folded, period - folded))


def _coefficients(n: int) -> NDArray[np.float64]:
    """The matrix (n, n) from samples to B-spline coefficients: the inverse of (1, 4, 1) / 6 with mirrored ends."""
    bands = np.full((3, n), 1 / 6)
    bands[1] = 4 / 6
    bands[0, 1] = bands[2, -2] = 2 / 6
    inverse: NDArray[np.float64] = solve_banded((1, 1), bands, np.eye(n))
    return inverse
