"""When the last plan still holds, and when it has to be thought over."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadmgr.core import envelope
from loadmgr.core.grounds import LONGEST, Grounds, grounds, still_good
from loadmgr.core.ledger import per_circuit
from loadmgr.model import Plan
from tests.core.talk import MAIN, Talk, bay, metered


def at_rest() -> tuple[Talk, Plan, Grounds]:
    """Two cars that have what they are to have, beside a building of 10 A."""
    talk = Talk(metered(bay("A"), bay("B", max_a=16.0), fuse_a=40.0))
    talk.ready("A", "B")
    for _ in range(10):
        total_a = 10.0 + talk.of("A").proved_a + talk.of("B").proved_a
        for _ in range(6):
            talk.after(1).meter(total_a, total_a, total_a)
        talk.obeys(6.0, 6.0)
    return talk, talk.plan(), grounds(talk.site, talk.state, talk.now)


def holds(talk: Talk, plan: Plan, then: Grounds) -> bool:
    return still_good(talk.site, plan, then, grounds(talk.site, talk.state, talk.now))


def test_a_plan_that_was_followed_holds_while_nothing_happens():
    talk, plan, then = at_rest()
    assert [a.current_a for a in plan.allocations.values()] == [15.0, 15.0]
    talk.after(5).meter(40.0, 40.0, 40.0)
    talk.draws("A", 15.0)
    talk.draws("B", 15.0)
    assert holds(talk, plan, then)


def test_a_charger_without_a_car_that_is_gone_is_told_at_once():
    talk = Talk(metered(bay("A"), fuse_a=40.0))
    talk.ready("A", plugged=False)
    plan, then = talk.plan(), grounds(talk.site, talk.state, talk.now)
    assert holds(talk, plan, then)
    talk.drops("A")
    assert not holds(talk, plan, then)


def test_nothing_holds_for_longer_than_half_a_minute():
    talk, plan, then = at_rest()
    for _ in range(int(LONGEST.total_seconds())):
        talk.after(1).meter(40.0, 40.0, 40.0)
        talk.draws("A", 15.0)
        talk.draws("B", 15.0)
    assert holds(talk, plan, then)
    talk.after(1).meter(40.0, 40.0, 40.0)
    assert not holds(talk, plan, then)


@pytest.mark.parametrize(
    "happens",
    [
        lambda talk: talk.meter(41.0, 40.0, 40.0),
        lambda talk: talk.limits(39.0),
        lambda talk: talk.unplugs("A", "t-A"),
        lambda talk: talk.boots("A"),
        lambda talk: talk.drops("A"),
        lambda talk: talk.orders("A", 6.0),
        lambda talk: talk.after(20),  # the meter is lost
    ],
    ids=["building rises", "limit", "car leaves", "boot", "link drops", "order", "meter lost"],
)
def test_what_matters_is_thought_over_at_once(happens):
    talk, plan, then = at_rest()
    talk.after(1)
    happens(talk)
    assert not holds(talk, plan, then)


def test_an_ampere_that_comes_free_is_thought_over_and_less_is_not():
    for falls_a, worth in ((0.9, False), (1.1, True)):
        talk, plan, then = at_rest()
        less = grounds(talk.site, talk.state, talk.now)
        rows = {
            circuit: tuple(
                replace(row, building=row.building - falls_a * (row.number < envelope.POWER))
                for row in rows
            )
            for circuit, rows in less.rows.items()
        }
        now = replace(less, rows=rows)
        assert still_good(talk.site, plan, then, now) is not worth


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0.0, 40.0), min_size=3, max_size=12), st.integers(1, 4))
def test_a_plan_that_holds_never_asks_more_of_a_row_than_it_has(building_a, every_s):
    """Whatever the building does: either the plan is thought over, or it still fits."""
    talk, plan, then = at_rest()
    for base in building_a:
        talk.after(every_s)
        drawn = sum(talk.of(evse).proved_a for evse in ("A", "B"))
        talk.draws("A", talk.of("A").proved_a)
        talk.draws("B", talk.of("B").proved_a)
        talk.meter(base + drawn, base + drawn, base + drawn)
        now = grounds(talk.site, talk.state, talk.now)
        if still_good(talk.site, plan, then, now):
            used = per_circuit(
                talk.site,
                {
                    name: talk.site.evse[name].worst_a(each.current_a)
                    for name, each in plan.allocations.items()
                },
            )[MAIN]
            before = then.rows[MAIN]
            for row in now.rows[MAIN]:
                asked = envelope.load_on(talk.site, used, row.number)
                assert asked <= row.left + 1e-9 or row.left >= before[row.number].left
