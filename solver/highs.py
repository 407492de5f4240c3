"""HiGHS, with its model kept alive between ticks.

While the columns, rows and coefficients stay the same, bounds and costs change in place and
the basis stays where it is. When cars come or go, the model is passed anew with the old
basis carried over by the names of its columns and rows; basic columns of cars that left stay
for that one solve, fixed at 0.

Source: Q. Huangfu, J. Hall, "Parallelizing the dual revised simplex method",
*Math. Prog. Comp.* 10 (2018), pp. 119-142.
"""

from __future__ import annotations

from typing import Any

import highspy
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from solver.lp import LinearProgram, linear_program, read
from solver.problem import Floats, Ints, Problem
from solver.raw import Raw

# Above this many cells the interior point method is faster from a cold start (measured:
# simplex 1.2 s and interior point 1.6 s at 32,000; 63 s and 14 s at 158,000).
SIMPLEX_CELLS = 60_000

# Rows this near to binding are kept, so that a little noise leaves the rows as they are.
SPARE = 0.1


# Ties are broken by parts in 10⁷ of a worth; a looser tolerance would not see them.
TOLERANCE = 1e-10

BASIC = int(highspy.HighsBasisStatus.kBasic)
LOWER = int(highspy.HighsBasisStatus.kLower)
NONE: Floats = np.zeros(0)
STATUSES = {int(status): status for status in highspy.HighsBasisStatus.__members__.values()}


