# SPDX-License-Identifier: Apache-2.0
"""Who runs a cohort: how many workers, and the GPUs of this machine that they share out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from petlesion.limits import Device


@dataclass(frozen=True, slots=True)
class Workforce:
    """Who runs the cases.

    Attributes:
        scheduler: Address of a Dask scheduler; None starts workers on this machine.
        workers: How many of them.
        threads: CPU threads of each.
        gpus: What CUDA calls this machine's GPUs; worker i sees only the one at i modulo their number.
    """

    scheduler: str | None
    workers: int
    threads: int
    gpus: tuple[str, ...] = ()


def workforce_for(scheduler: str | None, workers: int | None, threads: int, device: Device) -> Workforce:
    """The workers that are wanted; where their number is not given, one for each GPU, else one."""
    there = () if scheduler else gpus(device)
    return Workforce(scheduler, workers or max(1, len(there)), threads, there)


def gpus(device: Device) -> tuple[str, ...]:
    """What CUDA_VISIBLE_DEVICES calls the GPUs that this process sees, in its order; none where the CPU is wanted.

    By their identifiers, not their numbers: where this process sees only some of the machine's GPUs, CUDA numbers them
    anew, and a worker would take a number for another GPU.
    """
    if device == "cpu" or not torch.cuda.is_available():
        return ()
    return tuple(f"GPU-{torch.cuda.get_device_properties(i).uuid}" for i in range(torch.cuda.device_count()))
