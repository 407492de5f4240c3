"""The certificate of `certify`, compiled: the same sums, cell by cell, in one pass.

From tick to tick a small site is solved in a fraction of a millisecond; the judge must not
take longer than the judged. Problems with a peak or storage are left to `certify`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from solver.problem import Floats, Ints


def _read_only(dtype: Any, ndim: int) -> Any:
    return types.Array(dtype, ndim, "C", readonly=True)


_F1, _F2, _F3 = (_read_only(types.float64, ndim) for ndim in (1, 2, 3))
_I1 = _read_only(types.int64, 1)
_NUMBER = types.float64

# One signature: whether an array may be written to is part of numba's types, and each mix
# of them would be compiled anew in the middle of a tick.
_SIGNATURE = types.Tuple([_NUMBER] * 4 + [types.int64] * 2)(
    _F1, _I1, _F3, _I1, _F2, _F2, _F2, _F1, _F2, _F2, _F2, _F1, _F2, _F3, _F1, _NUMBER
)  # fmt: skip

# Called from here only: without the wrappers for Python they compile in half the time.
inner = njit(cache=True, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)

# Places a violation is reported at, beside the flat index within the array.
CELL, ENERGY, ROW, MINIMUM = range(4)


@inner
def worth_of(width: Floats, slope: Floats, charge: float) -> Any:
    """U of one participant's total. [Ah]"""
    left, total = charge, 0.0
    for s in range(len(width)):
        taken = min(left, width[s])
        if s > 0 and taken < 0.0:
            taken = 0.0
        total += taken * slope[s]
        left -= taken
    return total


@inner
def fill(
    step_h: Floats,
    upper: Floats,
    lower: Floats,
    energy: float,
    width: Floats,
    slope: Floats,
    margin: Floats,
) -> Any:
    """The best one participant can do at these prices: dearest cells first, down the slopes."""
    earned, charge = 0.0, 0.0
    density = np.empty(len(step_h))
    for t in range(len(step_h)):
        density[t] = margin[t] / step_h[t]
        floor = max(lower[t], 0.0)
        earned += floor * margin[t]
        charge += floor * step_h[t]
    earned += worth_of(width, slope, charge)
    s, left = 0, charge
    while s < len(width) and left >= width[s]:
        left -= width[s]
        s += 1
    room = width[s] - left if s < len(width) else np.inf
    for t in np.argsort(-density):
        cell = (upper[t] - max(lower[t], 0.0)) * step_h[t]
        while cell > 0.0:
            gain = density[t] + (slope[s] if s < len(slope) else 0.0)
            part = min(cell, room, energy - charge)
            if gain <= 0.0 or part <= 0.0:
                return earned
            earned += gain * part
            charge += part
            cell -= part
            room -= part
            while room <= 0.0:
                s += 1
                room = width[s] if s < len(width) else np.inf
    return earned


@inner
def at_price(
    step_h: Floats, upper: Floats, lower: Floats, energy: float, mu: float, margin: Floats
) -> Any:
    """The same at one price of energy: never too low."""
    earned = mu * energy if mu > 0.0 else 0.0
    for t in range(len(step_h)):
        gain = margin[t] - mu * step_h[t]
        earned += gain * (upper[t] if gain > 0.0 else max(lower[t], 0.0))
    return earned


@inner
def at_best_price(
    step_h: Floats, upper: Floats, lower: Floats, energy: float, hint: float, margin: Floats
) -> Any:
    """The best one participant without a reward can do, by the price of its energy.

    Σ u·max(margin − μΔ, 0) + E·μ is convex in μ ≥ 0 with its corners where a cell breaks
    even; from a hint that is nearly right it is a step or two to the lowest corner.
    """
    if not energy < np.inf:
        return at_price(step_h, upper, lower, energy, 0.0, margin)
    mu = max(hint, 0.0) if hint < np.inf else 0.0
    for _ in range(8):
        taken, corner, above, below = 0.0, 0.0, np.inf, 0.0
        for t in range(len(step_h)):
            gain = margin[t] - mu * step_h[t]
            if gain > 0.0:
                taken += upper[t] * step_h[t]
                above = min(above, margin[t] / step_h[t])
            else:
                taken += max(lower[t], 0.0) * step_h[t]
                if gain == 0.0:
                    corner += (upper[t] - max(lower[t], 0.0)) * step_h[t]
                elif upper[t] > 0.0:
                    below = max(below, margin[t] / step_h[t])
        if taken > energy:
            mu = above
        elif taken + corner < energy and mu > 0.0:
            mu = below
        else:
            return at_price(step_h, upper, lower, energy, mu, margin)
    nothing = np.empty(0)
    return fill(step_h, upper, lower, energy, nothing, nothing, margin)


