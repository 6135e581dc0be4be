# SPDX-License-Identifier: Apache-2.0
"""Images that are missing, damaged, odd or of another geometry."""

from __future__ import annotations

import gzip
import os
import shutil
import zlib
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from test.faults.place import NAME, Fault, ct_array, mha, packed, pet_array

if TYPE_CHECKING:
    from collections.abc import Callable

    from test.faults.place import Place

PET, CT = pet_array(), ct_array()
FINE = r"lesions?, .* ml in all"
DAMAGED = r"the PET must be .*77aa-pet\.mha is damaged or cut short"
NO_IMAGE = r"77aa-pet\.mha is damaged, cut short, or no image"


def pet(content: bytes) -> Callable[[Place], object]:
    return lambda place: place.pet.write_bytes(content)


def pet_with(**fields: str | None) -> Callable[[Place], object]:
    """The PET with another header."""
    return pet(mha(PET, **fields))


def both_with(**fields: str | None) -> Callable[[Place], object]:
    """CT and PET with another header."""

    def spoil(place: Place) -> None:
        place.pet.write_bytes(mha(PET, **fields))
        place.ct.write_bytes(mha(CT, **fields))

    return spoil


def ct(content: bytes) -> Callable[[Place], object]:
    return lambda place: place.ct.write_bytes(content)


def cut(keep: float) -> Callable[[Place], object]:
    """The PET's file, cut short: a part of it, or so many bytes off its end."""

    def spoil(place: Place) -> None:
        content = place.pet.read_bytes()
        place.pet.write_bytes(content[: int(keep * len(content))] if 0 < keep < 1 else content[: int(keep)])

    return spoil


def written(image: Callable[[], sitk.Image], name: str = "77aa-pet.mha") -> Callable[[Place], object]:
    """What SimpleITK writes in the PET's place."""

    def spoil(place: Place) -> None:
        place.pet.unlink()
        sitk.WriteImage(image(), str(place.pet.with_name(name)), name.endswith(".gz"))

    return spoil


def placed(array: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((8, 8, 9))
    image.SetOrigin((-50, -40, 100))
    return image


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]


def renamed(name: str) -> Callable[[Place], object]:
    return lambda place: place.ct.rename(place.ct.with_name(name))


def linked(place: Place) -> None:
    """Both sockets are links to folders elsewhere, and the image is a link, too."""
    elsewhere = place.root / "elsewhere"
    (place.input / "images").rename(elsewhere)
    (place.input / "images").symlink_to(elsewhere, target_is_directory=True)
    place.pet.rename(elsewhere / "real.bin")
    place.pet.symlink_to(elsewhere / "real.bin")


def looped(place: Place) -> None:
    place.pet.unlink()
    place.pet.symlink_to(place.pet)


def pipe(place: Place) -> None:
    place.pet.unlink()
    os.mkfifo(place.pet)


def folder(place: Place) -> None:
    place.pet.unlink()
    place.pet.mkdir()


def huge(place: Place) -> None:
    """A header that claims 1.4 milliards of voxels, without one byte of them."""
    place.pet.write_bytes(mha(PET, data=b"", DimSize="1100 1100 1100"))


MISSING = [
    Fault("no PET", lambda p: p.pet.unlink(), 3, r"the PET lies alone .*images/pet holds no images: nothing"),
    Fault("no CT", lambda p: p.ct.unlink(), 3, r"the CT lies alone .*images/ct holds no images: nothing"),
    Fault("no folder of the PET", lambda p: shutil.rmtree(p.pet.parent), 3, r"images/pet cannot be read: No such"),
    Fault("no input", lambda p: shutil.rmtree(p.input), 3, r"images/ct cannot be read: No such file"),
    Fault("an input that is a file", lambda p: (shutil.rmtree(p.input), p.input.touch()), 3, r"Not a directory"),
    Fault("a socket that is a file", lambda p: (shutil.rmtree(p.pet.parent), p.pet.parent.touch()), 3, r"images/pet"),
    Fault("two PETs", lambda p: shutil.copy(p.pet, p.pet.with_name("b.mha")), 3, r"holds 2 images: 77aa-pet.mha, b"),
    Fault("two formats", lambda p: p.pet.with_name("b.nii.gz").touch(), 3, r"holds 2 images"),
    Fault("eleven CTs", lambda p: [p.ct.with_name(f"{i}.mha").touch() for i in range(10)], 3, r"and 6 more"),
    Fault("only other kinds of files", lambda p: p.pet.rename(p.pet.with_suffix(".dcm")), 3, r"holds no images: 77aa"),
    Fault("other files beside", lambda p: p.pet.with_name("note.txt").touch(), 0, FINE),
    Fault("a hidden copy beside", lambda p: p.pet.with_name("._77aa.mha").touch(), 0, FINE),
    Fault("an empty PET", pet(b""), 3, r"77aa-pet\.mha is empty \(0 bytes\)"),
    Fault("an empty CT", ct(b""), 3, rf"the CT must be .*{NAME}\.mha is empty"),
    Fault("a PET that is a folder", folder, 3, r"77aa-pet\.mha is not a file"),
    Fault("a PET that is a pipe", pipe, 3, r"77aa-pet\.mha is not a file"),
    Fault("a link to itself", looped, 3, r"77aa-pet\.mha (does not exist|cannot be read)"),
    Fault("a dangling link", lambda p: (p.pet.unlink(), p.pet.symlink_to("none")), 3, r"77aa-pet\.mha does not exist"),
    Fault("links that lead somewhere", linked, 0, FINE),
    Fault("CT and PET exchanged", lambda p: (p.ct.write_bytes(mha(PET)), p.pet.write_bytes(mha(CT))), 3, r"exchanged"),
]

