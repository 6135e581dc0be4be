# SPDX-License-Identifier: Apache-2.0
"""SIGTERM as a case meets it: an exception while nothing would be lost, and kept in mind from then on."""

from __future__ import annotations

import signal
import threading

import pytest

from petlesion.limits import Terminated
from petlesion.termination import Termination, ctrl_c_counts, heard_from, sigterm_raises


def ring():
    signal.raise_signal(signal.SIGTERM)


def test_nothing_comes_where_no_handler_is_set():
    assert Termination.current() == Termination()
    Termination.current().let_go()


def test_the_first_signal_raises_and_later_ones_change_nothing():
    with sigterm_raises() as sigterm:
        assert Termination.current() is sigterm
        with pytest.raises(Terminated, match="on the platform's request"):
            ring()
        ring()
        assert sigterm.came


def test_where_there_is_a_mask_to_be_lost_the_signal_is_kept_in_mind():
    with sigterm_raises() as sigterm:
        sigterm.keeping = True
        ring()
        assert sigterm.came
        with pytest.raises(Terminated):
            sigterm.let_go()


def test_inside_a_sweep_it_raises_all_the_same():
    with sigterm_raises() as sigterm:
        sigterm.keeping = True
        with pytest.raises(Terminated), sigterm.at_once():
            ring()
        assert sigterm.keeping


def test_a_signal_that_came_before_a_sweep_keeps_it_from_beginning():
    begun = []
    with sigterm_raises() as sigterm:
        sigterm.keeping = True
        ring()
        with pytest.raises(Terminated), sigterm.at_once():
            begun.append(True)
        assert not begun


def test_the_former_handler_is_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with sigterm_raises():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_off_the_main_thread_nothing_is_set_and_nothing_comes():
    seen = []

    def look():
        with sigterm_raises() as own:
            seen.append((own.came, Termination.current() == Termination()))

    with sigterm_raises() as sigterm:
        sigterm.keeping = True
        ring()
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert seen == [(False, True)]


def test_a_signal_that_a_case_kept_in_mind_is_known_around_it():
    with sigterm_raises() as server:
        with sigterm_raises() as case:
            case.keeping = True
            ring()
        assert server.came
        with pytest.raises(Terminated):
            Termination.current().check()
    with sigterm_raises() as server:
        with sigterm_raises():
            pass
        assert not server.came


def test_in_another_thread_whoever_knows_tells_the_case():
    teller, met, heard = Termination(), threading.Event(), threading.Event()
    found = []

    def work():
        with heard_from(teller), sigterm_raises() as sigterm:
            found.append(sigterm is teller is Termination.current())
            met.set()
            assert heard.wait(60)
            with pytest.raises(Terminated):
                Termination.current().check()
        found.append(Termination.current().came)

    thread = threading.Thread(target=work)
    thread.start()
    assert met.wait(60)
    assert not Termination.current().came
    teller.came = True
    heard.set()
    thread.join(60)
    assert found == [True, False]


def test_an_error_that_a_library_made_of_the_signal_is_the_signal():
    """Rust's and C++'s errors hide what was raised inside them; once there is a mask, the error is one of its own."""
    handler, hidden = Termination(), ValueError("cannot read the file")
    assert handler.behind(hidden) is hidden
    with pytest.raises(Terminated):
        handler(signal.SIGTERM, None)
    assert isinstance(handler.behind(hidden), Terminated)
    assert handler.behind(own := Terminated("already")) is own
    handler.keeping = True
    assert handler.behind(hidden) is hidden


def test_ctrl_c_that_was_swallowed_counts_afterwards():
    before = signal.getsignal(signal.SIGINT)
    with ctrl_c_counts() as check:
        check()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            check()
    assert signal.getsignal(signal.SIGINT) is before


def test_who_ignores_ctrl_c_still_does():
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ctrl_c_counts() as check:
            signal.raise_signal(signal.SIGINT)
            check()
    finally:
        signal.signal(signal.SIGINT, former)
