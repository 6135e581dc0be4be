# SPDX-License-Identifier: Apache-2.0
"""A chart of an evaluation: scores against the number of clicks, and predicted against true volume.

As in `picture`, figures are made without `pyplot`: no state outlives the call and no display is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from petlesion.scores import CaseScores

PANELS = {
    "dice": "Dice",
    "f1": "detection F1",
    "fpv_ml": "false positive volume (ml)",
    "fnv_ml": "false negative volume (ml)",
}
PANEL_INCHES = (4.2, 3.6)
DOTS_PER_INCH = 150
LINEAR_BELOW_ML = 0.1  # volumes are drawn on logarithmic axes, and linearly below this, so that 0 has a place
COLOURS = ("#1f5fa8", "#c04a10", "#2e7d32", "#6a3d9a", "#8a6d00", "#00767a")


def evaluation_chart(cases: Sequence[CaseScores], path: Path) -> None:
    """Write a PNG: predicted against true volume and, where there are steps, each score's mean over them.

    Around each mean lies the range of one standard deviation over the cases in which the score is defined; volumes are
    those of the last step, one colour for each subset.

    Args:
        cases: One or more, with the same number of steps.
        path: File to write; its folder exists.

    Raises:
        OSError: When the file cannot be written.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - a second, which only a chart is to pay

    curves = list(PANELS) if len(cases[0].steps) > 1 else []
    columns = min(3, len(curves) + 1)
    rows = -(-(len(curves) + 1) // columns)
    size = (columns * PANEL_INCHES[0], rows * PANEL_INCHES[1])
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axes, metric in zip(panels, curves, strict=False):
        _draw_curve(axes, curve(cases, metric), PANELS[metric])
    _draw_volumes(panels[len(curves)], cases)
    for axes in panels[len(curves) + 1 :]:
        axes.set_axis_off()
    figure.suptitle(f"{len(cases)} case{'' if len(cases) == 1 else 's'}")
    figure.savefig(path, format="png")


def curve(cases: Sequence[CaseScores], metric: str) -> NDArray[np.float64]:
    """Mean of a score at each step and its standard deviation, (2, steps); NaN where it is undefined for every case."""
    table = np.array([[step.figures()[metric] for step in case.steps] for case in cases])
    found = np.full((2, table.shape[1]), np.nan)
    for step, column in enumerate(table.T):
        values = column[~np.isnan(column)]
        if values.size:
            found[:, step] = values.mean(), values.std(ddof=min(1, values.size - 1))
    return found


def _draw_curve(axes: Axes, mean_sd: NDArray[np.float64], name: str) -> None:
    mean, sd = mean_sd
    steps = np.arange(mean.size)
    axes.fill_between(steps, mean - sd, mean + sd, color=COLOURS[0], alpha=0.2, linewidth=0)
    axes.plot(steps, mean, color=COLOURS[0], marker="o", markersize=3)
    axes.set(xlabel="step (clicks of each kind)", ylabel=name, xticks=steps)
    axes.set_ylim(0, 1 if name in {PANELS["dice"], PANELS["f1"]} else None)
    axes.grid(alpha=0.3)


def _draw_volumes(axes: Axes, cases: Sequence[CaseScores]) -> None:
    top = 2 * max(1.0, *(max(case.last.truth_ml, case.last.prediction_ml) for case in cases))
    axes.plot((0, top), (0, top), color="0.5", linewidth=0.8)
    for number, subset in enumerate(sorted({case.subset for case in cases})):
        some = [case.last for case in cases if case.subset == subset]
        colour = COLOURS[number % len(COLOURS)]
        axes.scatter(
            [one.truth_ml for one in some],
            [one.prediction_ml for one in some],
            s=12,
            color=colour,
            label=subset,
            clip_on=False,
            zorder=3,
        )
    for set_scale, axis in ((axes.set_xscale, axes.xaxis), (axes.set_yscale, axes.yaxis)):
        set_scale("symlog", linthresh=LINEAR_BELOW_ML)
        axis.set_major_formatter(lambda ml, _: f"{ml:g}")
    axes.set(xlim=(0, top), ylim=(0, top), xlabel="true volume (ml)", ylabel="predicted volume (ml)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
