"""What a building draws apart from cars: piecewise constant, and the same for the same seed.

Every load can be asked for any instant in any order. Time is POSIX seconds, currents are per
phase of the site; drawing is positive, feeding back negative.
"""

from __future__ import annotations

import bisect
import csv
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from loadmgr.units import NOTHING, PerPhase, add

HOUR_S = 3600.0
DAY_S = 86_400.0


class BuildingLoad(Protocol):
    def at(self, now_s: float) -> PerPhase:
        """True current on each phase. [A]"""
        ...

    def changes_after_s(self, now_s: float) -> float:
        """The next instant at which `at` may answer otherwise; infinite if never. [POSIX s]"""
        ...


@dataclass(frozen=True, slots=True)
class ConstantLoad:
    current_a: PerPhase = NOTHING

    def at(self, now_s: float) -> PerPhase:
        return self.current_a

    def changes_after_s(self, now_s: float) -> float:
        return math.inf


class SteppedLoad:
    """A load written out as steps (from, current); the first also holds before its time."""

    def __init__(self, steps: Sequence[tuple[float, PerPhase]]) -> None:
        if not steps:
            raise ValueError("a stepped load needs at least one step")
        self._from_s = [at_s for at_s, _ in steps]
        self._current_a = [current_a for _, current_a in steps]
        if sorted(self._from_s) != self._from_s:
            raise ValueError("the steps of a load must stand in the order of time")

    def at(self, now_s: float) -> PerPhase:
        return self._current_a[max(0, bisect.bisect_right(self._from_s, now_s) - 1)]

    def changes_after_s(self, now_s: float) -> float:
        place = bisect.bisect_right(self._from_s, now_s)
        return self._from_s[place] if place < len(self._from_s) else math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Appliance:
    """Something that switches: once in every period it runs for `on_s`, at a seeded moment."""

    name: str
    current_a: PerPhase
    period_s: float
    on_s: float

    def __post_init__(self) -> None:
        if not 0 < self.on_s <= self.period_s:
            raise ValueError(f"appliance {self.name!r}: runs {self.on_s} of {self.period_s} s")


OFFICE = (
    Appliance(name="lift", current_a=(7.0, 7.0, 7.0), period_s=240.0, on_s=20.0),
    Appliance(name="heat pump", current_a=(6.0, 6.0, 6.0), period_s=1800.0, on_s=700.0),
    Appliance(name="water heater", current_a=(0.0, 9.0, 0.0), period_s=900.0, on_s=300.0),
    Appliance(name="kitchen", current_a=(8.0, 0.0, 0.0), period_s=600.0, on_s=120.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovingLoad:
    """A base, a hump over the working day, noise per slot, and appliances that switch."""

    seed: int
    base_a: PerPhase = (8.0, 6.0, 7.0)
    day_a: PerPhase = (10.0, 8.0, 9.0)  # on top, at the height of the day
    noise_a: float = 1.5
    slot_s: float = 60.0
    appliances: tuple[Appliance, ...] = OFFICE
    utc_offset_s: float = 0.0  # of the site's midnight

    def at(self, now_s: float) -> PerPhase:
        slot = math.floor(now_s / self.slot_s)
        chance = random.Random(f"{self.seed}:{slot}")
        day = self._daylight(slot * self.slot_s)
        l1, l2, l3 = (
            max(0.0, base + height * day + chance.uniform(-self.noise_a, self.noise_a))
            for base, height in zip(self.base_a, self.day_a, strict=True)
        )
        current_a: PerPhase = (l1, l2, l3)
        for appliance in self.appliances:
            starts_s = self._run_s(appliance, now_s)
            if starts_s <= now_s < starts_s + appliance.on_s:
                current_a = add(current_a, appliance.current_a)
        return current_a

    def changes_after_s(self, now_s: float) -> float:
        instants = [(math.floor(now_s / self.slot_s) + 1) * self.slot_s]
        for appliance in self.appliances:
            starts_s = self._run_s(appliance, now_s)
            instants += (starts_s, starts_s + appliance.on_s)
            instants.append((math.floor(now_s / appliance.period_s) + 1) * appliance.period_s)
        return min(instant for instant in instants if instant > now_s)

    def _daylight(self, at_s: float) -> float:
        """0 by night, 1 at one in the afternoon."""
        hour = (at_s + self.utc_offset_s) % DAY_S / HOUR_S
        return max(0.0, math.sin(math.pi * (hour - 6.0) / 14.0)) if 6.0 < hour < 20.0 else 0.0

    def _run_s(self, appliance: Appliance, now_s: float) -> float:
        """When the appliance starts in the period that holds `now_s`; it ends in it too."""
        period = math.floor(now_s / appliance.period_s)
        chance = random.Random(f"{self.seed}:{appliance.name}:{period}")
        return period * appliance.period_s + math.floor(
            chance.uniform(0.0, appliance.period_s - appliance.on_s)
        )


class HourlyLoad:
    """Mean power per hour, told over and over, split on the phases."""

    def __init__(
        self,
        power_w: Sequence[float],
        *,
        start_s: float = 0.0,
        share: PerPhase = (1 / 3, 1 / 3, 1 / 3),
        voltage_v: float = 230.0,
        slot_s: float = HOUR_S,
    ) -> None:
        if not power_w or not all(math.isfinite(power) for power in power_w):
            raise ValueError("an hourly load needs finite numbers, at least one")
        self._power_w = tuple(power_w)
        self._start_s, self._slot_s = start_s, slot_s
        self._per_w = tuple(part / voltage_v for part in share)

    def at(self, now_s: float) -> PerPhase:
        slot = math.floor((now_s - self._start_s) / self._slot_s)
        power_w = self._power_w[slot % len(self._power_w)]
        l1, l2, l3 = (power_w * part for part in self._per_w)
        return (l1, l2, l3)

    def changes_after_s(self, now_s: float) -> float:
        slot = math.floor((now_s - self._start_s) / self._slot_s)
        return self._start_s + (slot + 1) * self._slot_s


def read_hourly(path: Path, column: str, *, watts_per_unit: float = 1000.0) -> tuple[float, ...]:
    """One column of a CSV file with a header, as watts.

    Raises
    ------
    ValueError
        The column is not there or a cell is no number; says where.
    """
    with path.open(newline="") as file:
        table = csv.DictReader(file)
        if column not in (table.fieldnames or ()):
            raise ValueError(f"{path}: no column {column!r}; there are {table.fieldnames}")
        return tuple(_watts(row[column], path, table.line_num) * watts_per_unit for row in table)


def _watts(cell: str | None, path: Path, line: int) -> float:
    try:
        number = float(cell or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{path}:{line}: {cell!r} is no number")
    return number
