"""What really flows through every fuse, judged apart from the code under test.

A second above a rating is *ours* unless a rise of the building within the grace before it
explains it. A thermal breaker per circuit and phase says whether copper was in danger.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadmgr.model import CircuitId, Evse, Site
from loadmgr.units import PHASES, PerPhase, Phase

Vector = NDArray[np.float64]

GRACE_S = 15.0
"""How long a step of the building explains an overload."""

TOLERANCE_A = 1e-6
"""Rounding of sums of currents is no overload."""

THERMAL_S = 200.0
TRIP_HEAT = 1.28
INSTANT_TRIP = 5.0
"""Thermal time constant, heat at which the breaker trips (in units of the heat at rating), and
the multiple of the rating at which its magnet trips at once (type B, sensitive end).

IEC 60898-1 table 7: 1.13 In must not trip within an hour (heat 1.277 < 1.28, so it never
does); 1.45 In from there within the hour (here 188 s from cold); 2.55 In within 60 s up to 32 A
(here 44 s from cold).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTally:
    """How one phase of one circuit fared."""

    circuit: CircuitId
    phase: Phase
    rating_a: float
    max_a: float
    ours_s: float
    building_s: float
    tripped_at_s: float | None  # POSIX; the breaker would have opened
    worst_ours_a: float  # the most above the rating in a second of ours


class Truth:
    """Accounts for true currents, one segment of constant current after the other.

    Row `3·k + p` is phase `p` of the site's circuit `k`.
    """

    def __init__(self, site: Site, *, start_s: float, grace_s: float = GRACE_S) -> None:
        self._site = site
        self._grace_s = grace_s
        self._place = {circuit.id: place for place, circuit in enumerate(site.circuits)}
        rows = 3 * len(site.circuits)
        self._rating: Vector = np.array(
            [rating for circuit in site.circuits for rating in circuit.rating_a]
        )
        # A phase that is not there has a rating of 0: any current on it is over, no breaker warms.
        live = self._rating > 0
        self._per_rating: Vector = np.divide(1.0, self._rating, out=np.zeros(rows), where=live)
        self._below = _incidence(site)
        self._max: Vector = np.zeros(rows)
        self._ours: Vector = np.zeros(rows)
        self._worst_ours: Vector = np.zeros(rows)
        self._building: Vector = np.zeros(rows)
        self._heat: Vector = np.zeros(rows)
        self._tripped: Vector = np.full(rows, np.inf)
        self._past: deque[tuple[float, Vector]] = deque()  # (held until, building), within grace
        self._until_s = start_s
        self._row: Vector = np.zeros(rows)

    def circuit_a(self, circuit: CircuitId) -> PerPhase:
        """What flowed through a circuit in the last second accounted for. [A]"""
        place = 3 * self._place[circuit]
        l1, l2, l3 = self._row[place : place + 3].tolist()
        return (l1, l2, l3)

    def spread(self, building_a: Mapping[CircuitId, PerPhase]) -> Vector:
        """Currents of the building at their circuits, carried up to the grid connection. [A]"""
        row: Vector = np.zeros_like(self._rating)
        for circuit, current_a in building_a.items():
            for above in self._site.path[circuit]:
                place = 3 * self._place[above]
                row[place : place + 3] += current_a
        return row

    def account(self, until_s: float, evse_a: Vector, building: Vector) -> None:
        """Everything flowed like this from the last account to `until_s`.

        Parameters
        ----------
        evse_a : (3·n,) array
            True currents of the EVSEs on the site's phases, in the site's order. [A]
        building : (rows,) array
            From `spread`. Kept: a changed building needs a new array. [A]
        """
        since_s, self._until_s = self._until_s, until_s
        seconds = until_s - since_s
        row = self._row = self._below @ evse_a + building
        np.maximum(self._max, row, out=self._max)
        over = row > self._rating + TOLERANCE_A
        if over.any():
            self._blame(since_s, until_s, over, row, building)
        self._remember(until_s, building)
        self._warm(since_s, seconds, row)

    def tallies(self) -> tuple[RowTally, ...]:
        return tuple(
            RowTally(
                circuit=circuit.id,
                phase=phase,
                rating_a=circuit.rating_a[phase],
                max_a=float(self._max[row]),
                ours_s=float(self._ours[row]),
                building_s=float(self._building[row]),
                tripped_at_s=None if np.isinf(self._tripped[row]) else float(self._tripped[row]),
                worst_ours_a=float(self._worst_ours[row]),
            )
            for place, circuit in enumerate(self._site.circuits)
            for phase in PHASES
            for row in (3 * place + phase,)
        )

    def _blame(
        self, since_s: float, until_s: float, over: NDArray[np.bool_], row: Vector, building: Vector
    ) -> None:
        """Second by second, for what is remembered of the building fades while this lasts."""
        at_s = since_s
        while at_s < until_s:
            least = building
            for held_until_s, past in self._past:
                if held_until_s > at_s - self._grace_s:
                    least = np.minimum(least, past)
            unexplained = over & (row - building + least > self._rating + TOLERANCE_A)
            second = min(1.0, until_s - at_s)
            self._ours[unexplained] += second
            self._building[over & ~unexplained] += second
            excess = np.where(unexplained, row - self._rating, 0.0)
            np.maximum(self._worst_ours, excess, out=self._worst_ours)
            at_s += second

    def _remember(self, until_s: float, building: Vector) -> None:
        if self._past and self._past[-1][1] is building:
            self._past.pop()
        self._past.append((until_s, building))
        while self._past[0][0] <= until_s - self._grace_s:
            self._past.popleft()

    def _warm(self, since_s: float, seconds: float, row: Vector) -> None:
        load = row * self._per_rating
        final = load * load
        self._heat = final + (self._heat - final) * np.exp(-seconds / THERMAL_S)
        open_ = (self._heat >= TRIP_HEAT) | (load >= INSTANT_TRIP)
        if open_.any():
            self._tripped[open_] = np.minimum(self._tripped[open_], since_s + seconds)


def _incidence(site: Site) -> Vector:
    """(rows, 3·n): which EVSE's phase flows through which row."""
    place = {circuit.id: at for at, circuit in enumerate(site.circuits)}
    below: Vector = np.zeros((3 * len(site.circuits), 3 * len(site.evses)))

    def carry(column: int, evse: Evse) -> None:
        for circuit in site.path[evse.circuit]:
            for phase in PHASES:
                below[3 * place[circuit] + phase, 3 * column + phase] = 1.0

    for column, evse in enumerate(site.evses):
        carry(column, evse)
    return below
