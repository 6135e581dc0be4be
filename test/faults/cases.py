# SPDX-License-Identifier: Apache-2.0
"""Voxels, clicks and listings: what a sound file may hold all the same."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np

from test.faults.images import FINE, ct, pet
from test.faults.place import CLICKS, POINT, Fault, ct_array, mha, pet_array

if TYPE_CHECKING:
    from collections.abc import Callable

    from test.faults.place import Place

PET, CT = pet_array(), ct_array()
NO_CLICKS = r"lesion-clicks\.json: .*going on without clicks"
STRICT = ("--strict",)


def with_voxel(array: np.ndarray, value: float) -> bytes:
    array = array.copy()
    array[2, 3, 4] = value
    return mha(array)


VOXELS = [
    Fault("one voxel of the PET is no number", pet(with_voxel(PET, np.nan)), 0, r"1 voxel of the PET NaN or infinite"),
    Fault("one voxel of the CT is infinite", ct(with_voxel(CT, np.inf)), 0, r"1 voxel of the CT .* replaced by -1024"),
    Fault("a PET of nothing but NaN", pet(mha(PET * np.nan)), 0, r"1680 voxels of the PET NaN"),
    Fault("a CT of nothing but NaN", ct(mha(CT * np.nan)), 0, r"1680 voxels of the CT NaN"),
    Fault("a PET beyond float32", pet(mha(PET.astype("f8") * 1e300)), 0, r"voxels of the PET NaN or infinite"),
    Fault("a PET of zeros", pet(mha(PET * 0)), 0, r"every voxel of the PET is 0"),
    Fault("a PET of one value", pet(mha(PET * 0 + 3)), 0, r"every voxel of the PET is 3"),
    Fault("a CT of one value", ct(mha(CT * 0 - 1000)), 0, FINE),
    Fault("a CT with an offset of 1024", ct(mha(CT + 1024)), 0, r"stored with an offset"),
    Fault("a PET in Bq/ml", pet(mha(PET * 5000)), 3, r"must be in SUV .*--assume-suv"),
    Fault("a PET in Bq/ml, insisted on", pet(mha(PET * 5000)), 0, FINE, ("--assume-suv",)),
    Fault("a negative PET", pet(mha(-PET * 50)), 3, r"must be in SUV .*below -10"),
    Fault("a PET a little below zero", pet(mha(PET - 0.5)), 0, FINE),
    Fault("one voxel of SUV 30000", pet(with_voxel(PET, 3e4)), 0, FINE),
    Fault("a CT at the ends of int16", ct(mha(np.where(CT < 0, -32768, 32767).astype("i2"))), 0, FINE),
    Fault("a PET at the ends of int16", pet(mha(np.where(PET > 5, 32767, 0).astype("i2"))), 3, r"must be in SUV"),
    Fault("a PET of denormals", pet(mha(PET * np.float32(1e-42))), 0, FINE),
]


def clicks(content: str | bytes) -> Callable[[Place], object]:
    data = content if isinstance(content, bytes) else content.encode()
    return lambda place: place.clicks.write_bytes(data)


def points(*entries: object) -> Callable[[Place], object]:
    return clicks(CLICKS % ", ".join(json.dumps(entry) for entry in entries))


def tumor(*position: object) -> dict[str, object]:
    return {"point": list(position), "name": "tumor"}


def folder_of_clicks(place: Place) -> None:
    place.clicks.unlink()
    place.clicks.mkdir()


BROKEN_CLICKS: list[tuple[str, str | bytes]] = [
    ("nothing", b""),
    ("a bracket", "{"),
    ("a list", "[]"),
    ("null", "null"),
    ("a number", "17"),
    ("a text", '"tumor"'),
    ("UTF-16", (CLICKS % POINT).encode("utf-16")),
    ("bytes that are no UTF-8", b'{"points": [{"point": [1, 2, 3], "name": "\xff"}]}'),
    ("deep nesting", b'{"points": ' + b"[" * 100_000),
    ("deep nesting that ends", b'{"points": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
    ("a trailing comma", '{"points": [],}'),
    ("Python's quotes", "{'points': []}"),
    ("two documents", '{"points": []} {"points": []}'),
    ("nulls", bytes(100)),
    ("points that are an object", '{"points": {"a": 1}}'),
    ("points that are a text", '{"points": "none"}'),
    ("points that are a number", '{"points": 3}'),
    ("points of numbers", '{"points": [1, 2, 3]}'),
    ("a point without a position", '{"points": [{"name": "tumor"}]}'),
    ("a position of two numbers", '{"points": [{"point": [1, 2], "name": "tumor"}]}'),
    ("a position of four numbers", '{"points": [{"point": [1, 2, 3, 4], "name": "tumor"}]}'),
    ("a position of texts", '{"points": [{"point": ["1", "2", "3"], "name": "tumor"}]}'),
    ("a position of truths", '{"points": [{"point": [true, false, true], "name": "tumor"}]}'),
    ("a position of nulls", '{"points": [{"point": [null, 1, 2], "name": "tumor"}]}'),
    ("a position that is an object", '{"points": [{"point": {"x": 1}, "name": "tumor"}]}'),
    ("a position of lists", '{"points": [{"point": [[1], [2], [3]], "name": "tumor"}]}'),
    ("the other form with numbers", '{"tumor": [1, 2, 3], "background": []}'),
    ("the other form with a text", '{"tumor": "none"}'),
    ("eleven million bytes", b'{"points": []' + b" " * 11_000_000 + b"}"),
]

ODD_CLICKS = [
    Fault("no clicks", lambda p: p.clicks.unlink(), 0, FINE),
    Fault("an empty list of clicks", clicks(CLICKS % ""), 0, FINE),
    Fault("an empty object of clicks", clicks("{}"), 0, FINE),
    Fault("points of null", clicks('{"points": null}'), 0, FINE),
    Fault("the other published form", clicks('{"tumor": [[7, 6, 5]], "background": [[1, 1, 1]]}'), 0, r"2 clicks"),
    Fault("both forms in one", clicks(f'{{"points": [{POINT}], "background": [[1, 1, 1]]}}'), 0, r"2 clicks"),
    Fault("a byte order mark", clicks(b"\xef\xbb\xbf" + (CLICKS % POINT).encode()), 0, r"1 clicks"),
    Fault("fractions", points(tumor(7.4, 6.0, 5.6)), 0, r"1 point of the clicks not in the middle"),
    Fault("duplicates", points(tumor(7, 6, 5), tumor(7, 6, 5)), 0, r"1 point of the clicks given more than once"),
    Fault("a point outside", points(tumor(7, 6, 500)), 0, r"1 point of the clicks outside the PET .*: dropped"),
    Fault("a negative point", points(tumor(-1, 6, 5)), 0, r"outside the PET"),
    Fault("huge numbers", clicks(CLICKS % '{"point": [1e308, -1e308, 1e99], "name": "tumor"}'), 0, r"outside the PET"),
    Fault("numbers of 400 digits", clicks(CLICKS % POINT.replace("7", "7" * 400)), 0, r"dropped|without clicks"),
    Fault("numbers of 5000 digits", clicks(CLICKS % POINT.replace("7", "7" * 5000)), 0, r"going on without clicks"),
    Fault("NaN", clicks(CLICKS % POINT.replace("7", "NaN")), 0, r"not finite: dropped|without clicks"),
    Fault("infinity", clicks(CLICKS % POINT.replace("7", "-Infinity")), 0, r"not finite: dropped|without clicks"),
    Fault("minus zero", points(tumor(-0.0, -0.0, -0.0)), 0, r"1 clicks"),
    Fault("an unknown name", points({"point": [1, 2, 3], "name": "tumour"}), 0, r"named 'tumour', neither"),
    Fault("a name of line breaks", points({"point": [1, 2, 3], "name": "a\nb\x1b[31m"}), 0, r"neither .*: dropped"),
    Fault("a name that is a list", points({"point": [1, 2, 3], "name": ["tumor"]}), 0, r"neither .*: dropped"),
    Fault("no name", points({"point": [1, 2, 3]}), 0, r"named None, neither"),
    Fault("version 2", clicks(f'{{"version": {{"major": 2, "minor": 0}}, "points": [{POINT}]}}'), 0, r"version is .*2"),
    Fault("another type", clicks(f'{{"type": "Line", "points": [{POINT}]}}'), 0, r"type is 'Line'"),
    Fault("keys twice", clicks(f'{{"points": [], "points": [{POINT}]}}'), 0, r"1 clicks|without clicks"),
    Fault(
        "a hundred thousand points", points(*[tumor(i % 14, i % 12, i % 10) for i in range(100_000)]), 0, r"given more"
    ),
    Fault(
        "a scribble of 504 points",
        points(*[tumor(x, y, z) for x in range(14) for y in range(12) for z in (3, 5, 7)]),
        0,
        r"504 clicks",
    ),
    Fault("points in millimetres", points(tumor(14, 16, 154)), 0, r"inside in mm: --points mm reads them so"),
    Fault("points in millimetres, said so", points(tumor(6, 8, 145)), 0, r"1 clicks", ("--points", "mm")),
    Fault("voxels, said to be millimetres", points(tumor(1, 2, 3)), 0, r"leave out --points mm", ("--points", "mm")),
    Fault("clicks that are a folder", folder_of_clicks, 0, r"Is a directory; going on without clicks"),
    Fault("clicks that lead nowhere", lambda p: (p.clicks.unlink(), p.clicks.symlink_to("none")), 0, NO_CLICKS),
    Fault(
        "clicks that lead nowhere, strictly",
        lambda p: (p.clicks.unlink(), p.clicks.symlink_to("none")),
        3,
        r"--strict",
        STRICT,
    ),
]
ODD_CLICKS += [Fault(f"clicks of {name}", clicks(content), 0, NO_CLICKS) for name, content in BROKEN_CLICKS]
ODD_CLICKS += [
    Fault(f"clicks of {name}, strictly", clicks(content), 3, r"lesion-clicks\.json: .*leave out --strict", STRICT)
    for name, content in BROKEN_CLICKS[:4]
]


def listed(*places: tuple[str, str], key: str = "interface") -> Callable[[Place], object]:
    entries = [{key: {"slug": slug, "relative_path": path, "kind": "Image"}} for slug, path in places]
    return lambda place: place.listing.write_text(json.dumps(entries))


def moved(place: Place) -> None:
    """Everything where only the listing says."""
    (place.input / "images/pet").rename(place.input / "images/pet-image")
    (place.input / "images/ct").rename(place.input / "elsewhere")
    places = [("ct", "elsewhere"), ("pet", "images/pet-image"), ("lesion-clicks", "lesion-clicks.json")]
    listed(*places, key="socket")(place)


PLACES = (("ct", "images/ct"), ("pet", "images/pet"))
RULE = r"inputs\.json must list the sockets .*inputs\.json "
BROKEN_LISTINGS: list[tuple[str, bytes]] = [
    ("nothing", b""),
    ("a bracket", b"["),
    ("an object", b'{"ct": "images/ct"}'),
    ("null", b"null"),
    ("numbers", b"[1, 2]"),
    ("nulls", b"[null]"),
    ("nothing listed", b"[]"),
    ("UTF-16", '[{"interface": {}}]'.encode("utf-16")),
    ("bytes that are no UTF-8", b'["\xff"]'),
    ("deep nesting", b"[" * 100_000),
    ("an entry without a socket", b'[{"file": null}]'),
    ("a socket of null", b'[{"interface": null}]'),
    ("a socket that is a text", b'[{"socket": "ct"}]'),
    ("a socket without a path", b'[{"socket": {"slug": "ct"}}]'),
    ("a socket with a number for a path", b'[{"socket": {"slug": "ct", "relative_path": 1}}]'),
    ("a socket with a list for a slug", b'[{"socket": {"slug": [], "relative_path": "images/ct"}}]'),
]

LISTINGS = [
    Fault("a listing of the fixed places", listed(*PLACES), 0, r"1 clicks"),
    Fault("a listing of other places", moved, 0, r"1 clicks"),
    Fault("a listing with paths that end in slashes", listed(("ct", "images/ct/"), ("pet", "images/pet//")), 0, FINE),
    Fault("a listing with further sockets", listed(*PLACES, ("age", "age.json")), 0, FINE),
    Fault("a listing that names a socket twice", listed(*PLACES, *PLACES), 0, FINE),
    Fault(
        "a listing with a byte order mark",
        lambda p: (listed(*PLACES)(p), p.listing.write_bytes(b"\xef\xbb\xbf" + p.listing.read_bytes())),
        0,
        FINE,
    ),
    Fault("a listing without the PET", listed(PLACES[0]), 3, RULE + "lists no socket of the PET; it has 'ct'"),
    Fault(
        "a listing of wrong slugs", listed(("mri", "images/mri"), ("us", "images/us")), 3, r"lists no socket of the CT"
    ),
    Fault("a listing of two CTs", listed(*PLACES, ("ct-image", "images/other")), 3, r"several sockets of the CT"),
    Fault("a listing that climbs out", listed(("ct", "../ct"), PLACES[1]), 3, r"places the CT outside its folder"),
    Fault("a listing that climbs out later", listed(("ct", "images/../../ct"), PLACES[1]), 3, r"outside its folder"),
    Fault("a listing of absolute paths", listed(PLACES[0], ("pet", "/etc")), 3, r"places the PET outside its folder"),
    Fault("a listing with a null in a path", listed(("ct", "images/\0ct"), PLACES[1]), 3, r"places the CT outside"),
    Fault("a listing of an empty path", listed(("ct", ""), PLACES[1]), 3, r"the CT lies alone in its folder"),
    Fault(
        "a listing of a folder that is not there", listed(("ct", "images/none"), PLACES[1]), 3, r"images/none cannot be"
    ),
    Fault(
        "a listing of a file for a folder", listed(("ct", "lesion-clicks.json"), PLACES[1]), 3, r"lesion-clicks\.json"
    ),
    Fault("a listing of a path of 5000 letters", listed(("ct", "a" * 5000), PLACES[1]), 3, r"File name too long"),
    Fault("a listing of clicks elsewhere", listed(*PLACES, ("lesion-clicks", "c.json")), 0, r"0 clicks"),
    Fault(
        "a listing of clicks that climb out", listed(*PLACES, ("lesion-clicks", "../c.json")), 3, r"the clicks outside"
    ),
    Fault(
        "a listing that is a folder",
        lambda p: p.listing.mkdir(),
        3,
        r"inputs\.json cannot be read: .*[Ii]s a directory",
    ),
    Fault("a listing that leads nowhere", lambda p: p.listing.symlink_to("none"), 3, r"inputs\.json cannot be read"),
]
LISTINGS += [
    Fault(f"a listing of {name}", lambda p, data=data: p.listing.write_bytes(data), 3, RULE)
    for name, data in BROKEN_LISTINGS
]
LISTINGS += [
    Fault(
        "a listing that is gone with its case",
        lambda p: (moved(p), shutil.rmtree(p.input / "elsewhere")),
        3,
        r"elsewhere cannot be",
    )
]

FAULTS = VOXELS + ODD_CLICKS + LISTINGS
