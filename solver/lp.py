"""The problem as one sparse linear program, and the way back.

Columns: the cells inside the stays, then reward segments, then what storage holds, then the
peak. Rows: energy, circuits, reward, storage, peak; only those that can ever bind. Amperes
are divided by the largest bound and worths by the largest worth, so that absolute
tolerances of a general method mean the same for every site.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from solver.problem import Floats, Ints, Problem
from solver.raw import Raw


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LinearProgram:
    """min cost·z, low ≤ A z ≤ high, least ≤ z ≤ most. `key` names columns and rows for ever."""

    cost: Floats
    least: Floats
    most: Floats
    matrix: sp.csc_array
    low: Floats
    high: Floats
    column_key: Ints
    row_key: Ints
    cells: Ints  # flat index of each cell column in (n, T)
    energies: Ints  # participant of each energy row
    circuits: Ints  # flat index of each circuit row in (K, R, T)
    peak_steps: Ints  # step of each peak row
    amps: float
    worth: float


def linear_program(problem: Problem, value: Floats, spare: float = 0.0) -> LinearProgram:
    """Write the problem down for a general method.

    `spare` keeps rows too that would bind if they had this share less, so that the rows
    stay the same while capacities move a little.
    """
    n, steps = problem.upper.shape
    amps = float(max(problem.upper.max(initial=0.0), -problem.lower.min(initial=0.0))) or 1.0
    build = _Build(problem, amps)

    inside = (problem.upper > 0) | (problem.lower < 0)
    cells = np.flatnonzero(inside)
    participant, step = cells // max(steps, 1), cells % max(steps, 1)
    hours = problem.step_h[step]
    who = _identity(problem)
    build.columns(
        who[participant] * steps + step,
        -(value.ravel()[cells]) * hours,
        problem.lower.ravel()[cells] / amps,
        problem.upper.ravel()[cells] / amps,
    )

    most = problem.charge(problem.upper)
    energies = np.flatnonzero(problem.energy < most)
    number = np.full(n, -1)
    number[energies] = np.arange(len(energies))
    mine = number[participant]
    keep = mine >= 0
    build.rows(_FAMILY + who[energies], -np.inf, problem.energy[energies] / amps)
    build.entries(mine[keep], np.flatnonzero(keep), hours[keep])

    tight = problem.most * (1.0 + 1e-9) > problem.capacity * (1.0 - spare)
    circuits = np.flatnonzero(tight & np.isfinite(problem.capacity))
    row_of = np.full(problem.capacity.size, -1)
    row_of[circuits] = build.rows(
        2 * _FAMILY + circuits, -np.inf, problem.capacity.ravel()[circuits] / amps
    )
    _place(build, problem, participant, step, row_of.reshape(problem.capacity.shape))

    _reward(build, participant, hours)
    _storage(build, participant, step, hours, inside)
    peak_steps = _peak(build, participant, step)
    return build.finish(cells, energies, circuits, peak_steps)


LARGE_COST = 32.0
_FAMILY = 1 << 50  # keys of one kind of column or row lie between two multiples of this


def _identity(problem: Problem) -> Ints:
    """A small number that follows a participant from problem to problem."""
    rank = problem.rank
    if rank is not None and rank.size and 0 <= rank.min() and rank.max() < 1 << 32:
        return rank
    return np.arange(problem.n)


class _Build:
    """Columns, rows and entries as they come."""

    def __init__(self, problem: Problem, amps: float) -> None:
        self.problem, self.amps = problem, amps
        self._columns: list[tuple[Ints, Floats, Floats, Floats]] = []
        self._rows: list[tuple[Ints, Floats, Floats]] = []
        self._entries: list[tuple[Ints, Ints, Floats]] = []
        self.width = self.height = 0

    def columns(self, key: Ints, cost: Floats, least: Floats, most: Floats) -> Ints:
        first, self.width = self.width, self.width + len(key)
        self._columns.append((key, cost, least, most))
        return np.arange(first, self.width)

    def rows(self, key: Ints, low: Floats | float, high: Floats | float) -> Ints:
        first, self.height = self.height, self.height + len(key)
        low, high = np.broadcast_to(low, key.shape), np.broadcast_to(high, key.shape)
        self._rows.append((key, low, high))
        return np.arange(first, self.height)

    def entries(self, row: Ints, column: Ints, value: Floats) -> None:
        self._entries.append((row, column, value))

    def finish(
        self, cells: Ints, energies: Ints, circuits: Ints, peak_steps: Ints
    ) -> LinearProgram:
        column_key, cost, least, most = map(np.concatenate, zip(*self._columns, strict=True))
        row_key, low, high = map(np.concatenate, zip(*self._rows, strict=True))
        row, column, value = map(np.concatenate, zip(*self._entries, strict=True))
        matrix = sp.csc_array((value, (row, column)), shape=(self.height, self.width))
        # Costs of about 30: an absolute tolerance is then small beside what decides ties.
        cells_cost = np.abs(cost[: len(cells)]).max(initial=0.0)
        worth = (float(cells_cost) or float(np.abs(cost).max(initial=0.0)) or 1.0) / LARGE_COST
        return LinearProgram(
            cost=cost / worth,
            least=least,
            most=most,
            matrix=matrix,
            low=low,
            high=high,
            column_key=column_key,
            row_key=row_key,
            cells=cells,
            energies=energies,
            circuits=circuits,
            peak_steps=peak_steps,
            amps=self.amps,
            worth=worth,
        )


def _place(build: _Build, problem: Problem, who: Ints, step: Ints, row_of: Ints) -> None:
    """Entries of every cell in the rows of every circuit above it."""
    at = problem.circuit[who]
    column = np.arange(len(who))
    while len(column):
        for r in range(problem.coupling.shape[1]):
            coupling = problem.coupling[who, r]
            row = row_of[at, r, step]
            keep = (row >= 0) & (coupling != 0)
            build.entries(row[keep], column[keep], coupling[keep])
        at = problem.parent[at]
        up = at >= 0
        at, who, step, column = at[up], who[up], step[up], column[up]


def _reward(build: _Build, participant: Ints, hours: Floats) -> None:
    reward, amps = build.problem.reward, build.amps
    if reward is None or reward.width.shape[1] == 0:
        return
    n, segments = reward.width.shape
    least = np.zeros((n, segments))
    least[:, 0] = -np.inf
    column = build.columns(
        _FAMILY + (_identity(build.problem)[:, None] * segments + np.arange(segments)).ravel(),
        -reward.slope.ravel(), least.ravel(),
        reward.width.ravel() / amps,
    )  # fmt: skip
    row = build.rows(3 * _FAMILY + _identity(build.problem), -np.inf, 0.0)
    build.entries(np.repeat(row, segments), column, np.ones(n * segments))
    build.entries(row[participant], np.arange(len(participant)), -hours)


def _storage(
    build: _Build, participant: Ints, step: Ints, hours: Floats, inside: np.ndarray
) -> None:
    """What it holds after a step is what it held before, and what came in."""
    storage, amps = build.problem.storage, build.amps
    if storage is None or len(storage.participant) == 0:
        return
    many, steps = storage.low.shape
    key = np.arange(many * steps)
    held = build.columns(
        2 * _FAMILY + key,
        np.zeros(len(key)),
        (storage.low - storage.stored[:, None]).ravel() / amps,
        (storage.high - storage.stored[:, None]).ravel() / amps,
    )
    row = build.rows(4 * _FAMILY + key, 0.0, 0.0)
    build.entries(row, held, np.ones(len(key)))
    later = key[key % steps > 0]
    build.entries(row[later], held[later - 1], np.full(len(later), -1.0))
    number = np.full(build.problem.n, -1)
    number[storage.participant] = np.arange(many)
    keep = number[participant] >= 0
    build.entries(
        row[number[participant[keep]] * steps + step[keep]], np.flatnonzero(keep), -hours[keep]
    )


def _peak(build: _Build, participant: Ints, step: Ints) -> Ints:
    problem, peak = build.problem, build.problem.peak
    if peak is None or problem.steps == 0:
        return np.zeros(0, dtype=np.int64)
    above = build.columns(
        3 * _FAMILY + np.arange(1), np.array([peak.price]), np.zeros(1), np.full(1, np.inf)
    )
    steps = np.arange(problem.steps)
    row = build.rows(5 * _FAMILY + steps, -np.inf, peak.level / build.amps)
    build.entries(row, np.repeat(above, len(row)), np.full(len(row), -1.0))
    row_of = np.full(problem.capacity.shape, -1)
    row_of[peak.circuit, peak.row] = row
    _place(build, problem, participant, step, row_of)
    return steps


def read(
    problem: Problem, lp: LinearProgram, z: Floats, price: Floats, optimal: bool, warm: object
) -> Raw:
    """A general method's answer in the problem's own shapes. `price` ≥ 0 where a row is full."""
    x = np.zeros(problem.upper.size)
    x[lp.cells] = z[: len(lp.cells)] * lp.amps
    price = price * lp.worth
    energy_dual = np.zeros(problem.n)
    energy_dual[lp.energies] = np.maximum(price[: len(lp.energies)], 0.0)
    row_dual = np.zeros(problem.capacity.shape)
    many = len(lp.energies) + len(lp.circuits)
    row_dual.ravel()[lp.circuits] = np.maximum(price[len(lp.energies) : many], 0.0)
    if problem.peak is not None and len(lp.peak_steps):
        share = np.maximum(price[-len(lp.peak_steps) :], 0.0)
        row_dual[problem.peak.circuit, problem.peak.row, lp.peak_steps] += share
    return Raw(
        x=x.reshape(problem.upper.shape),
        row_dual=row_dual,
        energy_dual=energy_dual,
        optimal=optimal,
        warm=warm,
    )
