"""One charging station: contactors, pilots, registers, transactions, and the profiles over them.

Time is POSIX seconds. Currents are kept on a grid of whole seconds: the value of a second is
its mean. While nothing moves, many seconds are one step.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadmgr.model import ConnectorStatus, Evse, EvseId, StationId, Wiring
from loadmgr.simulate.car import Car, CarSpec
from loadmgr.simulate.profiles import Period, Profile, ProfileStore, Purpose, Unacceptable
from loadmgr.simulate.temper import GOOD, Temper, Zero
from loadmgr.units import NOTHING, PerPhase


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
        voltage_v = self.station.voltage_v
        self.register_wh += sum(self.terminal_a) * voltage_v * seconds / 3600.0
        if self._now_s >= self.steady_until_s:
            steady_s = math.inf if self.car is None else self.car.steady_s(voltage_v)
            if self.car is not None and self.terminal_a[0] != self.car.drawn_a():
                steady_s = 0.0  # a ramp ended within this second: its mean is not the next one's
            next_pilot_s = self._due[0][0] if self._due else math.inf
            until_s = min(self._now_s + steady_s, next_pilot_s, self._looked_until_s)
            self.steady_until_s = until_s if until_s == math.inf else float(math.floor(until_s))

    def _drawn(self, seconds: float) -> PerPhase:
        if self.car is None or self.transaction is None:
            return NOTHING
        return self.car.step(self.pilot_a, seconds, self.station.voltage_v)

    def _follow(self, now_s: float) -> None:
        if now_s >= self._looked_until_s:
            commanded_a = self.commanded_a(now_s)
            if commanded_a != self._commanded_a:
                self._commanded_a = commanded_a
                acts_s = max(now_s, self._told_s) + self.station.temper.reaction_s
                self._due.append((acts_s, commanded_a))
            self._looked_until_s = self.station.changes_after_s(self.evse.number, now_s)
        while self._due and self._due[0][0] <= now_s:
            self.pilot_a = self._due.popleft()[1]

    def open_contactor(self) -> None:
        """No current from here on, at once."""
        self.pilot_a = self._commanded_a = 0.0
        self._due.clear()
        self.terminal_a = NOTHING
        if self.car is not None:
            self.car.cut()
        self.disturb()


class Station:
    """A charging station without its link: what it is told comes in by calls.

    Every call first lives up to its `now_s`. Under a `Plant`, advance that first: it is the
    one that accounts for what flowed.
    """

    def __init__(
        self,
        id: StationId,
        evses: Sequence[Evse],
        *,
        now_s: float,
        temper: Temper = GOOD,
        wiring: Mapping[EvseId, Wiring] | None = None,
        voltage_v: float = 230.0,
        strict_profiles: bool = False,
    ) -> None:
        self.id = id
        self.voltage_v = voltage_v
        self.outlets = {
            evse.number: Outlet(self, evse, (wiring or {}).get(evse.id, evse.wiring), now_s)
            for evse in evses
        }
        self.finished: list[tuple[EvseId, Transaction]] = []
        self.dark_until_s = -math.inf  # it boots until then
        self._temper = temper
        self.profiles = ProfileStore(
            strict=strict_profiles, relative_from_receipt=temper.relative_from_receipt
        )

    @property
    def temper(self) -> Temper:
        return self._temper

    # ── The world's side ──

    def advance(self, now_s: float) -> None:
        for outlet in self.outlets.values():
            outlet.advance(now_s)

    def change_temper(self, temper: Temper, now_s: float) -> None:
        """Be like this from now on."""
        self.advance(now_s)
        self._temper = temper
        self._disturb(now_s)

    def plug(self, number: int, car: CarSpec, now_s: float) -> None:
        self.advance(now_s)
        outlet = self.outlets[number]
        if outlet.car is not None:
            raise ValueError(f"{outlet.evse.id}: a car is plugged in already")
        outlet.car = Car(car, len(outlet.wiring.terminals))
        outlet.finished = False
        outlet.disturb(now_s)

    def unplug(self, number: int, now_s: float) -> Transaction | None:
        """The cable leaves; returns the transaction that this ended, if one ran."""
        self.advance(now_s)
        ended = self.end(number, now_s)
        outlet = self.outlets[number]
        outlet.open_contactor()
        outlet.car = None
        outlet.finished = False
        return ended

    # ── The logical side ──

    def begin(self, number: int, now_s: float, *, id: str, token: str) -> Transaction:
        """Start a transaction; the contactor may close."""
        self.advance(now_s)
        outlet = self.outlets[number]
        outlet.transaction = Transaction(
            id=id, token=token, began_s=now_s, began_wh=outlet.register_wh
        )
        self._disturb(now_s)
        return outlet.transaction

    def end(self, number: int, now_s: float) -> Transaction | None:
        """End the transaction of an EVSE; its TxProfiles end with it."""
        self.advance(now_s)
        outlet = self.outlets[number]
        transaction = outlet.transaction
        if transaction is None:
            return None
        transaction.ended_s, transaction.ended_wh = now_s, outlet.register_wh
        outlet.transaction = None
        outlet.finished = outlet.car is not None
        outlet.open_contactor()
        self.profiles.clear(evse=number, purpose=Purpose.TX)
        self.finished.append((outlet.evse.id, transaction))
        self._disturb(now_s)
        return transaction

    def set_profile(self, number: int, profile: Profile, now_s: float) -> None:
        """Take up a charging profile; number 0 is the whole station.

        Raises
        ------
        Unacceptable
            It is to be answered with Rejected; nothing has changed.
        """
        self._judge(number, profile)
        self.advance(now_s)
        if self._temper.stores_profiles:
            self.profiles.put(number, profile, now_s)
            self._disturb(now_s)

    def clear_profiles(
        self,
        now_s: float,
        *,
        id: int | None = None,
        number: int | None = None,
        purpose: Purpose | None = None,
        level: int | None = None,
    ) -> int:
        self.advance(now_s)
        gone = self.profiles.clear(id=id, evse=number, purpose=purpose, level=level)
        self._disturb(now_s)
        return gone

    def reboot(self, now_s: float) -> None:
        """A power cycle. Transactions go on afterwards, with what profiles were kept."""
        self.advance(now_s)
        self.dark_until_s = now_s + self._temper.boot_s
        self.profiles.reboot(keeps_default=self._temper.keeps_default)
        for outlet in self.outlets.values():
            outlet.open_contactor()

    def limit_a(self, number: int, now_s: float) -> float:
        """What the stored profiles allow one EVSE per phase; infinite if nothing. [A]"""
        return self.profiles.limit_a(number, now_s, self._began_s(number), self._sharers())

    def composite(self, number: int, now_s: float, seconds: float) -> tuple[Period, ...]:
        """The composite schedule of the next `seconds`; infinite where nothing limits."""
        return self.profiles.composite(
            number, now_s, seconds, self._began_s(number), self._sharers()
        )

    def changes_after_s(self, number: int, now_s: float) -> float:
        changes_s = self.profiles.changes_after_s(number, now_s, self._began_s(number))
        return min(changes_s, self.dark_until_s) if now_s < self.dark_until_s else changes_s

    def number_of(self, transaction_id: str) -> int | None:
        """The EVSE on which that transaction runs."""
        return next(
            (
                number
                for number, outlet in self.outlets.items()
                if outlet.transaction is not None and outlet.transaction.id == transaction_id
            ),
            None,
        )

    def _judge(self, number: int, profile: Profile) -> None:
        if self._temper.rejects_profiles:
            raise Unacceptable("this station rejects every profile")
        if number != 0 and number not in self.outlets:
            raise Unacceptable(f"there is no EVSE {number}")
        if self._temper.zero is Zero.REJECTED and any(p.limit_a < 6.0 for p in profile.periods):
            raise Unacceptable("this station takes no limit below 6 A")
        if profile.purpose is Purpose.TX and number != 0:
            transaction = self.outlets[number].transaction
            if transaction is None:
                raise Unacceptable("no transaction runs there")
            if profile.transaction_id not in (None, transaction.id):
                raise Unacceptable(f"transaction {profile.transaction_id} does not run there")

    def _began_s(self, number: int) -> float | None:
        transaction = self.outlets[number].transaction
        return None if transaction is None else transaction.began_s

    def _sharers(self) -> int:
        return sum(outlet.transaction is not None for outlet in self.outlets.values())

    def _disturb(self, now_s: float) -> None:
        for outlet in self.outlets.values():
            outlet.disturb(now_s)
