# SPDX-License-Identifier: Apache-2.0
"""What a network answered to a tile, kept: of a case that comes again with another click, few tiles have changed.

A network is a function of its input alone. So its answer to a tile can be taken from a former run where everything that
has a part in its bits is the same: the weights, the layers, the input's values, and the machinery that computes. The
key is a hash over all of these; nothing else is compared. Sums over tiles are taken in the same order as without, so
on a CPU the mask is the same, bit for bit. A flip needs no place in the key: it is done to the tile before.
"""

from __future__ import annotations

import hashlib
import json
import platform
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import nn

from petlesion import __version__
from petlesion.limits import is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LIMIT_BYTES = 2 << 30


class TileMemory(Protocol):
    """Keeps arrays under keys, as long as it likes."""

    def get(self, key: bytes) -> NDArray[np.float32] | None:
        """The array that was put under the key, bit for bit, not to be written to; None where it is not held."""

    def put(self, key: bytes, values: NDArray[np.float32]) -> None:
        """Keep a copy of an array, or not."""

    def release(self) -> bool:
        """Give back the process's memory, where there is any; whether there was."""


@dataclass(slots=True)
class MemoryTiles:
    """Arrays in the process's memory, for one that lives long; those whose last use is the longest ago go first.

    Attributes:
        limit_bytes: The arrays together have at most so many.
        held: The arrays by key, the one that was used last at the end.
    """

    limit_bytes: int = LIMIT_BYTES
    held: OrderedDict[bytes, NDArray[np.float32]] = field(default_factory=OrderedDict, repr=False)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def n_bytes(self) -> int:
        """What the arrays have together."""
        return sum(array.nbytes for array in self.held.values())

    def get(self, key: bytes) -> NDArray[np.float32] | None:
        """See `TileMemory`."""
        with self._one_at_a_time:
            found = self.held.get(key)
            if found is not None:
                self.held.move_to_end(key)
            return found

    def put(self, key: bytes, values: NDArray[np.float32]) -> None:
        """See `TileMemory`: what is larger than the limit is not kept; where memory is short, everything is let go."""
        with self._one_at_a_time:
            self.held.pop(key, None)
            if values.nbytes > self.limit_bytes:
                return
            excess = self.n_bytes + values.nbytes - self.limit_bytes
            while excess > 0:
                excess -= self.held.popitem(last=False)[1].nbytes
            try:
                kept = values.copy()
            except MemoryError:
                self.held.clear()
                return
            kept.flags.writeable = False
            self.held[key] = kept

    def release(self) -> bool:
        """See `TileMemory`: everything is let go."""
        with self._one_at_a_time:
            held = bool(self.held)
            self.held.clear()
            return held


class Recalling(nn.Module):
    """A network that is asked only for tiles that its memory does not hold; of the same answers.

    Attributes:
        computed: Tiles that the network was asked for.
        reused: Tiles that the memory held.
    """

    def __init__(self, network: nn.Module, weights_sha256: str, memory: TileMemory) -> None:
        """Take a network (1, C, Z, Y, X) -> (1, 1, Z, Y, X), the hash of its weights' file, and the memory."""
        super().__init__()
        self.network, self.computed, self.reused = network, 0, 0
        self._memory = memory
        self._turn, self._under_way = threading.Condition(), set[bytes]()  # several threads ask at once
        self._identity = (weights_sha256, repr(network))  # the layers with their sizes, strides, slopes and kinds
        self.train(network.training)

    def forward(self, tile: torch.Tensor) -> torch.Tensor:
        """The network's answer to a tile."""
        key = self._key(tile)
        with self._turn:
            self._turn.wait_for(lambda: key not in self._under_way)  # of equal tiles one is computed
            found = self._memory.get(key)
            if found is not None and found.shape == (1, 1, *tile.shape[2:]):
                self.reused += 1
                return torch.tensor(found, device=tile.device)
            self._under_way.add(key)
        try:
            logit = self._answer(tile)
            kept = logit.float().cpu().numpy()
            with self._turn:
                self.computed += 1
                self._memory.put(key, kept)
        finally:
            with self._turn:  # whatever happened: others may wait for the tile
                self._under_way.remove(key)
                self._turn.notify_all()
        return logit

    def _answer(self, tile: torch.Tensor) -> torch.Tensor:
        """The network's own answer; where memory is short, what is kept is no reason to do without it."""
        try:
            logit: torch.Tensor = self.network(tile)
        except (MemoryError, RuntimeError) as error:
            ours = tile.device.type == "cpu" and is_out_of_memory(error)
            if not ours or not self._memory.release():
                raise
        else:
            return logit
        again: torch.Tensor = self.network(tile)  # here what the first pass held of its layers is gone
        return again

    def _key(self, tile: torch.Tensor) -> bytes:
        types = sorted({str(tensor.dtype) for tensor in self.network.state_dict(keep_vars=True).values()})
        return key_of("tile", self._identity, types, _laid_out(tile), machinery(tile.device), array=_array_of(tile))


def recall(
    memory: TileMemory | None, key: Callable[[], bytes], compute: Callable[[], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """What the memory holds under a key; else what is computed, which it is given. Without a memory all is computed."""
    if memory is None:
        return compute()
    found = memory.get(name := key())
    if found is None:
        found = compute()
        memory.put(name, found)
    return found


def key_of(*what: object, array: NDArray[np.generic]) -> bytes:
    """A key for what JSON can say, and an array: its type, shape and values."""
    said = json.dumps([what, str(array.dtype), array.shape, __version__])
    digest = hashlib.sha256(said.encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


def machinery(device: torch.device) -> tuple[object, ...]:
    """What computes on a device: the same network and tile give the same bits only where all of this is the same."""
    kind = device.type
    gpu = torch.cuda.get_device_name(device) if kind == "cuda" else ""
    autocast = str(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else ""
    precision = torch.get_float32_matmul_precision()
    return (torch.__version__, kind, gpu, autocast, precision, torch.get_num_threads(), *_processor())


@cache
def _processor() -> tuple[str, ...]:
    """The processor, by whose instructions and caches libraries choose their ways."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").partition("\n\n")[0]
    except OSError:
        text = ""
    named = {"model name", "flags", "cache size", "cpu family", "model", "stepping"}
    lines = [line for line in text.splitlines() if line.partition(":")[0].strip() in named]
    there: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return (platform.machine(), torch.backends.cpu.get_cpu_capability(), str(there), *lines)


def _laid_out(tensor: torch.Tensor) -> bool:
    return tensor.is_contiguous()


def _array_of(tensor: torch.Tensor) -> NDArray[np.generic]:
    array: NDArray[np.generic] = tensor.detach().cpu().contiguous().numpy()
    return array
