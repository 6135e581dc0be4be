# SPDX-License-Identifier: Apache-2.0
"""JSON that others wrote: read within bounds, or refused in words.

Python's own reader takes whatever length it is given, NaN, and the last of two equal keys in silence. What a
value means is the caller's to check; that there is one value, small and unambiguous, is checked here.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections import Counter
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from pathlib import Path

DEPTH = 32  # nnU-Net's plans have 7 levels, a report 5
TOO_DEEP = f"is nested too deeply: at most {DEPTH} levels are read"
LARGEST_INT = 2**63
EXCERPT = 80


class DocumentError(ValueError):
    """What is wrong with a document, as the end of a sentence that begins with its name."""


def parse_document(text: str | bytes, max_bytes: int, *, exact: bool = True) -> Any:  # noqa: ANN401 - JSON
    """The value of a JSON text.

    Args:
        text: The file's content; bytes are UTF-8, with or without a byte order mark.
        max_bytes: How long it may be.
        exact: Whether numbers must be finite and whole ones of 64 bits, and strings valid Unicode; a caller that
            weighs every value itself can do without.

    Raises:
        DocumentError: When it is longer, no JSON, nested deeper than 32 levels, names a key of an object twice, or
            is not `exact`.
    """
    if len(text) > max_bytes:
        raise DocumentError(f"is too long: at most {max_bytes:,} bytes are read")
    hooks: dict[str, Any] = {"object_pairs_hook": _unique}
    if exact:
        hooks["parse_constant"] = _no_constant
    try:
        value = json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text, **hooks)
    except DocumentError:
        raise
    except UnicodeDecodeError as error:
        raise DocumentError(f"is not UTF-8: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise DocumentError(TOO_DEEP) from None
    except ValueError as error:  # no JSON, or an integer of thousands of digits
        raise DocumentError(f"is no JSON: {_excerpt(error)}") from None
    _check(value, exact=exact)
    return value


def read_document(path: Path, max_bytes: int, *, exact: bool = True) -> Any:  # noqa: ANN401 - JSON
    """The value of a JSON file, of which no more than `max_bytes` are read.

    Raises:
        DocumentError: See `parse_document`.
        OSError: When it cannot be read.
    """
    return parse_document(read_bytes(path, max_bytes), max_bytes, exact=exact)


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """The content of a file, up to one byte more than is allowed.

    Raises:
        DocumentError: When it is no regular file: a pipe would be waited for, and a device never ends.
        OSError: When it cannot be read.
    """
    with open(path, "rb", opener=_open_at_once) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise DocumentError("is no regular file")
        return stream.read(max_bytes + 1)


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting for the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys stand once each."""
    held = dict(pairs)
    if len(held) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise DocumentError(f"has the key {_excerpt(twice)} twice in one object")
    return held


def _no_constant(name: str) -> NoReturn:
    raise DocumentError(f"holds {name}, which is no number of JSON")


def _check(value: object, *, exact: bool) -> None:
    """Walk a value level by level, so that a deep one cannot exhaust the stack."""
    level: list[Any] = [value]
    for depth in range(DEPTH + 1):
        if exact:
            for item in level:
                _check_exact(item)
        inner = [
            list(item.values()) if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)
        ]
        if not inner:
            return
        if depth == DEPTH:
            raise DocumentError(TOO_DEEP)
        level = [child for children in inner for child in children]


def _check_exact(item: object) -> None:
    if isinstance(item, float) and not math.isfinite(item):
        raise DocumentError("holds a number beyond any that can be computed with")
    if isinstance(item, int) and not -LARGEST_INT <= item < LARGEST_INT:
        raise DocumentError("holds a whole number of more than 64 bits")
    for text in item if isinstance(item, dict) else (item,):
        if isinstance(text, str) and not _is_unicode(text):
            raise DocumentError(f"holds a text that is not Unicode: {_excerpt(text)}")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _excerpt(value: object) -> str:
    """A text or an error in one short line of printable ASCII."""
    text = ascii(value) if isinstance(value, str) else " ".join(str(value).split()).encode("ascii", "replace").decode()
    return text if len(text) <= EXCERPT else f"{text[: EXCERPT - 3]}..."
