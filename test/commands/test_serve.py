# SPDX-License-Identifier: Apache-2.0
"""`petlesion serve`: what its words become."""

from __future__ import annotations

from pathlib import Path

import pytest

from petlesion import cli, service
from petlesion.desk import SocketDesk


@pytest.fixture
def served(monkeypatch):
    """What the command hands to the server."""
    seen = []
    monkeypatch.setattr(service, "serve", lambda *arguments: seen.append(arguments) or 0)
    return seen


def test_the_words_reach_the_server(served):
    words = "--input in --output out --slug other --host 0.0.0.0 --port 80 --weights w --depth 2 --time-limit 7"
    assert cli.main(["serve", *words.split(), "--on-error", "mask"]) == 0
    ((options, desk, host, port),) = served
    assert desk == SocketDesk(Path("in"), Path("out"), "other")
    assert (host, port) == ("0.0.0.0", 80)  # noqa: S104 - as given
    assert (options.weights, options.limits.depth, options.limits.time_limit_s) == (Path("w"), 2, 7.0)
    assert options.on_error == "mask"


def test_by_default_only_this_machine_is_listened_to(served):
    assert cli.main(["serve"]) == 0
    assert served[0][2:] == ("127.0.0.1", 4743)


def test_a_value_out_of_range_is_a_matter_of_usage(served, capsys):
    assert cli.main(["serve", "--tile-step", "2"]) == 2
    assert "(0, 1]" in capsys.readouterr().err
    assert served == []
