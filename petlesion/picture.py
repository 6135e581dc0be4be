# SPDX-License-Identifier: Apache-2.0
"""A picture of a result: maximum-intensity projections of the PET with the mask over them.

Projections are shown as nuclear medicine does: high uptake dark, the head up, the patient's right on the left
of the coronal view, the face to the left in the sagittal view. Figures are made without `pyplot`, so that no
state outlives the call and no display is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from petlesion.lesions import LesionMask, measure_lesions, tmtv_ml
from petlesion.volume import GridError, Triple, Volume
from petlesion.words import counted

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from petlesion.volume import Grid

WINDOW_SUV = (0.0, 10.0)
HEIGHT_INCHES = 8.0
WIDTH_INCHES = (3.0, 14.0)  # of a view's height or width alone, lest a flat volume makes a ribbon
DOTS_PER_INCH = 150
MASK_RGBA = (0.86, 0.08, 0.08, 0.35)
LINE = "#c00000"


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """One view of a case.

    Attributes:
        title: Its name.
        pet_suv: Maximum of the PET along the view, (rows from foot to head, columns).
        mask: Whether the mask is anywhere along the view; of the same shape.
        pixel_mm: Width and height of a pixel in mm.
        sides: What lies to the left and to the right of the picture.
    """

    title: str
    pet_suv: NDArray[Any]
    mask: NDArray[np.bool_]
    pixel_mm: tuple[float, float]
    sides: tuple[str, str]

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height of the view in mm."""
        rows, columns = self.pet_suv.shape
        return columns * self.pixel_mm[0], rows * self.pixel_mm[1]


def mip_picture(pet_suv: Volume, mask: Volume, path: Path) -> None:
    """Write a PNG: coronal and sagittal projection of the PET, SUV 0 to 10, and the mask over them in red.

    Args:
        pet_suv: PET in SUV by body weight, (Z, Y, X).
        mask: Mask, non-zero in lesions, (Z, Y, X), on the PET's grid.
        path: File to write; its folder exists.

    Raises:
        GridError: When the mask is not on the PET's grid.
        OSError: When the file cannot be written.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - a second, which only a picture is to pay

    views = project(pet_suv, mask)
    figure = Figure(figsize=_figure_inches(views), dpi=DOTS_PER_INCH, layout="constrained")
    widths = [view.size_mm[0] for view in views]
    for axes, view in zip(figure.subplots(1, len(views), width_ratios=widths), views, strict=True):
        _draw(axes, view)
    figure.suptitle(_headline(pet_suv, mask))
    figure.supxlabel("SUV 0 to 10, white to black; mask in red. For research use only.", fontsize=8)
    figure.savefig(path, format="png")


def project(pet_suv: Volume, mask: Volume) -> tuple[Projection, Projection]:
    """The coronal and the sagittal view of a PET and its mask, whatever the orientation of their grid.

    Raises:
        GridError: When the mask is not on the PET's grid.
    """
    if not mask.grid.same_as(pet_suv.grid):
        raise GridError("a picture needs the mask on the PET's grid; resample one of them first")
    pet_xyz, (left, back, head) = along_the_body(pet_suv)
    inside_xyz, _ = along_the_body(mask.with_array(mask.array_zyx != 0))
    return (
        Projection("coronal", pet_xyz.max(axis=1).T, inside_xyz.max(axis=1).T, (left, head), ("R", "L")),
        Projection("sagittal", pet_xyz.max(axis=0).T, inside_xyz.max(axis=0).T, (back, head), ("A", "P")),
    )


def along_the_body(volume: Volume) -> tuple[NDArray[Any], Triple]:
    """The array as (left, back, head), each growing that way, and its spacing in mm in this order.

    An oblique grid is shown along its own axes, each under the name of the body axis that it is nearest to.
    """
    order, backwards = _body_axes(volume.grid)
    array = volume.array_zyx.transpose(2, 1, 0).transpose(order)
    left, back, head = (volume.grid.spacing_mm[i] for i in order)
    return np.flip(array, backwards), (left, back, head)


def voxels_along_the_body(voxels_zyx: NDArray[np.intp], grid: Grid) -> NDArray[np.intp]:
    """Indices (z, y, x), (N, 3), of a grid as those of `along_the_body`: (left, back, head)."""
    order, backwards = _body_axes(grid)
    along = voxels_zyx[:, ::-1][:, order]
    for way in backwards:
        along[:, way] = grid.size_xyz[order[way]] - 1 - along[:, way]
    return along


def _body_axes(grid: Grid) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which index axis runs along left, back and head, and which of the three run the other way."""
    towards = np.asarray(grid.direction).reshape(3, 3)  # columns: the index axes in the patient
    order = max(permutations(range(3)), key=lambda axes: sum(abs(towards[w, i]) for w, i in enumerate(axes)))
    return order, tuple(w for w, i in enumerate(order) if towards[w, i] < 0)


def _figure_inches(views: tuple[Projection, ...]) -> tuple[float, float]:
    width_mm = sum(view.size_mm[0] for view in views)
    height_mm = max(view.size_mm[1] for view in views)
    width = min(max(HEIGHT_INCHES * width_mm / height_mm, WIDTH_INCHES[0]), WIDTH_INCHES[1])
    return width, min(HEIGHT_INCHES, width * height_mm / width_mm) + 1.0  # an inch for the words


def _draw(axes: Axes, view: Projection) -> None:
    width, height = view.size_mm
    place: dict[str, Any] = {"origin": "lower", "extent": (0, width, 0, height)}
    axes.imshow(view.pet_suv, cmap="gray_r", vmin=WINDOW_SUV[0], vmax=WINDOW_SUV[1], **place)
    if view.mask.any():
        axes.imshow(view.mask[..., None] * np.asarray(MASK_RGBA), **place)
        outline = np.pad(view.mask, 1).astype(float)  # padded, so that a lesion at the edge is closed
        pixel_x, pixel_y = view.pixel_mm
        x = (np.arange(outline.shape[1]) - 0.5) * pixel_x
        y = (np.arange(outline.shape[0]) - 0.5) * pixel_y
        axes.contour(x, y, outline, levels=[0.5], colors=LINE, linewidths=0.7)
    axes.set(xlim=(0, width), ylim=(0, height), xticks=[], yticks=[], aspect="equal")
    axes.set_title(view.title, fontsize=9)
    for side, x_part, align in zip(view.sides, (0.02, 0.98), ("left", "right"), strict=True):
        axes.text(x_part, 0.98, side, transform=axes.transAxes, ha=align, va="top", fontsize=9)


def _headline(pet_suv: Volume, mask: Volume) -> str:
    lesions = measure_lesions(LesionMask.of(mask.array_zyx != 0, mask.grid), pet_suv)
    return f"{counted(len(lesions), 'lesion')}, {tmtv_ml(lesions):.1f} ml"
