# SPDX-License-Identifier: Apache-2.0
"""Images on disk: every number type reads alike, every damage is named, and a mask is written whole or not at all."""

import gzip
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from petlesion.case import CaseError
from petlesion.images import ImageError, OutputError, image_stem, printable, read_image, write_mask
from petlesion.itk import to_image
from petlesion.volume import Grid, Volume

GRID = Grid(
    (7, 6, 5), (1 / 3, 2.0364, 3.0), (-123.456789, 20.0, -1000.5), (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
)
NOISE = np.random.default_rng(3).integers(0, 100, (5, 6, 7))
FORMATS = ("a.mha", "a.nii", "a.nii.gz", "a.nrrd")


def write(path: Path, array: np.ndarray, *, compressed: bool = True, grid: Grid = GRID) -> Path:
    sitk.WriteImage(to_image(Volume(array, grid)), str(path), compressed)
    return path


def refusal(path: Path, what: str = "PET") -> str:
    with pytest.raises(ImageError) as caught:
        read_image(path, what)
    message = str(caught.value)
    assert message.startswith("the PET must be one intact 3-D image")
    assert str(path) in message
    assert message.isprintable()  # one line
    assert "itk" not in message.lower().replace(str(path), "")
    return message


# --- what can be read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_every_number_type_reads_as_float32(tmp_path, name, compressed, kind):
    volume = read_image(write(tmp_path / name, NOISE.astype(kind), compressed=compressed))
    assert volume.array_zyx.dtype == np.float32
    assert np.array_equal(volume.array_zyx, NOISE)
    assert volume.grid.same_as(GRID, 1e-3 if name.startswith("a.nii") else 1e-9)


def test_one_slice_and_one_voxel_are_images(tmp_path):
    for grid in (Grid((7, 6, 1), (2.0, 2.0, 3.0)), Grid((1, 1, 1), (2.0, 2.0, 3.0))):
        array = np.ones(grid.shape_zyx, np.float32)
        assert read_image(write(tmp_path / "a.mha", array, grid=grid)).grid == grid


def test_beyond_float32_is_infinite_and_left_to_admission(tmp_path):
    array = np.zeros((5, 6, 7))
    array[0, 0, 0] = 1e300
    assert np.isposinf(read_image(write(tmp_path / "a.mha", array)).array_zyx[0, 0, 0])


def crafted(folder: Path, kind: str, pack, *, sized: bool = True) -> tuple[Path, bytes, bytes]:
    """A compressed .mha by hand: its path, header and packed pixels of number type `kind`."""
    raw = write(folder / "raw.mha", NOISE.astype("i2"), compressed=False).read_bytes()
    packed = pack(NOISE.astype(kind).tobytes())
    size = b"CompressedDataSize = %d\n" % len(packed) if sized else b""
    head = raw[: raw.index(b"LOCAL\n") + 6].replace(b"CompressedData = False\n", b"CompressedData = True\n" + size)
    head = head.replace(b"MSB = False", b"MSB = True") if kind.startswith(">") else head
    path = folder / "crafted.mha"
    path.write_bytes(head + packed)
    return path, head, packed


@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress])
@pytest.mark.parametrize("kind", ["<i2", ">i2"])
def test_compressed_mha_of_other_writers(tmp_path, pack, kind):
    """MetaImage takes gzip for zlib and either byte order; the checksum must follow."""
    path, head, packed = crafted(tmp_path, kind, pack)
    assert np.array_equal(read_image(path).array_zyx, NOISE)
    path.write_bytes(head + damaged(packed, len(packed) // 2))
    refusal(path)


def test_a_compressed_mha_that_does_not_say_how_long_it_is(tmp_path):
    """ITK reads garbage from it."""
    refusal(crafted(tmp_path, "<i2", zlib.compress, sized=False)[0])


def damaged(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :]


def test_an_upper_case_suffix(tmp_path):
    path = write(tmp_path / "a.mha", NOISE.astype("i2")).rename(tmp_path / "A.MHA")
    try:
        assert np.array_equal(read_image(path, "PET").array_zyx, NOISE)
    except ImageError:
        refusal(path)


# --- what cannot ------------------------------------------------------------------------------------------------------


def test_a_refused_image_is_a_refused_case():
    assert issubclass(ImageError, CaseError)


def test_missing_folder_empty_and_foreign_files(tmp_path):
    assert "does not exist" in refusal(tmp_path / "none.mha")
    assert "does not exist" in refusal(tmp_path / "no" / "such" / "folder.mha")
    (tmp_path / "dir.mha").mkdir()
    assert "is not a file" in refusal(tmp_path / "dir.mha")
    for name in FORMATS:
        (tmp_path / name).write_bytes(b"")
        assert "is empty (0 bytes)" in refusal(tmp_path / name)
        (tmp_path / name).write_bytes(b"hello, world\n" * 100)
        assert "copy or export it again" in refusal(tmp_path / name)
    (tmp_path / "a.png").write_bytes(b"x")
    assert "suffixes .mha" in refusal(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.mha", "a.nii.gz"])
def test_four_dimensions(tmp_path, name):
    image = sitk.GetImageFromArray(np.zeros((2, 3, 4, 5)), isVector=False)
    sitk.WriteImage(image, str(tmp_path / name))
    assert "has 4 dimensions (5 x 4 x 3 x 2)" in refusal(tmp_path / name)


def test_two_dimensions(tmp_path):
    sitk.WriteImage(sitk.Image(4, 3, sitk.sitkFloat32), str(tmp_path / "a.mha"))
    assert "has 2 dimensions (4 x 3)" in refusal(tmp_path / "a.mha")


def test_vectors_and_complex_numbers(tmp_path):
    sitk.WriteImage(sitk.Image([4, 3, 2], sitk.sitkVectorUInt8, 3), str(tmp_path / "a.mha"))
    assert "holds 3 values a voxel" in refusal(tmp_path / "a.mha")
    sitk.WriteImage(sitk.Image([4, 3, 2], sitk.sitkComplexFloat32), str(tmp_path / "a.nrrd"))
    assert "holds 2 values a voxel" in refusal(tmp_path / "a.nrrd")


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        (b"DimSize = 7 6 5", b"DimSize = 0 6 5", "at least one voxel"),
        (b"DimSize = 7 6 5", b"DimSize = 70000 60000 50000", "more than 1,500,000,000"),
        (b"DimSize = 7 6 5", b"DimSize = -7 6 5", "more than 1,500,000,000"),
        (b"DimSize = 7 6 5", b"DimSize = 7 6 6", "damaged or cut short"),
        (b"ElementSpacing = 0", b"ElementSpacing = -0", "positive, finite spacings"),
        (b"ElementSpacing = 0.3", b"ElementSpacing = 0.0 ", "positive, finite spacings"),
        (b"TransformMatrix = 0 ", b"TransformMatrix = 1 ", "perpendicular unit vectors"),
        (b"MET_SHORT", b"MET_FROG", "no image of its suffix's kind"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile = /etc/hostname", "in another file"),
    ],
)
def test_headers_that_cannot_be(tmp_path, old, new, word):
    path = write(tmp_path / "a.mha", NOISE.astype("i2"), compressed=False)
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))
    assert word in refusal(path)


