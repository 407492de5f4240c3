"""Shares, turns, ramps and rounding: what is ordered, seen through whole ticks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import time, timedelta
from itertools import pairwise

import numpy as np
import pytest

import solver
from loadmgr.core.assemble import assemble
from loadmgr.core.claims import reserved
from loadmgr.core.grounds import grounds
from loadmgr.core.settle import INCREASES_APART, Settled, settle
from loadmgr.events import SetLimit
from loadmgr.model import ConnectorStatus, Offline, Policy, Share, Tariff
from loadmgr.units import PerPhase, floor_to_wire
from tests.core.talk import L1, L2, L3, Talk, bay, fuse, metered, site_of


@pytest.fixture(autouse=True)
def _nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """HiGHS answers what is asked here; no compiler starts beside it."""
    monkeypatch.setattr(solver.compiled, "prepare", lambda: None)


def park(
    bays: int,
    fuse_a: float,
    share: Share = Share.FAIR,
    rotate_every_s: float = 900.0,
    **more: object,
) -> Talk:
    """So many equal bays on one fuse, a car in each."""
    evses = tuple(bay(f"B{i:02d}", **more) for i in range(bays))
    policy = Policy(share=share, rotate_every_s=rotate_every_s)
    talk = Talk(site_of(*evses, fuse_a=fuse_a, policy=policy))
    talk.ready(*(evse.id for evse in evses))
    return talk


def targets(talk: Talk) -> dict[str, float]:
    return {name: a.current_a for name, a in talk.plan().allocations.items()}


# ── Shares ────────────────────────────────────────────────────────────────────────────────


def test_one_car_alone_gets_what_the_fuse_and_its_charger_allow():
    assert targets(park(1, 20.0)) == {"B00": 20.0}
    assert targets(park(1, 63.0)) == {"B00": 32.0}


def test_equal_cars_get_equal_shares():
    assert set(targets(park(5, 50.0)).values()) == {10.0}


def test_shares_are_floored_to_what_the_wire_can_say():
    assert set(targets(park(3, 25.0)).values()) == {8.3}


def test_what_one_cannot_use_the_others_get():
    talk = Talk(site_of(bay("A", max_a=8.0), bay("B"), bay("C"), fuse_a=40.0))
    talk.ready("A", "B", "C")
    assert targets(talk) == {"A": 8.0, "B": 16.0, "C": 16.0}


def test_cars_on_different_phases_do_not_take_from_each_other():
    talk = Talk(site_of(bay("A", "main", L1), bay("B", "main", L2), fuse_a=20.0))
    talk.ready("A", "B")
    assert targets(talk) == {"A": 20.0, "B": 20.0}


def test_a_sub_fuse_binds_those_below_it_only():
    circuits = (fuse("main", 60.0), fuse("north", 16.0))
    talk = Talk(site_of(bay("A", "north"), bay("B", "north"), bay("C"), circuits=circuits))
    talk.ready("A", "B", "C")
    assert targets(talk) == {"A": 8.0, "B": 8.0, "C": 32.0}


def test_a_contract_binds_all_phases_together():
    circuits = (fuse("main", 63.0, max_power_w=230.0 * 36.0),)
    talk = Talk(site_of(bay("A"), bay("B", "main", L1), circuits=circuits))
    talk.ready("A", "B")
    assert targets(talk) == {"A": 9.0, "B": 9.0}


def test_weights_of_the_fair_share_are_the_priorities():
    talk = Talk(site_of(bay("A", priority=2.0), bay("B"), fuse_a=30.0))
    talk.ready("A", "B")
    assert targets(talk) == {"A": 20.0, "B": 10.0}


def test_by_priority_the_first_gets_all_it_can_use_and_the_others_their_minimum():
    talk = Talk(
        site_of(bay("A"), bay("B", priority=3.0), fuse_a=30.0, policy=Policy(share=Share.PRIORITY))
    )
    talk.ready("A", "B")
    assert targets(talk) == {"A": 6.0, "B": 24.0}


def test_first_come_first_served():
    talk = Talk(site_of(bay("A"), bay("B"), fuse_a=36.0, policy=Policy(share=Share.FIRST_COME)))
    talk.ready("A", "B", plugged=False)
    talk.plugs("B")
    talk.after(60).plugs("A")
    assert targets(talk) == {"A": 6.0, "B": 30.0}


@pytest.mark.parametrize(("hour", "charges"), [("00:00", True), ("23:00", False)])
def test_the_cheapest_hour_is_waited_for_where_there_is_time(hour: str, charges: bool):
    """It is 13:00 by the clocks of the site."""
    cheap = time.fromisoformat(hour)
    prices = ((cheap, 0.1),) if charges else ((time(0), 0.5), (cheap, 0.1))
    site = site_of(
        bay("A"),
        policy=Policy(share=Share.CHEAPEST),
        tariff=Tariff(currency="EUR", prices=prices),
    )
    talk = Talk(site, solver.solve)
    talk.ready("A", plugged=False)
    talk.plugs("A", energy_wh=10_000.0, departure=talk.now + timedelta(hours=16))
    assert (targets(talk)["A"] > 0) is charges


def test_a_car_in_a_hurry_does_not_wait_for_the_cheapest_hour():
    site = site_of(
        bay("A"),
        policy=Policy(share=Share.CHEAPEST),
        tariff=Tariff(currency="EUR", prices=((time(0), 0.5), (time(23), 0.1))),
    )
    talk = Talk(site, solver.solve)
    talk.ready("A", plugged=False)
    talk.plugs("A", energy_wh=20_000.0, departure=talk.now + timedelta(hours=1))
    assert targets(talk)["A"] == 32.0


def test_a_plan_that_is_a_hair_above_the_fuse_is_taken_as_it_is_meant():
    """A linear program is answered to a tolerance; what it says of cars in a hurry is a floor."""

    def nearly(problem: solver.Problem) -> solver.Solution:
        answer = solver.solve(problem)
        return replace(answer, x=answer.x * (1 + 2e-8))

    talk = Talk(site_of(bay("A"), fuse_a=20.0), nearly)
    talk.ready("A", plugged=False)
    talk.plugs("A", energy_wh=60_000.0, departure=talk.now + timedelta(hours=2))
    assert targets(talk) == {"A": 20.0}


# ── 0, or the minimum ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fuse_a", [0.0, 3.0, 5.9, 6.0, 11.9, 12.0, 13.7, 25.0])
def test_nobody_is_told_anything_between_0_and_6_a(fuse_a: float):
    found = targets(park(4, fuse_a)).values()
    assert all(current_a == 0.0 or current_a >= 6.0 for current_a in found)
    assert sum(found) <= fuse_a + 1e-9
    assert sum(current_a > 0 for current_a in found) == min(4, int(fuse_a // 6))


def test_a_charger_whose_hardware_is_below_6_a_is_not_switched_on():
    assert targets(park(1, 63.0, max_a=5.0)) == {"B00": 0.0}


def test_a_fallback_of_6_a_is_reserved_and_used():
    talk = Talk(
        site_of(*(bay(f"B{i}") for i in range(3)), fuse_a=18.0, offline=Offline(fallback_a=6.0))
    )
    talk.ready("B0", "B1", "B2", fallback_a=6.0)
    assert set(targets(talk).values()) == {6.0}


def test_a_limit_that_leaves_less_than_6_a_pauses():
    talk = park(1, 63.0)
    talk.holds("B00", 32.0)
    talk.limits(5.9)
    assert targets(talk) == {"B00": 0.0}


# ── Turns ─────────────────────────────────────────────────────────────────────────────────


def test_all_have_their_turn_when_there_is_room_for_one_at_a_time():
    talk = park(4, 9.0, rotate_every_s=300.0)
    on: Counter[str] = Counter()
    for _ in range(4 * 300 // 10 * 3):
        talk.obeys(10.0, step_s=10.0)
        on.update(name for name in targets(talk) if talk.of(name).proved_a > 0)
    assert set(on) == {"B00", "B01", "B02", "B03"}
    assert max(on.values()) < 1.5 * min(on.values())


def test_who_is_on_stays_on_for_its_slice():
    talk = park(2, 9.0, rotate_every_s=600.0)
    talk.obeys(30.0)
    first = [name for name in ("B00", "B01") if talk.of(name).proved_a > 0]
    talk.obeys(500.0)
    assert [name for name in ("B00", "B01") if talk.of(name).proved_a > 0] == first


def test_the_current_goes_over_without_an_overlap():
    talk = park(2, 9.0, rotate_every_s=120.0)
    for _ in range(80):
        talk.obeys(5.0)
        assert talk.ledger("B00") + talk.ledger("B01") <= 9.0


def test_a_three_phase_car_is_not_starved_by_one_phase_cars_on_its_phases():
    """One-phase cars fill L1 and L2 in turn; the big one needs both at once."""
    bays = (bay("BIG"), *(bay(f"S{i}", "main", (L1, L2, L3)[i % 3]) for i in range(6)))
    talk = Talk(site_of(*bays, fuse_a=9.0, policy=Policy(rotate_every_s=120.0)))
    talk.ready("S0", "S1", "S2", "S3", "S4", "S5", "BIG")
    charged = 0
    for _ in range(150):
        talk.obeys(10.0, step_s=10.0)
        charged += talk.of("BIG").proved_a > 0
    assert charged >= 5, "it had no turn in 25 minutes"


def crowd(bigs: int, building_a: PerPhase) -> Talk:
    """Cars on three phases and a small one on L1, beside a building, below 16 A."""
    bays = (*(bay(f"BIG{i}") for i in range(bigs)), bay("S", "main", L1))
    main = fuse("main", 16.0, None, building_a=building_a)
    return Talk(site_of(*bays, circuits=(main,), policy=Policy(rotate_every_s=120.0)))


def test_nobody_waits_behind_cars_that_wait_for_the_building():
    """L2 is the building's: the big cars cannot start whoever makes room, and the small one may."""
    talk = crowd(2, (0.0, 14.0, 0.0))
    talk.ready("BIG0", "BIG1")
    talk.obeys(200.0, step_s=10.0)
    talk.ready("S")
    talk.obeys(30.0, step_s=5.0)
    assert talk.of("BIG0").proved_a == talk.of("BIG1").proved_a == 0.0
    assert talk.of("S").proved_a == 16.0


