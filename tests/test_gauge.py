"""How full a row is: what flows, what could flow, and who has how much of it."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from loadmgr.gauge import Level, gauges, in_tenths, split
from loadmgr.snapshot import Snapshot, Standing
from loadmgr.units import Phase
from tests.web.snapshots import (
    MAIN,
    NORTH,
    NOW,
    car_park,
    charger,
    circuit,
    full_north,
    row,
)

amperes = st.floats(0, 500, allow_nan=False)


def _only(level_of: Snapshot) -> Level:
    return gauges(level_of)[MAIN][0].level


def _site(
    *, used: float, usable: float = 60.0, building: float = 0.0, reserved: float = 0.0
) -> Snapshot:
    rows = (row(MAIN, Phase.L1, rating=63.0, usable=usable, building=building, reserved=reserved),)
    main = circuit(MAIN, "Grid", rows, rating=63.0, measured_a=(used, 0.0, 0.0))
    return replace(car_park(), circuits=(main,), chargers=())


def test_a_row_with_room_is_free() -> None:
    assert _only(_site(used=30.0)) is Level.FREE


def test_a_row_is_full_when_the_ledger_fills_it_even_if_little_flows() -> None:
    assert _only(_site(used=10.0, building=10.0, reserved=50.0)) is Level.FULL


def test_more_than_a_limit_allows_is_above_even_when_the_copper_could_carry_it() -> None:
    assert _only(_site(used=61.0)) is Level.ABOVE
    assert _only(_site(used=20.0, usable=25.0, building=5.0, reserved=30.0)) is Level.ABOVE


def test_more_than_the_rating_is_an_overload() -> None:
    assert _only(_site(used=63.2)) is Level.OVER


def test_a_current_that_is_not_a_number_is_never_in_order() -> None:
    assert _only(_site(used=math.nan)) is Level.OVER


def test_the_meter_of_a_circuit_goes_before_the_sum_of_what_is_below() -> None:
    g = gauges(car_park())[MAIN][Phase.L1]
    assert g.used == 55.2 and g.metered
    g = gauges(car_park())[NORTH][Phase.L1]
    assert g.used == g.row.building + g.cars and not g.metered


def test_a_lost_meter_is_not_shown_as_what_flows() -> None:
    snapshot = car_park()
    main = replace(snapshot.circuits[0], meter_lost=True)
    g = gauges(replace(snapshot, circuits=(main, *snapshot.circuits[1:])))[MAIN][Phase.L1]
    assert not g.metered and g.used == g.row.building + g.cars


def test_a_rotated_charger_loads_the_bar_of_the_phase_it_is_on() -> None:
    only = charger("CP01", measured_a=(0.0, 12.0, 0.0))
    seen = gauges(replace(car_park(), chargers=(only,)))[NORTH]
    assert [g.cars for g in seen] == [0.0, 12.0, 0.0]


def test_a_silent_charger_counts_with_the_most_it_could_draw() -> None:
    unseen = charger("CP01", measured_a=None, reserved_a=(16.0, 16.0, 16.0))
    old = replace(unseen, measured_a=(3.0, 3.0, 3.0), measured_at=NOW - timedelta(minutes=5))
    for silent in (unseen, old):
        seen = gauges(replace(car_park(), chargers=(silent,)))[NORTH]
        assert [g.cars for g in seen] == [16.0, 16.0, 16.0]


def test_a_charger_without_a_car_draws_nothing_though_something_is_reserved() -> None:
    ready = charger("CP01", standing=Standing.READY, reserved_a=(6.0, 6.0, 6.0))
    assert gauges(replace(car_park(), chargers=(ready,)))[NORTH][0].cars == 0.0


@given(amperes, amperes, amperes, amperes)
def test_the_parts_of_a_full_fuse_add_up_to_it_as_shown(
    capacity: float, building: float, cars: float, held: float
) -> None:
    rung = replace(full_north(), capacity_a=capacity, building_a=building, cars_a=cars)
    parts = split(rung, held)
    assert parts is not None
    shown = [parts.building, parts.cars, parts.held, parts.free]
    assert round(sum(shown), 6) == parts.capacity
    assert abs(parts.building - building) <= 0.1 + 1e-6
    assert abs(parts.cars - cars) <= 0.1 + 1e-6
    assert all(part == round(part, 1) for part in shown)


@given(amperes, st.lists(amperes, max_size=6))
def test_tenths_move_no_part_by_more_than_one_tenth(total: float, parts: list[float]) -> None:
    tenths = in_tenths(total, parts)
    assert tenths is not None
    exact = [*parts, total - sum(parts)]
    assert all(abs(a - b) <= 0.1 + 1e-5 for a, b in zip(tenths, exact, strict=True))


def test_an_unlimited_row_has_no_split() -> None:
    assert split(replace(full_north(), capacity_a=math.inf), 0.0) is None
    assert in_tenths(32.0, (math.nan,)) is None
