"""Stations as they truly are: the judge of the ledger. Shares no code with what it judges.

What a station could lawfully draw follows from the profiles it really holds, when they
really end, and how long it and its car may take to follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

REACTION = timedelta(seconds=12)
"""7 s for the station and 5 s for the car."""

LATE = timedelta(seconds=15)
"""A limit that counts from its arrival ends at most so much later than it was meant to."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A profile of one transaction."""

    current_a: float
    ends_at: datetime
    transaction: str


@dataclass(frozen=True, slots=True)
class Held:
    """What one outlet holds from an instant on, until the next entry."""

    since: datetime
    default_a: float | None = None  # None: no default profile, the hardware decides
    limit: Limit | None = None
    transaction: str | None = None
    dark: bool = False  # without power

    def offered_a(self, at: datetime, max_a: float) -> float:
        if self.transaction is None or self.dark:
            return 0.0
        if self.limit is not None and at < self.limit.ends_at:
            return min(max_a, self.limit.current_a)
        return max_a if self.default_a is None else min(max_a, self.default_a)


@dataclass(slots=True)
class Outlet:
    """One EVSE and its history."""

    max_a: float
    history: list[Held] = field(default_factory=list)

    @property
    def held(self) -> Held:
        return self.history[-1]

    def becomes(self, at: datetime, **changed: object) -> None:
        self.history = [
            held
            for held, following in zip(self.history, self.history[1:], strict=False)
            if following.since > at - 2 * REACTION
        ] + [self.held]
        self.history.append(replace(self.held, since=at, **changed))  # type: ignore[arg-type]

    def lawful_a(self, now: datetime) -> float:
        """The most it was offered within the time it may take to follow."""
        earliest = now - REACTION
        highest = 0.0
        ends = [*(h.since for h in self.history[1:]), now]
        for held, end in zip(self.history, ends, strict=True):
            if end < earliest:
                continue
            instants = [max(held.since, earliest)]
            if held.limit is not None and earliest <= held.limit.ends_at <= end:
                instants.append(held.limit.ends_at)
            highest = max(highest, *(held.offered_a(i, self.max_a) for i in instants))
        return highest

    def shift(self, step: timedelta) -> None:
        """The clock by which we tell its story was set."""
        self.history = [
            replace(
                held,
                since=held.since + step,
                limit=held.limit and replace(held.limit, ends_at=held.limit.ends_at + step),
            )
            for held in self.history
        ]

    def turns(self) -> Iterator[datetime]:
        """Instants at which what is lawful may change by itself."""
        for held in self.history:
            yield held.since + REACTION
            if held.limit is not None:
                yield held.limit.ends_at
                yield held.limit.ends_at + REACTION
