"""Sampled values to one reading: phases, units, and what is too odd to believe."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.ocpp.metering import Reading, readings, sample_v16, sample_v201
from loadmgr.model import Wiring
from loadmgr.units import Phase

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
THREE, TWO, ONE = Wiring(tuple(Phase)), Wiring((Phase.L3, Phase.L1)), Wiring((Phase.L2,))

Sampled = dict[str, Any]


def amps(value: str, phase: str | None = None, **more: Any) -> Sampled:
    said = {"value": value, "measurand": "Current.Import", "unit": "A", **more}
    return said if phase is None else {**said, "phase": phase}


def read(*sampled: Sampled, wiring: Wiring = THREE, at: str = "2026-03-04T11:59:59Z") -> Reading:
    values = [{"timestamp": at, "sampledValue": list(sampled)}]
    found = readings(values, sample_v16, wiring, NOW)
    return found[0] if found else Reading(sampled_at=NOW)


@pytest.mark.parametrize("spelling", ["L{}", "L{}-N"])
def test_phases_are_the_terminals(spelling: str) -> None:
    sampled = [amps(f"{n}.5", spelling.format(n)) for n in (3, 1, 2)]
    assert read(*sampled).terminal_a == (1.5, 2.5, 3.5)


def test_a_current_without_a_phase_is_on_every_terminal() -> None:
    assert read(amps("16")).terminal_a == (16, 16, 16)
    assert read(amps("16"), wiring=TWO).terminal_a == (16, 16, 0)
    assert read(amps("16"), wiring=ONE).terminal_a == (16, 0, 0)


def test_a_current_on_a_phase_without_a_terminal_could_be_on_any_of_them() -> None:
    sampled = (amps("1", "L1"), amps("0", "L2"), amps("9", "L3"))
    assert read(*sampled, wiring=TWO).terminal_a == (9, 9, 0)
    assert read(*sampled, wiring=ONE).terminal_a == (9, 0, 0)


def test_what_flows_in_the_neutral_alone_does_not_say_that_nothing_flows_elsewhere() -> None:
    reading = read(amps("9", "N"), {"value": "1000"})
    assert reading.terminal_a is None and reading.energy_wh == 1000


def test_the_neutral_the_cars_own_view_and_signed_data_are_left_out() -> None:
    sampled = (
        amps("7", "L1"),
        amps("20", "N"),
        amps("30", "L1", location="EV"),
        amps("40", "L1", location="Inlet"),
        amps("99", "L1", format="SignedData"),
        amps("50", "L1", measurand="Current.Offered"),
    )
    assert read(*sampled).terminal_a == (7, 0, 0)


@pytest.mark.parametrize("value", ["-1", "NaN", "inf", "", "x", "1e9", "9" * 500, "٣" * 40])
def test_one_absurd_current_makes_all_currents_unknown(value: str) -> None:
    assert read(amps("7", "L1"), amps(value, "L2")).terminal_a is None


def test_a_unit_that_is_none_of_a_current_makes_it_unknown() -> None:
    assert read(amps("7", "L1", unit="W")).terminal_a is None


def test_power_and_energy_come_in_kilo_too_and_by_phase() -> None:
    def power(value: str, **more: str) -> Sampled:
        return {"value": value, "measurand": "Power.Active.Import", **more}

    assert read(power("7.2", unit="kW")).power_w == pytest.approx(7200)
    by_phase = [power("1000", unit="W", phase=p) for p in ("L1-N", "L2-N", "L3-N")]
    assert read(*by_phase).power_w == 3000
    assert read(*by_phase, power("2999", unit="W")).power_w == 2999
    assert read({"value": "1.5", "unit": "kWh"}).energy_wh == 1500
    assert read({"value": "1500"}).energy_wh == 1500


def test_a_power_of_ten_scales_in_2_0_1() -> None:
    def one(value: float, measurand: str, unit: str | None, multiplier: int) -> Reading:
        of_measure = {"multiplier": multiplier, **({} if unit is None else {"unit": unit})}
        sampled = {"value": value, "measurand": measurand, "unitOfMeasure": of_measure}
        values = [{"timestamp": NOW.isoformat(), "sampledValue": [sampled]}]
        return readings(values, sample_v201, ONE, NOW)[0]

    assert one(1.6, "Current.Import", "A", 1).terminal_a == (16, 0, 0)
    assert one(16, "Current.Import", None, 0).terminal_a == (16, 0, 0)
    assert one(7.2, "Power.Active.Import", "W", 3).power_w == pytest.approx(7200)
    assert one(7.2, "Power.Active.Import", "kW", 0).power_w == pytest.approx(7200)
    assert one(2, "Energy.Active.Import.Register", "kWh", 0).energy_wh == 2000


def test_old_currents_are_history_and_old_energy_counts() -> None:
    sampled = (amps("16"), {"value": "1500"})
    old = read(*sampled, at="2026-03-04T11:50:00Z")
    assert (old.terminal_a, old.energy_wh) == (None, 1500)
    assert read(*sampled, at="no time at all").terminal_a == (16, 16, 16)


def test_samples_of_one_instant_are_one_reading() -> None:
    values = [
        {"timestamp": "2026-03-04T12:00:00Z", "sampledValue": [amps(str(n), f"L{n}")]}
        for n in (1, 2, 3)
    ]
    (reading,) = readings(values, sample_v16, THREE, NOW)
    assert reading.terminal_a == (1, 2, 3)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"value": st.text(max_size=6) | st.floats().map(str)},
            optional={
                "measurand": st.sampled_from(["Current.Import", "Power.Active.Import", "SoC"]),
                "phase": st.sampled_from(["L1", "L2-N", "L3", "N", "L1-L2"]),
                "unit": st.sampled_from(["A", "W", "kW", "Wh", "kWh", "Celsius"]),
            },
        ),
        max_size=6,
    ),
    st.sampled_from([ONE, TWO, THREE]),
)
def test_whatever_is_sampled_a_reading_is_finite_and_never_below_nothing(
    sampled: list[Sampled], wiring: Wiring
) -> None:
    reading = read(*sampled, wiring=wiring)
    numbers = (*(reading.terminal_a or ()), reading.power_w or 0.0, reading.energy_wh or 0.0)
    assert all(0 <= number < 1e13 for number in numbers)
    if reading.terminal_a is not None:
        assert all(a == 0 for a in reading.terminal_a[len(wiring.terminals) :])