def test_nobody_waits_behind_a_car_that_waits_for_its_betters():
    """Who is first has L2 for as long as it likes: the big car cannot start, the small one may."""
    bays = (bay("FIRST", "main", L2, priority=3.0), bay("BIG"), bay("S", "main", L1))
    policy = Policy(share=Share.PRIORITY, rotate_every_s=120.0)
    talk = Talk(site_of(*bays, fuse_a=9.0, policy=policy))
    talk.ready("FIRST", "BIG")
    talk.obeys(200.0, step_s=10.0)
    talk.ready("S")
    talk.obeys(30.0, step_s=5.0)
    assert talk.of("FIRST").proved_a == 9.0
    assert talk.of("BIG").proved_a == 0.0
    assert talk.of("S").proved_a == 9.0


def test_who_is_on_goes_on_while_room_is_held_for_one_that_cannot_start():
    """L2 has room for one of the big cars, L1 for one of them and the small one."""
    talk = crowd(2, (0.0, 8.0, 0.0))
    talk.ready("BIG0", "BIG1", "S")
    off = 0
    for _ in range(120):
        talk.obeys(10.0, step_s=10.0)
        off += talk.of("S").proved_a == 0
    assert off <= 3, "it was paused for somebody who could not use its room"


def test_a_car_that_takes_nothing_gives_way_to_one_that_would():
    talk = park(2, 9.0, rotate_every_s=3600.0)
    talk.obeys(30.0)
    first, other = ("B00", "B01") if talk.of("B00").proved_a > 0 else ("B01", "B00")
    talk.status(first, ConnectorStatus.SUSPENDED_EV)
    talk.obeys(400.0, **{first: 0.0})
    assert talk.of(other).proved_a > 0


