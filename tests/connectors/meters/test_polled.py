from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connectors.meters.polled import LONGEST_WAIT_S, bounds_here, next_poll, wait_s


def test_a_meter_that_fails_is_asked_less_and_less_often_but_never_left_alone():
    assert [wait_s(1.0, failures) for failures in range(7)] == [1, 1, 2, 4, 8, 10, 10]


def test_years_of_silence_do_not_overflow():
    assert wait_s(1.0, 10**9) == LONGEST_WAIT_S


def test_a_slow_rhythm_is_not_hurried_by_failures():
    assert wait_s(14.0, 3) == 14.0


@given(st.floats(0, 1e6), st.floats(0, 1e4), st.floats(0.2, 60))
def test_polls_that_were_missed_are_skipped_not_made_up_for(due, late, wait):
    following = next_poll(due, due + late, wait)
    assert following > due + late - 1e-6
    assert following <= due + late + wait + 1e-6


def test_bounds_follow_the_strongest_phase_of_the_metered_circuit(one_phase_context):
    assert bounds_here(one_phase_context, 60).rating_a == 40.0