def test_a_sheared_nifti(tmp_path):
    """NIfTI can store axes that are not perpendicular: srow_x's second entry is at byte 284."""
    path = write(tmp_path / "a.nii", NOISE.astype("f4"), grid=Grid((7, 6, 5), (2.0, 2.0, 3.0)))
    data = bytearray(path.read_bytes())
    data[252:256] = b"\x00\x00\x01\x00"  # no quaternion, the matrix counts
    data[284:288] = np.float32(1.0).tobytes()
    path.write_bytes(data)
    assert "not perpendicular" in refusal(path)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("compressed", [True, False])
def test_every_file_cut_short_is_noticed(tmp_path, name, compressed):
    """Of a cut .nii ITK reads zeros, without a word."""
    path = write(tmp_path / name, NOISE.astype("f4"), compressed=compressed)
    data = path.read_bytes()
    for length in (len(data) - 1, len(data) - 40, len(data) // 2, 400, 100, 10):
        path.write_bytes(data[:length])
        refusal(path)


@pytest.mark.parametrize("name", ["a.mha", "a.nii.gz", "a.nrrd"])
def test_every_flipped_bit_of_compressed_pixels_is_noticed(tmp_path, name):
    """Of a damaged .mha ITK makes wrong pixels, without an error; its checksum knows."""
    rng = np.random.default_rng(5)
    grid = Grid((60, 50, 40), (2.0, 2.0, 3.0))
    path = write(tmp_path / name, rng.integers(0, 9, grid.shape_zyx).astype("f4"), grid=grid)
    data = path.read_bytes()
    for position in (len(data) // 3, len(data) // 2, len(data) - 2000):
        path.write_bytes(damaged(data, position))
        refusal(path)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_header_is_refused_or_read_never_worse(tmp_path, data):
    path = write(tmp_path / "a.mha", NOISE.astype("i2"))
    content = bytearray(path.read_bytes())
    head = content.index(b"LOCAL")
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, head))] = data.draw(st.integers(0, 127))
    path.write_bytes(content)
    try:
        read_image(path, "PET")
    except ImageError as error:
        said = str(error)
    else:
        said = ""
    assert said.isprintable()


def test_a_name_that_is_not_utf8(tmp_path):
    """SimpleITK ends the process on such a name, so it must not get it."""
    path = tmp_path / os.fsdecode(b"a\xff.mha")
    path.write_bytes(write(tmp_path / "a.mha", NOISE.astype("i2")).read_bytes())
    with pytest.raises(ImageError, match="not UTF-8: rename it") as caught:
        read_image(path, "CT")
    str(caught.value).encode("utf-8")
    with pytest.raises(OutputError, match="UTF-8"):
        write_mask(Volume(NOISE > 50, GRID), path)


