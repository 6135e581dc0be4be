# SPDX-License-Identifier: Apache-2.0
"""A physician's clicks: where there is tumour, and where there is none.

A file of clicks goes through two doors. `parse_clicks` reads either published form and knows no image:
positions stay the numbers of the file. `admit_clicks` brings them to the voxels of one PET grid. What either
drops, merges or rounds is counted in a warning.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from petlesion.document import DocumentError, parse_document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from petlesion.volume import Grid, Index, Triple

PointsUnit = Literal["voxels", "mm"]

TUMOR = "tumor"
BACKGROUND = "background"
VERSION: dict[str, int] = {"major": 1, "minor": 0}
TYPE = "Multiple points"
FAR = 1e9  # in voxels or mm: beyond any grid, and small enough to compute with
MAX_BYTES = 10_000_000  # 200,000 points; the longest scribbles have a few thousand


class ClicksError(ValueError):
    """A file of clicks that cannot be read. Its text states rule, offence and remedy."""


@dataclass(frozen=True, slots=True)
class Clicks:
    """Points a physician set, as voxel indices (x, y, z) of the PET grid.

    Attributes:
        tumor_xyz: Points inside lesions.
        background_xyz: Points inside physiological uptake.
    """

    tumor_xyz: tuple[Index, ...] = ()
    background_xyz: tuple[Index, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tumor_xyz or self.background_xyz)

    def __len__(self) -> int:
        return len(self.tumor_xyz) + len(self.background_xyz)

    def within(self, grid: Grid) -> Clicks:
        """The clicks that lie on `grid`."""
        return Clicks(
            tuple(p for p in self.tumor_xyz if grid.contains(p)),
            tuple(p for p in self.background_xyz if grid.contains(p)),
        )

    def joined(self, later: Clicks) -> Clicks:
        """These clicks and then `later` ones, tumour and background apart."""
        return Clicks(self.tumor_xyz + later.tumor_xyz, self.background_xyz + later.background_xyz)


@dataclass(frozen=True, slots=True)
class ParsedClicks:
    """The points of a file as they stand there: finite numbers, on no grid yet, in voxels or mm.

    Attributes:
        tumor: Points (x, y, z) named "tumor", in the order of the file.
        background: Points (x, y, z) named "background", in the order of the file.
        warnings: What was dropped on reading, one sentence a kind with its count.
    """

    tumor: tuple[Triple, ...] = ()
    background: tuple[Triple, ...] = ()
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.tumor) + len(self.background)

    @classmethod
    def of(cls, clicks: Clicks) -> ParsedClicks:
        """Clicks as if they had been read from a file in voxels."""
        return cls(_floats(clicks.tumor_xyz), _floats(clicks.background_xyz))


@dataclass(frozen=True, slots=True)
class AdmittedClicks:
    """Clicks on a grid, and what it took to bring them there, one sentence a kind with its count."""

    clicks: Clicks
    warnings: tuple[str, ...] = ()


def parse_clicks(text: str | bytes) -> ParsedClicks:
    """Read a file of clicks in either published form.

    `{"version": ..., "type": "Multiple points", "points": [{"point": [x, y, z], "name": "tumor"}, ...]}` as
    Grand Challenge stores it, or `{"tumor": [[x, y, z], ...], "background": [...]}`. No points: zero clicks.

    Args:
        text: The file's content; bytes must be UTF-8.

    Raises:
        ClicksError: When it is no JSON, is too long or too deep, names a list twice, or a point is not three numbers.
    """
    data = _loaded(text)
    tumor: list[Triple] = []
    background: list[Triple] = []
    unknown: Counter[str] = Counter()
    infinite = 0
    for name, point in _named_points(data):
        if name not in (TUMOR, BACKGROUND):  # a name may be anything, hashable or not
            unknown[_shown(name)] += 1
        elif all(map(math.isfinite, position := _position(point))):
            (tumor if name == TUMOR else background).append(position)
        else:
            infinite += 1
    return ParsedClicks(tuple(tumor), tuple(background), _reading_warnings(data, unknown, infinite))


def admit_clicks(points: ParsedClicks | Clicks, grid: Grid, unit: PointsUnit = "voxels") -> AdmittedClicks:
    """Bring points to the voxels of `grid`: round, merge duplicates of one name, drop what lies outside.

    Args:
        points: Positions (x, y, z): voxel indices, or mm in the patient (LPS), as `unit` says.
        grid: The PET's grid.
        unit: "voxels" or "mm". Never guessed: a warning says when only the other unit fits.

    Returns:
        The clicks on the grid; the warnings begin with those of the reading.
    """
    parsed = ParsedClicks.of(points) if isinstance(points, Clicks) else points
    tumor = [_placed(p, grid, unit) for p in parsed.tumor]
    background = [_placed(p, grid, unit) for p in parsed.background]
    rounded = Clicks(_indices(tumor), _indices(background))
    clicks = rounded.within(grid)
    fractional = 0 if unit == "mm" else sum(p != tuple(map(float, _nearest(p))) for p in tumor + background)
    merged = len(parsed) - len(rounded)
    outside = len(rounded) - len(clicks)
    sentences = (
        (fractional, f"{_points(fractional)} of the clicks not in the middle of a voxel: rounded"),
        (merged, f"{_points(merged)} of the clicks given more than once: merged"),
        (outside, f"{_points(outside)} of the clicks outside the PET of {grid.size_xyz} voxels: dropped"),
        (len(parsed) and not clicks, _unit_hint(parsed, grid, unit)),
    )
    return AdmittedClicks(clicks, parsed.warnings + tuple(text for count, text in sentences if count and text))


def clicks_to_json(clicks: Clicks) -> dict[str, Any]:
    """The clicks in Grand Challenge's "Multiple points" form, tumour first; `parse_clicks` reads it back."""
    named = [(TUMOR, p) for p in clicks.tumor_xyz] + [(BACKGROUND, p) for p in clicks.background_xyz]
    points = [{"point": [int(i) for i in point], "name": name} for name, point in named]
    return {"version": dict(VERSION), "type": TYPE, "points": points}


