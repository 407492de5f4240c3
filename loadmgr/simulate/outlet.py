"""One EVSE of a station: a contactor, a pilot that follows the profiles, a register, a car.

Time is POSIX seconds. Currents are kept on a grid of whole seconds: the value of a second is
its mean. While nothing moves, many seconds are one step.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadmgr.model import ConnectorStatus, Evse, Wiring
from loadmgr.simulate.car import Car
from loadmgr.simulate.lawful import Lawful
from loadmgr.simulate.temper import Zero
from loadmgr.units import NOTHING, PerPhase

if TYPE_CHECKING:
    from loadmgr.simulate.station import Station


@dataclass(slots=True, kw_only=True)
class Transaction:
    """From the contactor's first permission to its last."""

    id: str  # "" until a 1.6 back end has named it
    token: str
    began_s: float
    began_wh: float
    ended_s: float | None = None
    ended_wh: float | None = None

    def energy_wh(self, register_wh: float) -> float:
        return (register_wh if self.ended_wh is None else self.ended_wh) - self.began_wh


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the station's own meter says of one EVSE; None: it does not measure that."""

    terminal_a: PerPhase | None
    power_w: float | None
    energy_wh: float


class Outlet:
    """One EVSE: a car, a pilot that follows the profiles, and a register."""

    def __init__(self, station: Station, evse: Evse, wiring: Wiring, now_s: float) -> None:
        self.station = station
        self.evse = evse
        self.wiring = wiring  # the true one
        self.car: Car | None = None
        self.transaction: Transaction | None = None
        self.operative = True
        self.finished = False  # a transaction ended and the car is still there
        self.register_wh = 0.0
        self.terminal_a: PerPhase = NOTHING  # mean of the last second
        self.beyond_a: PerPhase = NOTHING  # of that, what it was never allowed, at the terminals
        self.lawful = Lawful(now_s)
        self.pilot_a = 0.0
        self.steady_until_s = now_s  # before this, another step would show the same current
        self._now_s = now_s
        self._told_s = now_s
        self._commanded_a = 0.0
        self._due: deque[tuple[float, float]] = deque()  # (at, pilot) waiting out the reaction
        self._looked_until_s = -math.inf  # the profiles say nothing new before this

    @property
    def site_a(self) -> PerPhase:
        """True currents on the site's phases. [A]"""
        return self.wiring.on_site(self.terminal_a)

    @property
    def beyond_site_a(self) -> PerPhase:
        """Of these, what it was never allowed in its present state. [A]"""
        return self.wiring.on_site(self.beyond_a)

    @property
    def status(self) -> ConnectorStatus:
        if not self.operative and self.transaction is None:
            return ConnectorStatus.UNAVAILABLE
        if self.car is None:
            return ConnectorStatus.AVAILABLE
        if self.transaction is None:
            return ConnectorStatus.FINISHING if self.finished else ConnectorStatus.PREPARING
        if self.pilot_a < self.evse.min_a:
            return ConnectorStatus.SUSPENDED_EVSE
        if self.car.drawn_a() <= 0 and (self.car.full or self.car.steady_s() > 0):
            return ConnectorStatus.SUSPENDED_EV
        return ConnectorStatus.CHARGING

    def reading(self, now_s: float) -> Reading:
        self.advance(now_s)
        temper = self.station.temper
        l1, l2, l3 = (current * temper.meter_scale for current in self.terminal_a)
        return Reading(
            terminal_a=(l1, l2, l3) if temper.reports_current else None,
            power_w=(l1 + l2 + l3) * self.station.voltage_v if temper.reports_power else None,
            energy_wh=self.register_wh * temper.meter_scale,
        )

    def commanded_a(self, now_s: float) -> float:
        """What the station means to offer: profiles and hardware, as its temper takes them. [A]"""
        if self.transaction is None or now_s < self.station.dark_until_s:
            return 0.0
        temper, max_a, min_a = self.station.temper, self.evse.max_a, self.evse.min_a
        if temper.ignores_limits:
            return max_a
        if temper.deaf:
            return self._commanded_a
        limit_a = self.station.limit_a(self.evse.number, now_s)
        limit_a = (
            math.floor(limit_a + 1e-9) if temper.whole_amperes and limit_a < max_a else limit_a
        )
        if limit_a >= min_a:
            return min(limit_a, max_a)
        match temper.zero:
            case Zero.UNLIMITED:
                return max_a
            case Zero.MINIMUM:
                return min_a
            case Zero.IGNORED:
                return self._commanded_a
            case _:
                return 0.0

    def advance(self, now_s: float) -> None:
        """Step whole seconds up to `now_s`."""
        while self._now_s + 1.0 <= now_s:
            if self.steady_until_s > self._now_s:
                seconds = math.floor(min(self.steady_until_s, now_s) - self._now_s)
                if seconds >= 1:
                    self._live(float(seconds))
                    continue
            self._live(1.0)

    def disturb(self, now_s: float | None = None) -> None:
        """Something changed from outside: what was steady is not.

        A reaction to it is counted from `now_s`, not from the second that holds it.
        """
        self.steady_until_s = self._now_s
        self._looked_until_s = -math.inf
        if now_s is not None:
            self._told_s = now_s

    def _live(self, seconds: float) -> None:
        now_s = self._now_s
        self._follow(now_s)
        self._now_s = now_s + seconds
        self.terminal_a = self._drawn(seconds)
        self.beyond_a = self._beyond()
        voltage_v = self.station.voltage_v
        self.register_wh += sum(self.terminal_a) * voltage_v * seconds / 3600.0
        if self._now_s >= self.steady_until_s:
            steady_s = math.inf if self.car is None else self.car.steady_s(voltage_v)
            if self.car is not None and self.terminal_a[0] != self.car.drawn_a():
                steady_s = 0.0  # a ramp ended within this second: its mean is not the next one's
            next_pilot_s = self._due[0][0] if self._due else math.inf
            until_s = min(self._now_s + steady_s, next_pilot_s, self._looked_until_s)
            self.steady_until_s = until_s if until_s == math.inf else float(math.floor(until_s))

    def _beyond(self) -> PerPhase:
        l1, l2, l3 = self.terminal_a
        over_a = self.lawful.beyond_a(self._now_s, max(l1, l2, l3))
        if not over_a:
            return NOTHING
        lawful_a = max(l1, l2, l3) - over_a
        return (max(0.0, l1 - lawful_a), max(0.0, l2 - lawful_a), max(0.0, l3 - lawful_a))

    def _drawn(self, seconds: float) -> PerPhase:
        if self.car is None or self.transaction is None:
            return NOTHING
        return self.car.step(self.pilot_a, seconds, self.station.voltage_v)

    def _follow(self, now_s: float) -> None:
        if now_s >= self._looked_until_s:
            # What was told within this second is not yet in force at its beginning: a profile
            # that counts from the start of the transaction would be missed there.
            as_of_s = max(now_s, self._told_s)
            commanded_a = self.commanded_a(as_of_s)
            self.lawful.told(now_s, self._told_a(as_of_s))
            if commanded_a != self._commanded_a:
                self._commanded_a = commanded_a
                self._due.append((as_of_s + self.station.temper.reaction_s, commanded_a))
            self._looked_until_s = self.station.changes_after_s(self.evse.number, as_of_s)
        while self._due and self._due[0][0] <= now_s:
            self.pilot_a = self._due.popleft()[1]

    def _told_a(self, now_s: float) -> float:
        """What all that it was ever told comes to, its own failures left out. [A]"""
        if self.transaction is None:
            return 0.0
        return min(self.evse.max_a, self.station.told_a(self.evse.number, now_s))

    def open_contactor(self) -> None:
        """No current from here on, at once."""
        self.pilot_a = self._commanded_a = 0.0
        self._due.clear()
        self.terminal_a = self.beyond_a = NOTHING
        if self.car is not None:
            self.car.cut()
        self.disturb()
