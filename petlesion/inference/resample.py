# SPDX-License-Identifier: Apache-2.0
"""nnU-Net's resampling, as one small matrix for each axis.

nnU-Net resamples with scikit-image's `resize(order, mode="edge", anti_aliasing=False)` in float64, which is
scipy's separable spline and a clip to the range of the input. A separable linear map is a matrix for each
axis; each is read off scipy's own spline by resampling the identity, and applied in float32. That is the same
up to rounding (2e-6 of the range) and many times faster.

MONAI's resampling to another spacing is a matrix for each axis as well, and goes the same way: there voxels are points,
of which the first ones of both grids coincide.

Work goes slab by slab along the first axis, so that beside input and output only some megabytes are held: the
cubic spline's weights fall by 0.268 a voxel, so a slab of the output hangs on a slab of the input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from petlesion.inference.axis_maps import nearest_slices, point_matrix, spline_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from petlesion.volume import Index, Triple

SEPARATE_Z_RATIO = 3.0  # nnU-Net's ANISO_THRESHOLD
NEGLIGIBLE_WEIGHT = 3e-8  # half of the rounding of float32 (6e-8)
SLAB_VOXELS = 1 << 22  # 16 MB of float32


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


@dataclass(frozen=True, slots=True)
class Resampling:
    """One change of grid. Make it with `between`, or with `points`.

    Attributes:
        old_shape: Shape before.
        new_shape: Shape after.
        order: Order of the spline.
        apart: Axis that is resampled apart, by the nearest slice; None for none.
        ratios: Distance of two new samples in old ones along each axis, where the first ones coincide; None where both
            grids cover the same cells.
    """

    old_shape: Index
    new_shape: Index
    order: int
    apart: int | None = None
    ratios: Triple | None = None

    @classmethod
    def between(
        cls, shapes: tuple[Index, Index], spacings_mm: tuple[Triple, Triple], rule: ResamplingRule
    ) -> Resampling:
        """The change of grid from the first to the second shape and spacing, by nnU-Net's rule."""
        axis = separate_axis(*spacings_mm, force=rule.force_separate_z)
        return cls(shapes[0], shapes[1], rule.order, axis)

    @classmethod
    def points(cls, old_shape: Index, spacings_mm: tuple[Triple, Triple], order: int) -> Resampling:
        """The change from the first to the second spacing by MONAI's rule; order 1 is linear, 0 the nearest."""
        z, y, x = (new / old for old, new in zip(*spacings_mm, strict=True))
        shape = tuple(round((n - 1) / ratio + 1) for n, ratio in zip(old_shape, (z, y, x), strict=True))
        return cls(old_shape, (shape[0], shape[1], shape[2]), order, ratios=(z, y, x))

    def back(self, order: int) -> Resampling:
        """The way back of a change by MONAI's rule.

        Raises:
            ValueError: When it is a change by nnU-Net's.
        """
        if self.ratios is None:
            raise ValueError("nnU-Net has a rule of its own for the way back; make it with `between`")
        z, y, x = (1 / ratio for ratio in self.ratios)
        return Resampling(self.new_shape, self.old_shape, order, ratios=(z, y, x))

    @property
    def is_identity(self) -> bool:
        """Whether nothing changes; nnU-Net returns the array itself then."""
        return self.old_shape == self.new_shape and self.ratios in {None, (1.0, 1.0, 1.0)}

    def matrix(self, axis: int) -> NDArray[np.float64] | None:
        """The map of one axis, (new, old); None where it is the identity."""
        n_old, n_new = self.old_shape[axis], self.new_shape[axis]
        if self.ratios is not None:
            ratio = self.ratios[axis]
            return None if n_old == n_new and ratio == 1 else point_matrix(n_old, n_new, ratio, self.order)
        return None if n_old == n_new else spline_matrix(n_old, n_new, self.order)


def resample(
    source: NDArray[np.float32],
    job: Resampling,
    out: NDArray[Any],
    finish: Callable[[torch.Tensor], torch.Tensor] = lambda slab: slab,
) -> None:
    """Resample a volume into `out`.

    Args:
        source: float32, of shape `job.old_shape`.
        job: What to do.
        out: Takes the result, of shape `job.new_shape`; may be any view.
        finish: Applied to each resampled slab before it is written, such as the sign of a logit.
    """
    tensor, maps = _as_tensor(source), _maps(job)
    slabs = _slabs_together(tensor, job, maps)
    if job.apart is not None and not job.is_identity:
        out = np.moveaxis(out, job.apart, 0)
        slabs = _slabs_apart(tensor.movedim(job.apart, 0), out.shape, [m for i, m in enumerate(maps) if i != job.apart])
    for rows, slab in slabs:
        out[rows] = finish(slab).numpy()


