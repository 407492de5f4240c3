"""What a user could pick, each used the way its makers mean it, all behind one call.

A method is built once per trace; every call gets the next problem and returns plan and
prices, so that the same certificate judges all. Nothing is shared between methods but the
arrays of the problem; HiGHS and SciPy even get the rows only that can bind.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from solver import Problem, Workspace
from solver.highs import Highs
from solver.lp import linear_program, read
from solver.raw import Raw

Method = Callable[[Problem], Raw]

DEFAULT_TOLERANCE = 1e-7  # of HiGHS, for itself


def ours(threads: int) -> Method:
    """`solver.solve` as it is, one workspace for the whole trace."""
    workspace = Workspace(threads=threads)

    def call(problem: Problem) -> Raw:
        answer = workspace.solve(problem)
        return Raw(
            x=answer.x, row_dual=answer.row_dual, energy_dual=answer.energy_dual,
            optimal=answer.status == "optimal", warm=answer.method,
        )  # fmt: skip

    return call


def highs_cold(solver: str) -> Callable[[int], Method]:
    """A new model each time."""

    def build(threads: int) -> Method:
        def call(problem: Problem) -> Raw:
            return Highs(DEFAULT_TOLERANCE).solve(problem, problem.value, solver=solver)

        return call

    return build


def highs_warm(threads: int) -> Method:
    """One model kept alive: bounds changed in place, the basis carried on."""
    highs = Highs(DEFAULT_TOLERANCE)

    def call(problem: Problem) -> Raw:
        return highs.solve(problem, problem.value)

    return call


def scipy(threads: int) -> Method:
    """`scipy.optimize.linprog`."""
    from scipy.optimize import linprog

    def call(problem: Problem) -> Raw:
        lp = linear_program(problem, problem.value)
        found = linprog(
            lp.cost, A_ub=lp.matrix, b_ub=lp.high, bounds=np.stack((lp.least, lp.most), axis=1),
            method="highs",
        )  # fmt: skip
        price = -np.asarray(found.ineqlin.marginals)
        return read(problem, lp, np.asarray(found.x), price, found.status == 0, None)

    return call


def pulp_cbc(threads: int) -> Method:
    """The model as a user writes it, with the solver PuLP brings."""
    from solver.reference import solve_reference

    return lambda problem: solve_reference(problem, "CBC")


def cvxpy_clarabel(threads: int) -> Method:
    """The model as a user writes it with matrices."""
    import cvxpy as cp
    import scipy.sparse as sp

    def call(problem: Problem) -> Raw:
        x = cp.Variable(problem.upper.shape, nonneg=True)
        energy = x @ problem.step_h <= problem.energy
        circuits, rows, steps = problem.capacity.shape
        rows_of = []
        for r in range(rows):
            below = sp.lil_array((circuits, problem.n))
            for i in range(problem.n):
                for k in problem.path[problem.circuit[i]]:
                    below[k, i] = problem.coupling[i, r]
            rows_of.append(below.tocsr() @ x <= problem.capacity[:, r])
        worth = cp.sum(cp.multiply(problem.value * problem.step_h, x))
        model = cp.Problem(cp.Maximize(worth), [x <= problem.upper, energy, *rows_of])
        model.solve(solver=cp.CLARABEL)
        row_dual = np.stack([row.dual_value for row in rows_of], axis=1)
        return Raw(
            x=np.asarray(x.value), row_dual=row_dual.reshape(circuits, rows, steps),
            energy_dual=np.asarray(energy.dual_value), optimal=model.status == "optimal",
        )  # fmt: skip

    return call


METHODS: dict[str, Callable[[int], Method]] = {
    "ours": ours,
    "highs-simplex": highs_cold("simplex"),
    "highs-ipm": highs_cold("ipm"),
    "highs-warm": highs_warm,
    "scipy": scipy,
    "pulp-cbc": pulp_cbc,
    "cvxpy-clarabel": cvxpy_clarabel,
}
