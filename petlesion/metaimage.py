# SPDX-License-Identifier: Apache-2.0
"""What the text header of a MetaImage (.mha) claims, before ITK is let at it."""

from __future__ import annotations

import re

MAX_DIMENSIONS = 9


def claims_too_many_dimensions(header: bytes) -> bool:
    """Whether a header claims more dimensions than any image has.

    ITK loops over as many as it reads there, for hours, before anybody can ask it how many they are.

    Args:
        header: The beginning of the file; what follows the header does no harm.
    """
    claims = re.findall(rb"^[^\S\n]*NDims[^\n]*?(\d+)", header, re.MULTILINE)
    return any(len(digits) > 9 or int(digits) > MAX_DIMENSIONS for digits in claims)
