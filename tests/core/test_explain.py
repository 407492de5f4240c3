"""Why: the fuse, the phase, the amperes and who shares them; and the reason is the true one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from loadmgr.model import Code, ConnectorStatus, EvseId, Limit, Policy, Rung, Share
from loadmgr.units import Phase
from tests.core.talk import L1, L2, Talk, bay, fuse, metered, site_of
from tests.strategies import talks

ROWS = {
    Code.CIRCUIT_FULL,
    Code.POWER_CAP,
    Code.EXTERNAL_LIMIT,
    Code.METER_LOST,
    Code.WAITING_TURN,
}


def ladder(talk: Talk, evse: str = "A") -> tuple[Rung, ...]:
    return talk.plan().allocations[EvseId(evse)].ladder


def reason(talk: Talk, evse: str = "A") -> Rung:
    return ladder(talk, evse)[0]


def crowded(**more: object) -> Talk:
    """Three cars share 32 A of a sub-board that has a building load of 3 A."""
    circuits = (fuse("main", 63.0), fuse("north", 32.0, building_a=(3.0, 0.0, 0.0)))
    talk = Talk(
        site_of(*(bay(name, "north") for name in "ABC"), circuits=circuits, **more)  # type: ignore[arg-type]
    )
    talk.ready("A", "B", "C")
    return talk


# ── What is said ──────────────────────────────────────────────────────────────────────────


def test_a_full_fuse_is_named_with_phase_amperes_and_sharers():
    said = reason(crowded())
    assert said.code is Code.CIRCUIT_FULL
    assert (said.circuit, said.phase) == ("north", L1)
    assert said.amps_a == 9.6
    assert (said.capacity_a, said.building_a) == (32.0, 3.0)
    assert said.cars_a == pytest.approx(29.0)
    assert said.sharing == ("A", "B", "C")


def test_what_stands_on_a_row_adds_up_to_it_when_it_is_full():
    said = reason(crowded())
    assert said.capacity_a is not None and said.building_a is not None and said.cars_a is not None
    assert said.building_a + said.cars_a == pytest.approx(said.capacity_a)


def test_the_next_rung_says_what_would_come_then():
    first, second = ladder(crowded())[:2]
    assert (first.circuit, second.code) == ("north", Code.HARDWARE_MAX)
    assert first.amps_a < second.amps_a


def test_a_charger_at_its_hardware_maximum_says_so():
    talk = Talk(site_of(bay("A", max_a=16.0)))
    talk.ready("A")
    assert reason(talk).code is Code.HARDWARE_MAX
    assert reason(talk).amps_a == 16.0


def test_a_car_that_says_it_takes_less_is_the_reason_itself():
    talk = Talk(site_of(bay("A")))
    talk.ready("A", plugged=False)
    talk.plugs("A", max_a=16.0)
    assert (reason(talk).code, reason(talk).source) == (Code.HARDWARE_MAX, "car")


def test_a_limit_from_outside_is_named_with_its_source_and_end():
    talk = crowded()
    talk.limits(12.0, source="dso", lasts=600)
    said = reason(talk)
    assert (said.code, said.source, said.circuit) == (Code.EXTERNAL_LIMIT, "dso", "main")
    assert said.until is not None and (said.until - talk.now).total_seconds() == 600


def test_a_contract_is_named_in_watt():
    circuits = (fuse("main", 63.0, max_power_w=6900.0),)
    talk = Talk(site_of(bay("A"), circuits=circuits))
    talk.ready("A")
    said = reason(talk)
    assert (said.code, said.phase, said.capacity_a) == (Code.POWER_CAP, None, 6900.0)
    assert said.amps_a == 10.0


def test_a_silent_meter_is_the_reason_for_what_it_costs():
    talk = Talk(metered(bay("A"), fuse_a=63.0, worst_a=50.0))
    talk.ready("A")
    assert (reason(talk).code, reason(talk).amps_a) == (Code.METER_LOST, 13.0)


def test_who_waits_is_told_its_place_the_full_row_and_the_next_swap():
    talk = Talk(site_of(bay("A"), bay("B"), bay("C"), fuse_a=9.0))
    talk.ready("A", "B", "C")
    talk.obeys(30.0)
    waiting = [name for name in "ABC" if talk.target(name) == 0.0]
    assert len(waiting) == 2
    places = set()
    for name in waiting:
        said = reason(talk, name)
        assert (said.code, said.circuit, said.amps_a) == (Code.WAITING_TURN, "main", 0.0)
        assert said.until is not None and said.until > talk.now
        places.add(said.position)
    assert places == {1, 2}


def test_where_there_is_nothing_for_anybody_nobody_waits_for_a_turn():
    talk = Talk(site_of(bay("A"), bay("B"), fuse_a=40.0))
    talk.ready("A", "B")
    talk.limits(0.0)
    for name in "AB":
        said = reason(talk, name)
        assert (said.code, said.circuit, said.amps_a) == (Code.EXTERNAL_LIMIT, "main", 0.0)
    talk = Talk(metered(bay("A"), bay("B"), fuse_a=63.0, worst_a=60.0))
    talk.ready("A", "B")
    assert {reason(talk, name).code for name in "AB"} == {Code.METER_LOST}


def test_an_increase_that_is_held_back_says_until_when():
    talk = Talk(site_of(bay("A"), fuse_a=20.0))
    talk.ready("A")
    talk.holds("A", 10.0)
    talk.after(3)
    said = reason(talk)
    assert said.code is Code.RAMP
    assert said.until is not None and (said.until - talk.now).total_seconds() == 9.0


def test_a_car_that_draws_less_and_one_that_is_full_say_so():
    talk = Talk(site_of(bay("A"), bay("B"), fuse_a=63.0))
    talk.ready("A", "B")
    talk.status("B", ConnectorStatus.SUSPENDED_EV)
    talk.obeys(300.0, A=9.0, B=0.0)
    assert reason(talk, "A").code is Code.CAR_DRAWS_LESS
    assert reason(talk, "B").code is Code.CAR_FINISHED


@pytest.mark.parametrize(
    ("happens", "code"),
    [
        (lambda talk: None, Code.OFFLINE),
        (lambda talk: talk.connects("A"), Code.NOT_CONFIRMED),
        (lambda talk: talk.ready("A", plugged=False), Code.NO_CAR),
    ],
)
def test_a_charger_that_takes_no_part_says_why(happens, code: Code):  # type: ignore[no-untyped-def]
    talk = Talk(site_of(bay("A")))
    happens(talk)
    allocation = talk.plan().allocations[EvseId("A")]
    assert allocation.ladder[0].code is code
    assert allocation.current_a == 0.0 and not allocation.steered


def test_a_charger_that_disobeys_says_what_it_did():
    talk = Talk(site_of(bay("A")))
    talk.ready("A")
    talk.holds("A", 10.0)
    talk.after(20)
    for _ in range(3):
        talk.after(5).draws("A", 20.0)
    said = reason(talk)
    assert said.code is Code.QUARANTINE
    assert "10.0 A" in said.source and "20.0 A" in said.source


# ── What always holds ─────────────────────────────────────────────────────────────────────

many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@many
@given(talks())
def test_every_charger_has_a_reason_and_never_more_than_the_reason_allows(talk: Talk):
    for allocation in talk.plan().allocations.values():
        heights = [rung.amps_a for rung in allocation.ladder]
        assert heights == sorted(heights)
        assert allocation.current_a <= heights[0] + 1e-6


@many
@given(talks())
def test_nothing_is_planned_between_0_and_the_minimum_or_above_the_hardware(talk: Talk):
    for name, allocation in talk.plan().allocations.items():
        evse = talk.site.evse[name]
        commanded = min(talk.of(name).commanded_a, evse.max_a)
        kept = allocation.current_a == commanded  # a small old limit may be left as it is
        assert kept or allocation.current_a == 0 or evse.min_a <= allocation.current_a
        assert allocation.current_a <= evse.max_a


@many
@given(talks())
def test_the_plan_fits_every_row_that_has_room_for_what_must_be_reserved(talk: Talk):
    for row in talk.plan().rows:
        steered = [a for a in talk.plan().allocations.values() if a.ladder and a.steered]
        if not steered:
            continue
        assert row.planned <= max(row.usable - row.building, 0.0) + 1e-3 or _only_kept(talk, row)


def _only_kept(talk: Talk, row) -> bool:  # type: ignore[no-untyped-def]
    """What is above the room is fallback, which is nobody's to take."""
    return talk.site.offline.fallback_a > 0


