# SPDX-License-Identifier: Apache-2.0
"""Simulated corrective scribbles of a physician, after autoPET V.

A scribble answers an error of the current mask: on a missed part of a lesion it is of tumour, on a surplus part of the
mask of background. It is a line of neighbouring voxels in the axial slice in which the part is largest, and never
leaves the part: a centre line (as long and as central as can be, a tenth off each end), a random smooth one, or a
stretch of the boundary (a fifth of it).

The challenge's words and its script differ in which error is answered. Here it is the larger one in voxels, over
26-connected components of either kind, as the words have it; the script compares the lengths of two scribbles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy import ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from petlesion.clicks import Clicks
from petlesion.components import Components

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from petlesion.volume import Index

    Mask = NDArray[np.bool_]
    Graph = csr_array[np.float64, tuple[int, int]]

Kind = Literal["centreline", "random", "boundary"]
Choice = Literal["largest", "drawn"]
KINDS: tuple[Kind, ...] = get_args(Kind)
CHOICES: tuple[Choice, ...] = get_args(Choice)

MAX_ROUNDS = 5
TRIMMED, TRIMMED_FROM = 0.1, 10  # share cut off each end of a centre line, where it has more pixels than this
BOUNDARY_SHARE = 0.2
STEPS_YX = ((0, 1), (1, 0), (1, 1), (1, -1))  # half of a pixel's eight neighbours; edges go both ways


class ScribbleError(ValueError):
    """Arrays or choices that no scribble can be drawn for."""


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """A state of an interaction.

    Attributes:
        clicks: All points so far.
        mask_zyx: The mask that they led to, boolean, (Z, Y, X).
    """

    clicks: Clicks
    mask_zyx: Mask


def interact(
    truth_zyx: Mask,
    segment: Callable[[Clicks], Mask],
    kind: Kind,
    rng: np.random.Generator,
    *,
    rounds: int = MAX_ROUNDS,
) -> Iterator[Round]:
    """Segment without points, then after each of some rounds of one scribble; `rounds` + 1 states.

    A perfect mask is not segmented again: its state is repeated, as the challenge does.

    Args:
        truth_zyx: Lesions, boolean, (Z, Y, X).
        segment: Makes a mask of the same shape from all points so far.
        kind: How scribbles are drawn.
        rng: Source of what is drawn.
        rounds: Number of scribbles.

    Raises:
        ScribbleError: When a mask's shape is not the truth's.
    """
    state = Round(Clicks(), segment(Clicks()))
    yield state
    for _ in range(rounds):
        scribble = corrective_scribble(truth_zyx, state.mask_zyx, kind, rng)
        if scribble:
            clicks = state.clicks.joined(scribble)
            state = Round(clicks, segment(clicks))
        yield state


def corrective_scribble(
    truth_zyx: Mask, mask_zyx: Mask, kind: Kind, rng: np.random.Generator, *, choice: Choice = "largest"
) -> Clicks:
    """One scribble on an error of a mask, as clicks; none where there is no error. See `scribble_steps`."""
    return scribble_steps(truth_zyx, mask_zyx, kind, rng, rounds=1, choice=choice)[-1]


def scribble_steps(
    truth_zyx: Mask,
    mask_zyx: Mask,
    kind: Kind,
    rng: np.random.Generator,
    *,
    rounds: int = MAX_ROUNDS,
    choice: Choice = "largest",
) -> tuple[Clicks, ...]:
    """All points after 0, 1, ... scribbles, each on another error of one and the same mask; `rounds` + 1 of them.

    Where there are fewer errors than rounds, the last points are repeated.

    Args:
        truth_zyx: Lesions, boolean, (Z, Y, X).
        mask_zyx: Mask to correct, boolean, of the same shape.
        kind: How scribbles are drawn.
        rng: Source of what is drawn.
        rounds: Number of scribbles.
        choice: Whether the largest errors are answered (of equals, the missed one) or some drawn alike.

    Raises:
        ScribbleError: When the masks differ in shape or are not boolean, or a choice is unknown.
    """
    _check(truth_zyx, mask_zyx, kind, choice)
    sides = [Components.of(error, connectivity=26) for error in (truth_zyx & ~mask_zyx, mask_zyx & ~truth_zyx)]
    errors = [(size, side, number) for side in (0, 1) for number, size in enumerate(sides[side].sizes().tolist())]
    order = (
        rng.permutation(len(errors)) if choice == "drawn" else np.argsort([-one[0] for one in errors], kind="stable")
    )
    steps = [Clicks()]
    for _, side, number in [errors[i] for i in order[:rounds]]:
        points = _in_volume(draw_scribble(_component(sides[side], number), kind, rng), sides[side])
        steps.append(steps[-1].joined(Clicks((), points) if side else Clicks(points, ())))
    return (*steps, *steps[-1:] * (rounds + 1 - len(steps)))


def draw_scribble(region_zyx: Mask, kind: Kind, rng: np.random.Generator) -> tuple[Index, ...]:
    """The voxels (x, y, z) of a scribble in a region's largest axial slice, in the order of the line.

    Where the slice cuts the region into several pieces, the largest one has it. An empty region has none.

    Args:
        region_zyx: Region, boolean, (Z, Y, X).
        kind: How it is drawn.
        rng: Source of what is drawn; a centre line draws nothing.
    """
    areas = np.count_nonzero(region_zyx, axis=(1, 2))
    if not areas.any():
        return ()
    z = int(areas.argmax())
    pieces, _ = ndimage.label(region_zyx[z], np.ones((3, 3)))
    piece_yx = pieces == 1 + int(np.bincount(pieces[pieces > 0])[1:].argmax())
    line = {"centreline": _centre_line, "random": _random_line, "boundary": _boundary_line}[kind](piece_yx, rng)
    return tuple((int(x), int(y), z) for y, x in line)


def _centre_line(piece_yx: Mask, _rng: np.random.Generator) -> NDArray[np.intp]:
    """From end to end of a piece along its middle, (N, 2)."""
    depth = ndimage.distance_transform_edt(np.pad(piece_yx, 1))[1:-1, 1:-1][piece_yx]
    plain = _graph(piece_yx, np.ones(depth.size))
    first = int(_distances(plain, int(depth.argmax())).argmax())
    last = int(_distances(plain, first).argmax())
    line = _path(_graph(piece_yx, (depth.max() / depth) ** 2), first, last)
    cut = int(len(line) * TRIMMED) if len(line) > TRIMMED_FROM else 0
    return np.argwhere(piece_yx)[line[cut : len(line) - cut]]


def _random_line(piece_yx: Mask, rng: np.random.Generator) -> NDArray[np.intp]:
    """Between two random pixels of a piece, on the cheapest way over smooth random hills, (N, 2)."""
    count = int(np.count_nonzero(piece_yx))
    first, last = rng.integers(count, size=2).tolist()
    hills = ndimage.gaussian_filter(rng.standard_normal(piece_yx.shape), max(1.0, count**0.5 / 8))[piece_yx]
    steep = 2 * (hills - hills.mean()) / max(float(hills.std()), 1e-9)  # one pixel has no hills
    line = _path(_graph(piece_yx, np.exp(steep)), first, last)
    return np.argwhere(piece_yx)[line]


def _boundary_line(piece_yx: Mask, rng: np.random.Generator) -> NDArray[np.intp]:
    """A stretch of a piece's boundary from a random pixel on, (N, 2); the boundary has a side neighbour outside."""
    edge_yx = piece_yx & ~ndimage.binary_erosion(piece_yx)
    count = int(np.count_nonzero(edge_yx))
    graph = _graph(edge_yx, np.ones(count))
    first = int(rng.integers(count))
    away = _distances(graph, first)
    away[away > max(1.0, BOUNDARY_SHARE * count)] = -1  # too far, or (infinity) on the boundary of a hole
    last = int(rng.choice(np.flatnonzero(away == away.max())))
    return np.argwhere(edge_yx)[_path(graph, first, last)]


