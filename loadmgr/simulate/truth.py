"""What really flows through every fuse, judged apart from the code under test.

A second above a rating is *ours* unless a step of what nobody steers explains it:

building   the building rose within the grace before it (15 s after the first sample of a meter
           that shows the step; longer while a meter above says nothing true)
chargers   a charger began to draw more than it was ever told in its present state, within the
           time it takes to see that (40 s) and to shrink the others (15 s); where it and the
           building alone are too much, within the time it takes to stop it
reach      the building rose, and to relieve it takes chargers that nobody can tell to: their
           link is down, or they say "Accepted" and go on. As long as these alone are too much,
           the step explains it; while others could shrink instead, for 55 s. Or such a charger
           forgot what it was told
meter      a meter above tells what is not: 30 s to see it, 15 s to relieve it; counted from when
           the chargers below tell the truth and draw more than it shows: that contradicts it. Where
           those that it let in cannot be told, as much longer as with `reach`

A thermal breaker per circuit and phase says whether copper was in danger.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from loadmgr.model import CircuitId, Evse, Site
from loadmgr.units import PHASES, PerPhase, Phase

Vector = NDArray[np.float64]
Rows = NDArray[np.bool_]

GRACE_S = 15.0
"""How long a step of the building explains an overload."""

NOTICED_S = 55.0
"""How long a step of a charger does: 40 s to see it, 15 s to relieve it."""

STOPPED_S = 95.0
"""How long a charger does that is too much beside the building alone: 40 s to see it, 20 s for a
limit that it may follow, 20 s for the end of its transaction where that has to be asked for twice,
15 s to obey it."""

LIED_S = 45.0
"""How long a meter that lies does: 30 s to see that it contradicts the cars, 15 s to relieve it.
It contradicts nobody before the first second of overload."""

OUTLIVES_S = 280.0
"""The longest that a limit lasts at a charger out of reach, and charger and car to follow."""

TOLERANCE_A = 1e-6
"""Rounding of sums of currents is no overload."""

THERMAL_S = 200.0
TRIP_HEAT = 1.28
INSTANT_TRIP = 5.0
"""Thermal time constant, heat at which the breaker trips (in units of the heat at rating), and
the multiple of the rating at which its magnet trips at once (type C, sensitive end: 5 to 10 In;
one of type B opens at once from 3 to 5 In).

IEC 60898-1 table 7: 1.13 In must not trip within an hour (heat 1.277 < 1.28, so it never
does); 1.45 In from there within the hour (here 188 s from cold); 2.55 In within 60 s up to 32 A
(here 44 s from cold).
"""


class Cause(StrEnum):
    """Whose an overload is."""

    OURS = "ours"
    BUILDING = "building"
    CHARGERS = "chargers"
    REACH = "reach"
    METER = "meter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """Seconds on end above one rating."""

    circuit: CircuitId
    phase: Phase
    from_s: float  # POSIX
    to_s: float
    most_a: float  # above the rating
    cause: Cause  # the worst of its seconds: ours before any other


@dataclass(slots=True)
class _Spell:
    from_s: float
    most_a: float = 0.0
    causes: int = 0  # bits, in the order of `Cause`


@dataclass(slots=True)
class Past:
    """What nobody steered, until an instant: the last one's moves on while nothing changes."""

    until_s: float
    building: Vector
    beyond: Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTally:
    """How one phase of one circuit fared."""

    circuit: CircuitId
    phase: Phase
    rating_a: float
    max_a: float
    ours_s: float
    building_s: float  # explained, by whichever step
    tripped_at_s: float | None  # POSIX; the breaker would have opened
    worst_ours_a: float  # the most above the rating in a second of ours


