"""0 or the minimum, now: who is on in step 0.

The relaxed problem says how much each would get. Whoever lies between 0 and its minimum is
decided, the surest first, and the rest is planned anew around what was decided (a dive);
then single exchanges are tried while they help. `oracle` solves the same question exactly
as a mixed-integer program. Fairness over time is in the worths the problem brings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import highspy
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from solver.lp import linear_program
from solver.problem import Floats, Problem

Bools = NDArray[np.bool_]

# Relative width of what counts as standing on a bound.
SLACK = 1e-6

# Plans that may be tried for exchanges after the dive; each is one warm solve.
TRIALS = 40

# Up to so many cars each round decides one car; above, a share of the undecided.
ONE_BY_ONE = 60


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A plan around what was decided, and its worth."""

    x: Floats
    worth: float


Around = Callable[[Bools, Bools], Plan | None]  # (on, off) → the best plan around them


def between(problem: Problem, x: Floats) -> Bools:
    """Who would be told something between 0 and its minimum in step 0. (n,)"""
    least = _least(problem)
    found: Bools = (x[:, 0] > SLACK * least) & (x[:, 0] < (1.0 - SLACK) * least)
    return found


def switch(problem: Problem, relaxed: Plan, around: Around, enough: float) -> Plan | None:
    """A plan in which nobody is between; None if none was found.

    `around` gives the best plan with `on` at their minimum at least, `off` at 0 and the
    others free between 0 and their upper bound. A plan worth `enough` ends the search.
    """
    dive = _Dive(problem, around)
    best = dive.down(relaxed)
    if best is None or best.worth >= enough or problem.n > ONE_BY_ONE:
        return best
    return dive.exchange(best, enough, between(problem, relaxed.x))


