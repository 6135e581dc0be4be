# SPDX-License-Identifier: Apache-2.0
"""What a review knows at one moment, and what it knew before: plain values, nothing runs here.

Rules of the lesions that the user removed:

1. Lesions are the 26-connected components of the networks' mask, numbered by size as reports number them.
2. The voxels of a removed lesion are remembered. After another answer a lesion is removed where more than half of its
   voxels are remembered ones; all of its voxels are remembered then, so that one which grows little by little stays
   removed.
3. A lesion is brought back by the user's word, or by a new tumour click in it. What was remembered of it, each
   26-connected piece that it touches, is forgotten; other lesions stay as they are.
4. Undo and redo go through answers and removals alike, and give back the very bytes of each mask.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from petlesion.clicks import TUMOR, Clicks
from petlesion.components import Components

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from petlesion.lesions import Lesion
    from petlesion.volume import Index

MOSTLY = 0.5  # a lesion is removed where more than this share of its voxels belonged to removed ones
FAST = 1  # zlib's level: masks are nearly all zeros


@dataclass(frozen=True, slots=True)
class Click:
    """One click: its number, "tumor" or "background", and its voxel (x, y, z) of the PET."""

    number: int
    name: str
    point_xyz: Index


def clicks_of(clicks: Sequence[Click]) -> Clicks:
    """The clicks as the networks take them, each kind in the order in which it was set."""
    tumor = tuple(click.point_xyz for click in clicks if click.name == TUMOR)
    return Clicks(tumor, tuple(click.point_xyz for click in clicks if click.name != TUMOR))


@dataclass(frozen=True, slots=True)
class PackedMask:
    """A mask in few bytes: a bit for each voxel in array order, compressed. Make it with `of`.

    Attributes:
        shape_zyx: Shape of the mask.
        packed: Its bits.
    """

    shape_zyx: Index
    packed: bytes

    @classmethod
    def of(cls, inside_zyx: NDArray[np.bool_]) -> PackedMask:
        """Pack a boolean mask, (Z, Y, X)."""
        z, y, x = inside_zyx.shape
        return cls((z, y, x), zlib.compress(np.packbits(inside_zyx).tobytes(), FAST))

    @classmethod
    def empty(cls, shape_zyx: Index) -> PackedMask:
        """A mask without a voxel."""
        return cls.of(np.zeros(shape_zyx, np.bool_))

    def unpacked(self) -> NDArray[np.bool_]:
        """The mask that was packed, bool, (Z, Y, X)."""
        bits = np.frombuffer(zlib.decompress(self.packed), np.uint8)
        count = int(np.prod(self.shape_zyx))
        return np.unpackbits(bits, count=count).view(np.bool_).reshape(self.shape_zyx)


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What the networks said.

    Attributes:
        mask: Their mask, removed lesions and all.
        lesions: Its lesions as `measure_lesions` has them, all of them.
        report: The report of the run, as `report_of` makes it.
    """

    mask: PackedMask
    lesions: tuple[Lesion, ...]
    report: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A review at one moment.

    Attributes:
        clicks: All clicks.
        answer: The networks' answer to them.
        kept: For each lesion of the answer whether it is in the mask.
        shown: The mask without what was removed.
        remembered: Voxels of removed lesions, of this answer and of former ones.
    """

    clicks: tuple[Click, ...]
    answer: Answer
    kept: tuple[bool, ...]
    shown: PackedMask
    remembered: PackedMask

    @classmethod
    def first(cls, clicks: tuple[Click, ...], answer: Answer) -> Snapshot:
        """The beginning of a review: nothing is removed."""
        nothing = PackedMask.empty(answer.mask.shape_zyx)
        return cls(clicks, answer, (True,) * len(answer.lesions), answer.mask, nothing)

    def then(self, clicks: tuple[Click, ...], answer: Answer) -> Snapshot:
        """The moment after another answer; see the rules above."""
        remembered = self.remembered.unpacked()
        for click in clicks[len(self.clicks) :]:
            x, y, z = click.point_xyz
            if click.name == TUMOR and remembered[z, y, x]:
                point = np.zeros_like(remembered)
                point[z, y, x] = True
                remembered &= ~_touched(remembered, point)
        parts = _Parts.of(answer.mask)
        removed = parts.share(remembered) > MOSTLY
        return _settled(clicks, answer, parts, ~removed, remembered)

    def with_lesion(self, number: int, *, kept: bool) -> Snapshot:
        """The moment after a lesion is removed or brought back.

        Args:
            number: The lesion's, from 1.
            kept: Whether it is in the mask from now on.

        Raises:
            LookupError: When no lesion has this number.
        """
        if not 1 <= number <= len(self.kept):
            raise LookupError(f"lesions have the numbers 1 to {len(self.kept)}; got {number}")
        parts, flags = _Parts.of(self.answer.mask), np.array(self.kept)
        remembered = self.remembered.unpacked()
        if kept:
            remembered &= ~_touched(remembered, parts.inside(np.arange(1, len(flags) + 1) == number))
        flags[number - 1] = kept
        return _settled(self.clicks, self.answer, parts, flags, remembered)


def _settled(
    clicks: tuple[Click, ...],
    answer: Answer,
    parts: _Parts,
    kept: NDArray[np.bool_],
    remembered: NDArray[np.bool_],
) -> Snapshot:
    remembered = remembered | parts.inside(~kept)
    flags = tuple(map(bool, kept))
    return Snapshot(clicks, answer, flags, PackedMask.of(parts.inside(kept)), PackedMask.of(remembered))


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """The moments of a review; the last of `past` is what undo goes back to, the last of `undone` what redo brings."""

    now: Snapshot
    past: tuple[Snapshot, ...] = ()
    undone: tuple[Snapshot, ...] = ()

    def then(self, snapshot: Snapshot) -> History:
        """A new moment; what was undone is forgotten."""
        return History(snapshot, (*self.past, self.now))

    def undo(self) -> History:
        """One moment back; LookupError where there is none."""
        if not self.past:
            raise LookupError("there is nothing to undo")
        return replace(self, now=self.past[-1], past=self.past[:-1], undone=(*self.undone, self.now))

    def redo(self) -> History:
        """One moment on again; LookupError where there is none."""
        if not self.undone:
            raise LookupError("there is nothing to redo")
        return replace(self, now=self.undone[-1], past=(*self.past, self.now), undone=self.undone[:-1])


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """The components of a mask with their numbers as lesions, from 1, by size."""

    shape_zyx: Index
    components: Components
    numbers: NDArray[np.intp]

    @classmethod
    def of(cls, mask: PackedMask) -> _Parts:
        components = Components.of(mask.unpacked(), connectivity=26)
        numbers = np.empty(components.count, np.intp)
        numbers[np.argsort(-components.sizes(), kind="stable")] = np.arange(1, components.count + 1)
        return cls(mask.shape_zyx, components, numbers)

    def share(self, of_zyx: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The share of each lesion's voxels that lie in another mask, in the order of the numbers."""
        shares = np.empty(self.components.count)
        sums = self.components.sums(self.components.values(of_zyx).astype(np.float64))
        shares[self.numbers - 1] = sums / self.components.sizes()
        return shares

    def inside(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The mask of the lesions that are chosen, in the order of the numbers; bool, (Z, Y, X)."""
        mask = np.zeros(self.shape_zyx, np.bool_)
        mask[self.components.box][self.components.inside_zyx] = chosen[self.numbers - 1][self.components.labels]
        return mask


def _touched(mask_zyx: NDArray[np.bool_], by_zyx: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The 26-connected pieces of a mask that have a voxel in another one."""
    pieces = Components.of(mask_zyx, connectivity=26)
    touched = np.zeros_like(mask_zyx)
    touched[pieces.box][pieces.inside_zyx] = pieces.any(pieces.values(by_zyx))[pieces.labels]
    return touched
