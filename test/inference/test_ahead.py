# SPDX-License-Identifier: Apache-2.0
import threading
from dataclasses import replace

import pytest
from torch import nn

from petlesion.inference.ahead import LoadingAhead
from petlesion.inference.manifest import WeightsError
from test.inference.models import ENTRY

OTHER = replace(ENTRY, role="other")
PATIENCE_S = 60.0


class Shelf:
    """Loads by name, and remembers in which order."""

    def __init__(self):
        self.loaded, self.go_on = [], threading.Event()

    def __call__(self, entry, fold):
        self.go_on.wait(PATIENCE_S)
        self.loaded.append((entry.role, fold))
        if fold == 9:
            raise WeightsError("damaged")
        return nn.Identity()


@pytest.fixture
def shelf():
    shelf = Shelf()
    yield shelf
    shelf.go_on.set()


def test_what_is_asked_for_is_loaded_once_and_in_order(shelf):
    shelf.go_on.set()
    with LoadingAhead(shelf) as ahead:
        ahead.ask(ENTRY, (2, 0))
        networks = [ahead.take(ENTRY, fold) for fold in (0, 2)]
    assert shelf.loaded == [(ENTRY.role, 2), (ENTRY.role, 0)]
    assert all(isinstance(network, nn.Identity) for network in networks)


def test_asking_does_not_wait(shelf):
    with LoadingAhead(shelf) as ahead:
        ahead.ask(ENTRY, (0,))
        assert shelf.loaded == []
        shelf.go_on.set()
        ahead.take(ENTRY, 0)


def test_what_was_not_asked_for_is_loaded_when_it_is_taken(shelf):
    shelf.go_on.set()
    with LoadingAhead(shelf) as ahead:
        ahead.ask(ENTRY, (0,))
        ahead.take(OTHER, 0)
        ahead.take(ENTRY, 0)
        ahead.take(ENTRY, 0)  # nothing is kept
    assert sorted(shelf.loaded) == sorted([(ENTRY.role, 0), (OTHER.role, 0), (ENTRY.role, 0)])


def test_an_error_is_raised_where_the_network_is_taken(shelf):
    shelf.go_on.set()
    with LoadingAhead(shelf) as ahead:
        ahead.ask(ENTRY, (9,))
        with pytest.raises(WeightsError, match="damaged"):
            ahead.take(ENTRY, 9)


def test_on_leaving_nothing_more_is_loaded(shelf):
    with LoadingAhead(shelf) as ahead:
        ahead.ask(ENTRY, (0, 1, 2))
        last = ahead._coming[ENTRY, 2]
    assert last.cancelled()
    shelf.go_on.set()


def test_by_another_function_everything_is_loaded_anew(shelf):
    shelf.go_on.set()
    others = []
    with LoadingAhead(shelf) as ahead:
        ahead.ask(ENTRY, (9,))
        ahead.load_by(lambda entry, fold: others.append((entry.role, fold)) or nn.Identity())
        ahead.take(ENTRY, 9)  # and not the error of the first
        ahead.ask(OTHER, (0,))
        ahead.take(OTHER, 0)
    assert others == [(ENTRY.role, 9), (OTHER.role, 0)]
