# SPDX-License-Identifier: Apache-2.0
"""Words that are put together."""

from petlesion.words import counted


def test_a_noun_goes_with_its_count():
    assert [counted(n, "lesion") for n in (0, 1, 2)] == ["0 lesions", "1 lesion", "2 lesions"]