class Silent(highspy.Highs):  # type: ignore[misc] # ships no types
    """HiGHS that writes nothing to the terminal.

    Since 1.16 it writes who it is when callbacks are enabled, and its constructor enables them
    before anybody can ask for silence.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setOptionValue("output_flag", False)

    def enableCallbacks(self) -> None:
        self.setOptionValue("output_flag", False)
        super().enableCallbacks()


class Highs:
    """One model, kept between calls."""

    def __init__(self, tolerance: float = TOLERANCE) -> None:
        self._lp: LinearProgram | None = None
        self._ghosts = 0  # columns beyond those of _lp
        self._highs = Silent()
        option = self._highs.setOptionValue
        # Its threads are left alone: they belong to the process, and a second model that
        # asks for another number fails.
        option("primal_feasibility_tolerance", max(tolerance, 1e-9))
        option("dual_feasibility_tolerance", tolerance)

    def solve(
        self,
        problem: Problem,
        value: Floats,
        *,
        deadline_s: float | None = None,
        solver: str | None = None,
    ) -> Raw:
        """Solve for the given worths. `solver` is "simplex" or "ipm"; chosen by size if None."""
        lp = linear_program(problem, value, SPARE)
        if len(lp.cost) == 0:
            return read(problem, lp, np.zeros(0), np.zeros(len(lp.high)), True, None)
        started = self._update(lp)
        highs = self._highs
        cold_ipm = not started and len(lp.cells) > SIMPLEX_CELLS
        highs.setOptionValue("solver", solver or ("ipm" if cold_ipm else "simplex"))
        # With a basis to start from, presolve would only throw it away.
        highs.setOptionValue("presolve", "off" if started else "choose")
        limit = np.inf if deadline_s is None else highs.getRunTime() + max(deadline_s, 1e-3)
        highs.setOptionValue("time_limit", float(limit))
        highs.run()
        optimal = highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
        found = highs.getSolution()
        if not found.value_valid:
            return read(problem, lp, np.zeros(len(lp.cost)), np.zeros(len(lp.high)), False, None)
        price = -np.asarray(found.row_dual) if found.dual_valid else np.zeros(len(lp.high))
        return read(problem, lp, np.asarray(found.col_value), price, optimal, None)

    def _update(self, lp: LinearProgram) -> bool:
        """Put the numbers into the model; whether it starts from where the last one ended."""
        highs, old = self._highs, self._lp
        self._lp = lp
        if old is not None and self._ghosts == 0 and _same(old, lp):
            columns = np.arange(len(lp.cost), dtype=np.int32)
            rows = np.arange(len(lp.high), dtype=np.int32)
            highs.changeColsCost(len(columns), columns, lp.cost)
            highs.changeColsBounds(len(columns), columns, lp.least, lp.most)
            highs.changeRowsBounds(len(rows), rows, lp.low, lp.high)
            return True
        before = highs.getBasis()
        if old is None or not before.valid:
            self._pass(lp)
            return False
        column = np.array([int(status) for status in before.col_status])[: len(old.cost)]
        row = np.array([int(status) for status in before.row_status])
        gone = _gone(old, lp, column, row)
        price = np.asarray(highs.getSolution().row_dual) * (old.worth / lp.worth)
        ghosts = _ghosts(old, lp, gone)
        # Their cost is what the old prices ask of a basic column, or those would not stand.
        self._pass(lp, ghosts, ghosts.T @ _look_up(old.row_key, price, lp.row_key, 0.0))
        return self._carry(
            np.append(
                _look_up(old.column_key, column, lp.column_key, LOWER), np.full(len(gone), BASIC)
            ),
            _look_up(old.row_key, row, lp.row_key, BASIC),
        )

    def _pass(
        self, lp: LinearProgram, ghosts: sp.csc_array | None = None, ghost_cost: Floats = NONE
    ) -> None:
        matrix = lp.matrix if ghosts is None else sp.hstack([lp.matrix, ghosts], format="csc")
        self._ghosts = len(ghost_cost)
        cost = np.append(lp.cost, ghost_cost)
        nothing = np.zeros(len(ghost_cost))
        least, most = np.append(lp.least, nothing), np.append(lp.most, nothing)
        self._highs.passModel(
            len(cost), len(lp.high), matrix.nnz, highspy.MatrixFormat.kColwise.value,
            highspy.ObjSense.kMinimize.value, 0.0, cost, least, most, lp.low, lp.high,
            matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32), matrix.data,
            np.zeros(len(cost), dtype=np.int32),
        )  # fmt: skip

    def _carry(self, column: Ints, row: Ints) -> bool:
        """Start from these statuses. HiGHS repairs what does not make a basis."""
        basis = highspy.HighsBasis()
        basis.col_status = [STATUSES[s] for s in column.tolist()]
        basis.row_status = [STATUSES[s] for s in row.tolist()]
        basis.valid = True
        basis.alien = True
        return bool(self._highs.setBasis(basis) == highspy.HighsStatus.kOk)


def _gone(old: LinearProgram, lp: LinearProgram, column: Ints, row: Ints) -> Ints:
    """Basic columns of cars that left, one fewer for each full energy row that left with them."""
    gone = np.flatnonzero((column == BASIC) & ~np.isin(old.column_key, lp.column_key))
    lost = np.flatnonzero((row != BASIC) & ~np.isin(old.row_key, lp.row_key))
    rows, at = old.matrix[:, gone][lost].nonzero()
    _, first = np.unique(rows, return_index=True)
    return np.delete(gone, at[first])


def _ghosts(old: LinearProgram, lp: LinearProgram, gone: Ints) -> sp.csc_array:
    """Columns of cars that left, fixed at 0.

    Without them a row whose only basic column has gone would lose its price, and every car
    under it would be priced anew: ten times the pivots.
    """
    columns = old.matrix[:, gone].tocoo()
    row = _look_up(lp.row_key, np.arange(len(lp.row_key)), old.row_key, -1)[columns.row]
    keep = row >= 0
    return sp.csc_array(
        (columns.data[keep], (row[keep], columns.col[keep])), shape=(len(lp.high), len(gone))
    )


def _same(a: LinearProgram, b: LinearProgram) -> bool:
    return (
        np.array_equal(a.column_key, b.column_key)
        and np.array_equal(a.row_key, b.row_key)
        and np.array_equal(a.matrix.indptr, b.matrix.indptr)
        and np.array_equal(a.matrix.indices, b.matrix.indices)
        and np.array_equal(a.matrix.data, b.matrix.data)
    )


def _look_up(keys: Ints, found: NDArray[Any], wanted: Ints, otherwise: float) -> NDArray[Any]:
    if len(keys) == 0:
        return np.full(len(wanted), otherwise)
    order = np.argsort(keys, kind="stable")
    at = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    there = order[at]
    return np.where(keys[there] == wanted, found[there], otherwise)
