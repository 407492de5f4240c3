from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.meters.plausible import Bounds, Track, Verdict, judge
from connectors.meters.reading import Reading

BOUNDS = Bounds(rating_a=63.0, frozen_after=60)
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

currents = st.tuples(*[st.floats(-126.0, 1260.0)] * 3)


def verdicts(readings: list[Reading], bounds: Bounds = BOUNDS) -> list[Verdict]:
    track, told = Track(), []
    for reading in readings:
        track, verdict = judge(track, reading, bounds)
        told.append(verdict)
    return told


@given(currents)
def test_whatever_the_wiring_can_carry_is_believed(current_a):
    assert verdicts([Reading(current_a)])[0].good


@given(
    currents,
    st.integers(0, 2),
    st.sampled_from([math.nan, math.inf, -math.inf]) | st.floats(1261) | st.floats(max_value=-127),
)
def test_one_absurd_phase_spoils_the_reading_and_is_named(current_a, phase, absurd):
    spoilt = (*current_a[:phase], absurd, *current_a[phase + 1 :])
    (verdict,) = verdicts([Reading(spoilt)])
    assert not verdict.good
    assert f"L{phase + 1}" in verdict.doubt


def test_milliamperes_taken_for_amperes_are_not_believed():
    assert not verdicts([Reading((10_500.0, 9_800.0, 11_200.0))])[0].good


def test_a_value_is_frozen_when_it_comes_the_sixtieth_time_and_thaws_when_it_moves():
    same, moved = Reading((1.5, 2.5, 3.5)), Reading((1.5, 2.5, 3.6))
    told = verdicts([same] * 61 + [moved])
    assert [verdict.good for verdict in told] == [True] * 59 + [False] * 2 + [True]
    assert "1.5/2.5/3.5 A" in told[60].doubt


def test_a_meter_stuck_at_zero_is_frozen_too():
    assert not verdicts([Reading((0.0, 0.0, 0.0))] * 60)[-1].good


def test_one_moving_phase_is_life_enough():
    readings = [Reading((1.0, 2.0, step / 1000)) for step in range(200)]
    assert all(verdict.good for verdict in verdicts(readings))


def test_a_steady_load_may_be_declared_normal():
    steady = Bounds(rating_a=63.0, frozen_after=0)
    assert all(verdict.good for verdict in verdicts([Reading((1.0, 1.0, 1.0))] * 500, steady))


@pytest.mark.parametrize("nonsense", [math.nan, 1e9])
def test_nonsense_in_between_does_not_thaw_a_frozen_value(nonsense):
    same, spoilt = Reading((1.0, 2.0, 3.0)), Reading((nonsense, 2.0, 3.0))
    assert not verdicts([same] * 60 + [spoilt, same])[-1].good


def test_a_time_stamp_that_comes_again_is_old_news_but_no_fault():
    first = Reading((1.0, 2.0, 3.0), NOON)
    again = Reading((9.0, 9.0, 9.0), NOON)
    assert verdicts([first, again])[-1] == Verdict(fresh=False)


def test_a_time_stamp_that_stands_still_is_a_fault_in_the_end():
    readings = [Reading((float(number), 0.0, 0.0), NOON) for number in range(60)]
    assert "frozen" in verdicts(readings)[-1].doubt


def test_a_meter_whose_clock_is_set_back_is_still_heard():
    first = Reading((1.0, 2.0, 3.0), NOON)
    back = Reading((1.1, 2.0, 3.0), NOON - timedelta(hours=1))
    assert verdicts([first, back])[-1].good
