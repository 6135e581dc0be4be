# SPDX-License-Identifier: Apache-2.0
"""The file of clicks on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from petlesion.case import CaseError
from petlesion.clicks import MAX_BYTES, ClicksError, ParsedClicks, parse_clicks
from petlesion.document import DocumentError, read_bytes
from petlesion.images import reason, shown

if TYPE_CHECKING:
    from pathlib import Path


def read_clicks(path: Path, *, strict: bool = False) -> ParsedClicks:
    """Read a file of clicks; a broken one is zero clicks and a warning, unless `strict`.

    Raises:
        CaseError: When `strict` and the file cannot be read.
    """
    try:
        return parse_clicks(read_bytes(path, MAX_BYTES))
    except (ClicksError, DocumentError, OSError) as error:
        fault = str(error) if isinstance(error, ClicksError) else f"it cannot be read: {reason(error)}"
        if strict:
            raise CaseError(f"{shown(path)}: {fault}; mend it, or leave out --strict to go on without clicks") from None
        return ParsedClicks(warnings=(f"{shown(path)}: {fault}; going on without clicks",))


def is_there(path: Path) -> bool:
    """Whether something lies at a path, a broken link too."""
    try:
        path.lstat()
    except (OSError, ValueError):
        return False
    return True
