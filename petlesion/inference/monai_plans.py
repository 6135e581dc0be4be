# SPDX-License-Identifier: Apache-2.0
"""plans.json of a network of MONAI: the network, its window and the grid that it sees, beside its weights.

nnU-Net writes such a file for its networks; MONAI has none, so this package has a form of its own:

    {"petlesion_monai": 1, "network": {"name", "outputs", "patch_xyz", "arguments"},
     "grid": {"orientation", "spacing_xyz_mm", "channels": [{"low", "high", "shift", "scale", "nearest"}],
              "foreground_above_hu"}}

A bound that is null does not clip.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from petlesion.inference.nnunet_plans import PlansError
from petlesion.inference.orientation import LETTERS
from petlesion.recipe import ChannelScaling, MonaiGrid, MonaiNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping

    from petlesion.volume import Index, Triple

FORMAT = 1
LARGEST_PATCH = 1024
LARGEST_NUMBER = 1e30  # far beyond any bound or scale of a channel

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class MonaiPlans:
    """A network of MONAI with its grid, as inference and training need them.

    Attributes:
        network: The network with its window.
        grid: What it sees.
    """

    network: MonaiNetwork
    grid: MonaiGrid

    @property
    def patch_zyx(self) -> Index:
        """Size of a tile in voxels, in the order of the NETWORK's axes, which is (x, y, z) here."""
        return self.network.patch_xyz

    @property
    def n_channels(self) -> int:
        """Number of input channels."""
        return len(self.grid.channels)

    def document(self) -> Json:
        """The content of plans.json; the inverse of `parse`."""
        grid = asdict(self.grid) | {"channels": [_bounded(asdict(one)) for one in self.grid.channels]}
        network = asdict(self.network) | {"arguments": dict(self.network.arguments)}
        return {"petlesion_monai": FORMAT, "network": network, "grid": grid}

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> MonaiPlans:
        """Read plans.json.

        Raises:
            PlansError: When a key is missing, of a wrong kind or outside its range.
        """
        if document.get("petlesion_monai") != FORMAT:
            raise PlansError(
                f"plans of a MONAI network say petlesion_monai: {FORMAT}; these have {sorted(document)[:10]}"
            )
        network, grid = _part(document, "network"), _part(document, "grid")
        return cls(_network(network), _grid(grid))


def _bounded(scaling: Json) -> Json:
    """A channel's scaling without infinities, which JSON has not."""
    return {key: None if isinstance(v, float) and math.isinf(v) else v for key, v in scaling.items()}


def _network(held: Mapping[str, Any]) -> MonaiNetwork:
    name, outputs, arguments = held.get("name"), held.get("outputs"), held.get("arguments")
    patch = _triple(held, "patch_xyz")
    if not isinstance(name, str) or outputs not in (1, 2) or not isinstance(arguments, dict):
        raise PlansError(f"a MONAI network has a name, 1 or 2 outputs and arguments; got {str(held)[:200]}")
    if any(n != int(n) or not 1 <= n <= LARGEST_PATCH for n in patch):
        raise PlansError(f"'patch_xyz' has three whole numbers of 1 to {LARGEST_PATCH}; got {patch}")
    return MonaiNetwork(name, outputs, (int(patch[0]), int(patch[1]), int(patch[2])), arguments)


def _grid(held: Mapping[str, Any]) -> MonaiGrid:
    orientation, channels, above = held.get("orientation"), held.get("channels"), held.get("foreground_above_hu")
    spacing = _triple(held, "spacing_xyz_mm")
    if not isinstance(orientation, str) or sorted(LETTERS.get(c, (9, 0))[0] for c in orientation) != [0, 1, 2]:
        raise PlansError(f"'orientation' is three letters such as 'RAS'; got {str(orientation)[:40]!r}")
    if min(spacing) <= 0:
        raise PlansError(f"'spacing_xyz_mm' is positive; got {spacing}")
    if not isinstance(channels, list) or not channels:
        raise PlansError(f"'channels' lists at least one channel; got {str(channels)[:80]}")
    return MonaiGrid(
        orientation,
        spacing,
        tuple(_scaling(channel) for channel in channels),
        None if above is None else _number(above, "foreground_above_hu"),
    )


def _scaling(held: object) -> ChannelScaling:
    if not isinstance(held, dict):
        raise PlansError(f"'channels' lists objects; got {str(held)[:80]}")
    low, high = held.get("low"), held.get("high")
    scale = _number(held.get("scale", 1.0), "scale")
    if scale == 0:
        raise PlansError("'scale' divides a channel and is not 0")
    return ChannelScaling(
        -math.inf if low is None else _number(low, "low"),
        math.inf if high is None else _number(high, "high"),
        _number(held.get("shift", 0.0), "shift"),
        scale,
        nearest=held.get("nearest") is True,
    )


def _part(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    held = document.get(key)
    if not isinstance(held, dict):
        raise PlansError(f"plans of a MONAI network have {key!r}, an object; got {str(held)[:80]}")
    return held


def _triple(held: Mapping[str, Any], key: str) -> Triple:
    values = held.get(key)
    if not isinstance(values, list | tuple) or len(values) != 3:
        raise PlansError(f"{key!r} has three numbers; got {str(values)[:80]}")
    x, y, z = (_number(value, key) for value in values)
    return (x, y, z)


def _number(value: object, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST_NUMBER:
        raise PlansError(f"{key!r} is a finite number; got {str(value)[:40]!r}")
    return float(value)