CUT = [
    Fault("a PET of one byte", cut(1), 3, NO_IMAGE),
    Fault("a PET cut in its header", cut(60), 3, NO_IMAGE),
    Fault("a PET cut at its header's end", pet(mha(PET, data=b"")), 3, DAMAGED),
    Fault("a PET of half of its voxels", cut(0.5), 3, DAMAGED),
    Fault("a PET without its last byte", cut(-1), 3, DAMAGED),
    Fault(
        "a PET with more bytes than voxels",
        pet(mha(PET) + b"more"),
        3,
        r"has 6724 bytes of voxels, its header says 6720",
    ),
    Fault("a compressed PET cut in the middle", pet(packed(PET)[:-60]), 3, DAMAGED),
    Fault("a compressed PET without its last byte", pet(packed(PET)[:-1]), 3, DAMAGED),
    Fault("a compressed PET with a flipped bit", pet(flipped(packed(PET), -40)), 3, DAMAGED),
    Fault("a compressed PET of another checksum", pet(flipped(packed(PET), -2)), 3, DAMAGED),
    Fault("compressed, but not said so", pet(mha(PET, data=zlib.compress(PET.tobytes()))), 3, DAMAGED),
    Fault("said to be compressed", pet(packed(PET, data=PET.tobytes())), 3, DAMAGED),
    Fault("compressed to a wrong size", pet(packed(PET, CompressedDataSize="17")), 3, DAMAGED),
    Fault("compressed to an absurd size", pet(packed(PET, CompressedDataSize="9" * 30)), 3, DAMAGED),
    Fault("compressed to a negative size", pet(packed(PET, CompressedDataSize="-5")), 3, DAMAGED),
    Fault("compressed without its size", pet(packed(PET, CompressedDataSize=None)), 3, DAMAGED),
    Fault("compressed voxels of fewer", pet(packed(PET, data=zlib.compress(PET.tobytes()[:99]))), 3, DAMAGED),
    Fault("gzip for zlib", pet(packed(PET, data=gzip.compress(PET.tobytes()))), 0, FINE),
    Fault("a text", pet(b"hello, world\n" * 99), 3, NO_IMAGE),
    Fault("noise", pet(np.random.default_rng(1).bytes(4000)), 3, NO_IMAGE),
    Fault("nulls", pet(bytes(4000)), 3, NO_IMAGE),
    Fault("a NIfTI called .mha", written(lambda: placed(PET), "a.nii"), 0, FINE),
    Fault("an .mha called .nii.gz", lambda p: p.pet.rename(p.pet.with_name("a.nii.gz")), 3, r"a\.nii\.gz is damaged"),
    Fault(
        "a NIfTI cut short", lambda p: (written(lambda: placed(PET), "a.nii")(p), cut_file(p, "a.nii")), 3, r"a\.nii"
    ),
    Fault(
        "a zipped NIfTI cut short",
        lambda p: (written(lambda: placed(PET), "a.nii.gz")(p), cut_file(p, "a.nii.gz")),
        3,
        r"a\.nii\.gz is damaged",
    ),
    Fault("a NRRD", written(lambda: placed(PET), "a.nrrd"), 0, FINE),
]


def cut_file(place: Place, name: str) -> None:
    file = place.pet.with_name(name)
    file.write_bytes(file.read_bytes()[:-99])


