# SPDX-License-Identifier: Apache-2.0
"""The one place between the threads of the server: which calls are taken, and that each is answered."""

from __future__ import annotations

import threading

import pytest

from petlesion.calls import Calls, NotNowError
from petlesion.outcome import DONE, TERMINATED, Ending

WELL = Ending(DONE, "a mask")


@pytest.fixture
def calls():
    opened = Calls()
    opened.open()
    return opened


def refusal(calls):
    with pytest.raises(NotNowError) as error:
        calls.place(0.0)
    return str(error.value)


def test_nothing_is_taken_before_the_networks_are_loaded():
    assert "being loaded" in refusal(Calls())


def test_a_call_is_taken_with_its_arrival_and_answered(calls):
    placed = calls.place(12.5)
    taken = calls.take()
    assert taken is placed
    assert taken.arrived_s == 12.5
    assert not placed.ended.is_set()
    calls.end(taken, WELL)
    assert placed.ended.is_set()
    assert placed.ending == WELL


def test_a_second_call_is_told_so_and_taken_once_the_first_is_answered(calls):
    first = calls.place(0.0)
    assert "one is under way" in refusal(calls)
    assert calls.take() is first
    assert "one is under way" in refusal(calls)
    calls.end(first, WELL)
    assert calls.place(1.0) is calls.take()


def test_of_many_at_once_one_is_taken(calls):
    start, seen = threading.Barrier(8), []

    def place():
        start.wait()
        try:
            seen.append(calls.place(0.0))
        except NotNowError:
            seen.append(None)

    threads = [threading.Thread(target=place) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert [call for call in seen if call] == [calls.take()]


def test_after_the_end_none_is_taken_and_a_waiting_main_thread_goes_on(calls):
    calls.close()
    assert calls.take() is None
    assert "ending" in refusal(calls)


def test_a_call_that_the_end_overtakes_is_answered_so(calls):
    call = calls.place(0.0)
    call.sent.set()
    calls.close()
    assert call.ended.is_set()
    assert call.ending.status == TERMINATED
    assert calls.take() is call  # it lay there first
    calls.end(call, WELL)
    assert "ending" in refusal(calls)  # an answer does not open again what is closed


def test_the_end_waits_for_the_last_answer_to_leave_but_not_for_long(calls, monkeypatch):
    monkeypatch.setattr("petlesion.calls.SENT_WITHIN_S", 0.01)
    calls.place(0.0)
    calls.close()  # nobody ever sends; it returns all the same
    assert calls.state == "closed"
