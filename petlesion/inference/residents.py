# SPDX-License-Identifier: Apache-2.0
"""A store whose networks stay: built and verified once, handed out again to every case.

A case may leave a network elsewhere than it found it: where a GPU's memory is short, the ladder of `ensemble` moves
networks to the host and widens them. Such a network is not handed out again but built anew, so that every case meets
the networks that a process of its own would.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from petlesion.inference.weights import ModelStore

if TYPE_CHECKING:
    import torch

    from petlesion.inference.weights import Build, ModelEntry

Key = tuple[str, int, "torch.device"]
Places = tuple[tuple["torch.device", "torch.dtype"], ...]


@dataclass(frozen=True, slots=True)
class ResidentStore(ModelStore):
    """A store that keeps each network it has built. Make it with `of`.

    Attributes:
        held: The networks by model, fold and device, each with where its tensors lay, and of which type, when it was
            built.
    """

    held: dict[Key, tuple[torch.nn.Module, Places]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, store: ModelStore) -> ResidentStore:
        """The same weights; no network is held yet."""
        return cls(store.root, store.entries)

    def network(self, entry: ModelEntry, fold: int, device: torch.device, build: Build) -> torch.nn.Module:
        """The network of a fold on a device: the one that is held where it is still as it was built."""
        key = (entry.name, fold, device)
        network, places = self.held.pop(key, (None, ()))
        if network is None or _places(network) != places:
            del network  # two of one kind need not fit
            network = build(self, entry, fold, device)
            places = _places(network)
        self.held[key] = (network, places)
        return network


def _places(network: torch.nn.Module) -> Places:
    """Where each tensor of a network lies, and of which type."""
    return tuple((tensor.device, tensor.dtype) for tensor in network.state_dict(keep_vars=True).values())
