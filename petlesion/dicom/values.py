# SPDX-License-Identifier: Apache-2.0
"""Values of a DICOM header as Python's: what is absent, empty or not of its kind is None or empty, never an error."""

from __future__ import annotations

import math
import struct
import zlib
from typing import TYPE_CHECKING, Any

from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.sequence import Sequence as DicomSequence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydicom.dataset import Dataset

# pydicom raises what its parts happen to raise; what cannot be read is as good as absent.
UNREADABLE = (
    BytesLengthException,
    InvalidDicomError,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    NotImplementedError,
    OverflowError,
    RecursionError,
    struct.error,
    zlib.error,
)


def value_of(header: Dataset, keyword: str) -> Any:  # noqa: ANN401 - whatever the header holds
    """A value; None where it is absent, empty or cannot be decoded."""
    try:
        value = header.get(keyword)
    except UNREADABLE:
        return None
    return None if value is None or value == "" else value


def text_of(header: Dataset, keyword: str) -> str:
    """A text in one line, without the padding; empty where there is none."""
    value = value_of(header, keyword)
    return "" if value is None else " ".join(str(value).replace("\0", " ").split())


def texts_of(header: Dataset, keyword: str) -> tuple[str, ...]:
    """All values of a text of several, in capitals."""
    value = value_of(header, keyword)
    many = () if value is None else (value,) if isinstance(value, str) else tuple(value)
    return tuple(str(one).strip().upper() for one in many)


def number_of(header: Dataset, keyword: str) -> float | None:
    """A finite number; None where there is none."""
    return as_number(value_of(header, keyword))


def numbers_of(header: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """Exactly `count` finite numbers; None where there are others."""
    value = value_of(header, keyword)
    if value is None or isinstance(value, str) or not hasattr(value, "__iter__"):
        return None
    found = [number for one in value if (number := as_number(one)) is not None]
    return tuple(found) if len(found) == count == len(list(value)) else None


def as_number(value: object) -> float | None:
    """A number, a text of one, or a private value's bytes as a finite number; None where it is none."""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    try:
        number = float(value.strip(" \0") if isinstance(value, str) else value)  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def items_of(header: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """The items of a sequence; none where it is absent."""
    value = value_of(header, keyword)
    return tuple(value) if isinstance(value, DicomSequence) else ()


def private_of(header: Dataset, group: int, creators: Iterable[str], element: int) -> str:
    """A private element of one of the creators as text; where no creator is named, that of the first block.

    De-identified objects often keep the element and lose its creator.
    """
    wanted = {one.upper() for one in creators}
    tags = list(header.keys())  # a Dataset itself iterates over its elements
    blocks = [tag.element for tag in tags if tag.group == group and 0x10 <= tag.element <= 0xFF]
    named = [block for block in blocks if _raw(header, group, block).upper() in wanted]
    for block in named or ([0x10] if not blocks else []):
        if text := _raw(header, group, (block << 8) + element):
            return text
    return ""


def _raw(header: Dataset, group: int, element: int) -> str:
    """The value of a tag as text; empty where there is none."""
    try:
        value = header[group, element].value
    except UNREADABLE:
        return ""
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    return text.strip(" \0")
