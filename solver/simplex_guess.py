"""A basis guessed from a plan and prices that another method found.

Between two bounds are the cells that are basic, and rows with a price are tight. The other
method's plan is no vertex: it leaves more cells between than a basis has columns. Those
furthest from their bounds come first, and `factor` takes what is independent.
"""

from __future__ import annotations

import numpy as np

from solver.problem import Floats, Problem
from solver.simplex_drive import Kept
from solver.ties import Words

# A cell is between its bounds, and a row has a price, beyond this part of what is usual.
BETWEEN, PRICED = 1e-3, 1e-3


def guess(problem: Problem, name: Words, x: Floats, row_dual: Floats) -> Kept:
    """The basis that x (n, T) and row_dual (K, R, T) speak of, with its inverse to be built."""
    n = problem.n
    between = np.where(problem.upper > 0, np.minimum(x, problem.upper - x), -1) * problem.step_h
    widest = between.argmax(axis=1)
    own = between[np.arange(n), widest]
    unused = np.minimum(problem.energy, problem.charge(problem.upper)) - problem.charge(x)
    key_step = np.where(unused > own, -1, widest)
    between[np.arange(n), widest] = np.where(unused > own, own, -1.0)
    car, step = np.nonzero(between > BETWEEN * between.max(initial=0.0))
    order = np.argsort(-between[car, step], kind="stable")
    car, step = car[order], step[order]
    price = row_dual.ravel()
    priced = price > 0
    tight = np.flatnonzero(price > PRICED * (price[priced].mean() if priced.any() else 1.0))
    return Kept(
        key_step=key_step,
        key_worth=np.where(key_step >= 0, problem.value[np.arange(n), key_step], 0.0),
        name=name,
        circuit=problem.circuit,
        coupling=problem.coupling,
        column_car=car,
        column_step=step,
        column_worth=problem.value[car, step],
        tight=tight,
        price=price[tight],
        inverse=np.empty((0, 0)),
        turned=np.empty((0, 0)),
        updates=0,
    )
