"""The physics of a whole site: stations, cars, the building, and the truth about every fuse.

`advance` is cheap while nothing moves: only what is not steady is stepped. Time is POSIX
seconds and falls on whole seconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from loadmgr.model import CircuitId, EvseId, Site, StationId, Wiring
from loadmgr.simulate.building import BuildingLoad
from loadmgr.simulate.outlet import Outlet
from loadmgr.simulate.station import Station
from loadmgr.simulate.temper import GOOD, Temper
from loadmgr.simulate.truth import GRACE_S, RowTally, Truth, Vector
from loadmgr.units import NOTHING, PerPhase, add


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What came of it all, by the truth."""

    seconds: float
    energy_wh: float  # delivered to cars
    sessions: int  # begun
    sessions_served: int  # that took any energy
    rows: tuple[RowTally, ...]  # per circuit and phase

    @property
    def ours_s(self) -> float:
        """Overload seconds that are ours, over all circuits and phases."""
        return sum(row.ours_s for row in self.rows)

    @property
    def building_s(self) -> float:
        return sum(row.building_s for row in self.rows)

    @property
    def tripped(self) -> tuple[RowTally, ...]:
        return tuple(row for row in self.rows if row.tripped_at_s is not None)


class Plant:
    """Everything on site that carries current."""

    def __init__(
        self,
        site: Site,
        *,
        start_s: float,
        building: Mapping[CircuitId, BuildingLoad] | None = None,
        tempers: Mapping[StationId, Temper] | None = None,
        wiring: Mapping[EvseId, Wiring] | None = None,
        strict: frozenset[StationId] = frozenset(),
        grace_s: float = GRACE_S,
    ) -> None:
        """`wiring` is the true one where it differs from the site's; `strict` names the
        stations that stack profiles as OCPP 2.x has it."""
        self.site = site
        self.now_s = self.start_s = float(math.floor(start_s))
        self.truth = Truth(site, start_s=self.now_s, grace_s=grace_s)
        self.stations = {
            id: Station(
                id,
                evses,
                now_s=self.now_s,
                temper=(tempers or {}).get(id, GOOD),
                wiring=wiring,
                voltage_v=site.voltage_v,
                strict_profiles=id in strict,
            )
            for id, evses in site.stations.items()
        }
        self.outlets: dict[EvseId, Outlet] = {
            evse.id: self.stations[evse.station].outlets[evse.number] for evse in site.evses
        }
        self._in_order = tuple(self.outlets.values())
        self._place = {evse.id: place for place, evse in enumerate(site.evses)}
        self._site_a: list[PerPhase] = [NOTHING] * len(site.evses)
        self._evse_a: Vector = np.zeros(3 * len(site.evses))
        self._beyond_a: Vector = np.zeros(3 * len(site.evses))
        self._beyond = False  # anything of it is above 0
        self._loads = dict(building or {})
        self._building_until_s = -math.inf
        self._changed = True  # something flows otherwise than in the last account
        self._building_a: dict[CircuitId, PerPhase] = {}
        self._building: Vector = self.truth.spread({})

    def advance(self, now_s: float) -> None:
        """Live up to the last whole second not after `now_s`."""
        target_s = float(math.floor(now_s))
        while self.now_s < target_s:
            if self.now_s >= self._building_until_s:
                self._read_building()
            until_s = self._move_outlets(min(target_s, self._building_until_s))
            if self._changed:
                beyond_a = self._beyond_a if self._beyond else None
                self.truth.account(until_s, self._evse_a, self._building, beyond_a)
                self._changed = False
            else:
                self.truth.go_on(until_s)
            self.now_s = until_s

    def circuit_a(self, circuit: CircuitId) -> PerPhase:
        """True current through a circuit in the last second, building and cars. [A]"""
        return self.truth.circuit_a(circuit)

    def evse_a(self, evse: EvseId) -> PerPhase:
        """True current of an EVSE in the last second, though it may have opened since. [A]"""
        return self._site_a[self._place[evse]]

    def building_a(self, circuit: CircuitId) -> PerPhase:
        """True current of what is not steered, all of it below this circuit. [A]"""
        below = (a for c, a in self._building_a.items() if circuit in self.site.path[c])
        total = NOTHING
        for current_a in below:
            total = add(total, current_a)
        return total

    def summary(self) -> Summary:
        for outlet in self._in_order:
            outlet.advance(self.now_s)
        taken = [t.energy_wh(0.0) for s in self.stations.values() for _, t in s.finished]
        taken += [
            outlet.transaction.energy_wh(outlet.register_wh)
            for outlet in self._in_order
            if outlet.transaction is not None
        ]
        return Summary(
            seconds=self.now_s - self.start_s,
            energy_wh=sum(outlet.register_wh for outlet in self._in_order),
            sessions=len(taken),
            sessions_served=sum(energy_wh > 1.0 for energy_wh in taken),
            rows=self.truth.tallies(),
        )

    def _read_building(self) -> None:
        self._building_a = {circuit: load.at(self.now_s) for circuit, load in self._loads.items()}
        self._building = self.truth.spread(self._building_a)
        self._building_until_s = min(
            (load.changes_after_s(self.now_s) for load in self._loads.values()), default=math.inf
        )
        self._changed = True

    def _move_outlets(self, until_s: float) -> float:
        """Step what moves by one second; returns how long all currents then hold. [POSIX s]"""
        now_s = self.now_s
        for place, outlet in enumerate(self._in_order):
            if outlet.steady_until_s <= now_s:
                outlet.advance(now_s + 1.0)  # through all that was steady, and one second on
                self._note(place, outlet)
            if outlet.steady_until_s < until_s:
                until_s = outlet.steady_until_s
        return max(now_s + 1.0, float(math.floor(until_s)))

    def _note(self, place: int, outlet: Outlet) -> None:
        """Take down what flows at an outlet now."""
        site_a = outlet.site_a
        if site_a != self._site_a[place]:
            self._site_a[place] = site_a
            self._evse_a[3 * place : 3 * place + 3] = site_a
            self._changed = True
        if self._beyond or outlet.beyond_a != NOTHING:
            self._beyond_a[3 * place : 3 * place + 3] = outlet.beyond_site_a
            self._beyond = bool(self._beyond_a.any())
            self._changed = True