def test_memory_that_ends_is_a_memory_error(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mha", NOISE.astype("i2"))

    def fail(_):
        raise RuntimeError("Exception thrown in X:\nFailed to allocate memory for image.")

    monkeypatch.setattr(sitk.ImageFileReader, "Execute", fail)
    with pytest.raises(MemoryError):
        read_image(path)


# --- masks ------------------------------------------------------------------------------------------------------------

MASK = Volume(NOISE > 50, GRID)


def test_an_empty_mask_is_written_too(tmp_path):
    write_mask(Volume(np.zeros((5, 6, 7), bool), GRID), tmp_path / "m.mha")
    assert not read_image(tmp_path / "m.mha").array_zyx.any()


@pytest.mark.parametrize("kind", [bool, np.uint8])
def test_a_mask_is_uint8_compressed_and_on_its_grid(tmp_path, kind):
    path = tmp_path / "out" / "images" / "slug" / "m.mha"
    write_mask(Volume(MASK.array_zyx.astype(kind), GRID), path, tmp_path / "out")
    image = sitk.ReadImage(str(path))
    assert image.GetPixelID() == sitk.sitkUInt8
    assert np.array_equal(sitk.GetArrayFromImage(image), NOISE > 50)
    assert read_image(path).grid == GRID
    assert b"CompressedData = True" in path.read_bytes()
    assert sorted(p.name for p in (tmp_path / "out").rglob("*")) == ["images", "m.mha", "slug"]


def test_a_former_mask_is_replaced(tmp_path):
    (tmp_path / "m.mha").write_bytes(b"old")
    write_mask(MASK, tmp_path / "m.mha")
    assert np.array_equal(read_image(tmp_path / "m.mha").array_zyx, MASK.array_zyx)


@pytest.mark.parametrize("array", [NOISE, (NOISE > 50).astype(np.float32), np.full((5, 6, 7), 2, np.uint8)])
def test_only_masks_are_written(tmp_path, array):
    with pytest.raises(ValueError, match="a mask holds"):
        write_mask(Volume(array, GRID), tmp_path / "m.mha")


def test_only_images_are_written(tmp_path):
    with pytest.raises(OutputError, match=r"\.mha"):
        write_mask(MASK, tmp_path / "mask.png")


def test_the_draft_never_lies_in_the_masks_folder(tmp_path, monkeypatch):
    place = tmp_path / "images" / "slug" / "m.mha"
    place.parent.mkdir(parents=True)
    seen = []

    def spy(image, name, compressed):
        seen.extend([Path(name), list(place.parent.iterdir())])
        original(image, name, compressed)

    original = sitk.WriteImage
    monkeypatch.setattr(sitk, "WriteImage", spy)
    write_mask(MASK, place, tmp_path)
    assert seen[0].parent.parent == tmp_path
    assert seen[1] == []


def failing(*_):
    raise RuntimeError("Exception thrown in WriteImage:\nno space")


def test_a_failed_writing_leaves_the_former_mask_and_nothing_else(tmp_path, monkeypatch):
    write_mask(MASK, tmp_path / "m.mha")
    monkeypatch.setattr(sitk, "WriteImage", failing)
    with pytest.raises(OutputError, match="no space"):
        write_mask(Volume(NOISE > 10, GRID), tmp_path / "m.mha")
    assert [p.name for p in tmp_path.iterdir()] == ["m.mha"]
    assert np.array_equal(read_image(tmp_path / "m.mha").array_zyx, MASK.array_zyx)


@pytest.mark.parametrize("fault", ["voxel", "place", "cut", "type"])
def test_what_reads_back_otherwise_is_removed(tmp_path, monkeypatch, fault):
    def spoil(image, name, compressed):
        if fault == "voxel":
            image[1, 1, 1] = 1 - image[1, 1, 1]
        if fault == "place":
            image.SetOrigin((0.0, 0.0, 0.01))
        if fault == "type":
            image = sitk.Cast(image, sitk.sitkInt16)
        original(image, name, compressed)
        if fault == "cut":
            Path(name).write_bytes(Path(name).read_bytes()[:-20])

    original = sitk.WriteImage
    monkeypatch.setattr(sitk, "WriteImage", spoil)
    with pytest.raises(OutputError, match=r"must be written whole|must read back"):
        write_mask(MASK, tmp_path / "m.mha")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"Not a directory|File exists"):
        write_mask(MASK, tmp_path / "file" / "m.mha")


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stem"), [("a.b.mha", "a.b"), ("case.nii.gz", "case"), ("C.NII.GZ", "C"), ("x.nii", "x"), (".mha", ".mha")]
)
def test_stems(name, stem):
    assert image_stem(Path("some.mha") / name) == stem


def test_printable_text_is_one_line_of_utf8():
    assert printable("Müller 1.mha") == "Müller 1.mha"
    assert printable("a\nb\x1b[1m\udcff") == "a\\nb\\x1b[1m\\udcff"
