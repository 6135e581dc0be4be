# SPDX-License-Identifier: Apache-2.0
"""A tiny case with its weights, and what may be wrong with a run of it."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHAPE = (10, 12, 14)  # (Z, Y, X)
SLUG = "tumor-lesion-segmentation"
NAME = "8e1c-case"
TYPES = {
    "i1": "MET_CHAR",
    "u1": "MET_UCHAR",
    "i2": "MET_SHORT",
    "u2": "MET_USHORT",
    "i4": "MET_INT",
    "u4": "MET_UINT",
    "i8": "MET_LONG_LONG",
    "u8": "MET_ULONG_LONG",
    "f4": "MET_FLOAT",
    "f8": "MET_DOUBLE",
}
CLICKS = '{"version": {"major": 1, "minor": 0}, "type": "Multiple points", "points": [%s]}'
POINT = '{"point": [7, 6, 5], "name": "tumor"}'


def pet_array() -> np.ndarray:
    """Soft tissue of SUV 1 in air, with a lesion of SUV 9."""
    array = np.zeros(SHAPE, np.float32)
    array[1:9, 2:10, 2:12] = 1.0
    array[4:7, 5:8, 6:9] = 9.0
    return array


def ct_array() -> np.ndarray:
    """The same body in HU."""
    array = np.full(SHAPE, -1000.0, np.float32)
    array[1:9, 2:10, 2:12] = 40.0
    return array


def mha(array: np.ndarray, *, data: bytes | None = None, **fields: str | None) -> bytes:
    """An .mha by hand: the array's bytes (or `data`) under a header of which any field may be changed or left out."""
    kind = array.dtype.str.lstrip("<>|=")
    head = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": str(array.dtype.byteorder == ">"),
        "CompressedData": "False",
        "TransformMatrix": "1 0 0 0 1 0 0 0 1",
        "Offset": "-50 -40 100",
        "ElementSpacing": "8 8 9",
        "DimSize": " ".join(map(str, array.shape[::-1])),
        "ElementType": TYPES[kind],
        "ElementDataFile": "LOCAL",
    } | fields
    head["ElementDataFile"] = head.pop("ElementDataFile")  # with which every header ends
    text = "".join(f"{key} = {value}\n" for key, value in head.items() if value is not None)
    return text.encode() + (array.tobytes() if data is None else data)


def packed(array: np.ndarray, *, data: bytes | None = None, **fields: str | None) -> bytes:
    """The same, compressed."""
    content = zlib.compress(array.tobytes()) if data is None else data
    size = {"CompressedData": "True", "CompressedDataSize": str(len(content))}
    return mha(array, data=content, **(size | fields))


@dataclass(frozen=True)
class Place:
    """The folders of one run."""

    root: Path
    weights: Path

    @property
    def input(self) -> Path:
        return self.root / "input"

    @property
    def output(self) -> Path:
        return self.root / "output"

    @property
    def ct(self) -> Path:
        return self.input / f"images/ct/{NAME}.mha"

    @property
    def pet(self) -> Path:
        return self.input / "images/pet/77aa-pet.mha"

    @property
    def clicks(self) -> Path:
        return self.input / "lesion-clicks.json"

    @property
    def listing(self) -> Path:
        return self.input / "inputs.json"

    @classmethod
    def make(cls, root: Path, weights: Path) -> Place:
        """A sound case in sockets, and an empty output folder."""
        place = cls(root, weights)
        for file, array in ((place.ct, ct_array()), (place.pet, pet_array())):
            file.parent.mkdir(parents=True)
            file.write_bytes(mha(array))
        place.clicks.write_text(CLICKS % POINT)
        place.output.mkdir()
        return place

    def arguments(self, fault: Fault) -> list[str]:
        """The command line of a run, without the program."""
        folders = ["--input", str(self.input), "--output", str(self.output), "--weights", str(self.weights)]
        usual = ["--depth", "1", "--device", "cpu", *([] if "--tracer" in fault.options else ["--tracer", "FDG"])]
        return [word for word in [*folders, *usual, *fault.options] if word]

    def files(self) -> dict[str, bytes]:
        """What lies in the output folder."""
        if not self.output.is_dir():
            return {}
        found = sorted(path for path in self.output.rglob("*") if path.is_file())
        return {path.relative_to(self.output).as_posix(): path.read_bytes() for path in found}


def sound(_: Place) -> None:
    """Nothing is wrong with the input."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong or odd, and the answer to it.

    Attributes:
        name: In words, unique.
        spoil: Makes it so.
        status: The exit status.
        says: Regular expression: in the last line on stderr, or of a run that succeeds in all of its lines.
        options: Further words of the command line.
        also: A further file that the output holds afterwards.
    """

    name: str
    spoil: Callable[[Place], object]
    status: int
    says: str
    options: tuple[str, ...] = ()
    also: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return re.sub(r"\W+", "-", self.name)
