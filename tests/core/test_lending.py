"""Lent out is what a meter has shown to be free, not what cars are thought to leave."""

from __future__ import annotations

from typing import Any

from loadmgr.core import building
from loadmgr.core.dispatch import due
from loadmgr.events import SetLimit
from loadmgr.model import Code, EvseId
from tests.core.talk import MAIN, Talk, bay, metered, site_of


def test_a_building_that_rises_while_a_car_ramps_down_is_not_lent_out() -> None:
    """Found by chaos, seed 1005: 1.3 A of the building hid behind readings of a falling car."""
    talk = Talk(metered(bay("A"), bay("B"), fuse_a=50.0))
    talk.ready("A", "B")
    talk.building(13.6)
    talk.holds("A", 15.0)
    for _ in range(4):
        talk.after(5).draws("A", 15.0)
        talk.meter(28.6, 28.6, 28.6)
    talk.after(20)
    talk.holds("A", 11.0)
    for drawn_a in (14.7, 12.8, 11.0):
        talk.after(5).draws("A", drawn_a)
        talk.meter(15.1 + drawn_a, 15.1 + drawn_a, 15.1 + drawn_a)
    lent = building.believed(talk.site, talk.state, talk.now, at_most=True)[MAIN]
    assert min(lent) >= 15.1 - 1e-9


def test_no_raise_follows_another_on_an_old_plan() -> None:
    talk = Talk(metered(bay("A")))
    talk.ready("A")
    talk.building(10.0)
    plan = talk.plan()
    assert plan.allocations[talk.site.evses[0].id].current_a > 6.0
    talk.holds("A", 6.0)
    talk.after(1).meter(10.0, 10.0, 10.0)
    orders = due(talk.site, talk.state, plan, talk.now)
    assert not any(isinstance(order, SetLimit) and order.current_a > 6.0 for order in orders)


def test_what_a_car_on_its_way_down_frees_is_not_lent_before_it_shows_where_the_building_is() -> (
    None
):
    """Found by chaos, seed 6209: a building that rose by 6 A hid behind a car that fell by 5 A."""
    talk = Talk(metered(bay("A"), bay("B"), fuse_a=30.0))
    talk.ready("A", "B")
    talk.building(4.0)
    talk.holds("A", 13.0)
    for _ in range(4):
        talk.after(5).draws("A", 13.0)
        talk.meter(17.0, 17.0, 17.0)
    talk.holds("A", 8.0)
    talk.after(9).meter(18.0, 18.0, 18.0)
    lent = building.believed(talk.site, talk.state, talk.now, at_most=True)[MAIN]
    assert min(lent) >= 10.0 - 1e-9
    planned = building.believed(talk.site, talk.state, talk.now)[MAIN]
    assert max(planned) < 6.0, "the plan does not take every descent for a building that rises"


def test_a_reading_from_before_a_pause_does_not_hide_the_building_once_the_pause_is_over() -> None:
    """Found by chaos, seed 80114: 9 A from a frozen meter were lent to the next car."""
    talk = Talk(metered(bay("A"), bay("B"), fuse_a=48.0))
    talk.ready("A", "B")
    talk.building(22.0)
    talk.holds("A", 9.0)
    for _ in range(4):
        talk.after(5).draws("A", 9.0)
        talk.meter(31.0, 31.0, 31.0)
    talk.holds("A", 0.0)
    for _ in range(4):
        talk.after(5).draws("A", 9.0)
        talk.meter(31.0, 31.0, 31.0)
    talk.holds("A", 11.0)
    talk.after(1).meter(31.0, 31.0, 31.0)
    lent = building.believed(talk.site, talk.state, talk.now, at_most=True)[MAIN]
    assert min(lent) >= 31.0 - 1e-9


# ── Who does not tell ─────────────────────────────────────────────────────────────────────


def quiet_one(**more: Any) -> Talk:
    talk = Talk(metered(bay("A"), **more))
    talk.ready("A")
    talk.building(10.0)
    return talk


def tells(talk: Talk, seconds: int, *drawn_a: float) -> None:
    for second in range(seconds):
        if second % 5 == 0 and drawn_a:
            talk.draws("A", *drawn_a)
        talk.after(1).meter(10.0, 10.0, 10.0)


def test_a_charger_that_has_a_meter_is_not_raised_far_before_it_has_told() -> None:
    """Found by chaos, seed 70106: its meter told nan, and the one above it a tenth."""
    talk = quiet_one()
    assert talk.target("A") == 32.0, "who has never told has nothing to tell"
    talk.draws("A", float("nan"))
    assert talk.target("A") == 6.0
    assert talk.plan().allocations[EvseId("A")].ladder[0].code is Code.UNHEARD
    tells(talk, 20, 0.0)
    assert talk.target("A") == 32.0


def test_a_charger_that_falls_silent_keeps_what_it_has() -> None:
    talk = quiet_one()
    tells(talk, 20, 0.0)
    talk.holds("A", 12.0)
    tells(talk, 80)
    assert talk.target("A") == 32.0
    tells(talk, 20)
    assert talk.target("A") == 12.0


def test_where_nothing_is_metered_above_nobody_has_to_tell() -> None:
    talk = Talk(site_of(bay("A")))
    talk.ready("A")
    talk.draws("A", float("nan"))
    assert talk.target("A") == 32.0
