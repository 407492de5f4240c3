"""Sampled values to one reading of an EVSE: phases, units, and what is too odd to believe. Pure.

OCPP 1.6 section 7.44 and OCPP 2.0.1 part 2, SampledValueType. What is absent was not said;
what is said but absurd makes the whole quantity unknown, for the rest of it would be too small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connectors.ocpp.values import instant, number
from loadmgr.events import EvseMeasured
from loadmgr.model import Evse, Wiring
from loadmgr.units import PerPhase

STALE = timedelta(minutes=1)
"""Older readings come out of a queue: their energy still counts, their current is history."""

CURRENT = "Current.Import"
POWER = "Power.Active.Import"
ENERGY = "Energy.Active.Import.Register"
MEASURANDS = (CURRENT, POWER, ENERGY)

HIGHEST_A = 2_000.0  # per phase; the strongest DC station there is stays below
HIGHEST_W = 2_000_000.0
HIGHEST_WH = 1e12

_SCALE = {
    CURRENT: {"A": 1.0, "mA": 1e-3},
    POWER: {"W": 1.0, "kW": 1e3},
    ENERGY: {"Wh": 1.0, "kWh": 1e3},
}
_TERMINAL = {"L1": 0, "L1-N": 0, "L2": 1, "L2-N": 1, "L3": 2, "L3-N": 2}
_ELSEWHERE = ("EV", "Inlet")  # the car's own view, and the station's supply


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sampled value, freed of its version. `value` None: it was no number."""

    measurand: str
    value: float | None
    phase: str | None = None

    def between(self, highest: float) -> bool:
        return self.value is not None and 0 <= self.value <= highest


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    sampled_at: datetime
    terminal_a: PerPhase | None = None
    power_w: float | None = None
    energy_wh: float | None = None

    @property
    def empty(self) -> bool:
        return self.terminal_a is None and self.power_w is None and self.energy_wh is None


def measured(
    found: Iterable[Reading], evse: Evse, connection: int, at: datetime
) -> tuple[EvseMeasured, ...]:
    return tuple(
        EvseMeasured(
            at=at,
            evse=evse.id,
            connection=connection,
            terminal_a=reading.terminal_a,
            power_w=reading.power_w,
            energy_wh=reading.energy_wh,
            sampled_at=reading.sampled_at,
        )
        for reading in found
    )


def energy_between(start_wh: float | None, end_wh: float | None) -> float | None:
    """What a session took; None where a register is missing or absurd. [Wh]"""
    if start_wh is None or end_wh is None or not 0 <= end_wh - start_wh <= HIGHEST_WH:
        return None
    return end_wh - start_wh


Sampled = Callable[[Mapping[str, Any]], Sample | None]
"""Reads one `sampledValue` of a version; None when it is of no use here."""


def sample_v16(listed: Mapping[str, Any]) -> Sample | None:
    """1.6: the value is text, the unit one of a list, the default an energy register."""
    if listed.get("format") == "SignedData":
        return None
    measurand = listed.get("measurand", ENERGY)
    unit = listed.get("unit", _own_unit(measurand))
    return _sample(measurand, listed, unit, 1.0)


def sample_v201(listed: Mapping[str, Any]) -> Sample | None:
    """2.0.1: the value is a number with a unit and a power of ten."""
    measurand = listed.get("measurand", ENERGY)
    of_measure = listed.get("unitOfMeasure", {})
    multiplier = of_measure.get("multiplier", 0)
    if not -12 <= multiplier <= 12:
        return _sample(measurand, {**listed, "value": None}, "", 1.0)
    return _sample(
        measurand, listed, of_measure.get("unit", _own_unit(measurand)), 10.0**multiplier
    )


def _own_unit(measurand: str) -> str:
    """The standard's default is Wh for everything; nobody means that of a current."""
    return next(iter(_SCALE.get(measurand, {"": 1.0})))


def _sample(
    measurand: str, listed: Mapping[str, Any], unit: str, multiplier: float
) -> Sample | None:
    if measurand not in _SCALE or listed.get("location") in _ELSEWHERE:
        return None
    scale = _SCALE[measurand].get(unit)
    value = number(listed.get("value"))
    return Sample(
        measurand=measurand,
        value=None if value is None or scale is None else value * scale * multiplier,
        phase=listed.get("phase"),
    )


def readings(
    meter_values: Iterable[Mapping[str, Any]], sampled: Sampled, wiring: Wiring, now: datetime
) -> tuple[Reading, ...]:
    """One reading per instant, in the order they were sent; those that say nothing left out.

    `now` stands in for a timestamp that cannot be read.
    """
    by_instant: dict[datetime, list[Sample]] = {}
    for meter_value in meter_values:
        at = instant(meter_value.get("timestamp")) or now
        samples = by_instant.setdefault(at, [])
        samples += filter(None, map(sampled, meter_value.get("sampledValue", ())))
    found = (_reading(at, samples, wiring, now) for at, samples in by_instant.items())
    return tuple(reading for reading in found if not reading.empty)


def _reading(at: datetime, samples: list[Sample], wiring: Wiring, now: datetime) -> Reading:
    live = at > now - STALE
    return Reading(
        sampled_at=at,
        terminal_a=_currents([s for s in samples if s.measurand == CURRENT], wiring)
        if live
        else None,
        power_w=_total([s for s in samples if s.measurand == POWER], HIGHEST_W) if live else None,
        energy_wh=_total([s for s in samples if s.measurand == ENERGY], HIGHEST_WH),
    )


def _currents(samples: list[Sample], wiring: Wiring) -> PerPhase | None:
    """Currents in the order of the terminals.

    A current without a phase counts on every terminal, and one on a phase that has no
    terminal (a one-phase EVSE that names the site's phase) on all of them: which one
    carries it is not known. What flows in the neutral alone says nothing of them.
    """
    samples = [sample for sample in samples if sample.phase != "N"]
    if not samples or not all(sample.between(HIGHEST_A) for sample in samples):
        return None
    terminals = len(wiring.terminals)
    on = [0.0, 0.0, 0.0]
    for sample in samples:
        if sample.value is None:
            continue
        terminal = None if sample.phase is None else _TERMINAL.get(sample.phase)
        if terminal is not None and terminal < terminals:
            on[terminal] = max(on[terminal], sample.value)
        elif sample.phase is None or terminal is not None:
            on = [max(a, sample.value) if t < terminals else 0.0 for t, a in enumerate(on)]
        else:
            return None  # a current between two lines
    return (on[0], on[1], on[2])


def _total(samples: list[Sample], highest: float) -> float | None:
    """The value for all phases together, or the sum of the phases."""
    if not samples or not all(sample.between(highest) for sample in samples):
        return None
    overall = [s.value for s in samples if s.phase is None and s.value is not None]
    by_phase = [s.value for s in samples if s.phase in _TERMINAL and s.value is not None]
    if overall:
        return max(overall)
    return sum(by_phase) if by_phase else None
