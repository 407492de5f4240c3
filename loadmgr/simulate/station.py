"""One charging station: its outlets, its transactions, and the profiles over them.

Time is POSIX seconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from loadmgr.model import Evse, EvseId, StationId, Wiring
from loadmgr.simulate.car import Car, CarSpec
from loadmgr.simulate.outlet import Outlet, Transaction
from loadmgr.simulate.profiles import (
    Period,
    Profile,
    ProfileStore,
    Purpose,
    Unacceptable,
    shifted,
)
from loadmgr.simulate.temper import GOOD, Temper, Zero


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
        self.clock_off_s = 0.0  # what its own clock shows, less the true time
        self.profiles, self._told = (
            ProfileStore(strict=strict_profiles, relative_from_receipt=temper.relative_from_receipt)
            for _ in range(2)
        )  # what it holds; and what it would hold if it forgot nothing and its clock were right

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
        for store in (self.profiles, self._told):
            store.clear(evse=number, purpose=Purpose.TX)
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
            self._told.put(number, profile, now_s)
            self.profiles.put(number, shifted(profile, self.clock_off_s), self._clock_s(now_s))
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
        self._told.clear(id=id, evse=number, purpose=purpose, level=level)
        gone = self.profiles.clear(id=id, evse=number, purpose=purpose, level=level)
        self._disturb(now_s)
        return gone

    def reboot(self, now_s: float) -> None:
        """A power cycle. Transactions go on afterwards, with what profiles were kept."""
        self.advance(now_s)
        self.dark_until_s = now_s + self._temper.boot_s
        self.profiles.reboot(keeps_default=self._temper.keeps_default)
        self._told.reboot(keeps_default=True)
        for outlet in self.outlets.values():
            outlet.open_contactor()

    def limit_a(self, number: int, now_s: float) -> float:
        """What the stored profiles allow one EVSE per phase; infinite if nothing. [A]"""
        at_s, began_s = self._clock_s(now_s), self._began_s(number)
        if began_s is not None:
            began_s = self._clock_s(began_s)
        return self.profiles.limit_a(number, at_s, began_s, self._sharers())

    def is_at_large(self, now_s: float) -> bool:
        """Some outlet of it has no default: it has not been told one, or has forgotten it. Once its
        limit ends, it takes what it can.
        """
        at_s = self._clock_s(now_s)
        return any(self.profiles.limit_a(number, at_s) == math.inf for number in self.outlets)

    def told_a(self, number: int, now_s: float) -> float:
        """What it would allow if it forgot nothing and its clock were right. [A]"""
        return self._told.limit_a(number, now_s, self._began_s(number), self._sharers())

    def step_clock(self, by_s: float, now_s: float) -> None:
        """Its clock shows another time from now on."""
        self.advance(now_s)
        self.clock_off_s += by_s
        self._disturb(now_s)

    def _clock_s(self, now_s: float) -> float:
        return now_s + self.clock_off_s

    def composite(self, number: int, now_s: float, seconds: float) -> tuple[Period, ...]:
        """The composite schedule of the next `seconds`; infinite where nothing limits."""
        return self.profiles.composite(
            number, self._clock_s(now_s), seconds, self._began_s(number), self._sharers()
        )

    def changes_after_s(self, number: int, now_s: float) -> float:
        began_s, off_s = self._began_s(number), self.clock_off_s
        changes_s = min(
            self._told.changes_after_s(number, now_s, began_s),
            self.profiles.changes_after_s(number, now_s + off_s, began_s) - off_s,
        )
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
