"""What is measured of a run beside overloads: how soon things are noticed, and comfort."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from loadmgr.core import building
from loadmgr.core.ledger import tolerated
from loadmgr.core.state import State
from loadmgr.events import (
    Confirmed,
    Event,
    Lost,
    Refused,
    Sent,
    SessionEnded,
    SetLimit,
    StationConnected,
)
from loadmgr.model import EvseId, Limit, MeterId, Plan, Site, StationId
from loadmgr.simulate.chaos_faults import Kind
from loadmgr.simulate.plant import Plant
from loadmgr.units import power_w

NOISE_A = 0.1  # of a meter

LOST = frozenset({Kind.METER_SILENT, Kind.METER_FROZEN, Kind.METER_STUCK, Kind.METER_NAN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Durations in seconds, one per case."""

    quarantined_s: tuple[float, ...]  # from an ignored limit to the quarantine
    limited_s: tuple[float, ...]  # from a limit in force to no more than it, or no car left
    capped_s: tuple[float, ...]  # from a meter's last true word to its declared worst case
    in_control_s: tuple[float, ...]  # from the first call to control of all who can be told
    apart_s: tuple[float, ...]  # between two raises of one charger; the lowest hundred
    stops: int  # a charging car was told 0 A
    orders_a_minute: int  # the most that one EVSE was told
    car_hours: float


@dataclass(slots=True)
class _Disobedience:
    since_s: float
    noticed: bool = False


