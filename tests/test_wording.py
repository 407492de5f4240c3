"""The sentences: what they say, that their numbers add up, and that no code shows through."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadmgr import wording
from loadmgr.figures import local, plain
from loadmgr.model import Code, EvseId, Limit, Rung, Shortfall
from loadmgr.snapshot import ChargerView, Snapshot, Standing
from loadmgr.units import Phase
from loadmgr.wording import Why, why
from tests.web.snapshots import (
    DSO,
    HARDWARE,
    MAIN,
    NORTH,
    NOW,
    alone,
    car_park,
    charger,
    full_main,
    full_north,
    waiting,
)

LATER = NOW + timedelta(hours=2, minutes=18)


def _why(view: ChargerView) -> Why:
    return why(alone(view), view.id)


def _said(*ladder: Rung, target_a: float = 8.0, standing: Standing = Standing.CHARGING) -> str:
    return _why(charger("CP01", target_a=target_a, ladder=ladder, standing=standing)).sentence


# ── What is said ──────────────────────────────────────────────────────────────────────────


def test_the_reason_names_fuse_phase_amperes_sharers_and_what_comes_next() -> None:
    assert _said(full_north(), full_main(), HARDWARE) == (
        "8 A because North is full on L1: 3 cars and the building share 32 A "
        "(building 4.2 A, cars 27.8 A). "
        "11 A if North had more room; then Grid connection would be full on L2."
    )


def test_two_fuses_that_are_full_together_are_both_named() -> None:
    both = replace(full_main(8.0), cars_a=26.0)
    said = _said(full_north(), both, HARDWARE)
    assert "and Grid connection is full on L2 too. 16 A if North had more room and Grid" in said


def test_the_lowest_rung_is_the_reason_and_the_ladder_is_told_in_its_order() -> None:
    told = _why(charger("CP01", ladder=(full_north(), full_main(), HARDWARE)))
    assert told.brief == "North is full on L1: 3 cars and the building share 32 A."
    assert [rung.partition(":")[0] for rung in told.rungs] == ["8 A", "11 A", "16 A"]


def test_who_waits_learns_place_and_time() -> None:
    said = _said(waiting(), HARDWARE, target_a=0.0, standing=Standing.WAITING)
    assert said.startswith("0 A because it waits for its turn (number 1 of 2, next change about 18")
    assert "North has no room for one more car on L1" in said and "16 A" not in said


def test_who_waits_though_there_is_room_learns_that_it_must_last() -> None:
    room = replace(waiting(), cars_a=14.8)
    said = _said(room, HARDWARE, target_a=0.0, standing=Standing.WAITING)
    assert "North has not had room for one more car on L1 for long enough" in said
    assert "free 13 A" in said


def test_a_limit_names_who_asked_why_and_until_when() -> None:
    limited = Rung(
        code=Code.EXTERNAL_LIMIT,
        amps_a=8.0,
        circuit=MAIN,
        capacity_a=40_000.0,
        building_a=12_345.0,
        cars_a=22_595.0,
        sharing=(EvseId("CP01"), EvseId("CP02")),
        source="dso",
        until=LATER,
    )
    assert _said(limited, HARDWARE) == (
        "8 A because Grid connection may draw no more than 40 kW until 20:00 "
        "(limit by the grid operator, “congestion”): 2 cars and the building share 40 kW "
        "(building 12.3 kW, cars 22.6 kW, kept for CP05 and CP06 5.1 kW). "
        "16 A if the limit by the grid operator ended; then charger and cable are made for no more."
    )


def test_what_is_kept_for_chargers_that_take_no_part_is_named() -> None:
    said = _why(charger("CP01", ladder=(full_main(), HARDWARE))).rungs[0]
    assert "building 12 A, cars 23 A, kept for CP05 and CP06 22 A, free 3 A" in said


def test_an_offline_charger_says_what_is_reserved_for_it() -> None:
    offline = Rung(code=Code.OFFLINE, amps_a=0.0, cars_a=6.0)
    said = _said(offline, HARDWARE, target_a=0.0, standing=Standing.OFFLINE)
    assert said == "It is not connected; 6 A are reserved for it, which it may draw alone."
    never = _said(offline, HARDWARE, target_a=0.0, standing=Standing.NEVER_SEEN)
    assert never.startswith("It has never connected; 6 A")


def test_a_raise_that_is_held_back_says_until_when_and_a_small_one_says_so() -> None:
    soon = Rung(code=Code.RAMP, amps_a=8.0, until=NOW + timedelta(seconds=12))
    assert "the next is due at 17:42:12" in _said(soon, HARDWARE)
    assert "too small to be worth a change" in _said(replace(soon, until=NOW), HARDWARE)


def test_waiting_for_a_cheaper_hour_says_from_when_it_is_planned() -> None:
    view = charger("CP04", target_a=0.0, ladder=(Rung(code=Code.TARIFF_WAIT, amps_a=0.0), HARDWARE))
    snapshot = alone(view)
    assert snapshot.forecast is not None
    planned = {**snapshot.forecast.current_a, view.id: (0.0, 0.0, 16.0)}
    snapshot = replace(snapshot, forecast=replace(snapshot.forecast, current_a=planned))
    assert why(snapshot, view.id).sentence == (
        "0 A because it waits for a cheaper hour, planned from 17:52."
    )


# ── Between plan and charger ──────────────────────────────────────────────────────────────


def test_nothing_is_said_between_when_the_charger_has_what_is_planned() -> None:
    assert _why(charger("CP01")).between == ""


def test_an_increase_names_whose_decrease_it_waits_for() -> None:
    snapshot = alone(charger("CP01", target_a=8.0, ordered_a=6.0, reserved_a=(6.0, 6.0, 6.0)))
    slow = charger(
        "CP02", target_a=6.0, ordered_a=6.0, confirmed_a=12.0, reserved_a=(13.8, 12.0, 12.0)
    )
    chargers = tuple(slow if c.id == slow.id else c for c in snapshot.chargers)
    told = why(replace(snapshot, chargers=chargers), EvseId("CP01"))
    assert told.between == (
        "8 A planned, 6 A in force: waits until CP02 has confirmed its decrease."
    )


def test_a_charger_never_waits_for_itself() -> None:
    fading = charger("CP01", target_a=8.0, ordered_a=6.0, reserved_a=(12.0, 12.0, 12.0))
    snapshot = alone(fading)
    rest = tuple(c for c in snapshot.chargers if c.id in {"CP01", "CP06", "CP07"})
    told = why(replace(snapshot, chargers=rest), fading.id)
    assert told.between == "8 A planned, 6 A in force: the increase is on its way."


def test_an_unanswered_order_says_what_is_reserved_until_then() -> None:
    asked = charger("CP01", target_a=8.0, confirmed_a=12.0, reserved_a=(12.0, 12.0, 12.0))
    assert _why(asked).between == (
        "8 A planned, 12 A in force: waits for the charger's answer; until then 12 A are reserved."
    )


def test_a_dry_run_says_that_nothing_is_sent() -> None:
    view = charger("CP01", ordered_a=0.0, confirmed_a=None)
    assert "nothing is sent" in why(alone(view, dry_run=True), view.id).between


def test_a_charger_above_its_limit_is_named_but_not_while_it_comes_down() -> None:
    drawing = charger("CP01", target_a=10.0, measured_a=(0.0, 13.0, 0.0))
    assert _why(drawing).between == "It draws 13 A, more than its 10 A."
    assert _why(replace(drawing, reserved_a=(13.0, 13.0, 13.0))).between == ""


# ── Every code, every number ──────────────────────────────────────────────────────────────

numbers = st.floats(0, 1000) | st.none()
rungs = st.builds(
    Rung,
    code=st.sampled_from(Code),
    amps_a=st.floats(0, 64),
    circuit=st.sampled_from([NORTH, MAIN]) | st.none(),
    phase=st.sampled_from(Phase) | st.none(),
    capacity_a=numbers,
    building_a=numbers,
    cars_a=numbers,
    sharing=st.sampled_from([(), (EvseId("CP01"),), (EvseId("CP01"), EvseId("CP02"))]),
    source=st.sampled_from(["", "dso", "schedule:evening", "car"]),
    until=st.sampled_from([None, NOW, LATER, NOW + timedelta(days=40)]),
    position=st.integers(1, 9) | st.none(),
)


@given(st.lists(rungs, max_size=4), st.sampled_from(Standing), st.floats(0, 64))
def test_every_ladder_is_told_without_a_raw_code_or_a_hole(
    ladder: list[Rung], standing: Standing, target_a: float
) -> None:
    ladder.sort(key=lambda rung: rung.amps_a)
    told = _why(charger("CP01", standing=standing, target_a=target_a, ladder=tuple(ladder)))
    assert len(told.rungs) == len(told.splits) == len(ladder)
    for text in (told.brief, told.sentence, told.between, *told.rungs):
        assert not any(code.value in text for code in Code)
        assert "None" not in text and "  " not in text and "{" not in text
        assert not text or text.endswith(".")


@pytest.mark.parametrize("code", Code)
def test_every_code_has_words_of_its_own(code: Code) -> None:
    def said(code: Code) -> str:
        return _why(charger("CP01", ladder=(replace(full_north(), code=code),))).rungs[0]

    assert sum(said(other) == said(code) for other in Code) == 1


def test_the_numbers_in_the_sentence_add_up_to_the_fuse() -> None:
    uneven = replace(full_north(), building_a=4.24, cars_a=27.74, capacity_a=31.98)
    said = _said(uneven, HARDWARE)
    shares = re.search(r"share ([\d.]+) A \(building ([\d.]+) A, cars ([\d.]+) A\)", said)
    assert shares is not None
    assert float(shares[1]) == pytest.approx(float(shares[2]) + float(shares[3]))


# ── The site ──────────────────────────────────────────────────────────────────────────────


def test_the_overview_counts_chargers_and_names_the_fullest_fuse() -> None:
    assert wording.overview(car_park()) == (
        "3 of 7 chargers charging, 1 waiting, 1 not connected; "
        "fullest is North on L1 with 27.7 A of 32 A."
    )


def test_an_overload_comes_first() -> None:
    snapshot = car_park()
    main = replace(snapshot.circuits[0], measured_a=(70.0, 0.0, 0.0))
    snapshot = replace(snapshot, circuits=(main, *snapshot.circuits[1:]))
    assert wording.overview(snapshot).startswith(
        "Overload: Grid connection on L1 carries 70 A of 63 A."
    )


def test_what_only_may_flow_is_no_overload() -> None:
    """Before a charger has told anything, all its hardware lets through is reserved for it."""
    snapshot = car_park()
    rows = tuple(replace(row, building=70.0) for row in snapshot.circuits[0].rows)
    main = replace(snapshot.circuits[0], measured_a=None, rows=rows)
    said = wording.overview(replace(snapshot, circuits=(main, *snapshot.circuits[1:])))
    assert said.startswith("Grid connection") and "Overload" not in said
    assert "may carry up to" in said and "of 63 A" in said


def test_an_empty_site_has_an_overview() -> None:
    empty: Snapshot = replace(car_park(), circuits=(), chargers=())
    assert wording.overview(empty) == "0 of 0 chargers charging."


def test_a_limit_is_a_sentence() -> None:
    assert wording.limit(car_park(), DSO) == (
        "Grid connection: 40 kW until 20:00, by the grid operator (congestion)."
    )
    uneven = Limit(
        name="x", circuit=NORTH, current_a=(25.0, float("inf"), 16.0), source="operator",
        valid_from=NOW + timedelta(hours=1),
    )  # fmt: skip
    assert wording.limit(car_park(), uneven) == (
        "North: L1 25 A and L3 16 A from 18:42 until released, by the operator."
    )


def test_missing_energy_is_a_sentence() -> None:
    missing = Shortfall(evse=EvseId("CP03"), missing_wh=4210.0, departure=LATER)
    said = "CP03 will lack 4.2 kWh when it leaves at 20:00."
    assert wording.shortfall(car_park(), missing) == said


def test_times_are_those_of_the_site_with_the_day_where_it_is_another() -> None:
    def shown(hours: float) -> str:
        return local(NOW + timedelta(hours=hours), NOW, "Europe/Amsterdam")

    assert shown(0) == "17:42"
    assert shown(12) == "Mon 05:42"
    assert shown(24 * 30) == "22 Dec 2026 17:42"


def test_the_hour_that_comes_twice_is_told_apart() -> None:
    first = NOW.replace(month=10, day=25, hour=0, minute=30)  # 02:30 summer time
    second = first + timedelta(hours=1)
    assert local(first, first, "Europe/Amsterdam") == "02:30 CEST"
    assert local(second, first, "Europe/Amsterdam") == "02:30 CET"


def test_control_characters_do_not_reach_a_terminal() -> None:
    assert plain("Bay\x1b[31m 1\r\n") == "Bay·[31m 1··"
