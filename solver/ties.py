"""Which of several equally good plans is meant: earlier departure, earlier step, identifier.

A worth far below the tolerance is added to each cell, so that the optimum is one point and
the method, a warm start or the order of the cars cannot choose between equals. It is a
*product* of a part of the car and a part of the step: with worths that are a priority of
the car plus a price of the step, any sum would leave exchanges between two cars undecided.
"""

from __future__ import annotations

import numpy as np

from solver.problem import Floats, Problem

# Share of the mean worth that decides between equals. The optimum of the altered problem
# loses at most this share; answers are certified against the true worths.
DECIDES = 5e-7


def decided(problem: Problem) -> Floats:
    """The worth of each cell with ties broken: (n, T). [1/Ah]"""
    n, steps = problem.upper.shape
    if n == 0 or steps == 0:
        return problem.value
    stay = (problem.upper > 0) | (problem.lower < 0)
    departure = steps - np.argmax(stay[:, ::-1], axis=1)
    early = 1.0 - departure / (steps + 1)
    soon = 1.0 / (1.0 + np.arange(steps) / steps)
    identity = _scatter(_identity(problem))
    cell = _scatter(identity[:, None] + np.sqrt(2.0) * np.arange(1, steps + 1))
    favour = (1.0 + early[:, None]) * soon / 2.0 + 0.02 * cell
    height: Floats = problem.value + DECIDES * _typical(problem, stay) * favour
    return height


def _typical(problem: Problem, stay: np.ndarray) -> float:
    """The mean size of a worth inside the stays."""
    size = float(np.abs(problem.value[stay]).mean()) if stay.any() else 0.0
    if problem.reward is not None and problem.reward.slope.size:
        size += float(problem.reward.slope.mean())
    return size


def _identity(problem: Problem) -> Floats:
    """A number that follows a participant wherever its row stands."""
    if problem.rank is not None:
        return problem.rank.astype(np.float64)
    # Nothing identifies it but what it asks for; equal participants share a number.
    finite = np.where(np.isfinite(problem.energy), problem.energy, -1.0)
    number: Floats = (
        finite * np.sqrt(3.0)
        + problem.upper.sum(axis=1) * np.sqrt(5.0)
        + problem.circuit * np.sqrt(7.0)
        + problem.coupling.sum(axis=1) * np.sqrt(11.0)
    )
    return number


def _scatter(number: Floats) -> Floats:
    """Any numbers to [0, 1), without visible order."""
    scattered: Floats = np.modf(np.abs(np.sin(number * 12.9898) * 43758.5453))[0]
    return scattered