@dataclass(slots=True)
class Observer:
    """Watches engine after engine, and the plant beside them."""

    site: Site
    plant: Plant
    reachable: Callable[[StationId], bool]
    heard: Callable[[EvseId], bool] = lambda evse: True  # its meter tells the truth
    ticks: int = 0
    orders: int = 0
    _off_s: float = 0.0
    _called_s: float | None = None  # when the first charger called this engine
    _in_control: bool = False
    _now: Callable[[], float] = field(default=lambda: 0.0)
    _ill: dict[MeterId, float] = field(default_factory=dict)
    _limits: dict[str, tuple[Limit, float]] = field(default_factory=dict)
    _disobeys: dict[EvseId, _Disobedience] = field(default_factory=dict)
    _commanded: dict[EvseId, float] = field(default_factory=dict)
    _raised_s: dict[EvseId, float] = field(default_factory=dict)
    _before: dict[int, tuple[float, float | None]] = field(default_factory=dict)  # by serial
    _found: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _told: dict[EvseId, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _orders_a_minute: int = 0
    _stops: int = 0
    _car_s: float = 0.0
    _ticked_s: float | None = None

    def attend(self, engine: Any, now: Callable[[], float], off_s: float) -> None:
        """A new engine starts."""
        self._off_s, self._now = off_s, now
        self._called_s, self._in_control = None, False
        self._raised_s.clear()
        self._before.clear()
        self._ill.clear()  # a new engine believes no meter before three good samples
        self._disobeys.clear()  # and has seen nobody disobey
        engine.on_tick.append(self._on_tick)
        engine.on_event.append(self._on_event)

    def meter_ill(self, meter: MeterId, kind: Kind, now_s: float) -> None:
        if kind in LOST:
            self._ill[meter] = now_s

    def meter_well(self, meter: MeterId) -> None:
        self._ill.pop(meter, None)

    def limited(self, limit: Limit, now_s: float) -> None:
        """A utility's limit comes into force. One that is kept already shows nothing."""
        if not self._kept(limit):
            self._limits[limit.name] = limit, now_s

    def _on_tick(self, state: State, plan: Plan) -> None:
        self.ticks += 1
        if self._called_s is not None and not self._in_control and self._controls(state):
            self._found["in_control"].append(self._now() - self._called_s)
            self._in_control = True
        now_s = plan.at.timestamp() - self._off_s
        if self._ill:
            lost = building.lost(self.site, state, plan.at)
            for meter in [m for m in self._ill if m in lost]:
                self._found["capped"].append(now_s - self._ill.pop(meter))
        self._check_limits(now_s)
        self._check_obedience(state, now_s)

    def _controls(self, state: State) -> bool:
        """Of every charger that is connected and can be told, it is known what it does alone."""
        return all(
            belief.fallback_checked == belief.connection
            for evse, belief in state.evses.items()
            if belief.connection is not None and self.reachable(self.site.evse[evse].station)
        )

    def _check_limits(self, now_s: float) -> None:
        """Limits that are kept by now; those that cannot be, for want of a link, do not count."""
        for name, (limit, since_s) in list(self._limits.items()):
            ends_s = None if limit.valid_until is None else limit.valid_until.timestamp()
            away = not all(self.reachable(evse.station) for evse in self.site.below[limit.circuit])
            if away or (ends_s is not None and now_s > ends_s):
                del self._limits[name]
            elif self._kept(limit):
                self._found["limited"].append(now_s - since_s)
                del self._limits[name]

    def _kept(self, limit: Limit) -> bool:
        total_a = self.plant.circuit_a(limit.circuit)
        below = [self.plant.outlets[evse.id] for evse in self.site.below[limit.circuit]]
        if all(max(outlet.terminal_a) <= 0.0 for outlet in below):
            return True  # what is left is the building's
        fits = all(a <= most + NOISE_A for a, most in zip(total_a, limit.current_a, strict=True))
        watts = power_w(total_a, self.site.voltage_v)
        return fits and (limit.power_w is None or watts <= limit.power_w + 700.0 * NOISE_A)

    def _check_obedience(self, state: State, now_s: float) -> None:
        seconds = 0.0 if self._ticked_s is None else now_s - self._ticked_s
        self._ticked_s = now_s
        for evse, outlet in self.plant.outlets.items():
            drawn_a = max(outlet.terminal_a)
            if drawn_a <= 0.0 and evse not in self._disobeys:
                continue
            self._car_s += seconds if drawn_a > 0 else 0.0
            if not self.heard(evse):
                self._disobeys.pop(evse, None)  # nobody can see it: it does not count
            elif drawn_a > tolerated(outlet.lawful.most_now_a):
                known = self._disobeys.setdefault(evse, _Disobedience(now_s))
                if not known.noticed and state.evses[evse].quarantine is not None:
                    known.noticed = True
                    self._found["quarantined"].append(now_s - known.since_s)
            else:
                self._disobeys.pop(evse, None)

    def _on_event(self, event: Event, state: State) -> None:
        if self._limits:
            self._check_limits(event.at.timestamp() - self._off_s)
        if isinstance(event, StationConnected) and self._called_s is None:
            self._called_s = self._now()
        if isinstance(event, SessionEnded):
            self._commanded.pop(event.evse, None)
            self._raised_s.pop(event.evse, None)
        if isinstance(event, Confirmed | Lost) or (isinstance(event, Refused) and event.asked):
            self._count(event.evse)
        if isinstance(event, Refused):
            self._take_back(event)
        if not isinstance(event, Sent):
            return
        self.orders += 1
        order = event.order
        if not isinstance(order, SetLimit):
            return
        before, last_s = self._commanded.get(order.evse, 0.0), self._raised_s.get(order.evse)
        self._before[order.serial] = before, last_s
        self._commanded[order.evse] = order.current_a
        now_s = self._now()
        if state.evses[order.evse].raised_at == event.at and order.current_a > before:
            if last_s is not None and before > 0:
                self._found["apart"].append(now_s - last_s)
            self._raised_s[order.evse] = now_s
        elif order.current_a == 0 and before > 0:
            self._stops += 1

    def _count(self, evse: EvseId) -> None:
        """One more order has left."""
        told, now_s = self._told[evse], self._now()
        told.append(now_s)
        while told[0] <= now_s - 60.0:
            told.popleft()
        self._orders_a_minute = max(self._orders_a_minute, len(told))

    def _take_back(self, event: Refused) -> None:
        """Nothing was raised, or lowered."""
        if event.serial not in self._before:
            return
        before, raised_s = self._before.pop(event.serial)
        self._stops -= before > 0 and self._commanded.get(event.evse) == 0.0
        self._commanded[event.evse] = before
        if raised_s is None:
            self._raised_s.pop(event.evse, None)
        else:
            self._raised_s[event.evse] = raised_s

    def observed(self) -> Observed:
        found = self._found
        return Observed(
            quarantined_s=tuple(found["quarantined"]),
            limited_s=tuple(found["limited"]),
            capped_s=tuple(found["capped"]),
            in_control_s=tuple(found["in_control"]),
            apart_s=tuple(sorted(found["apart"])[:100]),
            stops=self._stops,
            orders_a_minute=self._orders_a_minute,
            car_hours=self._car_s / 3600.0,
        )
