# SPDX-License-Identifier: Apache-2.0
"""What a page shows of a case: projections with the mask's outline, the rotating view, the thumbnails."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from petlesion.page.outline import outline
from petlesion.page.shades import Picture, inverse_grey, resized, shade
from petlesion.page.thumbnails import Thumbnail, thumbnails
from petlesion.page.turntable import turntable
from petlesion.picture import WINDOW_SUV, Projection, project

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from petlesion.volume import Volume

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
    """

    title: str
    picture: Picture
    outline: str
    sides: tuple[str, str]


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
    projections = [_cropped(view) for view in project(pet_suv, mask)]
    longest_mm = max(side for view in projections for side in view.size_mm)
    return Drawings(
        tuple(_view(view, LARGEST_VIEW / longest_mm) for view in projections),
        turntable(pet_suv, mask),
        thumbnails(pet_suv, ct_hu, mask, MOST_THUMBNAILS),
        on_ct=ct_hu is not None,
    )


def _cropped(view: Projection) -> Projection:
    """The view without the air around the body; both views keep the same rows, since these are the same slices."""
    seen = (view.pet_suv > AIR_SUV) | view.mask
    pixel_x, pixel_y = view.pixel_mm
    rows, columns = np.nonzero(seen)
    cut = (_span(rows, round(MARGIN_MM / pixel_y)), _span(columns, round(MARGIN_MM / pixel_x)))
    return replace(view, pet_suv=view.pet_suv[cut], mask=view.mask[cut])


def _span(where: NDArray[np.intp], margin: int) -> slice:
    return slice(max(0, int(where.min()) - margin), int(where.max()) + 1 + margin) if where.size else slice(None)


def _view(view: Projection, pixels_per_mm: float) -> View:
    width, height = (max(1, round(side * pixels_per_mm)) for side in view.size_mm)
    picture = resized(inverse_grey(shade(view.pet_suv[::-1], WINDOW_SUV)), width, height)
    rows, columns = view.mask.shape
    path = outline(view.mask[::-1], (width / columns, height / rows))
    return View(view.title, picture, path, view.sides)
