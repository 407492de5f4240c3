"""One station: what it is told, what it does, and its bad habits."""

from __future__ import annotations

import math

import pytest

from loadmgr.model import ConnectorStatus, StationId
from loadmgr.simulate.car import CarSpec
from loadmgr.simulate.profiles import Kind, Period, Profile, Purpose, Unacceptable
from loadmgr.simulate.station import Station
from loadmgr.simulate.temper import Temper, Zero

T0 = 1_000_000.0
CAR = CarSpec(reaction_s=2.0)


def station_of(site, temper: Temper = Temper(), **more) -> Station:  # noqa: B008 - frozen
    return Station(StationId("A"), [site.evses[0]], now_s=T0, temper=temper, **more)


def charging(site, temper: Temper = Temper()) -> Station:  # noqa: B008 - frozen
    """A station twenty seconds into a transaction at full power."""
    station = station_of(site, temper)
    station.plug(1, CAR, T0)
    station.begin(1, T0, id="7", token="T")
    station.advance(T0 + 20)
    return station


def limit(limit_a: float, *, at_s: float = T0 + 20, **more) -> Profile:
    given = {"id": 5, "level": 1, "purpose": Purpose.TX, "start_s": at_s, "transaction_id": "7"}
    return Profile(periods=(Period(0.0, limit_a),), **given | more)


def current_after(station: Station, seconds: float) -> float:
    station.advance(T0 + 20 + seconds)
    return station.outlets[1].terminal_a[0]


def test_a_car_without_transaction_draws_nothing(site):
    station = station_of(site)
    station.plug(1, CAR, T0)
    station.advance(T0 + 60)
    assert station.outlets[1].terminal_a == (0.0, 0.0, 0.0)
    assert station.outlets[1].status is ConnectorStatus.PREPARING


def test_without_any_profile_a_transaction_charges_at_hardware_maximum(site):
    station = charging(site)
    assert station.outlets[1].terminal_a == (16.0, 16.0, 16.0)
    assert station.outlets[1].status is ConnectorStatus.CHARGING


def test_a_default_counted_from_the_start_of_a_transaction_holds_from_its_first_second(site):
    station = station_of(site)
    nothing = limit(0.0, at_s=None, kind=Kind.RELATIVE, purpose=Purpose.DEFAULT, level=0)
    station.set_profile(1, nothing, T0)
    station.plug(1, CAR, T0 + 5)
    station.begin(1, T0 + 5.9, id="7", token="T")
    station.set_profile(1, limit(7.0, at_s=T0 + 6), T0 + 6.2)
    for second in range(6, 30):
        station.advance(T0 + second)
        assert station.outlets[1].pilot_a in (0.0, 7.0)


@pytest.mark.parametrize("reaction_s", [0.5, 2.0, 7.0])
def test_a_limit_is_felt_after_the_reaction_of_charger_and_car(site, reaction_s):
    station = charging(site, Temper(reaction_s=reaction_s))
    station.set_profile(1, limit(8.0), T0 + 20)
    assert current_after(station, math.floor(reaction_s)) == 16.0
    assert current_after(station, math.ceil(reaction_s + CAR.reaction_s) + 1) == 8.0


def test_a_limit_told_within_a_second_is_not_obeyed_before_it_was_told(site):
    station = charging(site, Temper(reaction_s=0.0))
    station.set_profile(1, limit(0.0, at_s=T0), T0 + 20.9)
    assert current_after(station, 1.0) == 16.0


def test_an_expired_limit_gives_way_to_the_default(site):
    station = charging(site)
    station.set_profile(1, limit(6.0, id=1, level=0, purpose=Purpose.DEFAULT), T0 + 20)
    station.set_profile(1, limit(12.0, duration_s=60.0), T0 + 20)
    assert current_after(station, 50) == 12.0
    assert current_after(station, 70) == 6.0


@pytest.mark.parametrize(
    ("zero", "expected_a"),
    [(Zero.STOPS, 0.0), (Zero.IGNORED, 16.0), (Zero.UNLIMITED, 16.0), (Zero.MINIMUM, 6.0)],
)
def test_zero_amperes_mean_what_the_temper_makes_of_them(site, zero, expected_a):
    station = charging(site, Temper(zero=zero))
    station.set_profile(1, limit(0.0), T0 + 20)
    assert current_after(station, 10) == expected_a


@pytest.mark.parametrize("limit_a", [0.0, 3.0, 5.9])
def test_a_limit_below_six_amperes_suspends(site, limit_a):
    station = charging(site)
    station.set_profile(1, limit(limit_a), T0 + 20)
    assert current_after(station, 10) == 0.0
    assert station.outlets[1].status is ConnectorStatus.SUSPENDED_EVSE


def test_bad_habits_one_by_one(site):
    deaf = charging(site, Temper(ignores_limits=True))
    deaf.set_profile(1, limit(8.0), T0 + 20)
    assert current_after(deaf, 20) == 16.0
    forgetful = charging(site, Temper(stores_profiles=False))
    forgetful.set_profile(1, limit(8.0), T0 + 20)
    assert current_after(forgetful, 20) == 16.0
    assert forgetful.limit_a(1, T0 + 40) == math.inf
    coarse = charging(site, Temper(whole_amperes=True))
    coarse.set_profile(1, limit(8.9), T0 + 20)
    assert current_after(coarse, 20) == 8.0
    for temper in (Temper(rejects_profiles=True), Temper(zero=Zero.REJECTED)):
        with pytest.raises(Unacceptable):
            charging(site, temper).set_profile(1, limit(0.0), T0 + 20)


def test_a_transaction_profile_needs_its_transaction(site):
    with pytest.raises(Unacceptable, match="no transaction"):
        station_of(site).set_profile(1, limit(8.0), T0)
    with pytest.raises(Unacceptable, match="9 does not run"):
        charging(site).set_profile(1, limit(8.0, transaction_id="9"), T0 + 20)


def test_the_end_of_a_transaction_drops_its_profiles_and_the_current(site):
    station = charging(site)
    station.set_profile(1, limit(8.0), T0 + 20)
    ended = station.end(1, T0 + 40)
    assert ended is not None and ended.energy_wh(0.0) == pytest.approx(
        station.outlets[1].register_wh
    )
    assert len(station.profiles) == 0
    assert station.outlets[1].terminal_a == (0.0, 0.0, 0.0)
    assert station.outlets[1].status is ConnectorStatus.FINISHING


def test_a_rebooted_station_comes_back_to_full_power_if_it_kept_no_default(site):
    station = charging(site, Temper(keeps_default=False, boot_s=30.0))
    station.set_profile(1, limit(6.0, id=1, level=0, purpose=Purpose.DEFAULT), T0 + 20)
    station.set_profile(1, limit(8.0), T0 + 20)
    assert current_after(station, 20) == 8.0
    station.reboot(T0 + 40)
    assert current_after(station, 45) == 0.0
    assert current_after(station, 60) == 16.0


def test_registers_rise_with_the_true_energy_and_readings_with_the_scale(site):
    station = charging(site, Temper(meter_scale=0.5))
    before_wh = station.outlets[1].register_wh
    reading = station.outlets[1].reading(T0 + 20 + 3600)
    assert station.outlets[1].register_wh - before_wh == pytest.approx(16 * 3 * 230)
    assert reading.terminal_a == (8.0, 8.0, 8.0)
    assert reading.power_w == pytest.approx(8 * 3 * 230)


def test_a_second_car_does_not_fit(site):
    station = charging(site)
    with pytest.raises(ValueError, match="plugged in already"):
        station.plug(1, CAR, T0 + 20)
