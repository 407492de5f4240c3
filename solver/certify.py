"""The one judge: feasibility and a bound on the optimum, recomputed from the arrays alone.

Weak duality. For any prices y ≥ 0 on the circuit rows,

    optimum ≤ Σ_krt C_krt y_krt + Σ_i max_{x_i ∈ P_i} [ Σ_t (v_it Δ_t − Σ_r α_ir Y_irt) x_it + U_i ]

where Y_i sums y over the circuits above i and P_i is what the car and its cell bounds allow.
The inner maxima are taken here, so no method can claim a bound that is not one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from solver import compiled
from solver.problem import Floats, Problem, Reward, utility

# What counts as a small number beside the largest of its kind: relative errors of a row of
# 0 A, or of a plan that is worth almost nothing, are taken against this part of the largest.
SMALL = 1e-3

# Largest relative violation of an answer that may leave: far below what the wire resolves.
FEASIBLE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What holds for an answer, whatever its method said."""

    objective: float
    bound: float  # no plan is worth more
    gap: float  # (bound − objective) / max(|bound|, |objective|), ≥ 0
    infeasibility: float  # largest relative violation
    worst: str  # which bound, energy or row that is

    def holds(self, tol: float) -> bool:
        """Feasible and optimal within a relative tolerance."""
        return self.gap <= tol and self.infeasibility <= FEASIBLE


def certify(problem: Problem, x: Floats, row_dual: Floats, energy_dual: Floats) -> Certificate:
    """Judge an answer.

    Parameters
    ----------
    x : (n, T) array
        The plan. [A]
    row_dual : (K, R, T) array
        Prices of the rows; what is negative counts as 0. With a `Peak`, the price of its row
        holds both its capacity's and the peak's share.
    energy_dual : (n,) array
        Prices of the energy rows: a hint only, the best ones are found here.
    """
    shapes = (x.shape, row_dual.shape, energy_dual.shape)
    if shapes != (problem.upper.shape, problem.capacity.shape, problem.energy.shape):
        return _worthless("wrong shapes")
    judge = compiled.judge()
    if judge is not None and problem.peak is None and problem.storage is None:
        return _by_compiled(judge, problem, x, row_dual, energy_dual)
    if not all(np.isfinite(array).all() for array in (x, row_dual, energy_dual)):
        return _worthless("not a number")
    infeasibility, worst = violation(problem, x)
    bound = dual_bound(problem, row_dual)
    return _concluded(problem.worth(x), bound, stakes(problem), infeasibility, worst)


def _concluded(
    objective: float, bound: float, at_stake: float, infeasibility: float, worst: str
) -> Certificate:
    if not np.isfinite(objective) or np.isnan(bound):
        return _worthless("not a number")
    scale = max(abs(objective), abs(bound), SMALL * at_stake)
    gap = max(0.0, bound - objective) / scale if scale > 0 else 0.0
    if np.isinf(bound):
        gap = np.inf
    return Certificate(
        objective=objective, bound=bound, gap=gap, infeasibility=infeasibility, worst=worst
    )


NONE: Floats = np.zeros(0)
NO_REWARD = Reward(width=np.zeros((1, 0)), slope=np.zeros((1, 0)))


def _by_compiled(
    judge: Callable[..., Any], problem: Problem, x: Floats, row_dual: Floats, energy_dual: Floats
) -> Certificate:
    reward = problem.reward
    nothing = np.zeros((problem.n, 0))
    width, slope = (nothing, nothing) if reward is None else (reward.width, reward.slope)
    least = NONE if problem.min_now is None else problem.min_now
    objective, bound, at_stake, infeasibility, kind, where = judge(
        problem.step_h, problem.parent, problem.capacity, problem.circuit, problem.coupling,
        problem.upper, problem.lower, problem.energy, problem.value, width, slope, least,
        np.ascontiguousarray(x), np.ascontiguousarray(row_dual), energy_dual, SMALL,
    )  # fmt: skip
    name = ("x", "energy", "row", "min_now")[kind]
    shape = (x.shape, energy_dual.shape, row_dual.shape, energy_dual.shape)[kind]
    worst = "nothing" if infeasibility == 0 else _named(name, where, shape)
    return _concluded(objective, bound, at_stake, infeasibility, worst)


def _named(name: str, where: int, shape: tuple[int, ...]) -> str:
    index = []
    for size in reversed(shape):  # a tenth of the time of NumPy's, once in every call
        where, i = divmod(int(where), size)
        index.append(str(i))
    return f"{name}[{', '.join(reversed(index))}]"


