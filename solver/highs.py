"""HiGHS, with its model kept alive between ticks.

While the columns, rows and coefficients stay the same, bounds and costs change in place and
the basis stays where it is. When cars come or go, the model is passed anew with the old
basis carried over by the names of its columns and rows.

Source: Q. Huangfu, J. Hall, "Parallelizing the dual revised simplex method",
*Math. Prog. Comp.* 10 (2018), pp. 119-142.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np

from solver.lp import LinearProgram, linear_program, read
from solver.problem import Floats, Ints, Problem
from solver.raw import Raw

# Above this many cells the interior point method is faster from a cold start (measured:
# simplex 1.2 s and interior point 1.6 s at 32,000; 63 s and 14 s at 158,000).
SIMPLEX_CELLS = 60_000

# Rows this near to binding are kept, so that a little noise leaves the rows as they are.
SPARE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """Where the simplex ended, by the names of columns and rows."""

    column_key: Ints
    column: Ints
    row_key: Ints
    row: Ints


class Highs:
    """One model, kept between calls."""

    def __init__(self, threads: int = 1) -> None:
        self._lp: LinearProgram | None = None
        self._highs = highspy.Highs()
        option = self._highs.setOptionValue
        option("output_flag", False)
        option("threads", threads)
        option("primal_feasibility_tolerance", 1e-9)
        # Ties are broken by parts in 10⁷; a looser tolerance would not see them.
        option("dual_feasibility_tolerance", 1e-10)

    def solve(
        self,
        problem: Problem,
        value: Floats,
        *,
        warm: Any = None,
        deadline_s: float | None = None,
        solver: str | None = None,
    ) -> Raw:
        """Solve for the given worths. `solver` is "simplex" or "ipm"; chosen by size if None."""
        lp = linear_program(problem, value, SPARE)
        if len(lp.cost) == 0:
            return read(problem, lp, np.zeros(0), np.zeros(len(lp.high)), True, None)
        started = self._update(lp)
        if not started and isinstance(warm, Basis):
            started = self._carry(lp, warm)
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
        return read(problem, lp, np.asarray(found.col_value), price, optimal, self)

    @property
    def basis(self) -> Basis | None:
        """Where the last solve ended, to be carried into another model."""
        basis = self._highs.getBasis()
        if self._lp is None or not basis.valid:
            return None
        column = np.array([int(s) for s in basis.col_status])
        row = np.array([int(s) for s in basis.row_status])
        return Basis(self._lp.column_key, column, self._lp.row_key, row)

    def _update(self, lp: LinearProgram) -> bool:
        """Put the numbers into the model; whether it starts from where the last one ended."""
        highs, old = self._highs, self._lp
        if old is not None and _same(old, lp):
            columns = np.arange(len(lp.cost), dtype=np.int32)
            rows = np.arange(len(lp.high), dtype=np.int32)
            highs.changeColsCost(len(columns), columns, lp.cost)
            highs.changeColsBounds(len(columns), columns, lp.least, lp.most)
            highs.changeRowsBounds(len(rows), rows, lp.low, lp.high)
            self._lp = lp
            return True
        before = self.basis
        self._pass(lp)
        self._lp = lp
        return before is not None and self._carry(lp, before)

    def _pass(self, lp: LinearProgram) -> None:
        matrix = lp.matrix
        self._highs.passModel(
            len(lp.cost), len(lp.high), matrix.nnz, highspy.MatrixFormat.kColwise.value,
            highspy.ObjSense.kMinimize.value, 0.0, lp.cost, lp.least, lp.most, lp.low, lp.high,
            matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32), matrix.data,
            np.zeros(len(lp.cost), dtype=np.int32),
        )  # fmt: skip

    def _carry(self, lp: LinearProgram, before: Basis) -> bool:
        """Start where a model with other columns and rows ended. HiGHS repairs the rest."""
        basic = int(highspy.HighsBasisStatus.kBasic)
        lower = int(highspy.HighsBasisStatus.kLower)
        column = _look_up(before.column_key, before.column, lp.column_key, lower)
        row = _look_up(before.row_key, before.row, lp.row_key, basic)
        statuses = {int(s): s for s in highspy.HighsBasisStatus.__members__.values()}
        basis = highspy.HighsBasis()
        basis.col_status = [statuses[s] for s in column.tolist()]
        basis.row_status = [statuses[s] for s in row.tolist()]
        basis.valid = True
        # Says that columns and rows may not fit each other: to be made into a basis.
        basis.alien = True
        return bool(self._highs.setBasis(basis) == highspy.HighsStatus.kOk)


def _same(a: LinearProgram, b: LinearProgram) -> bool:
    return (
        np.array_equal(a.column_key, b.column_key)
        and np.array_equal(a.row_key, b.row_key)
        and np.array_equal(a.matrix.indptr, b.matrix.indptr)
        and np.array_equal(a.matrix.indices, b.matrix.indices)
        and np.array_equal(a.matrix.data, b.matrix.data)
    )


def _look_up(keys: Ints, found: Ints, wanted: Ints, otherwise: int) -> Ints:
    if len(keys) == 0:
        return np.full(len(wanted), otherwise)
    order = np.argsort(keys, kind="stable")
    at = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    there = order[at]
    return np.where(keys[there] == wanted, found[there], otherwise)
