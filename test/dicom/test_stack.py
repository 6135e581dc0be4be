# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from petlesion.dicom.faults import DicomError
from petlesion.dicom.pixels import rescaled
from petlesion.dicom.stack import grid_of_stack, ordered
from petlesion.dicom.study import find_study
from petlesion.itk import to_volume
from petlesion.volume import Volume
from test.dicom.objects import ct_header, ct_series, place, save


def ct_of(folder):
    [series] = find_study(folder).series
    return series


def stacked(folder) -> Volume:
    series = ct_of(folder)
    stack = ordered(series)
    return rescaled(series, stack, grid_of_stack(series, stack))


def as_itk_reads(folder) -> Volume:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return to_volume(reader.Execute())


def fault(folder):
    series = ct_of(folder)
    with pytest.raises(DicomError, match=r"must form one regular stack; those of CT series 1\.2\.3\.2") as caught:
        ordered(series)
    return str(caught.value)


def slices(folder, *headers):
    for number, header in enumerate(headers):
        save(header, folder, f"{number}")


def test_slices_are_ordered_by_place_whatever_their_names_and_numbers(tmp_path):
    slices(tmp_path, *(place(ct_header(InstanceNumber=9 - k), z, 1024 + k) for k, z in enumerate((6.0, 0.0, 3.0))))
    volume = stacked(tmp_path)
    assert volume.array_zyx[:, 0, 0].tolist() == [1, 2, 0]
    assert volume.grid.origin_mm == (-10, -20, 0)
    assert volume.grid.spacing_mm == (2, 4, 3)  # Pixel Spacing is (between rows, between columns)
    assert volume.grid.size_xyz == (4, 3, 3)


AXES = st.sampled_from([
    (1, 0, 0, 0, 1, 0),
    (-1, 0, 0, 0, 1, 0),
    (1, 0, 0, 0, -1, 0),
    (1, 0, 0, 0, 0, -1),
    (0, 1, 0, 0, 0, -1),
    (0.8, 0.6, 0, -0.6, 0.8, 0),
    (1, 0, 0, 0, 0.96, 0.28),
])  # fmt: skip


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(AXES, st.permutations(range(4)), st.floats(0.5, 8), st.tuples(*[st.floats(-500, 500)] * 3))
def test_geometry_is_that_of_simpleitks_series_reader(tmp_path_factory, axes, order, step, origin):
    folder = tmp_path_factory.mktemp("series")
    axes = np.array(axes, float)
    normal = np.cross(axes[:3], axes[3:])
    for k in order:
        position = [float(f"{x:.6f}") for x in np.array(origin) + k * step * normal]
        array = np.arange(12).reshape(3, 4) + 100 * k
        header = place(ct_header(InstanceNumber=int(order[k])), 0.0, array, RescaleSlope=1, RescaleIntercept=-7)
        header.ImageOrientationPatient, header.ImagePositionPatient = axes.tolist(), position
        save(header, folder, f"{k}")
    ours, theirs = stacked(folder), as_itk_reads(folder)
    assert ours.grid.same_as(theirs.grid, 1e-3)
    assert np.array_equal(ours.array_zyx, theirs.array_zyx)


def test_a_missing_slice_is_named(tmp_path):
    ct_series(tmp_path, (0.0, 3.0, 6.0, 12.0, 15.0))
    assert "have a gap of 1 between 6.00 and 12.00 mm" in fault(tmp_path)


def test_two_slices_at_one_place_are_named(tmp_path):
    ct_series(tmp_path, (0.0, 3.0, 3.0, 6.0))
    assert "lie at one position 1 times, as at 3.00 mm" in fault(tmp_path)


def test_uneven_steps_are_named(tmp_path):
    ct_series(tmp_path, (0.0, 3.0, 6.0, 10.0, 14.0, 18.0))
    assert "unevenly spaced: steps of 3.000 to 4.000 mm" in fault(tmp_path)


def test_rounded_positions_are_even_and_the_step_is_the_mean_one(tmp_path):
    ct_series(tmp_path, (0.0, 3.25, 6.55, 9.8))
    assert stacked(tmp_path).grid.spacing_mm[2] == pytest.approx(9.8 / 3)


def test_mixed_orientations_are_named(tmp_path):
    other = place(ct_header(), 9.0, ImageOrientationPatient=[1, 0, 0, 0, 0, 1])
    slices(tmp_path, *(place(ct_header(), z) for z in (0.0, 3.0, 6.0)), other)
    assert "differ in Image Orientation (0020,0037): 2 orientations are mixed" in fault(tmp_path)


def test_mixed_sizes_are_named(tmp_path):
    slices(tmp_path, *(place(ct_header(), z) for z in (0.0, 3.0, 6.0)), place(ct_header(), 9.0, Columns=2, Rows=6))
    assert "differ in rows and columns: 3 of 3 x 4, 1 of 6 x 2" in fault(tmp_path)


def test_mixed_spacings_are_named(tmp_path):
    slices(
        tmp_path, *(place(ct_header(), z) for z in (0.0, 3.0, 6.0)), place(ct_header(), 9.0, PixelSpacing=[4.0, 2.5])
    )
    assert "differ in Pixel Spacing (0028,0030)" in fault(tmp_path)


def test_a_tilted_gantry_is_named(tmp_path):
    slices(tmp_path, *(place(ct_header(), z, ImagePositionPatient=[-10.0, -20.0 + z, z]) for z in (0.0, 3.0, 6.0)))
    assert "shifted along each other by up to 6.00 mm" in fault(tmp_path)
