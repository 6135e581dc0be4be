# SPDX-License-Identifier: Apache-2.0
"""The tracer that a PET's header names: by the radiopharmaceutical's code, else by its words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from petlesion.case import Tracer
from petlesion.dicom.values import items_of, text_of
from petlesion.images import printable

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# DICOM's context group 4021: SNOMED CT, the former SRT, DICOM's own, NCI Thesaurus
CODES = {
    "35321007": Tracer.FDG,
    "C-B1031": Tracer.FDG,
    "126758": Tracer.PSMA,  # PSMA-1007 F-18
    "126759": Tracer.PSMA,  # PSMA-617 Ga-68
    "C118961": Tracer.PSMA,  # PSMA-11 Ga-68
    "C116352": Tracer.PSMA,  # piflufolastat F-18
}
WORDS = {
    Tracer.FDG: re.compile(r"fdg|flu(oro|dro)?-?deoxy-?(d-?)?glucose", re.IGNORECASE),
    Tracer.PSMA: re.compile(r"psma|dcfpyl|piflufolastat|flotufolastat|gozetotide", re.IGNORECASE),
}


def tracer_of(header: Dataset) -> tuple[Tracer | None, str]:
    """The tracer that a PET's header names, and the radiopharmaceutical in its words.

    Returns:
        The tracer, or None where the header names none or another; the words, printable, empty where there are none.
    """
    for drug in items_of(header, "RadiopharmaceuticalInformationSequence"):
        codes = items_of(drug, "RadiopharmaceuticalCodeSequence")
        texts = [text_of(code, "CodeMeaning") for code in codes] + [text_of(drug, "Radiopharmaceutical")]
        words = printable(next((text for text in texts if text), ""))[:64]
        for code in codes:
            if found := CODES.get(text_of(code, "CodeValue")):
                return found, words
        for text in texts:
            if found := tracer_in(text):
                return found, words
        if words:
            return None, words
    return None, ""


def tracer_in(text: str) -> Tracer | None:
    """The one tracer that a text names; None where it names neither or both."""
    named = [tracer for tracer, pattern in WORDS.items() if pattern.search(text)]
    return named[0] if len(named) == 1 else None
