# SPDX-License-Identifier: Apache-2.0
"""A report on the disk: JSON that is there whole or not at all."""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from petlesion.drafts import staged
from petlesion.images import OutputError, reason, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def write_report(report: dict[str, Any], path: Path) -> None:
    """Write a report as JSON, whole or not at all; numbers that are not finite become null.

    Raises:
        OutputError: When it cannot be written.
    """
    with report_at_hand(report, path):
        pass


@contextmanager
def report_at_hand(report: dict[str, Any], path: Path) -> Iterator[None]:
    """The report as a draft while inside, and in its place on leaving; not at all where what is inside fails.

    Raises:
        OutputError: When it cannot be written.
    """
    text = json.dumps(_jsonable(report), indent=2, allow_nan=False) + "\n"
    try:
        with staged(path) as draft:
            draft.write_text(text, encoding="utf-8")
            yield
    except OSError as error:
        raise OutputError(f"the report must be written; {shown(path)} was not: {reason(error)}") from error


def _jsonable(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