def _loaded(text: str | bytes) -> dict[str, Any]:
    try:
        data = parse_document(text, MAX_BYTES, exact=False)  # each number is weighed on its own
    except DocumentError as error:
        raise ClicksError(f"a file of clicks must be JSON in UTF-8; this one {error}") from None
    if not isinstance(data, dict):
        raise ClicksError(f"a file of clicks must hold a JSON object; this one holds a {type(data).__name__}")
    return data


def _named_points(data: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Every (name, point) of either form; a file that mixes both loses nothing."""
    for entry in _list(data.get("points"), "points"):
        if not isinstance(entry, dict) or "point" not in entry:
            raise ClicksError(f'each of "points" must be an object with a "point"; got {_shown(entry)}')
        yield entry.get("name"), entry["point"]
    for name, points in data.items():
        if name in {TUMOR, BACKGROUND} or ("points" not in data and isinstance(points, list)):
            for point in _list(points, name):
                yield name, point


def _list(value: object, name: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ClicksError(f'"{name}" must be a list of points; got {_shown(value)}')
    return value


def _position(point: object) -> Triple:
    """Three numbers as floats."""
    if not isinstance(point, list) or len(point) != 3:
        raise ClicksError(f"a point must be three numbers [x, y, z]; got {_shown(point)}")
    x, y, z = (_number(value) for value in point)
    return (x, y, z)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ClicksError(f"a point must be three numbers [x, y, z]; one of them is {_shown(value)}")
    if not math.isfinite(value := _float(value)):
        return value
    return max(-FAR, min(FAR, value))


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf


def _reading_warnings(data: dict[str, Any], unknown: Counter[str], infinite: int) -> tuple[str, ...]:
    texts = []
    if (version := data.get("version", VERSION)) != VERSION:
        texts.append(f"the clicks' version is {_shown(version)}, not 1.0: read as 1.0")
    if (kind := data.get("type", TYPE)) != TYPE:
        texts.append(f'the clicks\' type is {_shown(kind)}, not "{TYPE}": read as "{TYPE}"')
    if count := unknown.total():
        names = ", ".join(name for name, _ in unknown.most_common(3))
        texts.append(f'{_points(count)} of the clicks named {names}, neither "{TUMOR}" nor "{BACKGROUND}": dropped')
    if infinite:
        texts.append(f"{_points(infinite)} of the clicks with a coordinate that is not finite: dropped")
    return tuple(texts)


def _placed(point: Triple, grid: Grid, unit: PointsUnit) -> Triple:
    return grid.index_of(point) if unit == "mm" else point


def _nearest(point: Triple) -> Index:
    """The voxel that holds a position; it reaches half a step down and half a step up from its centre."""
    x, y, z = (math.floor(value + 0.5) for value in point)
    return (x, y, z)


def _indices(points: list[Triple]) -> tuple[Index, ...]:
    """Nearest voxels, each once, in the order in which they first appear."""
    return tuple(dict.fromkeys(_nearest(point) for point in points))


def _unit_hint(parsed: ParsedClicks, grid: Grid, unit: PointsUnit) -> str:
    """A sentence where every point, having missed the grid in `unit`, hits it in the other; else nothing."""
    other: PointsUnit = "voxels" if unit == "mm" else "mm"
    if not all(grid.contains(_nearest(_placed(p, grid, other))) for p in parsed.tumor + parsed.background):
        return ""
    if unit == "mm":
        return "every click lies outside the PET in mm but inside as a voxel index: leave out --points mm"
    return "every click lies outside the PET as a voxel index but inside in mm: --points mm reads them so"


def _floats(points: tuple[Index, ...]) -> tuple[Triple, ...]:
    return tuple((float(x), float(y), float(z)) for x, y, z in points)


def _points(count: int) -> str:
    return "1 point" if count == 1 else f"{count} points"


def _shown(value: object) -> str:
    """A value in few printable ASCII characters, whatever it holds."""
    text = ascii(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
