"""Readings on demand: which charger is asked what its car draws, and when."""

from __future__ import annotations

from dataclasses import replace

from loadmgr.core import building
from loadmgr.events import Order, ReadMeter, SetLimit
from tests.core.talk import MAIN, Talk, bay, metered


def ramping() -> Talk:
    """A was raised from 6 A to 16 A two seconds ago, and the meter shows 4 A more since."""
    talk = Talk(metered(bay("A"), fuse_a=40.0))
    talk.ready("A")
    talk.building(8.0)
    talk.holds("A", 6.0)
    for _ in range(4):
        talk.after(5).draws("A", 6.0)
        talk.meter(14.0, 14.0, 14.0)
    talk.holds("A", 16.0)
    talk.after(2).meter(18.0, 18.0, 18.0)
    return talk


def asked(talk: Talk) -> list[Order]:
    return [order for order in talk.due() if isinstance(order, ReadMeter)]


def test_a_car_that_may_hide_the_building_is_asked_what_it_draws():
    talk = ramping()
    (order,) = asked(talk)
    talk.sends(order)
    talk.draws("A", 6.0)
    talk.confirms(order)
    seen = building.believed(talk.site, talk.state, talk.now)[MAIN]
    assert min(seen) == 12.0, "it does not ramp yet: the building has risen"
    assert not asked(talk), "answered"
    talk.after(1).meter(20.0, 20.0, 20.0)
    assert not asked(talk), "not every second"
    talk.after(2).meter(22.0, 22.0, 22.0)
    assert asked(talk)


def test_a_car_is_not_asked_while_the_meter_shows_nothing_new():
    talk = ramping()
    talk.meter(14.0, 14.0, 14.0)
    assert not asked(talk)


def declined_once() -> tuple[Talk, Order]:
    talk = ramping()
    (order,) = asked(talk)
    talk.refuses(talk.sends(order))
    talk.after(4).meter(22.0, 22.0, 22.0)
    (order,) = asked(talk)
    return talk, order


def test_who_does_not_tell_on_demand_is_asked_twice_and_is_no_worse_for_it():
    """The first refusal may be chance (slow chargers, seed 9110039): a step behind a ramp was seen
    5 s later.
    """
    talk, order = declined_once()
    talk.refuses(talk.sends(order))
    talk.after(4).meter(24.0, 24.0, 24.0)
    assert not asked(talk)
    assert talk.of("A").failures == 0 and talk.of("A").retry_at is None
    talk.connects("A", 2)
    assert talk.of("A").declined == 0


def test_who_told_on_demand_in_between_has_not_declined_twice_in_a_row():
    talk, order = declined_once()
    talk.confirms(talk.sends(order))
    assert talk.of("A").declined == 0
    talk.after(4).meter(24.0, 24.0, 24.0)
    (order,) = asked(talk)
    talk.loses(talk.sends(order))
    assert talk.of("A").declined == 0, "what is lost says nothing"


def test_a_charger_that_may_convict_a_meter_is_asked_at_once():
    """Found by chaos, seed 100401: the lie was told for 8 s more, and then the link was gone."""
    site = metered(bay("A"), fuse_a=40.0)
    talk = Talk(replace(site, meters=(replace(site.meters[0], feeds_in=False),)))
    talk.ready("A")
    talk.building(10.0)
    talk.holds("A", 14.0)
    for _ in range(6):
        talk.after(5).draws("A", 14.0)
        talk.meter(24.0, 24.0, 24.0)
    assert not asked(talk)
    talk.after(1).meter(8.0, 8.0, 8.0)
    (order,) = asked(talk)
    talk.confirms(talk.sends(order))
    talk.after(1).draws("A", 14.0)
    talk.meter(8.0, 8.0, 8.0)
    assert building.lost(talk.site, talk.state, talk.now)


def test_a_decrease_leaves_before_a_question():
    talk = ramping()
    talk.limits(10.0)
    told = [order for order in talk.due() if isinstance(order, SetLimit)]
    assert [order.current_a for order in told] == [0.0]


def falling() -> Talk:
    """A comes down from 16 A to 10 A as it was told 8 s ago; the meter shows what it showed."""
    talk = Talk(metered(bay("A"), fuse_a=30.0))
    talk.ready("A")
    talk.building(12.0)
    talk.holds("A", 16.0)
    for _ in range(4):
        talk.after(5).draws("A", 16.0)
        talk.meter(28.0, 28.0, 28.0)
    talk.after(1).meter(34.0, 34.0, 34.0)
    talk.holds("A", 10.0)
    talk.after(8).meter(34.0, 34.0, 34.0)
    return talk


def test_a_car_on_its_way_down_is_asked_while_a_fuse_is_over() -> None:
    """Found by chaos, seed 162008: a building that rose meanwhile was seen seconds later."""
    talk = falling()
    (order,) = asked(talk)
    talk.sends(order)
    talk.draws("A", 10.0)
    talk.confirms(order)
    talk.after(1).meter(34.0, 34.0, 34.0)
    seen = building.believed(talk.site, talk.state, talk.now)[MAIN]
    assert min(seen) == 24.0, "the car is down: the building has risen"
    assert not asked(talk)


def test_a_car_on_its_way_down_is_not_asked_while_everything_fits() -> None:
    talk = falling()
    talk.after(1).meter(28.0, 28.0, 28.0)
    assert not asked(talk)


def test_who_drew_too_much_once_is_asked_again_as_soon_as_that_counts():
    """By itself it would tell every ten seconds: that is long, where it burns a fuse."""
    talk = Talk(metered(bay("A")))
    talk.ready("A")
    talk.building(10.0)
    talk.holds("A", 6.0)
    talk.after(20).draws("A", 6.0)
    talk.after(10).draws("A", 16.0)
    assert not asked(talk.after(3)), "the second of two samples counts 4 s after the first"
    (order,) = asked(talk.after(2))
    talk.sends(order)
    talk.draws("A", 16.0)
    talk.confirms(order)
    assert talk.of("A").quarantine is not None and not asked(talk.after(5))


def test_who_tells_in_a_moment_anyway_is_not_asked():
    """Found by chaos, seed 950104: the answer was lost, and the order to stop waited for it."""
    talk = Talk(metered(bay("A")))
    talk.ready("A")
    talk.building(10.0)
    talk.holds("A", 6.0)
    talk.after(20).draws("A", 6.0)
    talk.after(5).draws("A", 16.0)
    assert not asked(talk.after(4)), "it told every 5 s until now"
    assert asked(talk.after(2)), "and does not any more"