@many
@given(talks(equals=True, calm=True))
def test_one_ampere_more_where_the_reason_points_helps_or_the_next_rung_is_named(talk: Talk):
    before = talk.plan()
    for name, allocation in before.allocations.items():
        said = allocation.ladder[0]
        if said.code not in ROWS:
            continue
        more = Talk(talk.site)
        more.state, more.now = talk.state, talk.now
        _raise(more, said, _missing(talk, said) + _step(talk, said, name))
        after = more.plan().allocations[name]
        helped = after.current_a > allocation.current_a
        # Less than the wire can say is no help yet; the room has grown nevertheless.
        grown = after.ladder[0].amps_a > said.amps_a
        elsewhere = _place(after.ladder[0]) != _place(said)
        # Or it was just enough for one more car to have its minimum.
        joined = set(after.ladder[0].sharing) - set(said.sharing)
        assert helped or grown or elsewhere or joined, (name, said, after)


def _missing(talk: Talk, said: Rung) -> float:
    """What a row is short of before anybody can be given anything. [A]"""
    row = next(r for r in talk.plan().rows if (r.circuit, r.phase) == (said.circuit, said.phase))
    unit = 1.0 if said.phase is not None else 3 * talk.site.voltage_v
    return max(0.0, row.building + row.reserved - row.usable) / unit


