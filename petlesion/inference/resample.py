# SPDX-License-Identifier: Apache-2.0
"""nnU-Net's resampling, as one small matrix for each axis.

nnU-Net resamples with scikit-image's `resize(order, mode="edge", anti_aliasing=False)` in float64, which is
scipy's separable spline and a clip to the range of the input. A separable linear map is a matrix for each
axis; each is read off scipy's own spline by resampling the identity, and applied in float32. That is the same
up to rounding (2e-6 of the range) and many times faster.

Work goes slab by slab along the first axis, so that beside input and output only some megabytes are held: the
cubic spline's weights fall by 0.268 a voxel, so a slab of the output hangs on a slab of the input.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import torch
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from petlesion.volume import Index, Triple

SEPARATE_Z_RATIO = 3.0  # nnU-Net's ANISO_THRESHOLD
NEGLIGIBLE_WEIGHT = 1e-9  # far below the rounding of float32 (6e-8)
SLAB_VOXELS = 1 << 22  # 16 MB of float32

SplineOrder = Literal[0, 1, 2, 3, 4, 5]


@dataclass(frozen=True, slots=True)
class ResamplingRule:
    """How nnU-Net changes the spacing of an array.

    Attributes:
        order: Order of the spline, 0 to 5: nnU-Net has 3 for images and 1 for logits.
        force_separate_z: Whether the axis of the coarsest spacing is resampled apart, by the nearest slice;
            None: where the ratio of the spacings exceeds 3.
    """

    order: int
    force_separate_z: bool | None = None


def resampled_shape(shape: Index, spacing_mm: Triple, new_spacing_mm: Triple) -> Index:
    """Shape of an array after a change of spacing, rounded as nnU-Net rounds, but never to nothing."""
    z, y, x = (max(1, round(old / new * n)) for old, new, n in zip(spacing_mm, new_spacing_mm, shape, strict=True))
    return (z, y, x)


def separate_axis(spacing_mm: Triple, new_spacing_mm: Triple, *, force: bool | None) -> int | None:
    """The axis that is resampled apart, by the nearest slice, as nnU-Net chooses it.

    Args:
        spacing_mm: Spacing before, in mm.
        new_spacing_mm: Spacing after, in mm.
        force: True: the coarsest axis before; False: none; None: the coarsest axis of whichever spacing
            (before, then after) has a ratio above 3.

    Returns:
        The axis, or None where none is chosen or the coarsest spacing is shared by two axes or three.
    """
    if force is False:
        return None
    candidates = (spacing_mm,) if force else (spacing_mm, new_spacing_mm)
    for spacing in candidates:
        if force or max(spacing) / min(spacing) > SEPARATE_Z_RATIO:
            coarsest = [axis for axis in range(3) if spacing[axis] == max(spacing)]
            return coarsest[0] if len(coarsest) == 1 else None
    return None


@lru_cache(maxsize=16)
def spline_matrix(n_old: int, n_new: int, order: int) -> NDArray[np.float64]:
    """The map of scipy's spline from `n_old` samples to `n_new` over the same length, (n_new, n_old).

    Edges are repeated outwards (`mode="nearest"`); voxels are cells, not points (`grid_mode`). Each row sums
    to 1.
    """
    spline = cast("SplineOrder", order)
    factors = (n_new / n_old, 1.0)
    matrix = ndimage.zoom(np.eye(n_old), factors, order=spline, mode="nearest", grid_mode=True)
    matrix.flags.writeable = False
    return np.asarray(matrix)


def nearest_slices(n_old: int, n_new: int) -> NDArray[np.intp]:
    """For each of `n_new` slices the nearest of `n_old` over the same length, (n_new,), as scipy rounds."""
    centres = float(n_old) / n_new * (np.arange(n_new) + 0.5) - 0.5
    picked = ndimage.map_coordinates(np.arange(n_old), centres[None], order=0, mode="nearest")
    return np.asarray(picked, dtype=np.intp)


@dataclass(frozen=True, slots=True)
class Resampling:
    """One change of grid. Make it with `between`.

    Attributes:
        old_shape: Shape before.
        new_shape: Shape after.
        order: Order of the spline.
        apart: Axis that is resampled apart, by the nearest slice; None for none.
    """

    old_shape: Index
    new_shape: Index
    order: int
    apart: int | None = None

    @classmethod
    def between(
        cls, shapes: tuple[Index, Index], spacings_mm: tuple[Triple, Triple], rule: ResamplingRule
    ) -> Resampling:
        """The change of grid from the first to the second shape and spacing, by nnU-Net's rule."""
        axis = separate_axis(*spacings_mm, force=rule.force_separate_z)
        return cls(shapes[0], shapes[1], rule.order, axis)

    @property
    def is_identity(self) -> bool:
        """Whether nothing changes; nnU-Net returns the array itself then."""
        return self.old_shape == self.new_shape


def resample(
    source: NDArray[np.float32] | torch.Tensor,
    job: Resampling,
    out: NDArray[Any],
    finish: Callable[[torch.Tensor], torch.Tensor] = lambda slab: slab,
) -> None:
    """Resample a volume into `out`.

    Args:
        source: float32, of shape `job.old_shape`; a tensor may lie on any device, and is worked on there.
        job: What to do.
        out: Takes the result, of shape `job.new_shape`; may be any view.
        finish: Applied to each resampled slab before it is written, such as the sign of a logit.
    """
    tensor = source if isinstance(source, torch.Tensor) else _as_tensor(source)
    slabs = _slabs_together
    if job.apart is not None and not job.is_identity:
        tensor, out, slabs = tensor.movedim(job.apart, 0), np.moveaxis(out, job.apart, 0), _slabs_apart
    for rows, slab in slabs(tensor, (out.shape[0], out.shape[1], out.shape[2]), job.order):
        out[rows] = finish(slab).cpu().numpy()