HEADERS = [
    Fault("no dimensions", pet_with(NDims="0"), 3, r"has 0 dimensions|no image"),
    Fault("dimensions that are a word", pet_with(NDims="three"), 3, NO_IMAGE),
    Fault("two dimensions", written(lambda: placed(PET)[:, :, 4]), 3, r"has 2 dimensions"),
    Fault(
        "four dimensions", written(lambda: sitk.JoinSeries([placed(PET)] * 2)), 3, r"has 4 dimensions \(14 x 12 x 10"
    ),
    Fault("four dimensions of one volume", written(lambda: sitk.JoinSeries([placed(PET)])), 3, r"has 4 dimensions"),
    Fault("a vector of three", written(lambda: sitk.Compose([placed(PET)] * 3)), 3, r"holds 3 values a voxel"),
    Fault("colours", written(lambda: sitk.Compose([sitk.Cast(placed(PET), sitk.sitkUInt8)] * 4)), 3, r"holds 4 values"),
    Fault(
        "complex numbers",
        written(lambda: sitk.Cast(placed(PET), sitk.sitkComplexFloat32), "a.nrrd"),
        3,
        r"a\.nrrd holds 2 values a voxel",
    ),
    Fault("sizes of nothing", pet_with(DimSize="0 12 10"), 3, r"at least one voxel|damaged"),
    Fault("two sizes of three", pet_with(DimSize="14 12"), 3, r"77aa-pet\.mha"),
    Fault("a negative size", pet_with(DimSize="-14 12 10"), 3, r"more than 1,500,000,000"),
    Fault("sizes beyond all memory", pet_with(DimSize="70000 60000 50000"), 3, r"more than 1,500,000,000"),
    Fault("sizes whose product overflows", pet_with(DimSize="4294967296 4294967296 4"), 3, r"more than 1,500,|damaged"),
    Fault("sizes with no voxels behind them", huge, 3, DAMAGED),
    Fault("one slice more than there is", pet_with(DimSize="14 12 11"), 3, DAMAGED),
    Fault("no element type", pet_with(ElementType=None), 3, r"77aa-pet\.mha"),
    Fault("an unknown element type", pet_with(ElementType="MET_FROG"), 3, NO_IMAGE),
    Fault("a wider element type than the voxels", pet_with(ElementType="MET_DOUBLE"), 3, DAMAGED),
    Fault("voxels in another file", pet_with(ElementDataFile="voxels.raw"), 3, r"in another file|damaged"),
    Fault("voxels in a file of the system", pet_with(ElementDataFile="/etc/hostname"), 3, r"in another file|damaged"),
    Fault("voxels above the folder", pet_with(ElementDataFile="../ct/8e1c-case.mha"), 3, r"in another file|damaged"),
    Fault("voxels in a list of files", pet_with(ElementDataFile="LIST\n/etc/hostname"), 3, r"in another file|damaged"),
    Fault("voxels in a pattern of files", pet_with(ElementDataFile="a%d.raw 0 9 1"), 3, r"in another file|damaged"),
    Fault("no word on where the voxels are", pet_with(ElementDataFile=None), 3, r"77aa-pet\.mha"),
    Fault("voxels as text", pet_with(BinaryData="False"), 3, r"77aa-pet\.mha"),
    Fault("a header of a megabyte", pet_with(Comment="x" * 1_100_000), 3, r"77aa-pet\.mha"),
    Fault("a comment with umlauts", pet_with(Comment="für Frau Müller"), 0, FINE),
    Fault("an unknown field", pet_with(Laterality="left"), 0, FINE),
    Fault("windows' line ends", pet(mha(PET, data=b"").replace(b"\n", b"\r\n") + PET.tobytes()), 0, FINE),
]