def _maps(job: Resampling) -> list[torch.Tensor | None]:
    """The matrix of each axis, without negligible weights; None where an axis stays as it is.

    With them, each voxel of the input would have a part in each of the output, if only in its last digits: a click at
    the head would change what the networks see of the feet.
    """
    found = [job.matrix(axis) for axis in range(3)]
    return [None if m is None else torch.from_numpy(_weighty(m)) for m in found]


def _weighty(matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.where(np.abs(matrix) > NEGLIGIBLE_WEIGHT, matrix, 0).astype(np.float32)


def _as_tensor(array: NDArray[np.float32]) -> torch.Tensor:
    """The array as a tensor, without a copy where torch allows it (it wants memory that may be written)."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _plane_map(rows: torch.Tensor | None, columns: torch.Tensor | None) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function that resamples the planes of an (n, Y, X) tensor, the axis that shrinks most first."""

    def along_y(planes: torch.Tensor) -> torch.Tensor:
        return planes if rows is None else torch.matmul(rows, planes)

    def along_x(planes: torch.Tensor) -> torch.Tensor:
        return planes if columns is None else torch.matmul(planes, columns.T)

    if _growth(rows) <= _growth(columns):
        return lambda planes: along_x(along_y(planes))
    return lambda planes: along_y(along_x(planes))


def _growth(matrix: torch.Tensor | None) -> float:
    return 1.0 if matrix is None else matrix.shape[0] / matrix.shape[1]


def _cuts(n: int, plane_voxels: int) -> list[slice]:
    """`n` slices in slabs of about `SLAB_VOXELS`."""
    step = max(1, SLAB_VOXELS // max(1, plane_voxels))
    return [slice(a, min(a + step, n)) for a in range(0, n, step)]


def _supports(matrix: torch.Tensor, cuts: list[slice]) -> list[slice]:
    """For each cut of the rows, the columns it hangs on; neither end ever steps back."""
    weighty = matrix.abs().numpy() > NEGLIGIBLE_WEIGHT
    first = np.minimum.accumulate(weighty.argmax(axis=1)[::-1])[::-1]
    last = np.maximum.accumulate(weighty.shape[1] - weighty[:, ::-1].argmax(axis=1))
    return [slice(int(first[cut.start]), int(last[cut.stop - 1])) for cut in cuts]


def _slabs_together(
    source: torch.Tensor, job: Resampling, maps: Sequence[torch.Tensor | None]
) -> Iterator[tuple[slice, torch.Tensor]]:
    """Slabs resampled along all axes, clipped to the range of the source where a spline overshoots."""
    matrix, planes = maps[0], _plane_map(maps[1], maps[2])
    cuts = _cuts(job.new_shape[0], max(job.new_shape[1] * job.new_shape[2], source[0].numel()))
    slabs: Iterator[tuple[slice, torch.Tensor]]
    if matrix is None:
        slabs = ((cut, planes(source[cut])) for cut in cuts)
    elif matrix.shape[0] <= matrix.shape[1]:
        slabs = _rows_first(source, matrix, planes, cuts)
    else:
        slabs = _rows_last(source, matrix, planes, cuts)
    if job.order < 2 or job.is_identity:
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


def _slabs_apart(
    source: torch.Tensor, new_shape: Sequence[int], maps: Sequence[torch.Tensor | None]
) -> Iterator[tuple[slice, torch.Tensor]]:
    """Slabs whose planes are resampled and clipped each for itself, then picked by nearness."""
    planes = _plane_map(*maps)
    picks = nearest_slices(source.shape[0], new_shape[0])
    for cut in _cuts(source.shape[0], max(new_shape[1] * new_shape[2], source[0].numel())):
        rows = slice(*(int(i) for i in np.searchsorted(picks, [cut.start, cut.stop])))
        if rows.start == rows.stop:
            continue
        slices = source[cut].contiguous()
        low, high = slices.amin(dim=(1, 2), keepdim=True), slices.amax(dim=(1, 2), keepdim=True)
        slab = torch.clamp(planes(slices), low, high)
        yield rows, slab[torch.from_numpy(picks[rows] - cut.start)]
