"""The shell around the pure core: it sleeps, sends, writes down and starts again.

    inbox      every event goes through `observe`, at once            (emit)
    tick       on a steady beat, and soon after anything that matters (_decide)
    dispatch   journal, send, wait for the answer: which is an event  (_dispatch)

It decides nothing. What to do is `tick`'s to say, and when it is safe `due`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import structlog

from loadmgr.core import questions
from loadmgr.core.dispatch import due
from loadmgr.core.doubt import verdict
from loadmgr.core.observe import observe
from loadmgr.core.state import MeterState, State, unseen
from loadmgr.core.wishes import Urgency, wishes
from loadmgr.engine.clock import SteadyClock
from loadmgr.engine.decide import Decide
from loadmgr.engine.journal import KEPT, Journal
from loadmgr.engine.pace import PaceBook
from loadmgr.engine.scribe import Scribe
from loadmgr.events import (
    CircuitMeasured,
    Confirmed,
    Event,
    EvseMeasured,
    Lost,
    Order,
    Refused,
    Restarted,
    Sent,
    SetFallback,
    SetLimit,
    StatusChanged,
)
from loadmgr.model import CircuitId, EvseId, MeterId, Plan, Site
from loadmgr.ports import Gateway, Source
from loadmgr.units import PerPhase

log = structlog.get_logger("loadmgr.engine")

SOONEST_S = 0.25  # two ticks are never closer together
ANSWER_WITHIN_S = 15.0  # outer deadline of an order; the gateway's own is shorter

Watcher = Callable[[Event, State], None]


class Engine:
    """One site under control."""

    def __init__(
        self,
        site: Site,
        *,
        gateway: Gateway,
        sources: Sequence[Source],
        journal: Journal,
        clock: SteadyClock,
        decide: Decide,
        observe: Callable[[Site, State, Event], State] = observe,
    ) -> None:
        self.site = site
        self.state: State = unseen(site)
        self.plan: Plan | None = None
        self.number = 0
        self.pace = PaceBook()
        self.clock = clock
        self.on_event: list[Watcher] = []
        self.on_tick: list[Callable[[State, Plan], None]] = []
        self._observe = observe
        self._gateway = gateway
        self._sources = sources
        self._scribe = Scribe(journal)
        self._decide = decide
        self._attention = asyncio.Event()
        self._replan = True
        self._meters: Mapping[MeterId, MeterState] = {}  # as they were looked at last
        self._weighed_a: Mapping[CircuitId, PerPhase] = {}
        self._ticked_at = float("-inf")
        self._waiting: dict[int, Order] = {}  # for the journal, before they leave
        self._orders: asyncio.TaskGroup

    # ── Inbox ──

    def emit(self, event: Event) -> None:
        """Take in what happened. Never blocks."""
        before = self.state
        self.state = self._observe(self.site, before, event)
        if isinstance(event, KEPT):
            self._scribe.note(event)
        if self._matters(before, event):
            self._replan = True
            self._attention.set()
        for watcher in self.on_event:
            watcher(event, self.state)
        if isinstance(event, CircuitMeasured) and event.meter in self.state.meters:
            judged = verdict(before, self.state, event.meter, event.at)
            if judged is not None:
                self.emit(judged)
            if questions.left_open(self.site, self.state, event.meter, event.at):
                self._attention.set()  # a reading on demand does not wait for the beat

    def _matters(self, before: State, event: Event) -> bool:
        """Whether the next tick should come soon instead of on the beat."""
        match event:
            case StatusChanged() | Sent():
                return False
            case EvseMeasured(evse=evse) if evse in before.evses and self._caught(before, evse):
                return True
            case CircuitMeasured() | EvseMeasured():
                return self.plan is not None and self._rose(self.plan)
            case _:
                return True

    def _caught(self, before: State, evse: EvseId) -> bool:
        """It was just found to draw more than it may."""
        return (before.evses[evse].quarantine is None) > (self.state.evses[evse].quarantine is None)

    def _rose(self, plan: Plan) -> bool:
        """A building that draws more than the last plan counted with cannot wait for the beat; nor
        than it drew when it was last thought over whether that plan still holds.
        """
        if self.state.meters is self._meters:
            return False
        self._meters = self.state.meters
        building = self._building_a()
        return any(
            building[row.circuit][row.phase]
            > max(row.building, self._weighed_a[row.circuit][row.phase]) + 0.2
            for row in plan.rows
            if row.circuit in building and row.phase is not None
        )

    def _building_a(self) -> Mapping[CircuitId, PerPhase]:
        """What is measured of the building on every circuit with a meter. [A]"""
        meters = self.state.meters.items()
        return {self.site.meter[meter].circuit: known.building_a for meter, known in meters}

    def age_s(self) -> float:
        """Seconds since the last tick was decided."""
        return self.clock.monotonic() - self._ticked_at

    # ── Running ──

    def restore(self) -> None:
        """Believe what was written down, as far as it outlives the time we were away."""
        checkpoint, events = self._scribe.replay()
        state = checkpoint or unseen(self.site)
        state = _for_site(self.site, state)
        for event in events:
            state = self._observe(self.site, state, event)
        restarted = Restarted(at=self.clock.now())
        self.state = self._observe(self.site, state, restarted)
        self._scribe.note(restarted)
        self._scribe.checkpoint(self.state)

    def shorten_journal(self) -> None:
        """Keep what a restart needs and drop the rest."""
        self._scribe.shorten(lambda: self.state)

    async def run(self) -> None:
        """Take control until cancelled. The journal is read before the first socket opens."""
        self.restore()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._scribe.run(), name="scribe")
            tasks.create_task(self._beat(), name="beat")
            tasks.create_task(self._gateway.run(self.emit, self.written), name="gateway")
            for source in self._sources:
                tasks.create_task(source.run(self.emit))

    @property
    def keeps_journal(self) -> bool:
        """The journal can be written. If not, limits only fall."""
        return self._scribe.works

    async def written(self) -> bool:
        """Wait until all that happened so far is in the journal. False: it cannot be written."""
        return await self._scribe.written()

    async def finish(self) -> None:
        """After `run` was cancelled for good: nothing that happened stays unwritten."""
        await self._scribe.finish()

    async def _beat(self) -> None:
        async with asyncio.TaskGroup() as self._orders:
            while True:
                await self._until_next()
                if self._tick_is_due():
                    await self._tick()
                await self._dispatch()

    async def _until_next(self) -> None:
        """Sleep until the beat, or until something needs attention."""
        wait = self.site.interval_s - self.age_s()
        if self._replan:
            wait = min(wait, SOONEST_S - self.age_s())
        if wait > 0:
            try:
                # Not wait_for: in Python 3.11 it swallows a cancellation that meets the answer.
                async with asyncio.timeout(wait):
                    await self._attention.wait()
            except TimeoutError:
                return
        self._attention.clear()

    def _tick_is_due(self) -> bool:
        age = self.age_s()
        return age >= self.site.interval_s - 1e-3 or (self._replan and age >= SOONEST_S - 1e-3)

    async def _tick(self) -> None:
        self._replan = False
        self._weighed_a = self._building_a()
        started = self.clock.monotonic()
        late = started - self._ticked_at - self.site.interval_s
        self.plan = await self._decide(self.site, self.state, self.clock.now())
        self._ticked_at = self.clock.monotonic()
        self.number += 1
        self.pace.note(self._ticked_at - started, late, self.site.interval_s)
        for watcher in self.on_tick:
            watcher(self.state, self.plan)

    # ── Orders ──

    async def _dispatch(self) -> None:
        """Send what is safe now. What may raise anything is on disk before it leaves."""
        if self.plan is None:
            return
        self._withdraw_overtaken(self.plan)
        orders = due(self.site, self.state, self.plan, self.clock.now(), raises=self._scribe.works)
        rising: list[Order] = []
        for order in orders:
            before = self.state
            self.emit(Sent(at=self.clock.now(), order=order))
            if self._lowers(before, order):
                self._orders.create_task(self._execute(order))
            else:
                rising.append(order)
        if rising:
            self._orders.create_task(self._execute_written(rising, self.clock.monotonic()))

    def _lowers(self, before: State, order: Order) -> bool:
        """It can only lower what the charger may draw: nothing is gained by waiting for a disk."""
        if not isinstance(order, SetLimit | SetFallback):
            return True
        belief = before.evses[order.evse]
        if order.current_a <= (belief.fallback_a or 0.0):
            return True  # 0 A in any case, whatever is known
        if isinstance(order, SetFallback):
            return belief.fallback_a is None  # it may take all that it can
        standing = max((grant.current_a for grant in belief.standing), default=0.0)
        return order.current_a <= standing

    async def _execute_written(self, orders: Sequence[Order], since: float) -> None:
        """A limit that waited for the disk ends when the ledger thinks it does: so much earlier."""
        waiting = {order.serial: order for order in orders}
        self._waiting |= waiting
        written = await self._scribe.written()
        waited_s = self.clock.monotonic() - since
        for order in [self._waiting.pop(n) for n in waiting if n in self._waiting]:
            if not written:
                self._never_left(order, "the journal cannot be written")
            elif (ready := _shortened(order, waited_s)) is None:
                self._never_left(order, "the journal took longer than it was to last")
            else:
                self._orders.create_task(self._execute(ready))

    def _withdraw_overtaken(self, plan: Plan) -> None:
        """A raise that still waits for a slow disk must not stand in the way of a decrease."""
        for order in list(self._waiting.values()):
            allocation = plan.allocations.get(order.evse)
            wanted_a = 0.0 if allocation is None else allocation.current_a
            overtaken = isinstance(order, SetLimit) and order.current_a > wanted_a
            if overtaken or self._stands_in_the_way(plan, order):
                del self._waiting[order.serial]
                self._never_left(order, "the plan has changed")

    def _stands_in_the_way(self, plan: Plan, order: Order) -> bool:
        """Something that lowers a charger, and waits for no disk, waits behind it at its station.

        A limit is only in the way of its neighbours: what is lower for its own EVSE overtakes it.
        """
        now = self.clock.now()
        return any(
            wish.urgency <= Urgency.ESCALATION and self._lowers(self.state, wish.order)
            for evse in self.site.stations[self.site.evse[order.evse].station]
            if evse.id != order.evse or not isinstance(order, SetLimit)
            for wish in wishes(self.site, self.state, plan, evse, now)
        )

    def _never_left(self, order: Order, why: str) -> None:
        """It is certain that nobody has heard of it."""
        self.emit(
            Refused(
                at=self.clock.now(),
                serial=order.serial,
                evse=order.evse,
                connection=order.connection,
                reason=f"not sent: {why}",
                asked=False,
            )
        )

    async def _execute(self, order: Order) -> None:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                outcome = await self._gateway.execute(order)
        except TimeoutError:
            outcome = Lost(
                at=self.clock.now(),
                serial=order.serial,
                evse=order.evse,
                connection=order.connection,
                reason="no answer",
            )
        if not isinstance(outcome, Confirmed):
            log.info("order failed", order=type(order).__name__, evse=order.evse, outcome=outcome)
        self.emit(outcome)


def _shortened(order: Order, by_s: float) -> Order | None:
    """The same with its end where it was; None where that is over."""
    if not isinstance(order, SetLimit):
        return order
    return replace(order, lasts_s=order.lasts_s - by_s) if order.lasts_s > by_s else None


def _for_site(site: Site, state: State) -> State:
    """What was believed about a site that has since been rebuilt, as far as it still stands."""
    fresh = unseen(site)
    return replace(
        state,
        evses={name: state.evses.get(name, belief) for name, belief in fresh.evses.items()},
        meters={name: state.meters.get(name, known) for name, known in fresh.meters.items()},
        limits={n: limit for n, limit in state.limits.items() if limit.circuit in site.circuit},
    )
