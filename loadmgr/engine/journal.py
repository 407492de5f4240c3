"""What the engine needs from a journal, and one that forgets, for trials."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from loadmgr.core.state import State
from loadmgr.events import (
    Confirmed,
    Event,
    LimitReleased,
    LimitSet,
    Lost,
    MeterDoubted,
    NeedsChanged,
    Refused,
    Restarted,
    Sent,
    SessionEnded,
    SessionStarted,
    StationBooted,
    StationConnected,
    StationDisconnected,
)

KEPT = (
    StationConnected,
    StationBooted,
    StationDisconnected,
    SessionStarted,
    NeedsChanged,
    SessionEnded,
    MeterDoubted,
    LimitSet,
    LimitReleased,
    Sent,
    Confirmed,
    Refused,
    Lost,
    Restarted,  # connections are numbered anew from there on
)
"""Events a restart has to know of. Readings and statuses come again by themselves."""


class JournalFailed(Exception):
    """Nothing can be written down: disk full, disk gone. No increase may leave."""


class Journal(Protocol):
    """An append-only record that survives the process."""

    def append(self, events: Sequence[Event]) -> None:
        """Write down, in order; durable when it returns. Blocks. Raises `JournalFailed`."""
        ...

    def replay(self) -> tuple[State | None, Iterable[Event]]:
        """The last checkpoint and all events after it, oldest first."""
        ...

    def checkpoint(self, state: State) -> None:
        """Replace everything before by this state. Blocks. Raises `JournalFailed`."""
        ...


class Forgetful:
    """A journal in memory: it survives the engine, not the process."""

    def __init__(self) -> None:
        self._state: State | None = None
        self._events: list[Event] = []

    def append(self, events: Sequence[Event]) -> None:
        self._events.extend(events)

    def replay(self) -> tuple[State | None, Iterable[Event]]:
        return self._state, tuple(self._events)

    def checkpoint(self, state: State) -> None:
        self._state, self._events = state, []
