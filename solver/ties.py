"""Which of several equally good plans is meant: earlier departure, earlier step, identifier.

A worth far below the tolerance is added to each cell, so that the optimum is one point and
the method, a warm start or the order of the cars cannot choose between equals. It is a
*product* of a part of the car and a part of the step: with worths that are a priority of
the car plus a price of the step, any sum would leave exchanges between two cars undecided.
`simplex_layout` adds the same numbers, cell by cell.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from solver.problem import Floats, Ints, Problem

Words = NDArray[np.uint64]

# Share of the mean worth that decides between equals. The optimum of the altered problem
# loses at most this share; answers are certified against the true worths.
DECIDES = 5e-7

# What a coin is worth beside departure and step.
CHANCE = 0.02

ODD = 0x9E3779B97F4A7C15


def decided(problem: Problem) -> Floats:
    """The worth of each cell with ties broken: (n, T). [1/Ah]"""
    n, steps = problem.upper.shape
    if n == 0 or steps == 0:
        return problem.value
    stay = (problem.upper > 0) | (problem.lower < 0)
    departure = steps - np.argmax(stay[:, ::-1], axis=1)
    early = 0.5 * (2.0 - departure / (steps + 1))
    soon = 1.0 / (1.0 + np.arange(steps) / steps)
    coin = _mix(_names(problem)[:, None] + np.arange(steps, dtype=np.uint64)) >> np.uint64(11)
    favour = early[:, None] * soon + coin * (CHANCE / 2.0**53)
    height: Floats = problem.value + DECIDES * _typical(problem, stay) * favour
    return height


def alike(problem: Problem) -> bool:
    """Whether two participants are worth the same in every step."""
    probe = np.cos(np.arange(problem.steps, dtype=np.float64))
    return len(np.unique(problem.value @ probe)) < problem.n


def _typical(problem: Problem, stay: NDArray[np.bool_]) -> float:
    """The mean size of a worth inside the stays, down to a power of two.

    The power keeps the tie-break the same from tick to tick while cars come and go.
    """
    size = float(np.abs(problem.value[stay]).mean()) if stay.any() else 0.0
    if problem.reward is not None and problem.reward.slope.size:
        size += float(problem.reward.slope.mean())
    return float(2.0 ** np.floor(np.log2(size))) if size > 0 else 0.0


def _names(problem: Problem) -> Words:
    """A number that follows a participant wherever its row stands."""
    if problem.rank is not None:
        return problem.rank.view(np.uint64)
    return told_apart(claims(problem), problem.energy)[0]


def claims(problem: Problem) -> Words:
    """Names made of what each asks for except its energy, which moves from tick to tick."""
    coupling, upper, value = (
        np.ascontiguousarray(a).view(np.uint64)
        for a in (problem.coupling, problem.upper, problem.value)
    )
    word = _mix(problem.circuit.astype(np.uint64))
    for r in range(coupling.shape[1]):
        word = _mix(word ^ coupling[:, r])
    low = np.zeros(problem.n, np.uint64)
    for t in range(problem.steps):
        low = (low ^ upper[:, t]) * np.uint64(ODD) + (value[:, t] ^ (low >> np.uint64(29)))
    name: Words = _mix(word ^ low)
    return name


def told_apart(name: Words, energy: Floats) -> tuple[Words, Ints | None]:
    """Different names for those who ask alike: the one that needs more comes first.

    Writes into `name`. The second array, if there is one, gives for each row the first one
    that asks for exactly the same.
    """
    order = np.lexsort((-energy, name))
    again = name[order[1:]] == name[order[:-1]]
    if not again.any():
        return name, None
    equal = again & (energy[order[1:]] == energy[order[:-1]])
    twin = np.arange(len(name))
    place = 0
    for a in np.flatnonzero(again):
        place = place + 1 if a > 0 and again[a - 1] else 1
        one, other = order[a], order[a + 1]
        if equal[a]:
            twin[other] = twin[one]
        name[other] = (int(name[other]) + place * ODD) % 2**64
    return name, twin


def _mix(word: Any) -> Any:
    """Scatter 64 bits (the finaliser of splitmix64: Steele, Lea & Flood, OOPSLA 2014)."""
    word = word + np.uint64(ODD)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))
