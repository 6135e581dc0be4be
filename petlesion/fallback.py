# SPDX-License-Identifier: Apache-2.0
"""The mask of last resort: the PET thresholded around the tumour clicks.

Where one failed case fails a whole submission, a crude mask is worth more than none. It is made without networks, and
the report says so. The threshold is half of the local maximum, a common fixed fraction for outlining uptake
(41 to 50 % of SUVmax; Boellaard et al., EANM guideline 2.0, 2015).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cc3d
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from petlesion.clicks import Clicks
    from petlesion.volume import Index, Volume

FRACTION_OF_PEAK = 0.5
PEAK_RADIUS_VOXELS = 2  # a click beside the maximum still finds it
REACH_MM = 40.0  # no further from the click, so that a leak into an organ stays small


def threshold_mask(pet_suv: Volume, clicks: Clicks) -> Volume:
    """uint8 mask (Z, Y, X): for each tumour click the connected region above half of its local maximum.

    Without tumour clicks the mask is empty.
    """
    mask = np.zeros(pet_suv.grid.shape_zyx, np.uint8)
    for click in clicks.tumor_xyz:
        box = _box(click, pet_suv)
        here = tuple(i - b.start for i, b in zip(reversed(click), box, strict=True))
        mask[box] |= _region(pet_suv.array_zyx[box], (here[0], here[1], here[2]))
    return pet_suv.with_array(mask)


def _box(click: Index, pet_suv: Volume) -> tuple[slice, slice, slice]:
    """The voxels within reach of a click, (Z, Y, X)."""
    spans = []
    for index, size, spacing in zip(click, pet_suv.grid.size_xyz, pet_suv.grid.spacing_mm, strict=True):
        reach = max(1, round(REACH_MM / spacing))
        spans.append(slice(max(0, index - reach), min(size, index + reach + 1)))
    return (spans[2], spans[1], spans[0])


def _region(suv_zyx: NDArray[np.float32], click_zyx: Index) -> NDArray[np.uint8]:
    """The 26-connected region above half of the local maximum that holds that maximum."""
    near = tuple(slice(max(0, i - PEAK_RADIUS_VOXELS), i + PEAK_RADIUS_VOXELS + 1) for i in click_zyx)
    peak = np.unravel_index(np.argmax(suv_zyx[near]), suv_zyx[near].shape)
    seed = tuple(int(p) + s.start for p, s in zip(peak, near, strict=True))
    if suv_zyx[seed] <= 0:
        return np.zeros(suv_zyx.shape, np.uint8)
    hot = (suv_zyx >= FRACTION_OF_PEAK * suv_zyx[seed]).view(np.uint8)  # cc3d 4.1.1 refuses some small boolean arrays
    labels = cc3d.connected_components(hot, connectivity=26)
    region: NDArray[np.uint8] = (labels == labels[seed]).astype(np.uint8)
    return region
