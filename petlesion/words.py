# SPDX-License-Identifier: Apache-2.0
"""Words that are put together."""


def counted(count: int, what: str) -> str:
    """A count with its noun, as in "1 lesion" and "2 lesions"."""
    return f"{count} {what}{'' if count == 1 else 's'}"
