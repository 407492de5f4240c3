"""0 or the minimum, now: who is on in step 0.

The relaxed problem says how much each would get; whoever lies between 0 and its minimum
must be raised to it or wait. Fairness over time is in the worths the problem brings.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solver.certify import row_prices
from solver.problem import Floats, Problem

Bools = NDArray[np.bool_]


def between(problem: Problem, x: Floats) -> Bools:
    """Who would be told something between 0 and its minimum in step 0. (n,)"""
    assert problem.min_now is not None
    now = x[:, 0]
    slack = 1e-7 * problem.min_now
    found: Bools = (now > slack) & (now < problem.min_now - slack)
    return found


def switch(problem: Problem, x: Floats, row_dual: Floats) -> Bools:
    """Who is on, from the relaxed plan and its prices: (n,) bool.

    In order of what being on earns beside waiting, everybody is switched on whose minimum
    still fits under every row beside the minima of those before.
    """
    assert problem.min_now is not None
    least = problem.min_now
    now = x[:, 0]
    can = (problem.upper[:, 0] >= least) & (problem.energy >= least * problem.step_h[0])
    margin = problem.value[:, 0] * problem.step_h[0] - row_prices(problem, row_dual)[:, 0]
    share = np.where(least > 0, now / np.where(least > 0, least, 1.0), 1.0)
    order = np.lexsort((np.arange(problem.n), -margin, -np.minimum(share, 1.0)))
    room = problem.capacity[:, :, 0].copy()
    on = np.zeros(problem.n, dtype=bool)
    for i in order:
        if not can[i] or now[i] <= 0:
            continue
        path = list(problem.path[problem.circuit[i]])
        needed = problem.coupling[i] * least[i]
        if np.all(room[path] >= needed - 1e-9 * np.abs(needed)):
            room[path] -= needed
            on[i] = True
    return on
