"""The exact weighted max-min share of one step: nobody can gain but at the cost of a poorer one.

Progressive filling: a common level λ rises, participant i draws λ·w_i, and whoever meets a
full row stays where it is while the others rise on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from solver.problem import Floats, Ints

OWN_UPPER = -1


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """What each participant gets, and what keeps it from more."""

    x: Floats  # (n,) [A]
    bottleneck: Ints  # (n,) the row that is full; −1: its own upper bound


def max_min(
    load: Any, capacity: Floats, upper: Floats, weight: Floats, floor: Floats | None = None
) -> Share:
    """Share the rows by weighted max-min fairness: x_i = clip(λ_i·weight_i, floor_i, upper_i).

    Rows that hold the lowest level of all who meet them are settled together, so that a
    tree takes about as many rounds as it has levels; each round is one pass over the
    non-zeros, after one sort.

    Parameters
    ----------
    load : (m, n) array or scipy sparse matrix, ≥ 0
        Load on each row per ampere of x.
    capacity : (m,) array, ≥ 0
        What each row carries; inf where nothing limits. [A or W]
    upper : (n,) array, ≥ 0, finite
        What each participant could use. [A]
    weight : (n,) array, > 0
        Relative claim; only ratios matter.
    floor : (n,) array, optional
        What each has in any case; at most `upper` counts. [A]

    Raises
    ------
    ValueError
        The floors alone overload a row.

    References
    ----------
    D. Bertsekas and R. Gallager, *Data Networks*, 2nd ed., 1992, sec. 6.5.2.
    """
    upper = np.asarray(upper, dtype=np.float64)
    weight = np.asarray(weight, dtype=np.float64)
    capacity = np.asarray(capacity, dtype=np.float64)
    base = np.zeros(len(upper)) if floor is None else np.minimum(floor, upper)
    row, col, a = _entries(load, capacity)
    x = upper.copy()
    bottleneck = np.full(len(upper), OWN_UPPER, dtype=np.int64)
    if len(row) == 0:
        return Share(x, bottleneck)

    many = len(capacity)
    room = capacity - np.bincount(row, a * base[col], many)
    if floor is not None and (room < -1e-9 * (1.0 + capacity)).any():
        r = int(np.argmin(room / (1.0 + np.minimum(capacity, 1e300))))
        raise ValueError(
            f"the floors load row {r} with {capacity[r] - room[r]:g}, it carries {capacity[r]:g}"
        )

    # A participant starts to rise at the level floor/weight and stops at upper/weight.
    begin, end = base / weight, upper / weight
    event_level = np.concatenate((begin[col], end[col]))
    event_row = np.concatenate((row, row))
    order = np.lexsort((event_level, event_row))
    level, at = event_level[order], event_row[order]
    who = np.concatenate((col, col))[order]
    slope = np.concatenate((a * weight[col], -a * weight[col]))[order]
    start = np.flatnonzero(np.concatenate(([True], at[1:] != at[:-1])))
    rows = at[start]
    count = np.diff(np.append(start, len(at)))
    rise = np.append(np.diff(level), 0.0)
    rise[np.append(start[1:], len(at)) - 1] = 0.0

    free = end > begin
    while True:
        full_at = np.full(many, np.inf)
        live = np.where(free[who], slope, 0.0)
        full_at[rows] = _levels(live, level, rise, room[at], start, count)
        met = np.full(len(upper), np.inf)
        np.minimum.at(met, col, full_at[row])
        free &= met * weight < upper  # the others reach their own upper bound
        if not free.any():
            return Share(x, bottleneck)
        lowest = np.full(many, np.inf)
        inside = free[col]
        np.minimum.at(lowest, row[inside], met[col[inside]])
        settled = (full_at <= lowest * (1.0 + 1e-12)) & (lowest < np.inf)
        hit = inside & settled[row] & (full_at[row] <= met[col] * (1.0 + 1e-12))
        stays = np.unique(col[hit])
        bottleneck[col[hit]] = row[hit]
        x[stays] = np.clip(met[stays] * weight[stays], base[stays], upper[stays])
        free[stays] = False
        gone = ~free & (x != base)
        room = capacity - np.bincount(row, a * np.where(gone, x, base)[col], many)


def _entries(load: Any, capacity: Floats) -> tuple[Ints, Ints, Floats]:
    """Row, column and value of each load that can matter."""
    if hasattr(load, "tocoo"):
        sparse = load.tocoo()
        row, col, a = sparse.row.astype(np.int64), sparse.col.astype(np.int64), sparse.data
    else:
        dense = np.asarray(load, dtype=np.float64)
        row, col = np.nonzero(dense)
        a = dense[row, col]
    keep = np.isfinite(capacity)[row]
    return row[keep], col[keep], a[keep]


def _levels(
    slope: Floats, level: Floats, rise: Floats, room: Floats, start: Ints, count: Ints
) -> Floats:
    """The level at which each row is full; inf if never. Events are sorted by row and level."""
    climb = np.cumsum(slope)
    climb -= np.repeat(climb[start] - slope[start], count)
    step = climb * rise
    after = np.cumsum(step)
    after -= np.repeat(after[start] - step[start], count)
    over = (after > room) & (step > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = level + (room - (after - step)) / climb
    full: Floats = np.minimum.reduceat(np.where(over, np.maximum(crossing, level), np.inf), start)
    return full
