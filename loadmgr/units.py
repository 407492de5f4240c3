"""Quantities: how amperes, watts and phases are written, and how a limit reaches the wire."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import IntEnum

PerPhase = tuple[float, float, float]
"""One number for each of L1, L2, L3 as the site counts them; an unused phase carries 0."""

NOTHING: PerPhase = (0.0, 0.0, 0.0)

WIRE_STEP_A = 0.1
"""Resolution of a limit in OCPP 1.6 (section 7.13, `limit`: one fractional digit)."""

SOLVER_NOISE_A = 1e-4
"""A value this close below a step of the wire means the step: 7.99995 is 8.0."""


class Phase(IntEnum):
    """A line conductor of the site. The value is its place in a `PerPhase`."""

    L1 = 0
    L2 = 1
    L3 = 2


PHASES = tuple(Phase)


def floor_to_wire(current_a: float, step_a: float = WIRE_STEP_A) -> float:
    """The largest multiple of `step_a` that is not above `current_a`. [A]

    Values within solver noise of the next step count as that step, so that a
    plan that wobbles in its sixth digit does not flap between 7.9 and 8.0.
    """
    return max(0.0, round(math.floor((current_a + SOLVER_NOISE_A) / step_a) * step_a, 3))


def add(one: PerPhase, other: PerPhase) -> PerPhase:
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2])


def subtract(one: PerPhase, other: PerPhase) -> PerPhase:
    return (one[0] - other[0], one[1] - other[1], one[2] - other[2])


def total(currents_a: Iterable[PerPhase]) -> PerPhase:
    found = NOTHING
    for current_a in currents_a:
        found = add(found, current_a)
    return found


def farthest(one: PerPhase, other: PerPhase) -> float:
    """The difference on the phase on which they differ most."""
    return max(abs(one[p] - other[p]) for p in PHASES)


def lower(one: PerPhase, other: PerPhase) -> PerPhase:
    a, b, c = one
    d, e, f = other
    return (a if a < d else d, b if b < e else e, c if c < f else f)


def higher(one: PerPhase, other: PerPhase) -> PerPhase:
    a, b, c = one
    d, e, f = other
    return (a if a > d else d, b if b > e else e, c if c > f else f)


def on_each(current_a: float, phases: Iterable[Phase]) -> PerPhase:
    """The same current on each of `phases`, 0 on the others. [A]"""
    used = phases if isinstance(phases, tuple | frozenset) else frozenset(phases)
    return (
        current_a if Phase.L1 in used else 0.0,
        current_a if Phase.L2 in used else 0.0,
        current_a if Phase.L3 in used else 0.0,
    )


def power_w(current_a: PerPhase, voltage_v: float) -> float:
    """Power of star-connected currents at the nominal line-to-neutral voltage, cos φ = 1. [W]"""
    return sum(current_a) * voltage_v