@inner
def add(table: Floats, one: int, other: int) -> None:
    """table[one] += table[other]; numba's own takes seconds to compile, for its error message."""
    for r in range(table.shape[1]):
        for t in range(table.shape[2]):
            table[one, r, t] += table[other, r, t]


@njit(_SIGNATURE, cache=True, nogil=True)
def judge(
    step_h: Floats,
    parent: Ints,
    capacity: Floats,
    circuit: Ints,
    coupling: Floats,
    upper: Floats,
    lower: Floats,
    energy: Floats,
    value: Floats,
    width: Floats,
    slope: Floats,
    min_now: Floats,
    x: Floats,
    row_dual: Floats,
    energy_dual: Floats,
    small: float,
) -> tuple[float, float, float, float, int, int]:
    """Objective, bound, stakes, infeasibility, and where that is (kind, flat index).

    `width` and `slope` are (n, S) with S = 0 for no reward; `min_now` is empty for none.
    """
    n, steps = upper.shape
    circuits, rows = capacity.shape[0], capacity.shape[1]
    load, price = np.zeros(capacity.shape), np.zeros(capacity.shape)
    bound = 0.0
    for k in range(circuits):
        for r in range(rows):
            for t in range(steps):
                y = row_dual[k, r, t]
                if y > 0.0 and capacity[k, r, t] < np.inf:
                    price[k, r, t] = y
                    bound += y * capacity[k, r, t]
        if parent[k] >= 0:
            add(price, k, parent[k])

    largest = 0.0
    amps = np.zeros(n)
    begin, end = np.full(n, steps), np.zeros(n, np.int64)  # the stay; outside x is 0
    for i in range(n):
        for t in range(steps):
            most = max(upper[i, t], -lower[i, t])
            if most > 0.0:
                amps[i] = max(amps[i], most)
                begin[i], end[i] = min(begin[i], t), t + 1
        largest = max(largest, amps[i])
    hours = step_h.sum()
    heaviest = np.zeros(rows)
    margin = np.empty(steps)
    objective, stakes, worst, kind, where = 0.0, 0.0, 0.0, CELL, 0

    for i in range(n):
        unit = max(amps[i], small * largest)
        if unit == 0.0:
            unit = 1.0
        for t in range(steps):
            if (t < begin[i] or t >= end[i]) and abs(x[i, t]) > worst * unit:
                worst, kind, where = abs(x[i, t]) / unit, CELL, i * steps + t
        stay = range(begin[i], end[i])
        for t in stay:
            margin[t] = value[i, t] * step_h[t]
        for r in range(rows):
            a = coupling[i, r]
            heaviest[r] = max(heaviest[r], abs(a) * unit)
            if a != 0.0:
                above, here = price[circuit[i], r], load[circuit[i], r]
                for t in stay:
                    margin[t] -= a * above[t]
                    here[t] += a * x[i, t]
        charge, most, best = 0.0, 0.0, 0.0
        for t in stay:
            charge += x[i, t] * step_h[t]
            most += upper[i, t] * step_h[t]
            best = max(best, abs(value[i, t]))
            objective += value[i, t] * x[i, t] * step_h[t]
            over = max(x[i, t] - upper[i, t], lower[i, t] - x[i, t])
            if over > worst * unit:
                worst, kind, where = over / unit, CELL, i * steps + t
        if energy[i] < np.inf:
            over = (charge - energy[i]) / max(energy[i], small * unit * hours)
            if over > worst:
                worst, kind, where = over, ENERGY, i
        if len(min_now) and min_now[i] > 0.0:
            over = min(x[i, 0], min_now[i] - x[i, 0]) / min_now[i]
            if over > worst:
                worst, kind, where = over, MINIMUM, i
        b, e = begin[i], end[i]
        cells = step_h[b:e], upper[i, b:e], lower[i, b:e]
        if slope.shape[1] == 0:
            bound += at_best_price(*cells, energy[i], energy_dual[i], margin[b:e])
        else:
            best += slope[i, 0]
            objective += worth_of(width[i], slope[i], charge)
            bound += fill(*cells, energy[i], width[i], slope[i], margin[b:e])
        stakes += min(energy[i], most) * best

    for k in range(circuits - 1, -1, -1):
        if parent[k] >= 0:
            add(load, parent[k], k)
        for r in range(rows):
            unit = small * (heaviest[r] if heaviest[r] > 0.0 else 1.0)
            for t in range(steps):
                room = capacity[k, r, t]
                if room < np.inf and load[k, r, t] - room > worst * max(room, unit):
                    worst, kind = (load[k, r, t] - room) / max(room, unit), ROW
                    where = (k * rows + r) * steps + t
    return objective, bound, stakes, worst, kind, where
