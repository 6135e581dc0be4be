# SPDX-License-Identifier: Apache-2.0
"""The picture of `benchmarks.speed`: seconds by stage of both sides, and how the cost grows with the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

Json = dict[str, Any]
COLOURS = {"network": "#1f5fa8", "outside the network": "#c04a10"}
NETWORK_STAGES = ("network", "sweeps")


def draw(figures: Json, path: Path) -> None:
    """Write the picture of what `benchmarks.speed` kept; SVG or PNG, as the path's suffix says."""
    pairs = {name: run for name, run in figures.items() if isinstance(run.get("stock"), list) and "petlesion" in run}
    grown = {int(key): run for key, run in figures.get("growth", {}).items() if key.isdigit()}
    columns = len(pairs) + bool(grown)
    if not columns:
        return
    figure = Figure(figsize=(4.2 * columns, 3.4), layout="constrained")
    panels = figure.subplots(1, columns, squeeze=False).ravel().tolist()
    for axes, (name, run) in zip(panels, pairs.items(), strict=False):
        _draw_pair(axes, name, run)
    if grown:
        _draw_growth(panels[-1], grown)
    figure.savefig(path)


def _draw_pair(axes: Axes, name: str, run: Json) -> None:
    """CPU seconds of both sides, the network's share by its share of the wall seconds."""
    sides = ("stock", "petlesion")
    cpu = np.array([np.mean([one["cpu_s"] for one in run[side]]) for side in sides])
    network = cpu * [_network_share(run[side][0]) for side in sides]
    left = np.zeros(len(sides))
    for label, part in (("network", network), ("outside the network", cpu - network)):
        axes.barh(sides, part, left=left, color=COLOURS[label], label=label)
        left += part
    ratio = run.get("stock_over_petlesion", {}).get("cpu_s")
    axes.set(title=f"{name}: {ratio:g} x" if ratio else name, xlabel="CPU seconds")
    axes.legend(fontsize="small")


def _network_share(run: Json) -> float:
    inside = sum(run["by_stage_s"].get(stage, 0.0) for stage in NETWORK_STAGES)
    return min(1.0, inside / run["wall_s"])


def _draw_growth(axes: Axes, grown: dict[int, Json]) -> None:
    sizes = sorted(grown)
    axes.plot(sizes, [grown[n]["cpu_s"] for n in sizes], "o-", color=COLOURS["network"], label="CPU seconds")
    axes.set(title="shipped weights, one fold", xlabel="million voxels", ylabel="CPU seconds", ylim=(0, None))
    memory = axes.twinx()
    memory.plot(sizes, [grown[n]["peak_gb"] for n in sizes], "s--", color=COLOURS["outside the network"])
    memory.set(ylabel="peak memory in GB (dashed)", ylim=(0, None))
