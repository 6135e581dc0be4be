# SPDX-License-Identifier: Apache-2.0
"""What a synthetic body is made of."""

from __future__ import annotations

from enum import IntEnum


class Organ(IntEnum):
    """Labels of `Phantom.organs`."""

    AIR = 0
    FAT = 1
    MUSCLE = 2
    BONE = 3
    MARROW = 4
    LUNG = 5
    AIRWAY = 6
    MYOCARDIUM = 7
    BLOOD = 8
    LIVER = 9
    GALLBLADDER = 10
    SPLEEN = 11
    KIDNEY = 12
    URINE = 13
    BLADDER = 14
    BRAIN = 15
    WHITE_MATTER = 16
    STOMACH = 17
    SMALL_BOWEL = 18
    DUODENUM = 19
    COLON = 20
    PANCREAS = 21
    PROSTATE = 22
    PAROTID = 23
    SUBMANDIBULAR = 24
    LACRIMAL = 25
    THYROID = 26
    ADRENAL = 27
    MUCOSA = 28
    GANGLION = 29
    TABLE = 30
    CONTENT = 31