# ── Ramps ─────────────────────────────────────────────────────────────────────────────────


def test_increases_of_one_charger_are_apart():
    talk = Talk(metered(bay("A"), fuse_a=32.0))
    talk.ready("A")
    raised = []
    before = 0.0
    for second in range(300):
        talk.after(1).meter(10.0 if (second // 10) % 2 else 12.0)
        for order in talk.due():
            talk.confirms(talk.sends(order))
            if isinstance(order, SetLimit):
                if before > 0 and order.current_a > before:
                    raised.append(talk.now)
                before = order.current_a
        if second % 5 == 0:
            talk.draws("A", talk.of("A").proved_a)
    gaps = [b - a for a, b in pairwise(raised)]
    assert gaps and all(gap >= INCREASES_APART for gap in gaps)


def test_a_building_that_oscillates_does_not_make_the_limit_hunt():
    talk = Talk(metered(bay("A"), fuse_a=32.0))
    talk.ready("A")
    told: list[float] = []
    for second in range(600):
        talk.after(1).meter((10.0 if (second // 10) % 2 else 13.0) + talk.of("A").proved_a)
        for order in talk.due():
            talk.confirms(talk.sends(order))
            if isinstance(order, SetLimit):
                told.append(order.current_a)
        if second % 5 == 0:
            talk.draws("A", talk.of("A").proved_a)
    rises_and_stays = [0.0, *[32.0 - 13.0] * (len(told) - 1)]
    assert told == rises_and_stays, "the highest of the last half minute is what counts"


def test_a_gain_of_less_than_an_ampere_is_not_worth_a_message():
    talk = park(1, 20.0)
    talk.holds("B00", 10.0)
    talk.site = replace(talk.site, circuits=(fuse("main", 10.5),))
    assert targets(talk.after(60)) == {"B00": 10.0}
    talk.site = replace(talk.site, circuits=(fuse("main", 11.0),))
    assert targets(talk) == {"B00": 11.0}


def test_a_decrease_is_never_held_back():
    talk = park(1, 20.0)
    talk.holds("B00", 20.0)
    talk.site = replace(talk.site, circuits=(fuse("main", 19.9),))
    assert targets(talk) == {"B00": 19.9}


# ── Cars that draw less ───────────────────────────────────────────────────────────────────


def test_a_car_that_draws_less_for_a_minute_leaves_the_rest_to_the_others():
    talk = park(2, 40.0)
    talk.obeys(120.0, B00=10.0)
    assert talk.target("B00") == 11.5, "what it draws and a little above"
    assert talk.target("B01") == 28.5


@pytest.mark.parametrize("limit_a", [6.9, 7.9, 15.9, 31.9])
def test_a_charger_that_takes_whole_amperes_uses_all_of_its_limit(limit_a):
    talk = park(1, limit_a)
    talk.obeys(120.0, B00=float(int(limit_a)))
    assert talk.of("B00").draws_less_since is None


def test_nor_does_a_car_draw_less_that_draws_a_twentieth_less_than_it_may():
    """Its limit would follow it down, and it would draw a twentieth less once more."""
    talk = park(1, 32.0)
    for _ in range(60):
        talk.obeys(10.0, B00=0.95 * talk.of("B00").proved_a)
    assert talk.target("B00") == 32.0


def test_the_limit_of_a_car_that_fills_up_goes_down_in_steps():
    talk = park(2, 40.0)
    seen = set()
    for tenth in range(200, 100, -1):
        talk.obeys(10.0, B00=min(tenth / 10, talk.of("B00").proved_a))
        seen.add(talk.target("B00"))
    assert len(seen) < 25, "half amperes from 20 A to 12 A"


def test_a_car_that_can_take_more_again_gets_more_again():
    talk = park(2, 40.0)
    talk.obeys(120.0, B00=10.0)
    talk.obeys(120.0)
    assert talk.target("B00") == 20.0


def test_what_the_car_says_it_takes_is_all_it_gets():
    talk = Talk(site_of(bay("A"), fuse_a=40.0))
    talk.ready("A", plugged=False)
    talk.plugs("A", max_a=16.0)
    assert talk.target("A") == 16.0


# ── Moment by moment ──────────────────────────────────────────────────────────────────────


def moment(talk: Talk, planned_a: Sequence[float] | None = None) -> Settled:
    """What is settled now, the linear program's first step being given."""
    seen = grounds(talk.site, talk.state, talk.now)
    rest = reserved(seen.claims, seen.ledger)
    question = assemble(talk.site, talk.state, talk.now, seen.rows, seen.claims, rest)
    planned = None if planned_a is None else np.array(planned_a, dtype=float)
    return settle(talk.site, seen.claims, question, planned, talk.now)


def test_what_is_left_on_each_row_and_what_stopped_each_car_is_told():
    circuits = (fuse("main", 60.0, max_power_w=20_000.0), fuse("north", 16.0))
    talk = Talk(site_of(bay("A", "north"), bay("B", "north", L2), bay("C"), circuits=circuits))
    talk.ready("A", "B", "C")
    now = moment(talk)
    assert now.target_a == {"A": 8.0, "B": 8.0, "C": pytest.approx(20_000 / 690 - 8 - 8 / 3)}
    c = now.target_a["C"]
    main, north = now.slack
    assert list(main) == pytest.approx([60 - 8 - c, 60 - 16 - c, 60 - 8 - c, 0.0], abs=1e-6)
    assert list(north[:3]) == [8.0, 0.0, 8.0] and north[3] == np.inf
    assert now.bottleneck == {"A": 5, "B": 5, "C": 3}, "L2 of north, and the contract"
    assert now.current_a == {"A": 8.0, "B": 8.0, "C": 18.3}


def test_who_meets_its_own_bound_first_is_stopped_by_no_row():
    assert moment(park(1, 63.0)).bottleneck == {"B00": -1}


def test_without_cars_all_the_room_is_left():
    talk = Talk(site_of(bay("A"), fuse_a=20.0))
    talk.ready("A", plugged=False)
    now = moment(talk)
    assert now.current_a == {} and list(now.slack[0]) == [20.0, 20.0, 20.0, np.inf]


def test_where_others_are_over_already_there_is_no_room_and_no_car_pays_for_it():
    talk = Talk(site_of(bay("A"), bay("B"), fuse_a=20.0))
    talk.ready("B")
    assert talk.ledger("A") == 32.0
    now = moment(talk)
    assert now.current_a == {"B": 0.0} and list(now.slack[0, :3]) == [0.0] * 3


def test_who_has_no_turn_gets_not_even_what_its_fallback_would_be():
    """The wish for 6 A has no room beside a fallback of 4 A each; their sum is set aside."""
    evses = tuple(bay(name) for name in "AB")
    talk = Talk(site_of(*evses, fuse_a=11.0, offline=Offline(fallback_a=4.0)))
    talk.ready("A", "B", fallback_a=4.0)
    assert sorted(moment(talk).target_a.values()) == [0.0, 7.0]


def test_a_fallback_counts_into_the_share_and_the_rest_is_shared():
    evses = (bay("A"), bay("B", max_a=10.0))
    talk = Talk(site_of(*evses, fuse_a=30.0, offline=Offline(fallback_a=4.0)))
    talk.ready("A", "B", fallback_a=4.0)
    assert moment(talk).target_a == {"A": 20.0, "B": 10.0}


def test_tier_after_tier_takes_what_those_before_it_left():
    evses = (bay("A"), bay("B", priority=2.0, max_a=16.0), bay("C", priority=3.0, max_a=10.0))
    talk = Talk(site_of(*evses, fuse_a=40.0, policy=Policy(share=Share.PRIORITY)))
    talk.ready("A", "B", "C")
    assert moment(talk).target_a == {"A": 14.0, "B": 16.0, "C": 10.0}
    talk.site = replace(talk.site, circuits=(fuse("main", 27.0),))
    now = moment(talk)
    assert now.target_a == {"A": 6.0, "B": 11.0, "C": 10.0}
    assert now.bottleneck["C"] == -1 and now.bottleneck["B"] >= 0


# ── With what the linear program said ─────────────────────────────────────────────────────


def planning(hurry: str, fuse_a: float = 20.0, share: Share = Share.FAIR) -> Talk:
    """Two cars; those in `hurry` have said that they need more than they can have."""
    policy = Policy(share=share)
    talk = Talk(site_of(bay("A", min_a=6.0), bay("B", max_a=16.0), fuse_a=fuse_a, policy=policy))
    talk.ready("A", "B", plugged=False)
    for name in "AB":
        soon = {"energy_wh": 60_000.0, "departure": talk.now + timedelta(hours=2)}
        talk.plugs(name, f"t-{name}", **(soon if name in hurry else {}))
    return talk


@pytest.mark.parametrize(
    ("hurry", "planned_a", "target_a"),
    [
        ("", (14.0, 0.0), {"A": 10.0, "B": 10.0}),  # nobody in a hurry: fair
        ("A", (14.0, 6.0), {"A": 14.0, "B": 6.0}),
        ("A", (8.0, 12.0), {"A": 10.0, "B": 10.0}),  # a floor, no ceiling
        ("AB", (6.0, 14.0), {"A": 6.0, "B": 14.0}),
        ("AB", (2.0, 12.0), {"A": 8.0, "B": 12.0}),
        ("B", (0.0, 40.0), {"A": 10.0, "B": 10.0}),  # 16 A at most, and A has its minimum
        ("A", (14.0 + 1e-8, 6.0), {"A": 14.0, "B": 6.0}),
        ("A", (15.0, 5.0), {"A": 10.0, "B": 10.0}),  # the rows have it no more: given up
    ],
)
def test_who_is_in_a_hurry_has_at_least_what_was_planned(hurry, planned_a, target_a):
    assert moment(planning(hurry), planned_a).target_a == pytest.approx(target_a, abs=1e-6)


def test_what_is_planned_counts_up_to_what_the_car_can_take():
    talk = planning("AB", fuse_a=22.0)
    assert moment(talk, (6.0, 20.0)).target_a == {"A": 6.0, "B": 16.0}


@pytest.mark.parametrize(
    ("planned_a", "waits"),
    [((0.0, 10.0), "A"), ((2.9, 10.0), "A"), ((3.0, 10.0), ""), ((0.0, 0.0), "AB")],
)
def test_a_car_that_is_planned_less_than_half_its_minimum_waits_for_its_price(planned_a, waits):
    now = moment(planning("", share=Share.CHEAPEST), planned_a)
    assert now.waits_for_price == set(waits)
    assert {name for name, a in now.target_a.items() if a == 0.0} == set(waits)
    if waits == "A":
        assert now.target_a["B"] == 16.0
    for share in (Share.FAIR, Share.PRIORITY):
        assert moment(planning("", share=share), planned_a).waits_for_price == set()


def test_without_a_plan_nobody_waits_for_a_price():
    now = moment(planning("", share=Share.CHEAPEST))
    assert now.waits_for_price == set() and now.target_a == {"A": 10.0, "B": 10.0}


def test_a_car_whose_fallback_is_its_minimum_waits_where_nothing_above_it_is_planned():
    policy = Policy(share=Share.CHEAPEST)
    talk = Talk(site_of(bay("A"), fuse_a=40.0, policy=policy, offline=Offline(fallback_a=6.0)))
    talk.ready("A", fallback_a=6.0)
    now = moment(talk, (0.0,))
    assert now.waits_for_price == {"A"} and now.target_a == {"A": 6.0}, "reserved in any case"
    assert moment(talk, (1e-6,)).waits_for_price == set()


@pytest.mark.parametrize(("max_a", "waits"), [(6.0, set()), (6.5, {"A"})])
def test_a_charger_that_can_have_nothing_above_its_fallback_does_not_wait(max_a, waits):
    policy = Policy(share=Share.CHEAPEST)
    talk = Talk(site_of(bay("A", max_a=max_a), policy=policy, offline=Offline(fallback_a=6.0)))
    talk.ready("A", fallback_a=6.0)
    assert moment(talk, (0.0,)).waits_for_price == waits


# ── One step at a time ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("before_a", "ago_s", "room_a", "told_a", "waits_s"),
    [
        (10.0, 3.0, 20.0, 10.0, 9.0),  # raised 3 s ago
        (10.0, 11.999, 20.0, 10.0, 0.001),
        (10.0, 12.0, 20.0, 20.0, None),
        (10.0, 3.0, 10.0, 10.0, None),  # it has what it may have
        (10.0, 3.0, 9.9, 9.9, None),
        (10.0, 3.0, 5.0, 0.0, None),
        (10.0, 60.0, 10.9, 10.0, None),  # not worth a message
        (10.0, 60.0, 11.0, 11.0, None),
        (31.5, 60.0, 40.0, 32.0, None),  # but the last half ampere is
        (0.0, 3.0, 20.0, 20.0, None),  # the first current comes at once
        (0.5, 3.0, 20.0, 0.5, 9.0),
        (0.5, 60.0, 6.0, 6.0, None),
        (40.0, 3.0, 40.0, 32.0, None),  # above the hardware is the hardware
    ],
)
def test_decreases_come_at_once_and_increases_apart_and_when_they_are_worth_it(
    before_a, ago_s, room_a, told_a, waits_s
):
    talk = park(1, 63.0)
    talk.holds("B00", before_a)
    talk.after(ago_s)
    talk.site = replace(talk.site, circuits=(fuse("main", room_a),))
    now = moment(talk)
    assert now.current_a == {"B00": told_a}
    until = {} if waits_s is None else {"B00": talk.now + timedelta(seconds=waits_s)}
    assert now.held_back == until


@pytest.mark.parametrize(
    ("before_a", "room_a", "told_a"), [(0.0, 0.8, 0.8), (0.9, 1.5, 0.9), (0.9, 2.0, 2.0)]
)
def test_from_nothing_any_current_is_worth_a_message(before_a, room_a, told_a):
    """For a charger that goes down to half an ampere."""
    talk = park(1, room_a, min_a=0.5)
    talk.holds("B00", before_a)
    assert moment(talk.after(60)).current_a == {"B00": told_a}


def test_after_a_restart_no_raise_is_remembered_that_the_next_would_have_to_wait_for():
    talk = park(1, 20.0)
    talk.holds("B00", 10.0)
    talk.after(3).restarts()
    talk.connects("B00", 2)
    now = moment(talk)
    assert (now.current_a, now.held_back) == ({"B00": 20.0}, {})


def test_a_new_car_under_the_unanswered_limit_of_the_one_before_it_is_not_raised_at_once():
    talk = park(1, 20.0)
    talk.loses(talk.orders("B00", 10.0))
    talk.unplugs("B00", "t-B00")
    talk.after(60).plugs("B00", "t-2")
    now = moment(talk.after(2))
    assert now.current_a == {"B00": 10.0}
    assert now.held_back == {"B00": talk.now + timedelta(seconds=10)}


# ── Rounding ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("asked", "wire"),
    [(8.0, 8.0), (7.99999999, 8.0), (7.95, 7.9), (0.0, 0.0), (-1.0, 0.0), (7.9998, 7.9)],
)
def test_a_limit_is_floored_to_a_tenth_after_noise_is_taken_off(asked: float, wire: float):
    assert floor_to_wire(asked) == wire


# ── A fuse that is overloaded all the same ────────────────────────────────────────────────


def test_a_charger_whose_fallback_is_unknown_is_told_less_while_a_fuse_is_overloaded():
    """Found by chaos, seed 6000: it was reserved in full, and so it was given all of it."""
    talk = Talk(metered(bay("A", max_a=16.0), fuse_a=32.0))
    talk.connects("A")
    talk.proves("A", fallback_a=None)  # type: ignore[arg-type]  # it cannot say
    talk.plugs("A", "t-A")
    talk.building(10.0)
    assert targets(talk) == {"A": 16.0}
    talk.holds("A", 16.0)
    for _ in range(8):
        talk.after(5).draws("A", 16.0)
        talk.meter(26.0, 26.0, 26.0)
    talk.after(1).meter(34.0, 26.0, 26.0)
    assert targets(talk) == {"A": 14.0}
    talk.after(1).meter(45.0, 26.0, 26.0)
    assert targets(talk) == {"A": 0.0}, "3 A are less than its minimum"
    (order,) = talk.due()
    assert isinstance(order, SetLimit) and order.current_a == 0.0


def test_a_fallback_is_given_up_where_the_building_alone_fills_the_fuse():
    site = metered(bay("A"), bay("B"), fuse_a=32.0, offline=Offline(fallback_a=6.0))
    talk = Talk(site)
    talk.ready("A", "B", fallback_a=6.0)
    talk.building(10.0)
    assert targets(talk) == {"A": 11.0, "B": 11.0}
    talk.after(1).meter(25.0, 10.0, 10.0)
    assert sum(targets(talk).values()) <= 7.0


@pytest.mark.parametrize(
    ("fallbacks_a", "room_a", "told_a"),
    [
        ((6.0, 6.0, 6.0), 18.0, [6.0, 6.0, 6.0]),
        ((6.0, 6.0, 6.0), 15.0, [0.0, 6.0, 6.0]),  # one pauses, and that is enough
        ((6.0, 6.0, 6.0), 12.0, [0.0, 6.0, 6.0]),
        ((6.0, 6.0, 6.0), 11.0, [0.0, 0.0, 6.0]),
        ((6.0, 6.0, 6.0), 0.0, [0.0, 0.0, 0.0]),
        ((8.0, 12.0, 10.0), 26.0, [8.0, 8.0, 10.0]),  # the highest gives way first
        ((8.0, 12.0, 10.0), 24.0, [8.0, 6.0, 10.0]),
        ((8.0, 12.0, 10.0), 23.9, [8.0, 0.0, 10.0]),  # below its minimum it is paused
        ((8.0, 12.0, 10.0), 16.0, [8.0, 0.0, 8.0]),
        ((40.0, 12.0, 10.0), 44.0, [22.0, 12.0, 10.0]),
    ],
)
def test_what_is_set_aside_is_lowered_no_more_than_a_fuse_needs(fallbacks_a, room_a, told_a):
    talk = Talk(site_of(bay("A"), bay("B"), bay("C"), fuse_a=96.0))
    for name, fallback_a in zip("ABC", fallbacks_a, strict=True):
        talk.ready(name, fallback_a=fallback_a)
        talk.holds(name, min(32.0, fallback_a))
    talk.after(60)
    talk.site = replace(talk.site, circuits=(fuse("main", room_a),))
    assert moment(talk).current_a == dict(zip("ABC", told_a, strict=True))


def test_a_small_fallback_is_lowered_as_well():
    """For a charger that goes down to half an ampere."""
    talk = Talk(site_of(bay("A", min_a=0.5)))
    talk.ready("A", fallback_a=0.8)
    talk.holds("A", 0.8)
    talk.after(60)
    talk.site = replace(talk.site, circuits=(fuse("main", 0.6),))
    assert moment(talk).current_a == {"A": 0.6}


def test_of_equals_the_first_gives_way():
    talk = park(40, 240.0)
    names = [evse.id for evse in talk.site.evses]
    for name in names:
        talk.proves(name, 6.0)
        talk.holds(name, 6.0)
    talk.after(60)
    talk.site = replace(talk.site, circuits=(fuse("main", 222.0),))
    paused = [name for name, current_a in moment(talk).current_a.items() if current_a == 0.0]
    assert paused == names[:3]


def test_only_who_is_on_an_overloaded_row_gives_way():
    """A stands on L1, B on L2, which is short by 4 A; C is on all, and higher."""
    site = site_of(
        bay("A", "main", L1), bay("B", "main", L2), bay("C"), offline=Offline(fallback_a=10.0)
    )
    talk = Talk(site)
    talk.ready("A", "B", "C", fallback_a=10.0)
    for name in "ABC":
        talk.holds(name, 10.0)
    talk.after(60)
    talk.site = replace(talk.site, circuits=(replace(fuse("main", 20.0), rating_a=(20, 16, 20)),))
    assert moment(talk).current_a == {"A": 10.0, "B": 6.0, "C": 10.0}


def test_a_contract_that_is_overloaded_is_relieved_in_watt():
    talk = Talk(site_of(bay("A"), bay("B", "main", L1), fuse_a=63.0))
    talk.ready("A", "B", fallback_a=10.0)
    talk.holds("A", 10.0)
    talk.holds("B", 10.0)
    talk.after(60)
    talk.site = replace(talk.site, circuits=(fuse("main", 63.0, max_power_w=230.0 * 34.0),))
    assert moment(talk).current_a == {"A": 8.0, "B": 10.0}