class _Dive:
    def __init__(self, problem: Problem, around: Around) -> None:
        self.problem, self.around = problem, around
        self.least = _least(problem)
        fits = self.least <= problem.upper[:, 0] * (1.0 + SLACK)
        self.can: Bools = fits & (self.least * problem.step_h[0] <= problem.energy * (1.0 + SLACK))
        self.bound: Bools = self.least > 0

    def down(self, plan: Plan) -> Plan | None:
        """Decide round by round, until nobody is between."""
        nobody = np.zeros(self.problem.n, dtype=bool)
        on, off = nobody, self.bound & ~self.can
        current: Plan | None = plan if not off.any() else self.around(on, off)
        while current is not None:
            undecided = np.flatnonzero(between(self.problem, current.x) & ~on & ~off)
            if len(undecided) == 0:
                return current
            share = current.x[undecided, 0] / self.least[undecided]
            undecided = undecided[np.lexsort((undecided, -share))]
            many = 1 if self.problem.n <= ONE_BY_ONE else -(-len(undecided) // 3)
            on, off = self._decide(on, off, undecided[:many])
            current = self.around(on, off)
        return None

    def _decide(self, on: Bools, off: Bools, who: NDArray[np.int64]) -> tuple[Bools, Bools]:
        """Switch on who fits beside those that are on already; the others are off."""
        on, off = on.copy(), off.copy()
        room = self._room(on)
        for i in who:
            path = list(self.problem.path[self.problem.circuit[i]])
            needed = self.problem.coupling[i] * self.least[i]
            if np.all(room[path] >= needed - SLACK * np.abs(needed)):
                room[path] -= needed
                on[i] = True
            else:
                off[i] = True
        return on, off

    def _room(self, on: Bools) -> Floats:
        """What the minima of those who are on leave of each row in step 0. (K, R)"""
        now = np.zeros_like(self.problem.upper)
        now[on, 0] = self.least[on]
        room: Floats = self.problem.capacity[:, :, 0] - self.problem.load(now)[:, :, 0]
        return room

    def exchange(self, best: Plan, enough: float, doubtful: Bools) -> Plan:
        """Try the other choice for one car, and for pairs, while it helps."""
        trials = TRIALS
        improved = True
        while improved and trials > 0:
            improved = False
            state = best.x[:, 0] >= (1.0 - SLACK) * self.least
            for flips in self._moves(best, state, doubtful):
                on = state.copy()
                on[flips] = ~on[flips]
                on &= self.bound
                if (self._room(on) < -SLACK * (1.0 + np.abs(self.problem.capacity[:, :, 0]))).any():
                    continue
                trials -= 1
                tried = self.around(on, self.bound & ~on)
                if tried is not None and tried.worth > best.worth + 1e-9 * abs(best.worth):
                    best, improved = tried, True
                    break
                if trials <= 0:
                    break
            if best.worth >= enough:
                break
        return best

    def _moves(self, best: Plan, state: Bools, doubtful: Bools) -> list[list[int]]:
        """Cars whose choice may be worth changing: alone, then one off for one on."""
        waiting = np.flatnonzero(self.bound & ~state & self.can)
        waiting = waiting[np.argsort(-self.problem.value[waiting, 0], kind="stable")]
        holding = np.flatnonzero(self.bound & state)
        holding = holding[np.argsort(best.x[holding, 0] / self.least[holding], kind="stable")]
        lowest = [i for i in holding if best.x[i, 0] <= self.least[i] * (1.0 + 1e-3)]
        alone = [[int(i)] for i in np.flatnonzero(doubtful & self.bound & self.can)]
        alone += [[int(i)] for i in waiting if not doubtful[i]][:8]
        alone += [[int(i)] for i in lowest if not doubtful[i]]
        pairs = [[int(i), int(j)] for j in waiting[:6] for i in holding[:6]]
        return alone + pairs


def _least(problem: Problem) -> Floats:
    return np.zeros(problem.n) if problem.min_now is None else problem.min_now


def oracle(problem: Problem, deadline_s: float = 60.0, gap: float = 1e-7) -> Floats | None:
    """The exact answer by HiGHS's branch and bound: x (n, T), or None if late."""
    lp = linear_program(problem, problem.value)
    least = _least(problem) / lp.amps
    n, steps = problem.upper.shape
    who = np.flatnonzero((least > 0) & (problem.upper[:, 0] > 0))
    number = np.full(n * steps, -1)
    number[lp.cells] = np.arange(len(lp.cells))
    cell = number[who * steps]
    many, width, height = len(who), len(lp.cost), len(lp.high)
    row = np.arange(2 * many)
    switches = sp.csc_array(
        (
            np.concatenate((np.ones(2 * many), -least[who], -lp.most[cell])),
            (
                np.concatenate((row, row)),
                np.concatenate((cell, cell, width + np.arange(many), width + np.arange(many))),
            ),
        ),
        shape=(2 * many, width + many),
    )
    matrix = sp.vstack(
        [sp.hstack([lp.matrix, sp.csc_array((height, many))]), switches], format="csc"
    )
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("mip_rel_gap", gap)
    highs.setOptionValue("time_limit", deadline_s)
    whole = np.concatenate((np.zeros(width, dtype=np.int32), np.ones(many, dtype=np.int32)))
    highs.passModel(
        width + many, height + 2 * many, matrix.nnz, highspy.MatrixFormat.kColwise.value,
        highspy.ObjSense.kMinimize.value, 0.0,
        np.concatenate((lp.cost, np.zeros(many))),
        np.concatenate((lp.least, np.zeros(many))),
        np.concatenate((lp.most, np.ones(many))),
        np.concatenate((lp.low, np.zeros(many), np.full(many, -np.inf))),
        np.concatenate((lp.high, np.full(many, np.inf), np.zeros(many))),
        matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32), matrix.data, whole,
    )  # fmt: skip
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    x = np.zeros(n * steps)
    x[lp.cells] = np.asarray(highs.getSolution().col_value)[: len(lp.cells)] * lp.amps
    return x.reshape(n, steps)