class Truth:
    """Accounts for true currents, one segment of constant current after the other.

    `account` says what flows from now on, `go_on` that it still does; that is nearly free while
    no row is over its rating and no breaker on its way to open.

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
        self._fits: Vector = self._rating + TOLERANCE_A
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
        self._past: deque[Past] = deque()  # as far back as a step explains anything
        self._blind: Vector = np.full(rows, -np.inf)  # the meter above is silent until then
        self._lied_to: Vector = np.full(rows, -np.inf)  # or tells what is not
        self._no_beyond: Vector = np.zeros(rows)
        self._none: Rows = np.zeros(rows, dtype=bool)
        self._over: Rows = self._none
        self._open: dict[int, _Spell] = {}
        self.spells: list[Spell] = []
        self.seconds = dict.fromkeys(Cause, 0.0)  # row seconds of overload
        self.misread: Callable[[], Vector] | None = None
        """(3·n,) True currents of EVSEs whose own meters say something else, or nothing."""
        self._misread_at: Vector = np.full(rows, -np.inf)
        self._alone_from_s: Vector = np.full(rows, -np.inf)  # a charger and the building: too much
        self._alone_at_s: Vector = np.full(rows, -np.inf)  # and last
        self.ignoring: Callable[[], Vector] | None = None
        """(3·n,) True currents of EVSEs that do not take less, though they were told to and said
        that they do."""
        self.out_of_reach: Callable[[], Vector] | None = None
        """(3·n,) True currents of EVSEs nobody can tell anything; asked while a row is over."""
        self._until_s = start_s
        self._warm_s = start_s  # the breakers are as warm as they were then
        self._row: Vector = np.zeros(rows)
        self._row_a: list[float] = [0.0] * rows
        self._final: Vector = np.zeros(rows)  # heat that what flows leads to
        self._hot = False  # which trips a breaker, sooner or later

    def circuit_a(self, circuit: CircuitId) -> PerPhase:
        """What flowed through a circuit in the last second accounted for. [A]"""
        place = 3 * self._place[circuit]
        l1, l2, l3 = self._row_a[place : place + 3]
        return (l1, l2, l3)

    def spread(self, building_a: Mapping[CircuitId, PerPhase]) -> Vector:
        """Currents of the building at their circuits, carried up to the grid connection. [A]"""
        row: Vector = np.zeros_like(self._rating)
        for circuit, current_a in building_a.items():
            for above in self._site.path[circuit]:
                place = 3 * self._place[above]
                row[place : place + 3] += current_a
        return row

    def blind(self, circuit: CircuitId, until_s: float) -> None:
        """The meter of a circuit lies, or will be silent, until then."""
        for above in self._site.path[circuit]:
            place = 3 * self._place[above]
            self._blind[place : place + 3] = np.maximum(self._blind[place : place + 3], until_s)

    def lied_to(self, circuit: CircuitId, until_s: float) -> None:
        """The meter of a circuit tells what is not, until then."""
        for above in self._site.path[circuit]:
            place = 3 * self._place[above]
            self._lied_to[place : place + 3] = until_s

    def account(
        self, until_s: float, evse_a: Vector, building: Vector, beyond_a: Vector | None = None
    ) -> None:
        """Everything flowed like this from the last account to `until_s`.

        Parameters
        ----------
        evse_a : (3·n,) array
            True currents of the EVSEs on the site's phases, in the site's order. [A]
        building : (rows,) array
            From `spread`. Kept: a changed building needs a new array. [A]
        beyond_a : (3·n,) array, optional
            Of `evse_a`, what was never allowed. [A]
        """
        self._warm(self._until_s)  # by what flowed up to here
        row = self._row = self._below @ evse_a + building
        self._row_a = row.tolist()
        load = row * self._per_rating
        self._final = load * load
        self._hot = bool(np.count_nonzero(self._final >= TRIP_HEAT))
        np.maximum(self._max, row, out=self._max)
        over = row > self._fits
        self._over = over if np.count_nonzero(over) else self._none
        beyond = self._no_beyond if beyond_a is None else self._below @ beyond_a
        self._remember(building, beyond)
        self.go_on(until_s)

    def go_on(self, until_s: float) -> None:
        """Everything flowed on as in the last account, up to `until_s`."""
        since_s, self._until_s = self._until_s, until_s
        now = self._past[-1]
        if self._over is not self._none or self._open:
            self._blame(since_s, until_s, self._over, self._row, now)
        now.until_s = until_s
        if self._hot:
            self._warm(until_s)

    def close(self) -> None:
        """Nothing more will be accounted for: spells that run end now."""
        self._note_spells(self._until_s, self._none)

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

    def _blame(self, since_s: float, until_s: float, over: Rows, row: Vector, now: Past) -> None:
        """Second by second, for what is remembered fades while this lasts."""
        self._note_spells(since_s, over)
        at_s = since_s
        while at_s < until_s and over is not self._none:
            second = min(1.0, until_s - at_s)
            causes = self._causes(at_s, over, row, now)
            explained = np.zeros_like(over)
            for bit, (cause, rows) in enumerate(causes.items()):
                numbers = _numbers(rows)
                self.seconds[cause] += second * len(numbers)
                if numbers and cause is not Cause.OURS:
                    explained |= rows
                for number in numbers:
                    spell = self._open[number]
                    spell.causes |= 1 << bit
                    spell.most_a = max(spell.most_a, float(row[number] - self._rating[number]))
            ours = causes[Cause.OURS]
            self._ours[ours] += second
            self._building[explained] += second
            excess = np.where(ours, row - self._rating, 0.0)
            np.maximum(self._worst_ours, excess, out=self._worst_ours)
            at_s += second

    def _causes(self, at_s: float, over: Rows, row: Vector, now: Past) -> dict[Cause, Rows]:
        """Which rows that are over are explained by what; every row has one cause."""
        grace_s = np.where(self._blind > at_s, self._grace_s + 30.0, self._grace_s)
        fits = self._fits
        building = now.building - self._least(at_s, now.building, grace_s, "building")
        by_building = over & (row - building <= fits)
        found = {Cause.OURS: over & ~by_building, Cause.BUILDING: by_building}
        found |= dict.fromkeys((Cause.CHARGERS, Cause.REACH, Cause.METER), np.zeros_like(over))
        # Asked every time: what is out of reach, or misread, now explains what lasts after that.
        if self.misread is not None:
            self._misread_at[self._below @ self.misread() > 0] = at_s
        away = None if self.out_of_reach is None else self._below @ self.out_of_reach()
        if not found[Cause.OURS].any():
            return found
        late = np.full_like(grace_s, NOTICED_S)
        beyond = now.beyond - self._least(at_s, now.beyond, late, "beyond")
        alone = self._alone(at_s, now)
        by_chargers = found[Cause.OURS] & ((row - building - beyond <= fits) | alone)
        found[Cause.CHARGERS] = by_chargers
        found[Cause.OURS] = found[Cause.OURS] & ~by_chargers
        if found[Cause.OURS].any() and away is not None:
            helpless = now.building + now.beyond + away > fits
            grace_s = np.where(helpless, OUTLIVES_S, np.where(away > 0, NOTICED_S, grace_s))
            step = now.building - self._least(at_s, now.building, grace_s, "building")
            # What a charger takes that nobody hears of, nobody can reckon with.
            by_reach = found[Cause.OURS] & (row - step - now.beyond <= fits) & (away > 0)
            found[Cause.REACH] = by_reach
            found[Cause.OURS] = found[Cause.OURS] & ~by_reach
        if found[Cause.OURS].any() and self.ignoring is not None:
            # Whoever does not make room for a building that rose is found out like one that takes.
            ignored = self._below @ self.ignoring() > 0
            step = now.building - self._least(at_s, now.building, late, "building")
            by_chargers = found[Cause.OURS] & (row - step - now.beyond <= fits) & ignored
            found[Cause.CHARGERS] = found[Cause.CHARGERS] | by_chargers
            found[Cause.OURS] = found[Cause.OURS] & ~by_chargers
        by_meter = found[Cause.OURS].copy()
        for number in _numbers(by_meter):
            since_s = max(self._open[number].from_s, float(self._misread_at[number]))
            lasts_s = LIED_S + self._stays_s(away, now, number)
            by_meter[number] = at_s - min(since_s, float(self._lied_to[number])) < lasts_s
        found[Cause.METER] = by_meter
        found[Cause.OURS] = found[Cause.OURS] & ~by_meter
        return found

    def _alone(self, at_s: float, now: Past) -> Rows:
        """Where the building and what was never allowed are too much by themselves, not for longer
        than it takes to stop that. A pause within which nobody could have done so is none.
        """
        alone = (now.building + now.beyond > self._fits) & (now.beyond > 0)
        begins = alone & (at_s - self._alone_at_s > STOPPED_S)
        self._alone_from_s[begins] = at_s
        self._alone_at_s[alone] = at_s
        return alone & (at_s - self._alone_from_s < STOPPED_S)

    def _stays_s(self, away: Vector | None, now: Past, number: int) -> float:
        """How much longer a lie's harm lasts where those that it let in cannot be told. [s]"""
        if away is None or away[number] == 0.0:
            return 0.0
        alone = now.building[number] + now.beyond[number] + away[number]
        return OUTLIVES_S if alone > self._fits[number] else NOTICED_S

    def _least(self, at_s: float, least: Vector, grace_s: Vector, what: str) -> Vector:
        """The least of what was remembered, as far back as each row's grace reaches."""
        longest_s = float(grace_s.max())
        for past in reversed(self._past):
            if past.until_s <= at_s - longest_s:
                break
            within = past.until_s > at_s - grace_s
            least = np.where(within, np.minimum(least, getattr(past, what)), least)
        return least

    def _note_spells(self, at_s: float, over: Rows) -> None:
        for number in [number for number in self._open if not over[number]]:
            spell = self._open.pop(number)
            cause = next((c for bit, c in enumerate(Cause) if spell.causes >> bit & 1), Cause.OURS)
            self.spells.append(
                Spell(
                    circuit=self._site.circuits[number // 3].id,
                    phase=Phase(number % 3),
                    from_s=spell.from_s,
                    to_s=at_s,
                    most_a=spell.most_a,
                    cause=cause,
                )
            )
        for number in _numbers(over):
            self._open.setdefault(number, _Spell(at_s))

    def _remember(self, building: Vector, beyond: Vector) -> None:
        """From here on it is like this."""
        past = self._past
        if past and past[-1].building is building and np.array_equal(past[-1].beyond, beyond):
            return
        past.append(Past(self._until_s, building, beyond))
        while past[0].until_s <= self._until_s - OUTLIVES_S:
            past.popleft()

    def _warm(self, until_s: float) -> None:
        """Let the breakers warm up, or cool down; it can wait while that trips none of them."""
        seconds, self._warm_s = until_s - self._warm_s, until_s
        self._heat = self._final + (self._heat - self._final) * math.exp(-seconds / THERMAL_S)
        if self._hot:
            load = self._row * self._per_rating
            open_ = (self._heat >= TRIP_HEAT) | (load >= INSTANT_TRIP)
            self._tripped[open_] = np.minimum(self._tripped[open_], until_s)


def _numbers(rows: Rows) -> list[int]:
    found: list[int] = rows.nonzero()[0].tolist()
    return found


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