def _graph(piece_yx: Mask, cost: NDArray[np.float64]) -> Graph:
    """A piece's pixels, in array order, with edges between neighbours: their distance times their mean cost."""
    numbers = np.pad(np.where(piece_yx, np.cumsum(piece_yx).reshape(piece_yx.shape), 0), 1)
    starts, ends, lengths = [], [], []
    for y, x in STEPS_YX:
        near, far = numbers[1:-1, 1:-1], numbers[1 + y :, 1 + x :][: piece_yx.shape[0], : piece_yx.shape[1]]
        both = (near > 0) & (far > 0)
        starts.append(near[both] - 1)
        ends.append(far[both] - 1)
        lengths.append(np.full(int(both.sum()), np.hypot(y, x)))
    start, end = np.concatenate(starts), np.concatenate(ends)
    weights = np.concatenate(lengths) * (cost[start] + cost[end]) / 2
    return csr_array((weights, (start, end)), shape=(cost.size, cost.size))


def _distances(graph: Graph, first: int) -> NDArray[np.float64]:
    """Length of the cheapest way from `first` to each pixel, infinite where there is none."""
    lengths: NDArray[np.float64] = dijkstra(graph, directed=False, indices=[first])[0]
    return lengths


def _path(graph: Graph, first: int, last: int) -> list[int]:
    """Pixels of the cheapest way from `first` to `last`, both included."""
    before = dijkstra(graph, directed=False, indices=[first], return_predecessors=True)[1][0]
    line = [last]
    while line[-1] != first:
        line.append(int(before[line[-1]]))
    return line[::-1]


def _component(parts: Components, number: int) -> Mask:
    """One component in the box of them all."""
    region = np.zeros(parts.inside_zyx.shape, bool)
    region[parts.inside_zyx] = parts.labels == number
    return region


def _in_volume(points: tuple[Index, ...], parts: Components) -> tuple[Index, ...]:
    """Points (x, y, z) of the components' box as points of the volume."""
    down, back, left = (side.start for side in parts.box)
    return tuple((x + left, y + back, z + down) for x, y, z in points)


def _check(truth_zyx: Mask, mask_zyx: Mask, kind: str, choice: str) -> None:
    if truth_zyx.shape != mask_zyx.shape or truth_zyx.dtype != np.bool_ or mask_zyx.dtype != np.bool_:
        raise ScribbleError(
            f"truth and mask are boolean on one grid; got {truth_zyx.dtype} {truth_zyx.shape} and {mask_zyx.dtype} "
            f"{mask_zyx.shape}: resample the mask and compare it with 0 first"
        )
    if kind not in KINDS:
        raise ScribbleError(f"a scribble is one of {', '.join(KINDS)}; got {kind!r}")
    if choice not in CHOICES:
        raise ScribbleError(f"an error is chosen as one of {', '.join(CHOICES)}; got {choice!r}")
