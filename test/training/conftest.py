# SPDX-License-Identifier: Apache-2.0
"""The prepared toy data set, made once."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    from test.training.toy import prepare  # noqa: PLC0415 - imports nnU-Net, which other tests do not need

    return prepare(tmp_path_factory.mktemp("prepared"))
