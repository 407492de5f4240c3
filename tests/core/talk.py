"""A conversation with the core, told in verbs: what is heard, what is sent, what is believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import solver
from loadmgr.core.dispatch import due
from loadmgr.core.ledger import worst_case
from loadmgr.core.observe import observe
from loadmgr.core.state import EvseState, State, unseen
from loadmgr.core.tick import Solve, tick
from loadmgr.events import (
    CircuitMeasured,
    Confirmed,
    Event,
    EvseMeasured,
    LimitReleased,
    LimitSet,
    Lost,
    Order,
    ReadFallback,
    Refused,
    Restarted,
    Sent,
    SessionEnded,
    SessionStarted,
    SetFallback,
    SetLimit,
    StationBooted,
    StationConnected,
    StationDisconnected,
    StatusChanged,
)
from loadmgr.model import (
    ChargingNeeds,
    Circuit,
    CircuitId,
    ConnectorStatus,
    Evse,
    EvseId,
    Limit,
    Meter,
    MeterId,
    Plan,
    Session,
    Site,
    StationId,
    Wiring,
)
from loadmgr.units import NOTHING, PerPhase, Phase

L1, L2, L3 = Phase
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MAIN = CircuitId("main")


def bay(
    name: str, circuit: str = "main", *terminals: Phase, max_a: float = 32.0, **more: Any
) -> Evse:
    """One charger with one outlet; three phases in order, unless told otherwise."""
    return Evse(
        id=EvseId(name),
        station=StationId(more.pop("station", name)),
        circuit=CircuitId(circuit),
        wiring=more.pop("wiring", Wiring(terminals or (L1, L2, L3))),
        max_a=max_a,
        **more,
    )


def fuse(name: str, rating_a: float, feeds_from: str | None = "main", **more: Any) -> Circuit:
    return Circuit(
        id=CircuitId(name),
        label=name.title(),
        feeds_from=CircuitId(feeds_from) if feeds_from and name != "main" else None,
        rating_a=(rating_a,) * 3,
        **more,
    )


def site_of(*evses: Evse, fuse_a: float = 63.0, circuits: tuple[Circuit, ...] = (), **more: Any):
    """A site on one fuse, or on the circuits given."""
    return Site(
        name="Test",
        timezone="Europe/Amsterdam",
        circuits=circuits or (fuse("main", fuse_a),),
        evses=evses,
        **more,
    )


def metered(*evses: Evse, fuse_a: float = 63.0, worst_a: float = 50.0, **more: Any) -> Site:
    """A site on one fuse with a meter called `grid`."""
    return site_of(
        *evses,
        circuits=(fuse("main", fuse_a, meter=MeterId("grid"), **more.pop("main", {})),),
        meters=(Meter(id=MeterId("grid"), circuit=MAIN, worst_building_a=(worst_a,) * 3),),
        **more,
    )


def no_answer(problem: solver.Problem) -> solver.Solution:
    """A solver that leaves everything to the rule, and costs nothing."""
    raise TimeoutError("no answer")


class Talk:
    """One site, what is believed about it, and the time."""

    def __init__(self, site: Site, solve: Solve = no_answer) -> None:
        self.site = site
        self.state: State = unseen(site)
        self.now = NOON
        self.solve = solve
        self.last: Plan | None = None

    def hears(self, *events: Event) -> None:
        for event in events:
            self.state = observe(self.site, self.state, event)

    def after(self, seconds: float) -> Talk:
        self.now += timedelta(seconds=seconds)
        return self

    def of(self, evse: str) -> EvseState:
        return self.state.evses[EvseId(evse)]

    def ledger(self, evse: str) -> float:
        """The highest entry over the phases. [A]"""
        return max(self.entry(evse))

    def entry(self, evse: str) -> PerPhase:
        return worst_case(self.site, self.state, self.now)[EvseId(evse)]

    # ── Stations ──

    def connects(self, station: str, connection: int = 1, *, booted: bool = False) -> None:
        id = StationId(station)
        self.hears(
            StationConnected(at=self.now, station=id, connection=connection, protocol="ocpp1.6")
        )
        if booted:
            self.boots(station, connection)

    def boots(self, station: str, connection: int = 1) -> None:
        id = StationId(station)
        self.hears(StationBooted(at=self.now, station=id, connection=connection))

    def drops(self, station: str, connection: int = 1) -> None:
        id = StationId(station)
        self.hears(StationDisconnected(at=self.now, station=id, connection=connection))

    def plugs(self, evse: str, transaction: str = "t1", **needs: Any) -> None:
        session = Session(
            evse=EvseId(evse),
            transaction_id=transaction,
            started_at=self.now,
            needs=ChargingNeeds(**needs),
        )
        self.hears(SessionStarted(at=self.now, session=session))

    def unplugs(self, evse: str, transaction: str = "t1") -> None:
        self.hears(SessionEnded(at=self.now, evse=EvseId(evse), transaction_id=transaction))

    def status(self, evse: str, status: ConnectorStatus, connection: int = 1) -> None:
        self.hears(
            StatusChanged(at=self.now, evse=EvseId(evse), connection=connection, status=status)
        )

    def draws(
        self, evse: str, *terminal_a: float, connection: int | None = None, **more: Any
    ) -> None:
        """A reading; one number stands for all three terminals."""
        known = self.of(evse).connection or 0
        three = terminal_a * 3 if len(terminal_a) == 1 else terminal_a
        self.hears(
            EvseMeasured(
                at=self.now,
                evse=EvseId(evse),
                connection=known if connection is None else connection,
                terminal_a=(three[0], three[1], three[2]) if three else None,
                sampled_at=self.now,
                **more,
            )
        )

    # ── Orders ──

    def sends(self, order: Order) -> Order:
        self.hears(Sent(at=self.now, order=order))
        return order

    def orders(self, evse: str, current_a: float, *, lasts_s: float = 300.0) -> Order:
        """A limit leaves for the running session, on the present connection."""
        belief = self.of(evse)
        assert belief.connection is not None
        return self.sends(
            SetLimit(
                serial=self.state.last_serial + 1,
                evse=EvseId(evse),
                connection=belief.connection,
                current_a=current_a,
                lasts_s=lasts_s,
                transaction_id=belief.session.transaction_id if belief.session else "none",
            )
        )

    def confirms(
        self, order: Order, current_a: float | None = None, connection: int | None = None
    ) -> None:
        self.hears(self._outcome(Confirmed, order, connection, current_a=current_a))

    def refuses(self, order: Order, connection: int | None = None) -> None:
        self.hears(self._outcome(Refused, order, connection))

    def loses(self, order: Order, connection: int | None = None) -> None:
        self.hears(self._outcome(Lost, order, connection))

    def _outcome(self, kind: Any, order: Order, connection: int | None, **more: Any) -> Event:
        event: Event = kind(
            at=self.now,
            serial=order.serial,
            evse=order.evse,
            connection=order.connection if connection is None else connection,
            **more,
        )
        return event

    def proves(self, evse: str, fallback_a: float = 0.0) -> None:
        """The fallback is written, and read back as it was written."""
        connection = self.of(evse).connection or 0
        serial = self.state.last_serial
        id = EvseId(evse)
        self.confirms(
            self.sends(
                SetFallback(serial=serial + 1, evse=id, connection=connection, current_a=fallback_a)
            )
        )
        read = ReadFallback(serial=serial + 2, evse=id, connection=connection, after_s=360.0)
        self.confirms(self.sends(read), fallback_a)

    def ready(self, *evses: str, fallback_a: float = 0.0, plugged: bool = True) -> None:
        """Connected, proved, and a car there: as after a quiet minute."""
        for evse in evses:
            self.connects(self.site.evse[EvseId(evse)].station)
            self.proves(evse, fallback_a)
            if plugged:
                self.plugs(evse, f"t-{evse}")
        self.after(60)

    def holds(self, evse: str, current_a: float) -> Order:
        """A limit is sent and confirmed."""
        order = self.orders(evse, current_a)
        self.confirms(order)
        return order

    # ── Circuits ──

    def meter(self, *current_a: float, meter: str = "grid", **more: Any) -> None:
        three = current_a * 3 if len(current_a) == 1 else current_a
        self.hears(
            CircuitMeasured(
                at=self.now,
                meter=MeterId(meter),
                current_a=(three[0], three[1], three[2]),
                **more,
            )
        )

    def building(self, *current_a: float, seconds: int = 40) -> None:
        """The meter shows a steady load for a while."""
        for _ in range(seconds):
            self.after(1).meter(*current_a)

    def limits(
        self, current_a: float | None = None, *, power_w: float | None = None, **more: Any
    ) -> None:
        lasts = more.pop("lasts", None)
        amps = {} if current_a is None else {"current_a": (current_a,) * 3}
        self.hears(
            LimitSet(
                at=self.now,
                limit=Limit(
                    name=more.pop("name", "dso"),
                    circuit=CircuitId(more.pop("circuit", "main")),
                    power_w=power_w,
                    source=more.pop("source", "dso"),
                    valid_from=self.now,
                    valid_until=None if lasts is None else self.now + timedelta(seconds=lasts),
                    **amps,
                ),
            )
        )

    def releases(self, name: str = "dso") -> None:
        self.hears(LimitReleased(at=self.now, name=name, source="dso"))

    # ── Us ──

    def restarts(self) -> None:
        self.hears(Restarted(at=self.now))

    def plan(self) -> Plan:
        self.last = tick(self.site, self.state, self.now, self.solve)
        return self.last

    def due(self, **more: Any) -> tuple[Order, ...]:
        return due(self.site, self.state, self.plan(), self.now, **more)

    def target(self, evse: str) -> float:
        return self.plan().allocations[EvseId(evse)].current_a

    def obeys(self, seconds: float = 60.0, step_s: float = 5.0, **drawn_a: float) -> None:
        """Time passes; every order is carried out at once, and every car draws what it may."""
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            for order in self.due():
                self.sends(order)
                reads = isinstance(order, ReadFallback)
                self.confirms(order, self.site.offline.fallback_a if reads else None)
            self.after(step_s)
            for evse in self.site.evses:
                belief = self.of(evse.id)
                if belief.connection is not None and belief.session is not None:
                    self.draws(evse.id, drawn_a.get(evse.id, belief.proved_a))


def nothing() -> PerPhase:
    return NOTHING
