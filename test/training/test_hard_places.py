# SPDX-License-Identifier: Apache-2.0
"""The memory of places where much was wrongly called lesion."""

import numpy as np

from petlesion.training.hard_places import HardPlaces


def place(number):
    return (number, (0, number, 2 * number))


def test_nothing_is_drawn_before_an_error_is_known():
    held = HardPlaces()
    assert held.draw(np.random.default_rng(0)) is None
    held.tell(place(0), 0.0)
    assert held.draw(np.random.default_rng(0)) is None


def test_of_too_many_places_the_easiest_is_forgotten():
    held = HardPlaces(most=2)
    for number, error in ((0, 5.0), (1, 1.0), (2, 3.0)):
        held.tell(place(number), error)
    assert held.errors == {place(0): 5.0, place(2): 3.0}
    held.tell(place(3), 0.5)  # easier than both: it does not stay
    assert held.errors == {place(0): 5.0, place(2): 3.0}


def test_what_was_learned_is_drawn_no_more():
    held = HardPlaces()
    held.tell(place(0), 40.0)
    held.tell(place(1), 40.0)
    held.tell(place(0), 0.0)
    rng = np.random.default_rng(0)
    assert {held.draw(rng) for _ in range(50)} == {place(1)}


def test_a_place_of_four_times_the_error_comes_twice_as_often():
    held = HardPlaces()
    held.tell(place(0), 16.0)
    held.tell(place(1), 4.0)
    rng = np.random.default_rng(0)
    drawn = [held.draw(rng) for _ in range(3000)]
    assert abs(drawn.count(place(0)) / 3000 - 2 / 3) < 0.03
