"""Amperes to charging schedules and back: never more than was meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.ocpp.schedule import Span, highest_from, profile_id, rate_units
from tests.connectors.ocpp.ground import NORTH_1, NORTH_2

NOW = datetime(2026, 3, 4, 12, 0, 0, 700_000, tzinfo=UTC)
UNITS = rate_units(NORTH_1, 230.0, balanced=False)


@given(st.floats(0, 1000), st.sampled_from("AW"), st.booleans())
def test_the_wire_never_says_more_than_was_meant(
    current_a: float, symbol: str, balanced: bool
) -> None:
    unit = rate_units(NORTH_1, 230.0, balanced)[symbol]
    assert unit.current_a(unit.wire(current_a)) <= current_a + 2e-4


def test_watts_are_for_one_phase_unless_the_station_is_balanced() -> None:
    assert UNITS["W"].wire(10.0) == 2300
    assert rate_units(NORTH_1, 230.0, balanced=True)["W"].wire(10.0) == 6900
    assert rate_units(NORTH_2, 230.0, balanced=True)["W"].wire(10.0) == 2300  # wired on one


def test_a_value_just_below_a_step_of_the_wire_is_that_step() -> None:
    assert UNITS["A"].wire(7.99999) == 8.0
    assert UNITS["A"].wire(7.99) == 7.9


@given(st.floats(1, 86_400))
def test_a_limit_is_in_force_at_once_and_never_lasts_longer_than_told(lasts_s: float) -> None:
    span = Span.of(NOW, lasts_s)
    assert span.start < NOW
    ends = span.start + timedelta(seconds=span.seconds)
    assert ends == span.end
    assert NOW + timedelta(seconds=lasts_s - 1) <= ends <= NOW + timedelta(seconds=lasts_s)


def test_profile_ids_differ_between_outlets_and_uses() -> None:
    ids = {profile_id(evse, use) for evse in (NORTH_1, NORTH_2) for use in (1, 2)}
    assert len(ids) == 4


# ── Read back ─────────────────────────────────────────────────────────────────────────────


def composite(*periods: tuple[float, float], unit: str = "A", duration: int | None = 400) -> Any:
    listed = [{"startPeriod": start, "limit": limit} for start, limit in periods]
    schedule: dict[str, Any] = {"chargingRateUnit": unit, "chargingSchedulePeriod": listed}
    return schedule if duration is None else {**schedule, "duration": duration}


def test_what_holds_when_our_limits_have_ended_is_read() -> None:
    assert highest_from(composite((0, 16), (300, 6)), 340, UNITS) == 6
    assert highest_from(composite((0, 16), (300, 6), duration=None), 340, UNITS) == 6
    assert highest_from(composite((300, 6), (0, 16)), 340, UNITS) == 6  # whatever the order
    assert highest_from(composite((0, 0)), 340, UNITS) == 0
    assert highest_from(composite((0, 1380), unit="W"), 340, UNITS) == 6


def test_of_several_later_limits_the_highest_counts() -> None:
    assert highest_from(composite((0, 6), (350, 32)), 340, UNITS) == 32


@pytest.mark.parametrize(
    "schedule",
    [
        None,
        {},
        [],
        composite(),
        composite((0, -1)),
        composite((0, 16), (300, -1)),
        composite((0, 16), duration=100),
        composite((0, 16), duration=0),
        composite((350, 16)),
        composite((0, 16), unit="kW"),
        composite((0, 16), (-5, 16)),
        {"chargingRateUnit": "A", "chargingSchedulePeriod": 7},
        {"chargingRateUnit": "A", "chargingSchedulePeriod": [7]},
        {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0}]},
        {"chargingRateUnit": ["A"], "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1}]},
    ],
)
def test_a_schedule_that_cannot_say_says_nothing(schedule: object) -> None:
    assert highest_from(schedule, 340, UNITS) is None
