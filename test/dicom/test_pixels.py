# SPDX-License-Identifier: Apache-2.0
import gdcm
import numpy as np
import pytest
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import (
    MPEG2MPML,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from petlesion.dicom.faults import DicomError
from test.dicom.objects import ct_header, place, save
from test.dicom.test_stack import stacked

PIXELS = np.random.default_rng(0).integers(-900, 1500, (3, 64, 64), np.int16)


def series():
    return [place(ct_header(RescaleIntercept=0), 3.0 * k, one) for k, one in enumerate(PIXELS)]


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless], ids=lambda uid: uid.keyword)
def test_compressed_slices_read_as_they_were(tmp_path, syntax):
    assert get_encoder(syntax).is_available
    for k, header in enumerate(series()):
        header.PixelRepresentation = 1
        header.compress(syntax, generate_instance_uid=False)
        save(header, tmp_path, f"{k}")
    assert np.array_equal(stacked(tmp_path).array_zyx, PIXELS)


@pytest.mark.parametrize("name", ["JPEGLosslessProcess14", "JPEGLosslessProcess14_1"])
def test_lossless_jpeg_of_old_archives_reads_as_it_was(tmp_path, name):
    """Nothing in pydicom writes it; GDCM does."""
    for k, header in enumerate(series()):
        plain = save(header, tmp_path / "plain", f"{k}")
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(str(plain))
        assert reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, name)))
        change.SetInput(reader.GetImage())
        assert change.Change()
        (tmp_path / "packed").mkdir(exist_ok=True)
        writer.SetFileName(str(tmp_path / "packed" / f"{k}"))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        assert (tmp_path / "packed" / f"{k}").stat().st_size < plain.stat().st_size
    assert np.array_equal(stacked(tmp_path / "packed").array_zyx, PIXELS)


def test_slopes_differ_from_slice_to_slice(tmp_path):
    for k, header in enumerate(series()):
        header.RescaleSlope, header.RescaleIntercept = 2.0**k, 10 * k
        save(header, tmp_path, f"{k}")
    expected = PIXELS * np.array([1.0, 2.0, 4.0])[:, None, None] + np.array([0, 10, 20])[:, None, None]
    assert np.array_equal(stacked(tmp_path).array_zyx, expected)


def test_a_slice_cut_short_is_refused_without_its_file_name(tmp_path):
    paths = [save(header, tmp_path, f"Doe_Jane_{k}") for k, header in enumerate(series())]
    paths[1].write_bytes(paths[1].read_bytes()[:-100])
    with pytest.raises(DicomError, match="damaged or cut short") as caught:
        stacked(tmp_path)
    assert "Doe" not in str(caught.value)


def test_a_syntax_that_nothing_decodes_is_refused_by_name(tmp_path):
    for k, header in enumerate(series()):
        header.compress(RLELossless, generate_instance_uid=False)
        header.file_meta.TransferSyntaxUID = MPEG2MPML
        save(header, tmp_path, f"{k}")
    with pytest.raises(DicomError, match=r"MPEG2 Main Profile.*which no decoder here reads; store them uncompressed"):
        stacked(tmp_path)


def test_the_syntaxes_of_archives_have_a_decoder():
    lossless_jpeg = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
    for syntax in (*lossless_jpeg, RLELossless, JPEG2000Lossless, JPEGLSLossless, HTJ2KLossless):
        assert get_decoder(syntax).is_available
