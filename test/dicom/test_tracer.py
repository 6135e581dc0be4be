# SPDX-License-Identifier: Apache-2.0
import pytest
from pydicom.sequence import Sequence
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts

from petlesion.case import Tracer
from petlesion.dicom.tracer import CODES, tracer_in, tracer_of
from test.dicom.objects import code, drug, pet_header


def named_by(**changes):
    return tracer_of(pet_header(RadiopharmaceuticalInformationSequence=Sequence([drug(**changes)])))


def test_the_code_goes_first():
    assert named_by(Radiopharmaceutical="PSMA") == (Tracer.FDG, "Fluorodeoxyglucose F^18^")
    psma = Sequence([code("C118961", "PSMA-11 Ga^68^", "NCIt")])
    assert named_by(RadiopharmaceuticalCodeSequence=psma) == (Tracer.PSMA, "PSMA-11 Ga^68^")


def test_codes_are_those_of_the_standards_context_group():
    known = {
        value for scheme, names in cid_concepts[4021].items() for name in names for value in concepts[scheme][name]
    }
    assert set(CODES) - known == {"C-B1031"}  # the former SRT


def test_words_speak_where_a_code_is_foreign_or_missing():
    foreign = Sequence([code("Y-X1743", "FDG -- fluorodeoxyglucose", "99SDM")])
    assert named_by(RadiopharmaceuticalCodeSequence=foreign)[0] is Tracer.FDG
    assert named_by(RadiopharmaceuticalCodeSequence=None, Radiopharmaceutical="18F-DCFPyL")[0] is Tracer.PSMA


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FDG -- fluorodeoxyglucose", Tracer.FDG),
        ("F18-FDG", Tracer.FDG),
        ("Fluordesoxyglucose", None),
        ("fludeoxyglucose F 18", Tracer.FDG),
        ("Ga68-PSMA", Tracer.PSMA),
        ("[18F]rhPSMA-7.3", Tracer.PSMA),
        ("Piflufolastat", Tracer.PSMA),
        ("DOTATATE", None),
        ("FDG or PSMA", None),
        ("", None),
    ],
)
def test_words(text, expected):
    assert tracer_in(text) is expected


def test_another_or_none_is_none_with_its_words():
    other = {"RadiopharmaceuticalCodeSequence": None, "Radiopharmaceutical": "68Ga DOTATATE"}
    assert named_by(**other) == (None, "68Ga DOTATATE")
    assert tracer_of(pet_header(RadiopharmaceuticalInformationSequence=None)) == (None, "")
