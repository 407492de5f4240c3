"""Cars: late, never below their minimum, and full in the end."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadmgr.simulate.car import Car, CarSpec


def run(car: Car, pilot_a: float, seconds: int) -> list[float]:
    return [car.step(pilot_a, 1.0)[0] for _ in range(seconds)]


def test_a_car_follows_a_new_pilot_within_its_reaction_time():
    car = Car(CarSpec(reaction_s=4.0))
    currents = run(car, 16.0, 6)
    assert currents[:2] == [
        0.0,
        4.0,
    ]  # two seconds of waiting, the ramp begins with the second's end
    assert currents[4:] == [16.0, 16.0]


@given(st.floats(0.0, 5.99), st.floats(1.0, 10.0))
def test_below_six_amperes_a_car_does_not_charge(pilot_a, reaction_s):
    car = Car(CarSpec(reaction_s=reaction_s))
    run(car, 16.0, 15)
    assert run(car, pilot_a, 14)[-1] == 0.0


@given(st.floats(6.0, 80.0))
def test_a_settled_car_draws_the_lower_of_pilot_and_its_own_maximum(pilot_a):
    car = Car(CarSpec(max_a=16.0))
    assert run(car, pilot_a, 12)[-1] == pytest.approx(min(pilot_a, 16.0))


def test_a_one_phase_car_loads_only_the_first_terminal():
    car = Car(CarSpec(phases=1, max_a=32.0))
    for _ in range(10):
        terminals = car.step(20.0, 1.0)
    assert terminals == (20.0, 0.0, 0.0)


def test_a_three_phase_car_on_a_one_phase_cable_stores_what_flows_through_one():
    car = Car(CarSpec(phases=3), terminals=1)
    flowed_wh = sum(sum(car.step(16.0, 1.0)) * 230.0 / 3600.0 for _ in range(600))
    assert car.charged_wh == pytest.approx(flowed_wh)


def test_an_opened_contactor_stops_the_current_at_once():
    car = Car(CarSpec())
    run(car, 16.0, 10)
    car.cut()
    assert car.drawn_a() == 0.0
    assert run(car, 16.0, 10)[-1] == 16.0  # and the next pilot is followed again


def test_near_full_the_current_falls_step_by_step_and_ends_with_the_wanted_energy():
    spec = CarSpec(capacity_wh=10_000.0, wanted_wh=4_000.0, taper_from=0.8)
    car = Car(spec)
    currents = run(car, 16.0, 3600)
    tapered = currents[currents.index(max(currents)) :]
    assert tapered == sorted(tapered, reverse=True)
    assert car.full and currents[-1] == 0.0
    assert car.charged_wh == pytest.approx(4_000.0)
    assert car.steady_s() == math.inf


def test_a_car_may_drop_to_one_phase_when_it_tapers():
    car = Car(CarSpec(capacity_wh=10_000.0, wanted_wh=1_500.0, taper_from=0.8, taper_phases=1))
    for _ in range(10):
        terminals = car.step(16.0, 1.0)
    assert terminals[1:] == (0.0, 0.0) and terminals[0] > 6.0


@settings(max_examples=40, deadline=None)  # walks through hours of seconds
@given(
    st.floats(0.0, 32.0),
    st.floats(100.0, 10_000.0),
    st.floats(0.5, 0.95),
    st.sampled_from([1, 2, 3]),
)
def test_one_long_step_while_steady_equals_many_short_ones(pilot_a, wanted_wh, taper, phases):
    spec = CarSpec(
        capacity_wh=10_000.0, wanted_wh=wanted_wh, taper_from=taper, phases=phases, reaction_s=2.0
    )
    short, long = Car(spec), Car(spec)
    run(short, pilot_a, 5)
    run(long, pilot_a, 5)
    for _ in range(20):
        seconds = max(1.0, float(math.floor(min(600.0, long.steady_s()))))
        long_a = long.step(pilot_a, seconds)
        for _ in range(int(seconds)):
            short_a = short.step(pilot_a, 1.0)
        assert short_a == pytest.approx(long_a, abs=0.11)
        assert short.stored_wh == pytest.approx(long.stored_wh, rel=1e-4, abs=0.1)


@pytest.mark.parametrize(
    "wrong",
    [{"phases": 4}, {"min_a": 20.0}, {"wanted_wh": 1e9}, {"taper_from": 0}, {"reaction_s": 0}],
)
def test_an_impossible_car_is_refused(wrong):
    with pytest.raises(ValueError, match="car"):
        CarSpec(**wrong)
