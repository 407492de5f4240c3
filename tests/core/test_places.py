"""A car on a phase nobody knows: it may be on each of them, and hides no more than it draws."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadmgr.core import building
from loadmgr.model import Wiring
from tests.core.talk import L1, L2, L3, MAIN, Talk, bay, metered

UNKNOWN = Wiring((L1, L2, L3), known=False)


def lendable(talk: Talk) -> tuple[float, ...]:
    return building.believed(talk.site, talk.state, talk.now, at_most=True)[MAIN]


def load(talk: Talk) -> tuple[float, float, float]:
    return building.believed(talk.site, talk.state, talk.now)[MAIN]


def test_what_a_car_would_need_on_all_phases_is_not_lent_out_while_it_is_on_one_nobody_knows():
    """Found by chaos, seed 40115: it went from one phase to three."""
    talk = Talk(metered(bay("A", wiring=UNKNOWN)))
    talk.ready("A")
    talk.building(10.0)
    talk.holds("A", 16.0)
    for second in range(60):
        if second % 5 == 0:
            talk.draws("A", 16.0, 0.0, 0.0)
        talk.after(1).meter(10.0, 26.0, 10.0)
    assert lendable(talk) == pytest.approx((10.0, 26.0, 10.0))
    for second in range(60):
        if second % 5 == 0:
            talk.draws("A", 16.0, 16.0, 16.0)
        talk.after(1).meter(26.0, 26.0, 26.0)
    assert lendable(talk) == pytest.approx((10.0, 10.0, 10.0)), "wherever its phases are"


def test_what_relieves_an_overloaded_fuse_is_only_what_is_surely_on_it():
    """Found by chaos, seed 6008: a car was paused that was on another phase, and nothing fell."""
    talk = Talk(metered(bay("A"), bay("B", "main", L1, wiring=Wiring((L1,), known=False))))
    talk.ready("A", "B")
    talk.building(30.0)
    for evse in ("A", "B"):
        talk.holds(evse, 10.0)
    for _ in range(4):
        talk.after(5).draws("A", 10.0)
        talk.draws("B", 10.0, 0.0, 0.0)
        talk.meter(50.0, 40.0, 40.0)
    talk.after(1).meter(59.0, 70.0, 49.0)
    assert load(talk)[1] == pytest.approx(60.0), "nothing says that the other car is on L2"
    assert load(talk)[2] == pytest.approx(39.0), "and what rose while it did not change is not it"


def on_an_unknown_phase() -> Talk:
    """A car draws 24 A from one phase, nobody knows which, beside a building of 15, 7 and 12 A."""
    talk = Talk(metered(bay("A", wiring=UNKNOWN)))
    talk.ready("A")
    talk.building(15.0, 7.0, 12.0)
    talk.holds("A", 24.0)
    for _ in range(6):
        talk.after(5).draws("A", 24.0, 0.0, 0.0)
        talk.meter(15.0, 31.0, 12.0)
    return talk


def test_a_car_on_an_unknown_phase_is_taken_off_none_that_shows_less_than_it_draws() -> None:
    """Found by chaos, seed 160209: the building grew on another phase, and the car went to all."""
    talk = on_an_unknown_phase()
    assert load(talk) == (15.0, 7.0, 12.0)
    talk.after(5).draws("A", 24.0, 0.0, 0.0)
    talk.meter(19.0, 31.0, 12.0)
    assert load(talk) == (19.0, 7.0, 12.0)


def test_a_car_that_may_be_on_several_phases_is_taken_off_none() -> None:
    talk = on_an_unknown_phase()
    for _ in range(3):
        talk.after(5).draws("A", 24.0, 0.0, 0.0)
        talk.meter(40.0, 31.0, 12.0)
    assert load(talk)[0] >= 15.0 and load(talk)[2] == 12.0
    assert lendable(talk) == (40.0, 31.0, 12.0)


def test_a_car_on_an_unknown_phase_is_taken_off_none_while_phases_may_be_exchanged() -> None:
    talk = on_an_unknown_phase()
    talk.after(1).meter(31.0, 15.0, 12.0)
    talk.draws("A", 24.0, 0.0, 0.0)
    talk.after(1).meter(31.0, 15.0, 12.0)
    assert load(talk) == (31.0, 31.0, 31.0)


def test_a_car_on_an_unknown_phase_makes_room_by_as_much_as_is_too_much() -> None:
    talk = on_an_unknown_phase()
    talk.site = replace(talk.site, circuits=(replace(talk.site.circuits[0], margin_a=3.0),))
    for shown_a in (50.0, 62.0):  # of 60 A, less than 63 A: of those 24 A are the car's
        talk.after(5).draws("A", 24.0, 0.0, 0.0)
        talk.meter(20.0, shown_a, 20.0)
    assert load(talk)[1] == 38.0
    assert 21.0 <= talk.target("A") <= 22.0


def one_phase_car() -> Talk:
    """It draws 6 A on one terminal, nobody knows on which phase, beside 7, 6 and 12 A."""
    talk = Talk(metered(bay("A"), bay("B", "main", L1, L2, L3, wiring=UNKNOWN)))
    talk.ready("A", "B")
    talk.after(1).meter(7.0, 6.0, 12.0)
    talk.holds("B", 6.0)
    for _ in range(8):
        talk.after(5).draws("B", 6.0, 0.0, 0.0)
        talk.draws("A", 0.0)
        talk.meter(7.0, 6.0, 18.0)
    return talk


def test_a_car_that_does_not_change_hides_no_change_of_the_building():
    """Found by chaos, seed 400013: 6 A of the building on L2 stood in the shade of a car on L3, and
    nobody made room until the car went to all three phases.
    """
    talk = one_phase_car()
    assert load(talk) == pytest.approx((7.0, 6.0, 12.0))
    talk.after(1).meter(7.0, 12.0, 18.0)
    assert load(talk) == pytest.approx((7.0, 12.0, 12.0))
    for _ in range(8):
        talk.after(5).draws("B", 6.0, 0.0, 0.0)
        talk.meter(7.0, 9.0, 17.0)
    assert load(talk) == pytest.approx((7.0, 9.0, 11.0)), "nor does it make it larger than it is"


def test_while_such_a_car_changes_nobody_can_tell():
    """Then what is on neither phase for certain is the building's."""
    talk = one_phase_car()
    talk.holds("B", 16.0)
    talk.after(4).meter(17.0, 6.0, 28.0)
    assert load(talk) == pytest.approx((7.0, 6.0, 12.0)), "that may be the car, on either phase"
    for _ in range(8):
        talk.after(5).draws("B", 16.0, 0.0, 0.0)
        talk.meter(17.0, 6.0, 28.0)
    assert load(talk) == pytest.approx((17.0, 6.0, 22.0)), "6 A at least are the car's on L3"
    talk.after(1).meter(17.0, 8.0, 28.0)
    assert load(talk) == pytest.approx((17.0, 8.0, 22.0)), "and what comes when it has come to rest"


def test_a_building_that_grows_beside_a_car_on_its_way_up_does_not_stay_in_its_shade():
    """Found by chaos, seed 1000212: a car of 16 A hid 31 A, until it went to all three phases."""
    talk = one_phase_car()
    talk.holds("B", 16.0)
    for shown_a in ((9.0, 13.0, 22.0), (11.0, 15.0, 28.0)):
        talk.after(4).meter(*shown_a)
    assert load(talk) == pytest.approx((7.0, 6.0, 12.0)), "that may be the car, on any phase"
    for _ in range(8):
        talk.after(5).draws("B", 16.0, 0.0, 0.0)
        talk.meter(11.0, 15.0, 28.0)
    assert load(talk) == pytest.approx((11.0, 15.0, 21.0)), "on L3 are 7 A of the car's at least"
