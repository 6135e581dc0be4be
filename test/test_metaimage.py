# SPDX-License-Identifier: Apache-2.0
import pytest

from petlesion.metaimage import claims_too_many_dimensions


@pytest.mark.parametrize(
    "text", [b"", b"ObjectType = Image\nNDims = 3\n", b"NDims=4", b"Comment = NDims 99\nNDims = 9\n"]
)
def test_headers_of_images(text):
    assert not claims_too_many_dimensions(text)


@pytest.mark.parametrize(
    "text",
    [b"NDims = 10", b"ObjectType = Image\n NDims =\t" + b"5" * 200 + b" 1\n", b"NDims = 3\nNDims = 2147483647\n"],
)
def test_headers_that_itk_would_not_get_to_the_end_of(text):
    assert claims_too_many_dimensions(text)
