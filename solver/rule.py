"""A feasible plan without an optimiser: all want everything, each row scales down its own.

What `solve` falls back to when every method has failed or is late. Fast, feasible, modest.
"""

from __future__ import annotations

import numpy as np

from solver.problem import Floats, Problem

PASSES = 3

# Cells from which on one pass must do.
LARGE = 100_000


def rule(problem: Problem) -> Floats:
    """A feasible plan. Storage stands still; nothing is charged at a loss. (n, T) [A]"""
    worth = problem.value
    if problem.reward is not None and problem.reward.slope.shape[1]:
        worth = worth + problem.reward.slope[:, :1]
    wanted = np.where(worth > 0, problem.upper, 0.0)
    if problem.storage is not None:
        wanted[problem.storage.participant] = 0.0
    x = np.zeros_like(wanted)
    for _ in range(PASSES if x.size < LARGE else 1):
        room = np.maximum(problem.energy - problem.charge(x), 0.0)
        more = _earliest(problem, wanted - x, room)
        x = scaled_down(problem, x + more)
    return x


def _earliest(problem: Problem, wanted: Floats, room: Floats) -> Floats:
    """As much of what is wanted as the car has room for, early steps first."""
    charge = wanted * problem.step_h
    before = np.cumsum(charge, axis=1) - charge
    taken: Floats = np.clip(room[:, None] - before, 0.0, charge) / problem.step_h
    return taken


def scaled_down(problem: Problem, x: Floats) -> Floats:
    """The plan with each cell scaled by the fullest row above it. x ≥ 0.

    Every row then carries at most Σ |α| x · C/load = C: exact, with no loop.
    """
    size = np.abs(problem.coupling)
    load = problem.gather(size, x)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(load > problem.capacity, problem.capacity / load, 1.0)
    for k, up in enumerate(problem.parent.tolist()):
        if up >= 0:
            factor[k] = np.minimum(factor[k], factor[up])
    scale = np.ones_like(x)
    for r in range(size.shape[1]):
        loads = size[:, r] > 0
        scale[loads] = np.minimum(scale[loads], factor[problem.circuit[loads], r])
    return x * scale
