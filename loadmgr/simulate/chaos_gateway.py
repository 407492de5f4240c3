"""Stations that outlive the engine, and links that do to orders what links do.

The world goes on while nobody is in charge: cars come and leave, limits end, and an order that
was on its way when the engine died still arrives. A station carries out what reaches it on one
connection in the order in which it was sent.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict, deque
from dataclasses import replace
from functools import partial
from typing import Any

from loadmgr.events import (
    Confirmed,
    EvseMeasured,
    Order,
    Outcome,
    Refused,
    SessionEnded,
    SessionStarted,
    SetFallback,
    SetLimit,
    StationDisconnected,
)
from loadmgr.model import EvseId, StationId
from loadmgr.ports import Emit, Kept
from loadmgr.simulate.chaos_faults import Kind
from loadmgr.simulate.clock import every
from loadmgr.simulate.gateway import SimulatedGateway, _Link, _started
from loadmgr.simulate.orders import lost
from loadmgr.units import PerPhase

STRUCK_S = 40.0
"""A station whose order went astray cannot be told anything before the deadline, a second try,
and the time charger and car take."""

TOLD_AGAIN_S = 60.0
"""Until a station repeats what was not answered (`TransactionMessageRetryInterval` of OCPP 1.6)."""

SILENT = Kind.CHARGER_METER_SILENT


class ChaosGateway(SimulatedGateway):
    """A `SimulatedGateway` whose world is run by `live`, and whose links misbehave on demand."""

    def __init__(self, *args: Any, seed: int = 0, **more: Any) -> None:
        super().__init__(*args, seed=seed, **more)
        self.struck: Counter[Kind] = Counter()
        self._seed = seed
        self._kept: Kept
        self._mischief: dict[StationId, deque[tuple[Kind, float]]] = defaultdict(deque)
        self._in_turn: dict[StationId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._void: dict[StationId, int] = {}  # half-open: the number the engine still knows
        self._dying: dict[StationId, int] = {}  # what was on its way when the engine died arrives
        self._unheard: dict[StationId, bool] = {}  # booted, and nobody was told
        self._astray_until_s: dict[StationId, float] = {}
        self._said_last: dict[StationId, Outcome] = {}
        self._ill: dict[EvseId, tuple[Kind, float, EvseMeasured | None]] = {}
        self._unanswered: dict[StationId, list[SessionEnded]] = defaultdict(list)
        self._running: set[str] = set()  # transactions that were on when the engine started

    # ── The world ──

    async def live(self) -> None:
        """Let stations live until cancelled, whoever is in charge."""
        async with asyncio.TaskGroup() as self._tasks:
            for link in self._links.values():
                self._spawn(self._live(link))

    async def _live(self, link: _Link) -> None:
        await asyncio.sleep(link.chance.uniform(0.0, self._meter_interval_s))
        await every(self._meter_interval_s, partial(self._report_meters, link))

    async def run(self, emit: Emit, kept: Kept) -> None:
        """Be the engine's ears until it dies; stations come back when they notice a listener."""
        self._emit, self._kept = emit, kept
        self._running = {
            outlet.transaction.id
            for outlet in self.plant.outlets.values()
            if outlet.transaction is not None
        }
        try:
            for link in self._links.values():
                self._spawn(self._return(link, link.chance.uniform(0.2, 5.0), booted=False))
            await asyncio.get_running_loop().create_future()
        finally:
            self._emit = None
            self._void.clear()
            for link in self._links.values():
                if link.connection is not None:
                    self._dying[link.station.id] = link.connection
                link.connection = None

    def _connect(self, link: _Link, *, booted: bool) -> None:
        dark_s = link.station.dark_until_s - self._now_s()
        if dark_s > 0:
            self._spawn(self._return(link, dark_s, booted=True))
        elif self._emit is not None and link.station.id not in self._void:
            self._dying.pop(link.station.id, None)
            unheard = self._unheard.pop(link.station.id, False)
            link.untold[:0] = self._unanswered.pop(link.station.id, [])
            super()._connect(link, booted=booted or unheard)

    def _arrives(self, order: Order, link: _Link) -> bool:
        return order.connection in (link.connection, self._dying.get(link.station.id))

    def _tell(self, link: _Link, event: SessionStarted | SessionEnded) -> None:
        """The end of a transaction is told again on the next connection unless it was answered."""
        super()._tell(link, event)
        if isinstance(event, SessionEnded) and link.connection is not None:
            self._unanswered[link.station.id].append(event)
            self._spawn(self._answered(link.station.id, event, self._kept))

    async def _answered(self, station: StationId, event: SessionEnded, kept: Kept) -> None:
        while not await kept():  # noqa: ASYNC110
            await asyncio.sleep(TOLD_AGAIN_S)
        if event in self._unanswered[station]:
            self._unanswered[station].remove(event)

    def _report_meters(self, link: _Link) -> None:
        """Readings name their transaction: an engine that has forgotten it learns of it again."""
        for outlet in link.station.outlets.values():
            transaction, evse = outlet.transaction, outlet.evse.id
            heard = link.connection is not None and self._ill_with(evse) is not SILENT
            if heard and transaction is not None and transaction.id in self._running:
                self._running.discard(transaction.id)
                self._say(replace(_started(evse, transaction), at=self._clock.now()))
        super()._report_meters(link)

    # ── What goes wrong ──

    def trip(self, station: StationId, kind: Kind, chance: float) -> None:
        """Something is to happen to the next order for this station."""
        self._mischief[station].append((kind, chance))

    def half_open(self, station: StationId, noticed_s: float) -> None:
        """The link is dead, and we do not know it for a while."""
        link = self._links[station]
        if link.connection is None:
            return
        self._void[station] = link.connection
        link.connection = None
        self._spawn(self._notice(link, noticed_s))

    async def _notice(self, link: _Link, after_s: float) -> None:
        await asyncio.sleep(after_s)
        connection = self._void.pop(link.station.id, None)
        if connection is None:
            return  # the engine died in between, and everything was heard anew
        at, station = self._clock.now(), link.station.id
        self._say(
            StationDisconnected(at=at, station=station, connection=connection, reason="silent")
        )
        away_s = link.chance.uniform(0.1, link.station.temper.away_s)
        await self._return(link, away_s, booted=False)

    def reboot(self, station: StationId) -> None:
        link = self._links[station]
        self._unheard[station] = True
        if link.connection is None:
            link.station.reboot(self._now_s())
            self._spawn(self._return(link, link.station.temper.boot_s, booted=True))
        else:
            super().reboot(station)

    def storm(self, stations: list[StationId], chance: float) -> None:
        """Many links flap at once, and again."""
        rng = random.Random(f"{self._seed}:{chance}")
        for station in stations:
            self._spawn(self._flap(station, rng.randrange(1, 6), rng.random()))

    async def _flap(self, station: StationId, times: int, pause_s: float) -> None:
        for _ in range(times):
            self.drop(station, away_s=pause_s)
            await asyncio.sleep(3 * pause_s)

    def sicken(self, evse: EvseId, kind: Kind, chance: float) -> None:
        """A charger's meter says something else from now on."""
        scale = 0.5 if chance < 0.3 else 2.0 if chance < 0.7 else 10.0
        self._ill[evse] = (kind, scale, None)

    def heal(self, evse: EvseId) -> None:
        self._ill.pop(evse, None)

    def _ill_with(self, evse: EvseId) -> Kind | None:
        return self._ill[evse][0] if evse in self._ill else None

    @property
    def sick(self) -> frozenset[EvseId]:
        """EVSEs whose meters lie."""
        return frozenset(self._ill)

    def unreachable(self, station: StationId, now_s: float) -> bool:
        """Nobody can tell it anything: by the truth, not by what we know."""
        if self._links[station].connection is None:
            return True
        return now_s < self._astray_until_s.get(station, float("-inf"))

    def _astray(self, link: _Link) -> None:
        self._astray_until_s[link.station.id] = self._clock.now().timestamp() + STRUCK_S

    # ── Orders ──

    async def execute(self, order: Order) -> Outcome:
        link = self._links[self.plant.site.evse[order.evse].station]
        if order.connection == self._void.get(link.station.id):
            return await self._silence(order, self._deadline_s)
        if order.connection != link.connection:
            return lost(order, "this connection is gone", self._clock.now())
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._spawn(self._carry(order, link, answer))
        try:
            async with asyncio.timeout(self._deadline_s):
                return await answer
        except TimeoutError:
            self._astray(link)
            return lost(order, f"no answer within {self._deadline_s:g} s", self._clock.now())

    async def _carry(self, order: Order, link: _Link, answer: asyncio.Future[Outcome]) -> None:
        """From the socket to the station and back; it does not matter who still listens."""
        half_s = link.station.temper.answer_s / 2
        kind, chance = self._next_mischief(link, order)
        async with self._in_turn[link.station.id]:
            await asyncio.sleep(half_s)
            if kind is Kind.LATE_ANSWER:
                await asyncio.sleep(1.5 * self._deadline_s * (0.2 + chance))
            if kind is Kind.LOST_ORDER or not self._arrives(order, link):
                return
            outcome = self._outcome(order, link, kind)
        await asyncio.sleep(half_s)
        if kind is Kind.LOST_ANSWER or order.connection != link.connection:
            return
        outcome = replace(outcome, at=self._clock.now())
        before = self._said_last.get(link.station.id)
        self._said_last[link.station.id] = outcome
        if kind is Kind.REORDERED_ANSWER and before is not None:
            self._say(replace(before, at=outcome.at))
        if not answer.done():
            answer.set_result(outcome)
        else:
            self._say(outcome)  # a straggler
        if kind is Kind.DUPLICATE_ANSWER:
            await asyncio.sleep(3.0 * chance)
            self._say(replace(outcome, at=self._clock.now()))

    def _next_mischief(self, link: _Link, order: Order) -> tuple[Kind | None, float]:
        waiting = self._mischief[link.station.id]
        if not waiting:
            return None, 0.0
        kind, chance = waiting[0]
        if kind is Kind.NOT_STORED and not self._can_be_forgotten(order):
            return None, 0.0
        waiting.popleft()
        self.struck[kind] += 1
        if kind not in (Kind.DUPLICATE_ANSWER, Kind.REORDERED_ANSWER):
            self._astray(link)
        return kind, chance

    def _can_be_forgotten(self, order: Order) -> bool:
        """It is stored otherwise; and where the charger's meter has frozen, below one that is
        silent, nobody could see that it is not: not all that measures a current lies at once.
        """
        frozen = self._ill_with(order.evse) is Kind.CHARGER_METER_FROZEN
        return isinstance(order, SetLimit | SetFallback) and not frozen

    def _outcome(self, order: Order, link: _Link, kind: Kind | None) -> Outcome:
        at = self._clock.now()
        serial, evse, connection = order.serial, order.evse, order.connection
        if kind is Kind.REJECT:
            return Refused(at=at, serial=serial, evse=evse, connection=connection, reason="no")
        if kind is Kind.NOT_STORED:
            return Confirmed(at=at, serial=serial, evse=evse, connection=connection)
        return self._act(order, link)

    # ── What chargers say of their cars ──

    def _say(self, event: Any) -> None:
        if isinstance(event, EvseMeasured) and event.evse in self._ill:
            event = self._falsified(event)
        if event is not None:
            super()._say(event)

    def _falsified(self, event: EvseMeasured) -> EvseMeasured | None:
        kind, scale, frozen = self._ill[event.evse]
        match kind:
            case Kind.CHARGER_METER_SILENT:
                return None
            case Kind.CHARGER_METER_FROZEN:
                frozen = frozen or event
                self._ill[event.evse] = (kind, scale, frozen)
                return replace(event, terminal_a=frozen.terminal_a, power_w=frozen.power_w)
            case Kind.CHARGER_METER_NAN:
                return replace(event, terminal_a=(float("nan"),) * 3)
            case _:
                return replace(event, terminal_a=_scaled(event.terminal_a, scale))


def _scaled(current_a: PerPhase | None, scale: float) -> PerPhase | None:
    if current_a is None:
        return None
    l1, l2, l3 = current_a
    return (l1 * scale, l2 * scale, l3 * scale)
