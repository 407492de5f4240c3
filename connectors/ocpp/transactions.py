"""Which transaction runs on which EVSE, as far as this process has heard. No I/O.

In 1.6 we name the transactions, in 2.x the station does. Nothing of it is written down: after a
restart each station names its running transaction again, and the engine knows it by its id.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from loadmgr.model import EvseId, StationId

REMEMBERED = 256
"""Ended transactions and repeated requests remembered per station: a queue flushed twice."""

_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    evse: EvseId
    start_wh: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What came of a transaction that was started or mentioned."""

    id: str
    new: bool  # not known to run on that EVSE before
    replaced: str | None = None  # the one that must have ended there unheard


class Transactions:
    """The running transactions of all stations, each found by (station, id)."""

    def __init__(self, started: datetime) -> None:
        # Seconds since 2024 fit 31 bits until 2092. The next process starts higher, unless
        # this one allots more than one id per second for as long as it lives.
        self._next = max(1, int((started - _EPOCH).total_seconds()))
        self._running: dict[tuple[StationId, str], Transaction] = {}
        self._on: dict[EvseId, str] = {}
        self._owner: dict[str, StationId] = {}  # of ids that must be unique on the site
        self._ended: dict[StationId, deque[str]] = {}
        self._allotted: dict[StationId, deque[tuple[Hashable, str]]] = {}

    def allot(self, station: StationId, evse: EvseId, request: Hashable) -> Begun:
        """A number for a transaction that begins; the same for a `request` that is repeated."""
        earlier = self._allotted.setdefault(station, deque(maxlen=REMEMBERED))
        for known, id in earlier:
            if known == request:
                return Begun(id=id, new=False)
        while str(self._next) in self._owner:
            self._next += 1
        id = str(self._next)
        self._next += 1
        self.claim(station, id)
        earlier.append((request, id))
        return self.begin(station, evse, id)

    def begin(self, station: StationId, evse: EvseId, id: str) -> Begun:
        """From here on `id` runs on `evse`, and nothing else does."""
        replaced = self._on.get(evse)
        if replaced == id:
            return Begun(id=id, new=False)
        if replaced is not None:
            self.end(station, replaced)
        before = self._running.get((station, id))
        if before is not None:
            self._on.pop(before.evse, None)
        if self.has_ended(station, id):  # a station that counts from 1 again
            self._ended[station].remove(id)
        self._running[station, id] = Transaction(evse=evse)
        self._on[evse] = id
        return Begun(id=id, new=True, replaced=replaced)

    def end(self, station: StationId, id: str) -> Transaction | None:
        """None when it was not known to run."""
        if not self.has_ended(station, id):
            self._remember_end(station, id)
        ended = self._running.pop((station, id), None)
        if ended is not None:
            self._on.pop(ended.evse, None)
        return ended

    def running(self, station: StationId, id: str) -> Transaction | None:
        return self._running.get((station, id))

    def running_on(self, evse: EvseId) -> str | None:
        return self._on.get(evse)

    def has_ended(self, station: StationId, id: str) -> bool:
        return id in self._ended.get(station, ())

    def note_start(self, station: StationId, id: str, register_wh: float) -> None:
        """The register at the beginning; only the first word on it counts."""
        known = self._running.get((station, id))
        if known is not None and known.start_wh is None:
            self._running[station, id] = replace(known, start_wh=register_wh)

    def allotted_before(self, id: int) -> bool:
        """Of the numbers that this process, or an earlier one, can have given to a transaction."""
        return id < self._next

    def claim(self, station: StationId, id: str) -> bool:
        """False when this id, unique on the site, is another station's."""
        return self._owner.setdefault(id, station) == station

    def _remember_end(self, station: StationId, id: str) -> None:
        ended = self._ended.setdefault(station, deque())
        ended.append(id)
        if len(ended) > REMEMBERED:
            forgotten = ended.popleft()
            if self._owner.get(forgotten) == station:
                del self._owner[forgotten]
