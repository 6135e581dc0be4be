# SPDX-License-Identifier: Apache-2.0
import pytest

from petlesion.inference.records import RECORDS
from petlesion.limits import UsageError


def test_every_record_names_its_doi_and_licence():
    assert {name: (one.number, one.licence) for name, one in RECORDS.items()} == {
        "lesion_tracer": ("14007247", "CC-BY-4.0"),
        "lesion_tracer_pretrained": ("13753413", "CC-BY-4.0"),
    }


@pytest.mark.parametrize("place", ["123", "10.5281/zenodo.123", "doi:10.5281/zenodo.123"])
def test_another_version_is_named_by_its_number_or_doi(place):
    moved = RECORDS["lesion_tracer"].at(place)
    assert (moved.doi, moved.number, moved.md5) == ("10.5281/zenodo.123", "123", ())
    assert moved.model == RECORDS["lesion_tracer"].model


@pytest.mark.parametrize("place", ["", "../7", "10.1000/7", "https://example.org/7"])
def test_anything_else_is_refused(place):
    with pytest.raises(UsageError, match="a number or a DOI"):
        RECORDS["lesion_tracer"].at(place)
