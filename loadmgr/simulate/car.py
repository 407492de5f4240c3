"""A car at the end of a cable: it follows the pilot late, never below its minimum, and fills up."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from loadmgr.units import PerPhase

TAPER_STEP_A = 0.1
"""A tapering battery management steps its demand; between two steps the current is constant."""

LEAST_TAPER = 0.1
"""Share of its own maximum a nearly full car still draws; below that it ends the charge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarSpec:
    """What a car is. Charging losses are left out: what flows in is stored."""

    phases: int = 3  # terminals it uses, the first ones
    max_a: float = 16.0  # of its on-board charger, per phase
    min_a: float = 6.0  # IEC 61851-1 table A.8: no pilot below 6 A
    capacity_wh: float = 60_000.0
    wanted_wh: float = 20_000.0  # missing to full when it arrives
    taper_from: float = 0.9  # state of charge at which constant voltage begins
    reaction_s: float = 3.0  # from a changed pilot to the new current: half waiting, half ramp
    taper_phases: int | None = None  # some cars drop to fewer phases once they taper

    def __post_init__(self) -> None:
        if self.phases not in (1, 2, 3):
            raise ValueError(f"car with {self.phases} phases: 1, 2 or 3 are possible")
        if not 0 < self.min_a <= self.max_a:
            raise ValueError(f"car: minimum {self.min_a} A and maximum {self.max_a} A do not fit")
        if not 0 <= self.wanted_wh <= self.capacity_wh:
            raise ValueError(f"car: wants {self.wanted_wh} Wh into {self.capacity_wh} Wh")
        if not 0 < self.taper_from <= 1:
            raise ValueError(
                f"car: taper from {self.taper_from}, a share above 0 up to 1 is needed"
            )
        if not self.reaction_s > 0:
            raise ValueError(f"car: reaction time {self.reaction_s} s, more than 0 is needed")


class Car:
    """A `CarSpec` on a cable with so many live terminals, stepped through time."""

    __slots__ = (
        "_age_s",
        "_due",
        "_goal_a",
        "_ramp_a_s",
        "_told_a",
        "follows_a",
        "spec",
        "stored_wh",
        "terminals",
    )

    def __init__(self, spec: CarSpec, terminals: int = 3) -> None:
        self.spec = spec
        self.terminals = terminals
        self.stored_wh = spec.capacity_wh - spec.wanted_wh
        self.follows_a = 0.0  # the pilot it has reacted to by now
        self._told_a = 0.0  # the last pilot it was shown
        self._goal_a = 0.0  # where its ramp leads
        self._ramp_a_s = 0.0
        self._due: deque[tuple[float, float]] = deque()  # (age, goal), waiting out the reaction
        self._age_s = 0.0

    @property
    def charged_wh(self) -> float:
        """Taken since it arrived."""
        return self.stored_wh - (self.spec.capacity_wh - self.spec.wanted_wh)

    @property
    def full(self) -> bool:
        return self.stored_wh >= self.spec.capacity_wh - 1e-6

    @property
    def tapers(self) -> bool:
        return self.stored_wh > self.spec.taper_from * self.spec.capacity_wh

    @property
    def phases(self) -> int:
        own = self.spec.phases
        if self.spec.taper_phases is not None and self.tapers:
            own = self.spec.taper_phases
        return min(own, self.terminals)

    def accepts_a(self) -> float:
        """The most the battery takes now, whatever the pilot offers. [A]

        Constant current up to `taper_from`; then constant voltage, where the current
        falls in proportion to what is still missing, in steps of `TAPER_STEP_A`.
        """
        spec = self.spec
        if self.full:
            return 0.0
        if not self.tapers:
            return spec.max_a
        missing = 1.0 - self.stored_wh / spec.capacity_wh
        share = max(LEAST_TAPER, missing / (1.0 - spec.taper_from))
        steps = math.ceil(spec.max_a * share / TAPER_STEP_A - 1e-9)
        return min(spec.max_a, steps * TAPER_STEP_A)

    def drawn_a(self) -> float:
        """Current on each of its phases at this instant. [A]"""
        return min(self.follows_a, self.accepts_a())

    def cut(self) -> None:
        """The contactor opened: no current from here on, and the next pilot is news."""
        self.follows_a = self._goal_a = self._told_a = 0.0
        self._due.clear()

    def step(self, pilot_a: float, seconds: float, voltage_v: float = 230.0) -> PerPhase:
        """Live `seconds` under one pilot; returns the mean current at each terminal. [A]

        A step across a reaction or ramp is at most a second long; while nothing
        moves (`steady_s`) it may be as long as that.
        """
        if pilot_a != self._told_a:
            self._told_a = pilot_a
            goal_a = min(pilot_a, self.spec.max_a) if pilot_a >= self.spec.min_a else 0.0
            self._due.append((self._age_s + self.spec.reaction_s / 2, goal_a))
        before_a = self.drawn_a()
        self._age_s += seconds
        self._react(seconds)
        phases = self.phases
        wh_per_a = phases * voltage_v * seconds / 3600.0
        missing_wh = self.spec.capacity_wh - self.stored_wh
        mean_a = min((before_a + self.drawn_a()) / 2, missing_wh / wh_per_a)
        self.stored_wh += mean_a * wh_per_a
        return (mean_a, mean_a if phases > 1 else 0.0, mean_a if phases > 2 else 0.0)

    def steady_s(self, voltage_v: float = 230.0) -> float:
        """For how long the present current holds while the pilot stays as it is. [s]"""
        if self._due or self.follows_a != self._goal_a:
            return 0.0
        drawn_a = self.drawn_a()
        if drawn_a <= 0.0:
            return math.inf
        per_s = drawn_a * self.phases * voltage_v / 3600.0
        return max(0.0, (self._next_level_wh(drawn_a) - self.stored_wh) / per_s)

    def _react(self, seconds: float) -> None:
        while self._due and self._due[0][0] <= self._age_s:
            self._goal_a = self._due.popleft()[1]
            self._ramp_a_s = abs(self._goal_a - self.follows_a) / (self.spec.reaction_s / 2)
        change_a = self._ramp_a_s * seconds
        if self.follows_a < self._goal_a:
            self.follows_a = min(self._goal_a, self.follows_a + change_a)
        elif self.follows_a > self._goal_a:
            self.follows_a = max(self._goal_a, self.follows_a - change_a)

    def _next_level_wh(self, drawn_a: float) -> float:
        """The stored energy at which the battery asks for less than is drawn now. [Wh]"""
        spec = self.spec
        if spec.taper_from < 1.0 and not self.tapers:
            return spec.taper_from * spec.capacity_wh
        least_a = LEAST_TAPER * spec.max_a
        if spec.taper_from >= 1.0 or drawn_a - TAPER_STEP_A < least_a:
            return spec.capacity_wh
        missing = (drawn_a - TAPER_STEP_A) / spec.max_a * (1.0 - spec.taper_from)
        return max(self.stored_wh, (1.0 - missing) * spec.capacity_wh)
