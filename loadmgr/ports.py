"""What the engine needs from the outside, and nothing else.

A connector is found by the `type:` in site.yaml through the entry-point group
`loadmgr.connectors` (`gateway.<type>`, `meter.<type>`, `limit.<type>`). The entry point is a
function `connect(options, context)` that checks its own options and raises `BadOption`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from loadmgr.events import Event, Order, Outcome
from loadmgr.model import Limit, Site
from loadmgr.snapshot import Snapshot

Emit = Callable[[Event], None]
"""Hands an event to the engine. Never blocks, never raises."""

Kept = Callable[[], Awaitable[bool]]
"""Waits until all that was emitted so far outlives a crash. False: it could not be stored."""

Options = Mapping[str, Any]
"""The block under a name in site.yaml, as plain data; the connector checks it."""


class Clock(Protocol):
    """Steady time: never steps, never runs backwards, whatever the wall clock does."""

    def now(self) -> datetime:
        """UTC."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a connector may know about where it stands."""

    name: str  # its own name in site.yaml
    site: Site
    clock: Clock


class BadOption(Exception):
    """An option in site.yaml that a connector cannot work with.

    `path` leads from the connector's block to the setting: ("host",).
    """

    def __init__(self, path: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.path = path


class Source(Protocol):
    """Anything that reports: a meter, a utility's channel, a calendar."""

    async def run(self, emit: Emit) -> None:
        """Report until cancelled.

        What the world does wrong (silence, refusals, nonsense) is reported or
        waited out, never raised. Reports a failing source once when it fails
        and once when it recovers.
        """
        ...


class Gateway(Protocol):
    """Everything that speaks to charging stations, whatever protocol they speak."""

    async def run(self, emit: Emit, kept: Kept) -> None:
        """Accept stations and report what they say until cancelled.

        What a station forgets once it is answered is answered when it is kept.
        """
        ...

    async def execute(self, order: Order) -> Outcome:
        """Carry out one order and say how it went; never raises for the station's sake.

        At most one order per station is under way at a time: the engine sees to it.
        An order whose connection is not the station's present one is `Lost` at once.
        """
        ...

    async def close(self, station: str, reason: str) -> None:
        """Drop the connection of a station."""
        ...


class Desk(Protocol):
    """What a page, an API or a table may ask the engine, and the little it may do."""

    def snapshot(self) -> Snapshot | None:
        """The last tick; None before the first."""
        ...

    def past(self, at: datetime) -> Snapshot | None:
        """The tick that was in force at an instant, as far back as it is kept."""
        ...

    async def newer_than(self, number: int) -> Snapshot:
        """Wait for a tick with a higher number."""
        ...

    def age_s(self) -> float:
        """Seconds since the last tick was decided, on the monotonic clock; inf before the first."""
        ...

    def set_limit(self, limit: Limit) -> None:
        """Lower a circuit. A limit can never raise what may be drawn."""
        ...

    def release_limit(self, name: str, source: str) -> bool:
        """Take a limit back. False: there is none of that name."""
        ...

    async def kept(self) -> bool:
        """Wait until all that was asked so far outlives a crash. False: it could not be stored."""
        ...

    def heartbeat(self, name: str) -> bool:
        """The channel of this limit is alive. False: it has no fail-safe limit, nobody waits."""
        ...

    def now(self) -> datetime:
        """The engine's steady clock, UTC."""
        ...
