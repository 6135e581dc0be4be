# SPDX-License-Identifier: Apache-2.0
"""The mask as a DICOM segmentation: one segment of all lesions, or one for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from highdicom import UID
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription

from petlesion import __version__
from petlesion.components import Components
from petlesion.dicom_out.author import CATEGORY, LESION, NAME, Author, Tracked
from petlesion.lesions import LesionMaskError
from petlesion.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from petlesion.dicom_out.series import SourceSeries

SERIES_NUMBER = 9001
MOST_SEGMENTS = 65535
RED = CIELabColor(53.0, 68.0, 42.0)


def segmentation(
    series: SourceSeries, numbers: NDArray[np.uint16], lesions: Sequence[Tracked], author: Author, *, per_lesion: bool
) -> Segmentation:
    """The mask as a binary segmentation that refers to every slice of its series.

    Args:
        series: The PET series.
        numbers: Each lesion's number in its pixels, 0 elsewhere, (slices, rows, columns): the planes of `numbered`.
        lesions: The lesions' names.
        author: How the mask came about.
        per_lesion: One segment for each lesion; without it, and where the mask is empty, one for all of them.
    """
    apart = per_lesion and len(lesions) > 0
    return Segmentation(
        source_images=series.slices,
        pixel_array=numbers if apart else (numbers > 0).astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=_segments(lesions, author) if apart else [_segment(1, "Lesions", UID(), author)],
        series_instance_uid=UID(),
        series_number=SERIES_NUMBER,
        sop_instance_uid=UID(),
        instance_number=1,
        content_label="LESIONS",
        content_description="Tumour lesions. For research use only.",
        series_description="Lesion segmentation (petlesion, research use only)",
        omit_empty_frames=bool(numbers.any()),
        content_creator_name=f"{NAME}^",
        manufacturer=NAME,
        manufacturer_model_name=NAME,
        software_versions=__version__,
        device_serial_number=__version__,
    )


def numbered(mask: Volume) -> Volume:
    """The mask with each lesion's number in its voxels, (Z, Y, X), numbered as by `measure_lesions`.

    Raises:
        LesionMaskError: When there are more lesions than a segmentation can number.
    """
    parts = Components.of(mask.array_zyx != 0, connectivity=26)
    if parts.count > MOST_SEGMENTS:
        raise LesionMaskError(
            f"a DICOM segmentation numbers up to {MOST_SEGMENTS} lesions; the mask has {parts.count}: remove small ones"
        )
    numbers = np.empty(parts.count, np.uint16)
    numbers[np.argsort(-parts.sizes(), kind="stable")] = np.arange(1, parts.count + 1)
    array = np.zeros(mask.grid.shape_zyx, np.uint16)
    array[parts.box][parts.inside_zyx] = numbers[parts.labels]
    return Volume(array, mask.grid)


def _segments(lesions: Sequence[Tracked], author: Author) -> list[SegmentDescription]:
    return [_segment(one.number, one.name, one.uid, author) for one in lesions]


def _segment(number: int, name: str, uid: UID, author: Author) -> SegmentDescription:
    return SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=CATEGORY,
        segmented_property_type=LESION,
        algorithm_type=author.algorithm_type,
        algorithm_identification=author.for_segments(),
        tracking_uid=uid,
        tracking_id=name,
        display_color=RED,
    )
