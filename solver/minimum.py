"""0 or the minimum, now: who is on in step 0.

The relaxed problem says how much each would get. Whoever lies between 0 and its minimum is
decided, the surest first, and the rest is planned anew around what was decided (a dive);
then small exchanges are tried while they help. `oracle` solves the same question exactly
as a mixed-integer program. Fairness over time is in the worths the problem brings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import highspy
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from solver.highs import Silent
from solver.lp import linear_program
from solver.problem import Floats, Ints, Problem

Bools = NDArray[np.bool_]

# Relative width of what counts as standing on a bound.
SLACK = 1e-6

# Plans that may be tried for exchanges after the dive; each is one warm solve.
TRIALS = 150

# Up to so many cars each round of a dive decides one car; above, all who are undecided.
ONE_BY_ONE = 60

# Rounds of a dive over many cars; the last one decides about everybody.
ROUNDS = 4


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
    search = _Search(problem, around)
    if problem.n > ONE_BY_ONE:
        return search.wide_dive(relaxed)
    best: Plan | None = None
    for order in (search.by_share, search.by_worth):
        found = search.dive(relaxed, order)
        if found is not None and (best is None or found.worth > best.worth):
            best = found
        if best is not None and best.worth >= enough:
            return best
    return best and search.exchange(best, enough)


class _Search:
    def __init__(self, problem: Problem, around: Around) -> None:
        self.problem, self.around = problem, around
        self.least = _least(problem)
        fits = self.least <= problem.upper[:, 0] * (1.0 + SLACK)
        self.can: Bools = fits & (self.least * problem.step_h[0] <= problem.energy * (1.0 + SLACK))
        self.bound: Bools = self.least > 0

    def by_share(self, x: Floats, who: Ints) -> Ints:
        """Those first who get most of their minimum already."""
        return who[np.lexsort((who, -x[who, 0] / self.least[who]))]

    def by_worth(self, x: Floats, who: Ints) -> Ints:
        """Those first whose ampere is worth most for what it loads."""
        worth = self.problem.value[:, 0]
        if self.problem.reward is not None:
            worth = worth + self.problem.reward.slope[:, 0]
        loads = np.abs(self.problem.coupling).sum(axis=1)
        return who[np.lexsort((who, -worth[who] / np.maximum(loads[who], 1e-9)))]

    def dive(self, plan: Plan, order: Callable[[Floats, Ints], Ints]) -> Plan | None:
        """Decide one car a round and plan the rest anew, until nobody is between."""
        on, off = np.zeros(self.problem.n, dtype=bool), self.bound & ~self.can
        current: Plan | None = self.around(on, off) if off.any() else plan
        while current is not None:
            undecided = np.flatnonzero(between(self.problem, current.x) & ~on & ~off)
            if len(undecided) == 0:
                return current
            on, off = self._decide(on, off, order(current.x, undecided)[:1])
            current = self.around(on, off)
        return None

    def wide_dive(self, plan: Plan) -> Plan | None:
        """The same for many: all who are undecided in each round, at last everybody."""
        on, off = np.zeros(self.problem.n, dtype=bool), self.bound & ~self.can
        current: Plan | None = self.around(on, off) if off.any() else plan
        for left in range(ROUNDS - 1, -1, -1):
            if current is None:
                return None
            free = self.bound & ~on & ~off
            undecided = np.flatnonzero(between(self.problem, current.x) & free)
            if len(undecided) == 0:
                return current
            if left == 0:  # who has its minimum keeps it, who has nothing waits
                has = free & (current.x[:, 0] >= (1.0 - SLACK) * self.least)
                on, off = on | has, off | (free & ~has & ~between(self.problem, current.x))
            on, off = self._decide(on, off, self.by_share(current.x, undecided))
            current = self.around(on, off)
        return current

    def _decide(self, on: Bools, off: Bools, who: Ints) -> tuple[Bools, Bools]:
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

    def exchange(self, best: Plan, enough: float) -> Plan:
        """Try other choices for a car or two, while it helps."""
        trials, seen = TRIALS, set()
        improved = True
        while improved and best.worth < enough:
            improved = False
            state = best.x[:, 0] >= (1.0 - SLACK) * self.least
            for flips in self._moves(best, state):
                on = state.copy()
                on[flips] = ~on[flips]
                on &= self.bound
                if on.tobytes() in seen or self._overloads(on):
                    continue
                seen.add(on.tobytes())
                if trials == 0:
                    return best
                trials -= 1
                tried = self.around(on, self.bound & ~on)
                if tried is not None and tried.worth > best.worth + 1e-9 * abs(best.worth):
                    best, improved = tried, True
                    break
        return best

    def _overloads(self, on: Bools) -> bool:
        room, now = self._room(on), self.problem.capacity[:, :, 0]
        return bool((room < -SLACK * (1.0 + np.where(np.isfinite(now), now, 0.0))).any())

    def _moves(self, best: Plan, state: Bools) -> Iterator[list[int]]:
        """One on or off; one off for one on; two off for the others' sake, or for one on."""
        waiting = self.by_worth(best.x, np.flatnonzero(self.bound & ~state & self.can))
        holding = self.by_worth(best.x, np.flatnonzero(self.bound & state))[::-1]
        yield from ([int(i)] for i in holding[:12])
        yield from ([int(j)] for j in waiting[:12])
        yield from ([int(i), int(j)] for j in waiting[:8] for i in holding[:8])
        yield from ([int(i), int(k)] for i, k in combinations(holding[:6], 2))
        yield from (
            [int(i), int(k), int(j)] for j in waiting[:3] for i, k in combinations(holding[:6], 2)
        )


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
    highs = Silent()
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