GEOMETRY = [
    Fault("negative spacing", pet_with(ElementSpacing="-8 8 9"), 3, r"positive, finite spacings"),
    Fault("no spacing between slices", pet_with(ElementSpacing="8 8 0"), 3, r"positive, finite spacings"),
    Fault("spacing that is no number", pet_with(ElementSpacing="8 nan 9"), 3, r"77aa-pet\.mha"),
    Fault("infinite spacing", pet_with(ElementSpacing="8 8 inf"), 3, r"77aa-pet\.mha"),
    Fault("spacing that is a word", pet_with(ElementSpacing="8 8 thick"), 3, r"77aa-pet\.mha"),
    Fault("an origin that is no number", pet_with(Offset="nan 0 0"), 3, r"cover the same body|77aa-pet\.mha"),
    Fault("axes that are not perpendicular", pet_with(TransformMatrix="1 1 0 0 1 0 0 0 1"), 3, r"perpendicular"),
    Fault("axes of no length", pet_with(TransformMatrix="0 0 0 0 0 0 0 0 0"), 3, r"perpendicular|damaged"),
    Fault("axes of two units", pet_with(TransformMatrix="2 0 0 0 2 0 0 0 2"), 3, r"perpendicular"),
    Fault("axes that are no number", pet_with(TransformMatrix="nan 0 0 0 1 0 0 0 1"), 3, r"77aa-pet\.mha"),
    Fault("mirrored axes", both_with(TransformMatrix="1 0 0 0 -1 0 0 0 1"), 0, FINE),
    Fault("from head to foot", both_with(TransformMatrix="1 0 0 0 1 0 0 0 -1"), 0, FINE),
    Fault("sagittal slices", both_with(TransformMatrix="0 1 0 0 0 1 1 0 0"), 0, FINE),
    Fault("coronal slices", both_with(TransformMatrix="1 0 0 0 0 -1 0 1 0"), 0, FINE),
    Fault("oblique slices", both_with(TransformMatrix="0.8 0.6 0 -0.6 0.8 0 0 0 1"), 0, FINE),
    Fault(
        "a PET at an angle to its CT", pet_with(TransformMatrix="0.8 0.6 0 -0.6 0.8 0 0 0 1"), 0, r"has another grid"
    ),
    Fault("a PET with other axes than its CT", pet_with(TransformMatrix="1 0 0 0 -1 0 0 0 1"), 0, r"has another grid"),
    Fault("a far origin", both_with(Offset="1e5 -1e5 1e5"), 0, FINE),
    Fault("an origin beyond computing", both_with(Offset="1e300 0 0"), 3, r"from 1e\+300, 0, 0 mm on, as no scanner"),
    Fault("no origin and no axes", both_with(Offset=None, TransformMatrix=None), 0, FINE),
    Fault("tiny voxels", both_with(ElementSpacing="0.01 0.01 0.01"), 3, r"of 0.01 x 0.01 x 0.01 mm .* as no scanner"),
    Fault("voxels as large as rooms", both_with(ElementSpacing="3e3 8 9"), 3, r"as no scanner makes: mend its header"),
    Fault("small voxels", both_with(ElementSpacing="0.6 0.6 0.6"), 0, FINE),
    Fault("thick slices", both_with(ElementSpacing="8 8 90"), 0, FINE),
    Fault("a CT of other voxels", ct(mha(CT[:, :, ::2], ElementSpacing="16 8 9")), 0, r"has another grid"),
    Fault("a CT of one slice of the body", ct(mha(CT[4:5])), 0, r"of which it covers 10%"),
    Fault("a CT elsewhere", ct(mha(CT, Offset="-50 -40 900")), 3, r"PET and CT must cover the same body: PET spans z"),
    Fault("a CT that only touches", ct(mha(CT, Offset="-50 -40 190")), 3, r"PET and CT must cover the same body"),
    Fault("one voxel", lambda p: [f.write_bytes(mha(PET[:1, :1, :1])) for f in (p.ct, p.pet)], 0, FINE),
    Fault("one slice", lambda p: [f.write_bytes(mha(PET[4:5])) for f in (p.ct, p.pet)], 0, FINE),
    Fault("one column", lambda p: [f.write_bytes(mha(PET[:, 5:6, 7:8])) for f in (p.ct, p.pet)], 0, FINE),
]

TYPES = [
    Fault(f"voxels of type {kind.replace('>', 'big-endian ')}", pet(mha(PET.astype(kind))), 0, FINE)
    for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f8", ">i2", ">u4", ">f4", ">f8")
]
TYPES += [
    Fault(f"compressed voxels of type {kind.replace('>', 'big-endian ')}", pet(packed(PET.astype(kind))), 0, FINE)
    for kind in ("u1", ">i2", "f8")
]

NAMES = [
    Fault("a name with spaces", renamed("Frau M und  Herr N.mha"), 0, FINE),
    Fault("a name with umlauts", renamed("Müller-Lüdenscheidt ß.mha"), 0, FINE),
    Fault("a name of many scripts", renamed("患者 №1 😀.mha"), 0, FINE),
    Fault("a name with a line break", renamed("a\nb.mha"), 0, FINE),
    Fault(
        "a name that is no UTF-8", renamed(os.fsdecode(b"a\xff.mha")), 3, r"a.{0,8}ff\.mha has a name that is not UTF-8"
    ),
    Fault("a name with quotes and dollars", renamed("$(a) 'b' \"c\" `d`.mha"), 0, FINE),
    Fault("a name with many dots", renamed("1.2.840..10008.mha"), 0, FINE),
    Fault("a name as long as names can be", renamed("n" * 251 + ".mha"), 0, FINE),
    Fault("a name that looks like an option", renamed("--help.mha"), 0, FINE),
    Fault("a suffix in capitals", renamed("A.MHA"), 3, r"A\.MHA"),
]

FAULTS = MISSING + CUT + HEADERS + GEOMETRY + TYPES + NAMES
