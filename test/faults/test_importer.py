# SPDX-License-Identifier: Apache-2.0
"""The platform's own importer takes our masks, and sees in our inputs the geometry that we see."""

from __future__ import annotations

import numpy as np
import panimg
import pytest
import SimpleITK as sitk
from panimg_models import ColorSpace

from petlesion.challenge import write_result
from petlesion.images import read_image
from petlesion.itk import grid_of
from petlesion.volume import Volume
from test.faults.place import SLUG, mha, packed, pet_array

PET = pet_array()
VARIANTS = {
    "plain": mha(PET),
    "compressed": packed(PET),
    "big-endian": mha(PET.astype(">f4")),
    "int16": mha(PET.astype("i2")),
    "oblique": mha(PET, TransformMatrix="0.8 0.6 0 -0.6 0.8 0 0 0 1"),
    "mirrored": mha(PET, TransformMatrix="1 0 0 0 -1 0 0 0 1"),
    "sagittal": mha(PET, TransformMatrix="0 1 0 0 0 1 1 0 0"),
    "one slice": mha(PET[4:5]),
}


def imported(folder, work):
    """The importer's one image of a folder: what it says of it, and the image as it stores it."""
    result = panimg.convert(input_directory=folder, output_directory=work)
    assert result.file_errors == {}
    (image,), (file,) = result.new_images, result.new_image_files
    return image, sitk.ReadImage(str(file.file))


@pytest.mark.parametrize("content", VARIANTS.values(), ids=VARIANTS)
def test_it_reads_our_inputs_as_we_do_and_takes_the_mask_on_them(tmp_path, content):
    (tmp_path / "pet").mkdir()
    (tmp_path / "pet/a.mha").write_bytes(content)
    ours = read_image(tmp_path / "pet/a.mha")
    _, theirs = imported(tmp_path / "pet", tmp_path / "of the pet")
    assert grid_of(theirs).same_as(ours.grid, 1e-6)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(theirs), ours.array_zyx)

    mask = Volume(ours.array_zyx > 5, ours.grid)
    write_result(mask, "a", {}, tmp_path / "out")
    image, stored = imported(tmp_path / "out/images" / SLUG, tmp_path / "of the mask")
    assert image.segments == {0, 1}
    assert (image.color_space, image.timepoints) == (ColorSpace.GRAY, None)
    assert (image.width, image.height, image.depth) == ours.grid.size_xyz
    assert (image.voxel_width_mm, image.voxel_height_mm, image.voxel_depth_mm) == ours.grid.spacing_mm
    assert grid_of(stored).same_as(ours.grid, 1e-6)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(stored), mask.array_zyx)


def test_an_empty_mask_is_one_segment_of_background(tmp_path):
    (tmp_path / "a.mha").write_bytes(mha(PET))
    pet = read_image(tmp_path / "a.mha")
    write_result(pet.with_array(np.zeros(PET.shape, bool)), "a", {}, tmp_path / "out")
    assert imported(tmp_path / "out/images" / SLUG, tmp_path / "work")[0].segments == {0}
