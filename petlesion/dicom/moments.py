# SPDX-License-Identifier: Apache-2.0
"""DICOM's dates (DA), times (TM) and date-times (DT) as Python's, on the clock of the scanner's place.

What cannot be read is None: de-identified headers hold blanks, zeros and cut values where a moment once stood, and
whoever needs one says which tag it misses.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")  # with the dots of ACR-NEMA too
TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?")
DATE_TIME = re.compile(r"(\d{8})(\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?)([+-]\d{4})?")
OFFSET = re.compile(r"([+-])(\d{2})(\d{2})")
DAY = timedelta(days=1)


def parse_date(text: str | None) -> date | None:
    """A DA such as 20050303; None where it is none."""
    found = DATE.fullmatch((text or "").strip(" \0"))
    try:
        return date(int(found[1]), int(found[2]), int(found[3])) if found else None
    except ValueError:
        return None


def parse_time(text: str | None) -> time | None:
    """A TM such as 12, 1228, 122800 or 122800.25, to the microsecond; None where it is none."""
    found = TIME.fullmatch((text or "").strip(" \0"))
    if not found:
        return None
    hour, minute, second = (int(part or 0) for part in found.group(1, 2, 3))
    try:
        return time(hour, minute, min(second, 59), int((found[4] or "").ljust(6, "0")))  # 60: a leap second
    except ValueError:
        return None


def parse_datetime(text: str | None, zone: str | None = None) -> datetime | None:
    """A DT such as 20050303122800.25+0100, with an hour at least; None where it is none.

    Args:
        text: The DT.
        zone: Timezone Offset From UTC (0008,0201) of the object, such as +0100, on whose clock its dates and times
            are. A DT with another offset is brought to it; where there is none, a DT's own offset is dropped.
    """
    found = DATE_TIME.fullmatch((text or "").strip(" \0"))
    if not found:
        return None
    joined = join(parse_date(found[1]), parse_time(found[2]))
    own, there = parse_offset(found[3]), parse_offset(zone)
    return joined if joined is None or own is None or there is None else joined - own + there


def parse_offset(text: str | None) -> timedelta | None:
    """An offset from UTC such as +0100; None where it is none."""
    found = OFFSET.fullmatch((text or "").strip(" \0"))
    if not found:
        return None
    size = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return size if found[1] == "+" else -size


def join(day: date | None, clock: time | None) -> datetime | None:
    """Date and time as one moment; None where either is missing."""
    return None if day is None or clock is None else datetime.combine(day, clock)


def last_before(moment: datetime, clock: time) -> datetime:
    """The last moment not after `moment` at which the clock showed `clock`: today's, or yesterday's over midnight."""
    same_day = datetime.combine(moment.date(), clock)
    return same_day if same_day <= moment else same_day - DAY


def parse_given(text: str) -> datetime | time:
    """What a person types: 2005-03-03T12:28, 20050303122800 or only a time, 12:28 or 122800.

    Raises:
        ValueError: When it is none of these.
    """
    text = text.strip()
    clean = parse_datetime(text) or parse_time(text)
    if clean is not None:
        return clean
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        raise ValueError(f"a moment is written 2005-03-03T12:28:00, or 12:28:00 alone; got {text!r}") from None
