# SPDX-License-Identifier: Apache-2.0
"""What a page shows of a case: projections with the mask's outline, the rotating view, the thumbnails."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from petlesion.page.outline import outline
from petlesion.page.shades import Picture, inverse_grey, resized, shade
from petlesion.page.thumbnails import Thumbnail, lesions_along_the_body, thumbnails
from petlesion.page.turntable import turntable
from petlesion.picture import WINDOW_SUV, Projection, project

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from petlesion.volume import Volume

MOST_MARKS = 15  # numbers in a view; more would hide it
MOST_THUMBNAILS = 60  # more would make the page too large to send; the table holds every lesion
AIR_SUV = 0.2  # what a projection shows less of than this, all along, is cut away, but for a margin
MARGIN_MM = 10.0
LARGEST_VIEW = 720  # pixels of a view's longer side


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One projection, the head up.

    Attributes:
        title: "coronal" or "sagittal".
        picture: The PET, dark where its maximum along the view is high.
        outline: The mask's outline as the path of an SVG of the picture's size.
        sides: What lies to the left and to the right of the picture.
        marks: Number, x and y of the `MOST_MARKS` largest lesions' centroids in the picture.
    """

    title: str
    picture: Picture
    outline: str
    sides: tuple[str, str]
    marks: tuple[tuple[int, float, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Drawings:
    """All pictures of a page."""

    views: tuple[View, ...]
    frames: tuple[Picture, ...]
    thumbnails: tuple[Thumbnail, ...]
    on_ct: bool


def draw(pet_suv: Volume, ct_hu: Volume | None, mask: Volume) -> Drawings:
    """Draw a case.

    Args:
        pet_suv: PET in SUV by body weight, (Z, Y, X).
        ct_hu: CT in HU on the PET's grid; None where there is none.
        mask: Mask, non-zero in lesions, on the PET's grid.

    Raises:
        GridError: When the mask is not on the PET's grid.
    """
    crops = [_Crop.of(view) for view in project(pet_suv, mask)]
    longest_mm = max(side for crop in crops for side in crop.view.size_mm)
    centroids = np.array([voxels.mean(axis=0) for voxels in islice(lesions_along_the_body(mask), MOST_MARKS)])
    across = centroids.reshape(-1, 3)[:, [0, 2]], centroids.reshape(-1, 3)[:, [1, 2]]  # coronal, sagittal; and up
    return Drawings(
        tuple(_view(crop, LARGEST_VIEW / longest_mm, at) for crop, at in zip(crops, across, strict=True)),
        turntable(pet_suv, mask),
        thumbnails(pet_suv, ct_hu, mask, MOST_THUMBNAILS),
        on_ct=ct_hu is not None,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Crop:
    """A view without the air around the body; both views keep the same rows, since these are the same slices.

    Attributes:
        view: What is left of the view.
        corner: The column and the row, from the foot, at which it begins in the view.
    """

    view: Projection
    corner: tuple[int, int]

    @classmethod
    def of(cls, view: Projection) -> _Crop:
        pixel_x, pixel_y = view.pixel_mm
        rows, columns = np.nonzero((view.pet_suv > AIR_SUV) | view.mask)
        cut = (_span(rows, round(MARGIN_MM / pixel_y)), _span(columns, round(MARGIN_MM / pixel_x)))
        inner = replace(view, pet_suv=view.pet_suv[cut], mask=view.mask[cut])
        return cls(inner, (cut[1].start, cut[0].start))


def _span(where: NDArray[np.intp], margin: int) -> slice:
    return slice(max(0, int(where.min()) - margin), int(where.max()) + 1 + margin) if where.size else slice(0, None)


def _view(crop: _Crop, pixels_per_mm: float, centroids: NDArray[np.float64]) -> View:
    """The picture of a view; `centroids` are the lesions' columns and rows in the view as it was, (N, 2)."""
    view = crop.view
    width, height = (max(1, round(side * pixels_per_mm)) for side in view.size_mm)
    picture = resized(inverse_grey(shade(view.pet_suv[::-1], WINDOW_SUV)), width, height)
    rows, columns = view.mask.shape
    pixel = (width / columns, height / rows)
    at = (centroids - crop.corner + 0.5) * pixel
    marks = tuple((number, float(x), height - float(y)) for number, (x, y) in enumerate(at, start=1))
    return View(view.title, picture, outline(view.mask[::-1], pixel), view.sides, marks)