def _as_tensor(array: NDArray[np.float32]) -> torch.Tensor:
    """The array as a tensor, without a copy where torch allows it (it wants memory that may be written)."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _axis_map(n_old: int, n_new: int, order: int, like: torch.Tensor) -> torch.Tensor | None:
    """The matrix of one axis beside the data; None where the axis keeps its size, which is the identity."""
    if n_old == n_new:
        return None
    return torch.from_numpy(spline_matrix(n_old, n_new, order).astype(np.float32)).to(like.device)


def _plane_map(
    shapes: tuple[tuple[int, ...], tuple[int, ...]], order: int, like: torch.Tensor
) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function that resamples the planes of an (n, Y, X) tensor, the axis that shrinks most first."""
    (old_y, old_x), (new_y, new_x) = shapes
    rows, columns = _axis_map(old_y, new_y, order, like), _axis_map(old_x, new_x, order, like)

    def along_y(planes: torch.Tensor) -> torch.Tensor:
        return planes if rows is None else torch.matmul(rows, planes)

    def along_x(planes: torch.Tensor) -> torch.Tensor:
        return planes if columns is None else torch.matmul(planes, columns.T)

    if new_y * old_x <= new_x * old_y:
        return lambda planes: along_x(along_y(planes))
    return lambda planes: along_y(along_x(planes))


def _cuts(n: int, plane_voxels: int) -> list[slice]:
    """`n` slices in slabs of about `SLAB_VOXELS`."""
    step = max(1, SLAB_VOXELS // max(1, plane_voxels))
    return [slice(a, min(a + step, n)) for a in range(0, n, step)]


def _supports(matrix: torch.Tensor, cuts: list[slice]) -> list[slice]:
    """For each cut of the rows, the columns it hangs on; neither end ever steps back."""
    weighty = matrix.abs().cpu().numpy() > NEGLIGIBLE_WEIGHT
    first = np.minimum.accumulate(weighty.argmax(axis=1)[::-1])[::-1]
    last = np.maximum.accumulate(weighty.shape[1] - weighty[:, ::-1].argmax(axis=1))
    return [slice(int(first[cut.start]), int(last[cut.stop - 1])) for cut in cuts]


def _slabs_together(source: torch.Tensor, new_shape: Index, order: int) -> Iterator[tuple[slice, torch.Tensor]]:
    """Slabs resampled along all axes, clipped to the range of the source where a spline overshoots."""
    planes = _plane_map((tuple(source.shape[1:]), new_shape[1:]), order, source)
    matrix = _axis_map(source.shape[0], new_shape[0], order, source)
    cuts = _cuts(new_shape[0], max(new_shape[1] * new_shape[2], source[0].numel()))
    slabs: Iterator[tuple[slice, torch.Tensor]]
    if matrix is None:
        slabs = ((cut, planes(source[cut])) for cut in cuts)
    elif new_shape[0] <= source.shape[0]:
        slabs = _rows_first(source, matrix, planes, cuts)
    else:
        slabs = _rows_last(source, matrix, planes, cuts)
    if order < 2 or tuple(source.shape) == new_shape:
        yield from slabs
        return
    low, high = torch.aminmax(source)
    for cut, slab in slabs:
        yield cut, slab.clamp_(low, high)


def _rows_first(
    source: torch.Tensor,
    matrix: torch.Tensor,
    planes: Callable[[torch.Tensor], torch.Tensor],
    cuts: list[slice],
) -> Iterator[tuple[slice, torch.Tensor]]:
    """The first axis shrinks: combine slices before the planes are resampled."""
    for cut, support in zip(cuts, _supports(matrix, cuts), strict=True):
        yield cut, planes(torch.tensordot(matrix[cut, support], source[support], dims=1))


def _rows_last(
    source: torch.Tensor,
    matrix: torch.Tensor,
    planes: Callable[[torch.Tensor], torch.Tensor],
    cuts: list[slice],
) -> Iterator[tuple[slice, torch.Tensor]]:
    """The first axis grows: resample each plane once, and hold those that the next slab needs too."""
    held, first = planes(source[:0]), 0
    for cut, support in zip(cuts, _supports(matrix, cuts), strict=True):
        fresh = planes(source[first + len(held) : support.stop])
        held, first = torch.cat([held[support.start - first :], fresh]), support.start
        yield cut, torch.tensordot(matrix[cut, support], held, dims=1)


def _slabs_apart(source: torch.Tensor, new_shape: Index, order: int) -> Iterator[tuple[slice, torch.Tensor]]:
    """Slabs whose planes are resampled and clipped each for itself, then picked by nearness."""
    planes = _plane_map((tuple(source.shape[1:]), new_shape[1:]), order, source)
    picks = nearest_slices(source.shape[0], new_shape[0])
    for cut in _cuts(source.shape[0], max(new_shape[1] * new_shape[2], source[0].numel())):
        rows = slice(*(int(i) for i in np.searchsorted(picks, [cut.start, cut.stop])))
        if rows.start == rows.stop:
            continue
        slices = source[cut].contiguous()
        low, high = slices.amin(dim=(1, 2), keepdim=True), slices.amax(dim=(1, 2), keepdim=True)
        slab = torch.clamp(planes(slices), low, high)
        yield rows, slab[torch.from_numpy(picks[rows] - cut.start).to(slab.device)]