def _worthless(why: str) -> Certificate:
    return Certificate(objective=-np.inf, bound=np.inf, gap=np.inf, infeasibility=np.inf, worst=why)


def stakes(problem: Problem) -> float:
    """What the whole problem could be about: everybody full at the best price there is."""
    if problem.n == 0 or problem.steps == 0:
        return 0.0
    most = np.minimum(problem.energy, problem.charge(problem.upper))
    stay = (problem.upper > 0) | (problem.lower < 0)
    best = np.abs(np.where(stay, problem.value, 0.0)).max(axis=1)
    if problem.reward is not None and problem.reward.slope.shape[1]:
        best = best + problem.reward.slope[:, 0]
    return float(most @ best)


def violation(problem: Problem, x: Floats) -> tuple[float, str]:
    """Largest relative violation, and where it is."""
    if problem.n == 0 or problem.steps == 0:
        return 0.0, "nothing"
    top = np.maximum(problem.upper.max(axis=1), -problem.lower.min(axis=1))
    amps = np.maximum(top, SMALL * top.max())
    amps[amps == 0] = 1.0
    found: list[tuple[float, str]] = [(0.0, "nothing")]

    cell = np.maximum(x - problem.upper, problem.lower - x) / amps[:, None]
    found.append(_largest("x", cell))

    charge = problem.charge(x)
    scale = np.maximum(problem.energy, SMALL * amps * problem.step_h.sum())
    limited = np.isfinite(problem.energy)
    over = np.where(limited, charge - np.where(limited, problem.energy, 0.0), -1.0)
    found.append(_largest("energy", over / scale))

    if problem.capacity.size:
        heaviest = (np.abs(problem.coupling) * amps[:, None]).max(axis=0)
        heaviest[heaviest == 0] = 1.0
        limited_row = np.isfinite(problem.capacity)
        room = np.where(limited_row, problem.capacity, 0.0)
        scale_row = np.where(limited_row, np.maximum(room, SMALL * heaviest[None, :, None]), 1.0)
        excess = np.where(limited_row, problem.load(x) - room, -1.0)
        found.append(_largest("row", excess / scale_row))

    if problem.min_now is not None:
        least = np.where(problem.min_now > 0, problem.min_now, 1.0)
        between = np.minimum(x[:, 0], problem.min_now - x[:, 0]) / least
        found.append(_largest("min_now", between))

    if problem.storage is not None:
        who = problem.storage.participant
        held = problem.storage.stored[:, None] + np.cumsum(x[who] * problem.step_h, axis=1)
        out = np.maximum(held - problem.storage.high, problem.storage.low - held)
        found.append(_largest("storage", out / (amps[who] * problem.step_h.sum())[:, None]))
    return max(found, key=lambda pair: pair[0])


def _largest(name: str, array: Floats) -> tuple[float, str]:
    if array.size == 0:
        return 0.0, name
    where = int(np.argmax(array))
    return float(array.ravel()[where]), _named(name, where, array.shape)


def row_prices(problem: Problem, row_dual: Floats) -> Floats:
    """What an ampere of each participant pays for the copper above it: (K, R, T) → (n, T)."""
    above = row_dual.copy()
    for k, up in enumerate(problem.parent.tolist()):
        if up >= 0:
            above[k] += above[up]
    price = np.zeros(problem.upper.shape)
    for r in range(problem.coupling.shape[1]):
        if above[:, r].any():
            price += problem.coupling[:, r, None] * above[problem.circuit, r]
    return price


def dual_bound(problem: Problem, row_dual: Floats) -> float:
    """An upper bound on the worth of every feasible plan, from prices of the rows."""
    y = np.maximum(row_dual, 0.0)
    cost = _cost_of_rows(problem, y)
    margin = problem.value * problem.step_h - row_prices(problem, y)
    stored = () if problem.storage is None else problem.storage.participant
    plain = np.ones(problem.n, dtype=bool)
    plain[list(stored)] = False
    earned = _fill(problem, margin)
    total = cost + float(earned[plain].sum())
    for s, i in enumerate(stored):
        total += _run_storage(problem, s, int(i), margin[i])
    return total


