# SPDX-License-Identifier: Apache-2.0
"""Networks that torch compiles at their first tile, and that run as they are where it cannot."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch
from torch import nn

from petlesion.limits import is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable

LOG = logging.getLogger(__name__)


class Compiled(nn.Module):
    """A network behind `torch.compile`: the same answers up to rounding.

    A compiler that is missing, or fails, costs a warning and no more. A lack of memory goes through to the ladder of
    `ensemble`, and so does an error that the network itself has: without the compiler it comes again.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.compiled = True
        self._fast: list[Callable[[torch.Tensor], torch.Tensor]] = []  # in a list, or its weights would count twice

    def forward(self, tile: torch.Tensor) -> torch.Tensor:
        """The network's answer; tiles are all of one shape."""
        if not self.compiled or tile.device.type == "cpu":  # the ladder's last rung: no compilation in the middle
            return self._plain(tile)
        try:
            self._fast = self._fast or [torch.compile(self.network, dynamic=False)]
            found = self._fast[0](tile)
        except (RuntimeError, ImportError, OSError) as error:
            if is_out_of_memory(error):
                raise
            self.compiled = False
            LOG.warning("warning: the networks run uncompiled: %s", str(error).partition("\n")[0][:200])
            return self._plain(tile)
        return found

    def _plain(self, tile: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.network(tile)
        return found