def _step(talk: Talk, said: Rung, name: EvseId) -> float:
    """An ampere; what several need who wait; or the first ampere that is any use. [A]"""
    if said.position is not None:
        return 42.0
    return 1.0 if said.amps_a > 0 else talk.site.evse[name].min_a


def _place(rung: Rung) -> tuple[object, ...]:
    return rung.code, rung.circuit, rung.phase, rung.source


def _raise(talk: Talk, said: Rung, by_a: float) -> None:
    """`by_a` more on the row that is named."""
    site, phase = talk.site, said.phase
    watts = 3 * site.voltage_v * by_a
    limit = next((n for n in talk.state.limits.values() if n.source == said.source), None)
    if limit is not None:
        talk.state = replace(talk.state, limits={limit.name: _higher(limit, phase, by_a, watts)})
        return
    circuits = []
    for circuit in site.circuits:
        if circuit.id == said.circuit and phase is None and circuit.max_power_w is not None:
            circuit = replace(circuit, max_power_w=circuit.max_power_w + watts)
        elif circuit.id == said.circuit and phase is not None:
            raised = [a + by_a * (p == phase) for p, a in enumerate(circuit.rating_a)]
            circuit = replace(circuit, rating_a=(raised[0], raised[1], raised[2]))
        circuits.append(circuit)
    talk.site = replace(site, circuits=tuple(circuits))


def _higher(limit: Limit, phase: Phase | None, by_a: float, watts: float) -> Limit:
    if phase is None:
        return replace(limit, power_w=(limit.power_w or 0.0) + watts)
    raised = [a + by_a * (p == phase) for p, a in enumerate(limit.current_a)]
    return replace(limit, current_a=(raised[0], raised[1], raised[2]))


def test_the_sharers_of_a_phase_are_those_on_that_phase():
    talk = Talk(site_of(bay("A", "main", L1), bay("B", "main", L2), bay("C"), fuse_a=20.0))
    talk.ready("A", "B", "C")
    assert reason(talk, "A").sharing == ("A", "C")
    assert reason(talk, "B").sharing == ("B", "C")


def test_priority_shows_in_what_is_shared():
    talk = Talk(
        site_of(bay("A"), bay("B", priority=3.0), fuse_a=30.0, policy=Policy(share=Share.PRIORITY))
    )
    talk.ready("A", "B")
    assert reason(talk, "A").circuit == "main"
    assert reason(talk, "A").amps_a == 6.0
