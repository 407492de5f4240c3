"""Engine and stations, and a network between them: what the machine of faults plays with."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from loadmgr.core import envelope
from loadmgr.core.ledger import worst_case
from loadmgr.engine.journal import KEPT
from loadmgr.events import (
    Confirmed,
    Event,
    Lost,
    Order,
    ReadFallback,
    Refused,
    SessionEnded,
    SetFallback,
    SetLimit,
    StopTransaction,
)
from loadmgr.model import Evse, EvseId, Offline, Site, StationId, Wiring
from loadmgr.units import PHASES, PerPhase
from tests.core.stations import LATE, Held, Limit, Outlet
from tests.core.talk import L1, L2, L3, NOON, Talk, bay, fuse, metered, site_of


def sites() -> st.SearchStrategy[Site]:
    """Small ones on which everything binds."""
    nested = site_of(
        bay("A", "north", L1, L2, L3, max_a=16.0),
        bay("B", "north", L2, L3, L1),
        bay("C", "north", L1),
        bay("D", "main", wiring=Wiring((L1,), known=False), max_a=20.0),
        bay("E", "main", station="D", number=2, max_a=20.0),
        circuits=(fuse("main", 40.0, margin_a=2.0), fuse("north", 25.0, building_a=(3.0,) * 3)),
    )
    offline = Offline(fallback_a=6.0)
    return st.sampled_from([nested, replace(nested, offline=offline), under_contract()])


def under_contract() -> Site:
    """A meter whose declared worst case alone is above what the contract allows."""
    return metered(
        bay("A"), bay("B"), bay("C", "main", L3), main={"max_power_w": 20_000.0, "margin_a": 3.0}
    )


class World(RuleBasedStateMachine):
    """Everything that is there. It has no rules of its own."""

    def build(self, site: Site) -> None:
        self.talk = Talk(site)
        self.outlets = {evse.id: Outlet(evse.max_a, [Held(NOON)]) for evse in site.evses}
        self.links: dict[StationId, int | None] = {station: None for station in site.stations}
        self.connections = 0
        self.transactions = 0
        self.under_way: dict[StationId, deque[Order]] = defaultdict(deque)
        self.answers: dict[StationId, deque[Event]] = defaultdict(deque)
        self.untold: dict[EvseId, deque[Event]] = defaultdict(deque)
        self.sent_at: dict[int, Any] = {}
        self.written: list[Event] = []
        self.noted: list[Event] = []
        self.building: PerPhase = (0.0, 0.0, 0.0)

    def hears(self, event: Event) -> None:
        self.talk.hears(event)
        if isinstance(event, KEPT):
            self.noted.append(event)

    def flush(self) -> None:
        self.written += self.noted
        self.noted.clear()

    def some_evse(self, number: int) -> Evse:
        return self.talk.site.evses[number % len(self.talk.site.evses)]

    def some_station(self, number: int) -> StationId:
        stations = list(self.talk.site.stations)
        return stations[number % len(stations)]

    def excess(self) -> Any:
        talk = self.talk
        rows = envelope.rows(talk.site, talk.state, talk.now)
        return envelope.excess(talk.site, rows, worst_case(talk.site, talk.state, talk.now))

    # ── Stations ──

    def act(self, order: Order, manner: str) -> tuple[Any, float | None]:
        outlet, now = self.outlets[order.evse], self.talk.now
        held = outlet.held
        if manner == "refuses" or held.dark:
            return Refused, None
        match order:
            case SetLimit():
                if held.transaction != order.transaction_id:
                    return Refused, None
                ends_at = self.sent_at[order.serial] + timedelta(seconds=order.lasts_s) + LATE
                limit = Limit(order.current_a, ends_at, order.transaction_id)
                outlet.becomes(now, limit=limit)
            case SetFallback() if manner != "forgets":
                outlet.becomes(now, default_a=order.current_a)
            case ReadFallback():
                return Confirmed, outlet.max_a if held.default_a is None else held.default_a
            case StopTransaction():
                self.end(order.evse)
        return Confirmed, None

    def end(self, evse: EvseId) -> None:
        transaction = self.outlets[evse].held.transaction
        if transaction is not None:
            self.outlets[evse].becomes(self.talk.now, transaction=None, limit=None)
            self.untold[evse].append(
                SessionEnded(at=self.talk.now, evse=evse, transaction_id=transaction)
            )

    @staticmethod
    def true_phases(evse: Evse, current_a: float) -> PerPhase:
        terminals = evse.wiring.terminals if evse.wiring.known else (L3,)
        l1, l2, l3 = (current_a if phase in terminals else 0.0 for phase in PHASES)
        return (l1, l2, l3)

    # ── Patience ──

    def give_up(self, evse: EvseId) -> None:
        order = self.talk.state.evses[evse].in_flight
        if order is not None:
            self.hears(
                Lost(at=self.talk.now, serial=order.serial, evse=evse, connection=order.connection)
            )
