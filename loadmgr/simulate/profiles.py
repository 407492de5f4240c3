"""The charging profiles a station holds, and the limit they make together.

OCPP 1.6 section 3.13 and OCPP 2.0.1 part 2, use cases K01, K08 and K10. Time is POSIX seconds,
limits are amperes per phase. No profile means no limit, online or offline.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

DAY_S = 86_400.0


class Purpose(StrEnum):
    """By its name in OCPP 1.6; 2.x calls the first ChargingStationMaxProfile."""

    MAX = "ChargePointMaxProfile"
    DEFAULT = "TxDefaultProfile"
    TX = "TxProfile"


class Kind(StrEnum):
    ABSOLUTE = "Absolute"
    RECURRING = "Recurring"
    RELATIVE = "Relative"


class Unacceptable(Exception):
    """A profile that the station must reject; the message says why."""


@dataclass(frozen=True, slots=True)
class Period:
    start_s: float  # after the start of the schedule
    limit_a: float  # per phase
    phases: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One charging profile with its schedule."""

    id: int
    level: int
    purpose: Purpose
    kind: Kind = Kind.ABSOLUTE
    periods: tuple[Period, ...]
    start_s: float | None = None  # POSIX; None: relative
    duration_s: float | None = None  # None: the last period never ends
    valid_from_s: float = -math.inf
    valid_to_s: float = math.inf
    transaction_id: str | None = None
    recurs_s: float = DAY_S  # used by recurring profiles only

    def __post_init__(self) -> None:
        starts = [period.start_s for period in self.periods]
        if not starts or starts[0] != 0:
            raise Unacceptable("the first period of a schedule must start at 0")
        if any(later <= earlier for earlier, later in pairwise(starts)):
            raise Unacceptable("periods must stand in the order of their start")
        if not all(0 <= period.limit_a < math.inf for period in self.periods):
            raise Unacceptable("a limit must be 0 or more")
        if self.level < 0:
            raise Unacceptable("a stack level must be 0 or more")
        if self.duration_s is not None and not self.duration_s > 0:
            raise Unacceptable("a duration must be more than 0")
        if self.kind is not Kind.RELATIVE and self.start_s is None:
            raise Unacceptable(f"{self.kind} needs startSchedule")

    def elapsed_s(self, now_s: float, origin_s: float) -> float | None:
        """Time into the schedule; None while the profile is not in force. [s]

        `origin_s` is where a relative schedule starts.
        """
        if not self.valid_from_s <= now_s < self.valid_to_s:
            return None
        start_s = origin_s if self.start_s is None else self.start_s
        elapsed_s = now_s - start_s
        if elapsed_s < 0:
            return None
        if self.kind is Kind.RECURRING:
            elapsed_s %= self.recurs_s
        if self.duration_s is not None and elapsed_s >= self.duration_s:
            return None
        return elapsed_s

    def period_at(self, now_s: float, origin_s: float) -> Period | None:
        elapsed_s = self.elapsed_s(now_s, origin_s)
        if elapsed_s is None:
            return None
        return next(p for p in reversed(self.periods) if p.start_s <= elapsed_s)

    def changes_after_s(self, now_s: float, origin_s: float) -> float:
        """The next instant at which `period_at` may answer otherwise. [POSIX s]"""
        start_s = origin_s if self.start_s is None else self.start_s
        if self.kind is Kind.RECURRING and now_s >= start_s:
            start_s += (now_s - start_s) // self.recurs_s * self.recurs_s
        instants = [start_s + period.start_s for period in self.periods]
        if self.duration_s is not None:
            instants.append(start_s + self.duration_s)
        if self.kind is Kind.RECURRING:
            instants.append(start_s + self.recurs_s)
        instants += (self.valid_from_s, self.valid_to_s)
        return min((instant for instant in instants if instant > now_s), default=math.inf)


@dataclass(frozen=True, slots=True)
class _Entry:
    evse: int  # 0: the whole station
    profile: Profile
    received_s: float