def _cost_of_rows(problem: Problem, y: Floats) -> float:
    """Σ C·y; writes 0 over prices of rows without a limit. A peak takes over what it can."""
    peak = problem.peak
    endless = ~np.isfinite(problem.capacity)
    if peak is None:
        y[endless] = 0.0
        return float(np.einsum("krt,krt->", np.where(endless, 0.0, problem.capacity), y))
    # Price of the peak's row: y = own + z with z ≥ 0, Σ z ≤ price; z costs only `level`.
    own = y[peak.circuit, peak.row]
    saved = problem.capacity[peak.circuit, peak.row] - peak.level
    z = np.zeros_like(own)
    left = peak.price
    for t in np.argsort(-saved, kind="stable"):
        if saved[t] <= 0 or left <= 0:
            break
        z[t] = min(own[t], left)
        left -= z[t]
    own -= z
    y[endless] = 0.0
    cost = float(np.einsum("krt,krt->", np.where(endless, 0.0, problem.capacity), y))
    y[peak.circuit, peak.row] += z
    return cost + float(z.sum()) * peak.level


def _fill(problem: Problem, margin: Floats) -> Floats:
    """The best each participant can do at these prices, with its reward: (n, T) → (n,).

    The best cells first give a concave worth of e ampere hours; with U it is concave and
    piecewise linear in e, so one of the break points is the maximum.
    """
    reward = problem.reward or NO_REWARD
    floor = np.maximum(problem.lower, 0.0)
    base, sure = problem.charge(floor), np.einsum("it,it->i", margin, floor)
    density = margin / problem.step_h
    order = np.argsort(-density, axis=1, kind="stable")
    density = np.take_along_axis(density, order, axis=1)
    width = np.take_along_axis((problem.upper - floor) * problem.step_h, order, axis=1)
    end = np.cumsum(width, axis=1)
    most = np.minimum(problem.energy - base, end[:, -1])

    begin = end - width
    worth = np.cumsum(density * width, axis=1) + utility(reward, end + base[:, None])
    best = np.where(end <= most[:, None], worth, -np.inf).max(axis=1)
    corners = np.cumsum(reward.width, axis=1) - base[:, None]
    for e in (np.zeros(problem.n), most, *np.clip(corners, 0.0, most[:, None]).T):
        taken = np.clip(e[:, None] - begin, 0.0, width)
        there = (density * taken).sum(axis=1) + utility(reward, (e + base)[:, None])[:, 0]
        best = np.maximum(best, there)
    earned: Floats = best + sure
    return earned


def _run_storage(problem: Problem, s: int, i: int, margin: Floats) -> float:
    """The best a storage can do at these prices: backwards over time, exact.

    The worth of standing at e is concave and piecewise linear: a corner, and slopes with
    their widths. A step adds its own slope (sup-convolution); bounds cut at both ends.
    """
    assert problem.storage is not None
    storage, step_h = problem.storage, problem.step_h
    charge = problem.upper[i] * step_h
    give = storage.discharge[s] * step_h
    low = np.maximum(storage.low[s] - storage.stored[s], -np.cumsum(give))
    high = np.minimum(storage.high[s] - storage.stored[s], np.cumsum(charge))
    high[-1] = min(high[-1], problem.energy[i])

    pieces = [(0.0, np.inf)]
    at, worth = low[-1], 0.0
    if problem.reward is not None:
        reward = problem.reward
        widths = reward.width[i].copy()
        widths[0] -= at
        pieces = [*zip(reward.slope[i].tolist(), widths.tolist(), strict=True), *pieces]
        worth = float(reward.slope[i, 0] * at)
    for t in range(problem.steps - 1, -1, -1):
        at, worth, pieces = _cut(at, worth, pieces, low[t], high[t])
        slope = -margin[t] / step_h[t]
        at, worth = at - charge[t], worth - slope * charge[t]
        pieces = sorted([*pieces, (slope, charge[t] + give[t])], reverse=True)
    _, worth, _ = _cut(at, worth, pieces, 0.0, np.inf)
    return worth


def _cut(
    at: float, worth: float, pieces: list[tuple[float, float]], low: float, high: float
) -> tuple[float, float, list[tuple[float, float]]]:
    """The same function between `low` and `high` only."""
    kept: list[tuple[float, float]] = []
    position = at
    for slope, width in pieces:
        begin, end = max(position, low), min(position + width, high)
        if position < low:
            worth += slope * (min(position + width, low) - position)
        if end > begin:
            kept.append((slope, end - begin))
        position += width
    return max(at, low), worth, kept