class ProfileStore:
    """All profiles of one station.

    A profile replaces the one with its id, and the one with its purpose and stack level
    on the same EVSE (1.6 section 3.13.2); `strict` refuses the second instead (2.0.1
    K01.FR.06). A relative schedule starts with the transaction (2.0.1
    ChargingProfileKindEnumType), or, with `relative_from_receipt`, when it was received.
    """

    def __init__(self, *, strict: bool = False, relative_from_receipt: bool = False) -> None:
        self._strict = strict
        self._relative_from_receipt = relative_from_receipt
        self._entries: list[_Entry] = []  # highest stack level first, EVSE before station

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> tuple[tuple[int, Profile], ...]:
        """(EVSE number, profile), highest stack level first."""
        return tuple((entry.evse, entry.profile) for entry in self._entries)

    def put(self, evse: int, profile: Profile, now_s: float) -> None:
        """Take up a profile for one EVSE, 0 for the whole station.

        Raises
        ------
        Unacceptable
            The profile does not belong there; nothing has changed.
        """
        if profile.purpose is Purpose.MAX and evse != 0:
            raise Unacceptable("a maximum profile belongs to the whole station")
        if profile.purpose is Purpose.TX and evse == 0:
            raise Unacceptable("a TxProfile belongs to one EVSE")
        kept = [entry for entry in self._entries if entry.profile.id != profile.id]
        rival = next((e for e in kept if _place(e.evse, e.profile) == _place(evse, profile)), None)
        if rival is not None and self._strict:
            raise Unacceptable(
                f"profile {rival.profile.id} holds {profile.purpose} level {profile.level}"
            )
        kept = [entry for entry in kept if entry is not rival]
        kept.append(_Entry(evse, profile, now_s))
        self._entries = sorted(kept, key=lambda e: (e.profile.level, e.evse), reverse=True)

    def clear(
        self,
        *,
        id: int | None = None,
        evse: int | None = None,
        purpose: Purpose | None = None,
        level: int | None = None,
    ) -> int:
        """Remove what matches everything given; an id alone decides. Returns how many went."""

        def matches(entry: _Entry) -> bool:
            if id is not None:
                return entry.profile.id == id
            return (
                evse in (None, entry.evse)
                and purpose in (None, entry.profile.purpose)
                and level in (None, entry.profile.level)
            )

        before = len(self._entries)
        self._entries = [entry for entry in self._entries if not matches(entry)]
        return before - len(self._entries)

    def reboot(self, *, keeps_default: bool) -> None:
        """Forget what a power cycle does not survive."""
        lost = {Purpose.TX} if keeps_default else set(Purpose)
        self._entries = [entry for entry in self._entries if entry.profile.purpose not in lost]

    def limit_a(
        self, evse: int, now_s: float, began_s: float | None = None, sharers: int = 1
    ) -> float:
        """What all profiles together allow one EVSE per phase; infinite if they say nothing. [A]

        `began_s` is when its transaction began, None without one: then a TxProfile does
        not count and a relative default starts now. `sharers` split a maximum profile.
        """
        own = None
        if began_s is not None:
            own = self._leading(Purpose.TX, (evse,), now_s, began_s)
        if own is None:
            own = self._leading(Purpose.DEFAULT, (evse, 0), now_s, began_s)
        whole = self._leading(Purpose.MAX, (0,), now_s, began_s)
        own_a = math.inf if own is None else own.limit_a
        return own_a if whole is None else min(own_a, whole.limit_a / max(1, sharers))

    def changes_after_s(self, evse: int, now_s: float, began_s: float | None = None) -> float:
        """The next instant at which `limit_a` may change by itself. [POSIX s]"""
        return min(
            (
                entry.profile.changes_after_s(now_s, self._origin_s(entry, now_s, began_s))
                for entry in self._entries
                if entry.evse in (0, evse)
            ),
            default=math.inf,
        )

    def composite(
        self,
        evse: int,
        now_s: float,
        seconds: float,
        began_s: float | None = None,
        sharers: int = 1,
    ) -> tuple[Period, ...]:
        """The limits of the next `seconds` as one schedule; infinite where there is none.

        Without a transaction it tells of one that began now.
        """
        periods: list[Period] = []
        origin_s = now_s if began_s is None else began_s
        at_s = now_s
        while at_s < now_s + seconds:
            limit_a = self.limit_a(evse, at_s, origin_s, sharers)
            if not periods or periods[-1].limit_a != limit_a:
                periods.append(Period(at_s - now_s, limit_a))
            at_s = self.changes_after_s(evse, at_s, origin_s)
        return tuple(periods)

    def _origin_s(self, entry: _Entry, now_s: float, began_s: float | None) -> float:
        if self._relative_from_receipt or entry.profile.purpose is Purpose.MAX:
            return entry.received_s
        return now_s if began_s is None else began_s

    def _leading(
        self, purpose: Purpose, evses: tuple[int, ...], now_s: float, began_s: float | None
    ) -> Period | None:
        """The period of the highest stack level that has one now."""
        for entry in self._entries:
            if entry.profile.purpose is purpose and entry.evse in evses:
                origin_s = self._origin_s(entry, now_s, began_s)
                period = entry.profile.period_at(now_s, origin_s)
                if period is not None:
                    return period
        return None


def shifted(profile: Profile, by_s: float) -> Profile:
    """The same for a station that reckons an absolute start from when it hears of it."""
    if not by_s or profile.start_s is None:
        return profile
    return replace(profile, start_s=profile.start_s + by_s)


def _place(evse: int, profile: Profile) -> tuple[int, Purpose, int]:
    return (evse, profile.purpose, profile.level)
