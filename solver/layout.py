"""A problem laid out for the structured method: cells in the order in which they are swept.

Everything is counted in ampere hours per step, e = x·Δ, so that energy rows have unit
coefficients, a circuit row carries C·Δ and steps of any length look alike. A participant
keeps one run of cells: its useful steps (room and worth above zero), widened to whole
vectors of `WIDTH` steps. Participants stand in the order of a walk through the tree, then by
coupling, departure and arrival; ties by what they ask. Their names play no part, so
neither does the order in which they were given.

The walk is cut into parts of equal work that threads sweep side by side. A circuit with
participants in several parts has a slot (a copy of its prices) in each of them.
"""

# numba infers the types of what it compiles.
# mypy: allow-untyped-defs

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from solver.lanes import WIDTH

if TYPE_CHECKING:
    from solver.problem import Problem

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

JIT: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}


SAFE = 0.99  # keeps the product of the step sizes strictly below one
LEAST = 0.05  # a car that meets no row that can bind still takes finite steps


class Cars(NamedTuple):
    """The m participants that can use anything, in sweeping order."""

    start: Ints  # (m,) first cell
    first: Ints  # (m,) step of that cell, a multiple of WIDTH
    size: Ints  # (m,) cells, a multiple of WIDTH
    peak: Floats  # (m,) largest room [Ah], the unit in which its steps are measured
    pace: Floats  # (m,) primal step size τ before the primal weight
    kink: Floats  # (m, S+1) charge at which its reward bends, the energy at last [Ah]
    slope: Floats  # (m, S+1) reward up to that kink, falling, 0 at last [1/Ah]


class Cells(NamedTuple):
    """The cells of all cars, one run after another."""

    room: Floats  # (N,) most that fits [Ah], 0 in the padding
    worth: Floats  # (N,) [1/Ah]


class Tree(NamedTuple):
    """Slots, parents first within each part, and the groups of cars that hang on them."""

    parent: Ints  # (S,) slot above, −1 at a root
    inner: NDArray[np.bool_]  # (S,) feeds other slots
    shared: Ints  # (S,) number among the circuits present in several parts, −1 if whole
    counts: NDArray[np.bool_]  # (S,) the one copy whose rows enter sums over circuits
    low: Ints  # (S,) first step whose rows can bind, in whole vectors
    high: Ints  # (S,) after the last one
    groups: Ints  # (S+1,) groups of a slot: same circuit, same coupling
    cars: Ints  # (G+1,) cars of a group
    coupling: Floats  # (G, R)
    capacity: Floats  # (S, R, W) C·Δ; 0 where the row cannot bind [Ah]
    pace: Floats  # (S, R, W) dual step size σ; 0 where the row cannot bind
    weight: Floats  # (R,) one over the largest coupling of a row
    part_slots: Ints  # (P+1,)
    part_cars: Ints  # (P+1,)
    meetings: int  # circuits present in several parts


class Layout(NamedTuple):
    """Cells, cars and tree, and the way back to the problem."""

    cells: Cells
    cars: Cars
    tree: Tree
    who: Ints  # (m,) participant of a car
    circuit: Ints  # (S,) circuit of a slot
    scale: float  # typical worth of a cell, in which the primal weight is measured [1/Ah]


def lay_out(problem: Problem, parts: int = 2) -> Layout:
    """Order cars and circuits of a problem without peak, storage or negative coupling."""
    p = problem
    reward = p.reward
    best = reward.slope[:, 0] if reward is not None and reward.slope.shape[1] else np.zeros(p.n)
    first, last, print_ = _useful(p.upper, p.value, p.step_h, p.energy, best)
    kind = _kinds(p.coupling)
    walk = _walk(p.parent)
    who = np.flatnonzero(last > first)
    place = (walk[p.circuit] * (kind.max(initial=0) + 1) + kind) * (p.steps + 1) + last
    who = who[np.lexsort((print_[who], first[who], place[who]))]

    circuit, kind = p.circuit[who], kind[who]
    low = first[who] // WIDTH * WIDTH
    size = -(-last[who] // WIDTH) * WIDTH - low
    start = np.cumsum(size) - size
    cut = _cut(start, size, circuit, p.parent, walk, parts)
    slots = _slots(circuit, cut, p.parent, np.argsort(walk))
    width = -(-p.steps // WIDTH) * WIDTH

    total = int(size.sum())
    room, worth = np.zeros(total), np.zeros(total)
    _fill(
        room,
        worth,
        who,
        start,
        first[who],
        last[who],
        low,
        p.upper,
        p.value,
        p.step_h,
        p.energy,
        best,
    )
    home, parent, of_circuit, part_slots, shared, meetings = slots
    new = np.ones(len(who), dtype=np.bool_)
    new[1:] = (home[1:] != home[:-1]) | (kind[1:] != kind[:-1])
    head = np.flatnonzero(new)
    groups = np.searchsorted(home[head], np.arange(len(parent) + 1))
    group_cars = np.append(head, len(who)).astype(np.int64)
    coupling = np.ascontiguousarray(p.coupling[who[head]])
    counts = np.zeros(len(parent), dtype=np.bool_)
    counts[np.unique(of_circuit, return_index=True)[1]] = True
    inner = np.zeros(len(parent), dtype=np.bool_)
    inner[parent[parent >= 0]] = True

    peak = np.maximum.reduceat(room, start) if len(start) else np.zeros(0)
    capacity, count = _rows(
        p.capacity,
        p.step_h,
        p.parent,
        circuit,
        who,
        p.coupling,
        start,
        low,
        size,
        room,
        peak,
        width,
    )
    # Rows may differ in unit (A, W): each is measured by its largest coupling.
    weight = 1.0 / np.maximum(p.coupling.max(axis=0, initial=0.0), 1e-300)
    pace_rows, pace_cars = _paces(
        capacity, count, weight, p.parent, circuit, who, p.coupling, start, low, size, room, peak
    )
    binding = np.isfinite(capacity).any(axis=1)
    begins = np.where(binding.any(axis=1), binding.argmax(axis=1), 0) // WIDTH * WIDTH
    ends = np.where(binding.any(axis=1), width - binding[:, ::-1].argmax(axis=1), 0)
    np.copyto(capacity, 0.0, where=~np.isfinite(capacity))

    used = room > 0
    scale = 1.0
    if used.any():
        gain = worth + np.repeat(best[who], size)
        scale = float(np.sqrt(np.mean(gain[used] ** 2)))
    kink, slope = _reward(p, who)
    return Layout(
        cells=Cells(room=room, worth=worth),
        cars=Cars(
            start=start,
            first=low,
            size=size,
            peak=peak,
            pace=pace_cars,
            kink=kink,
            slope=slope,
        ),
        tree=Tree(
            parent=parent,
            inner=inner,
            shared=shared,
            counts=counts,
            low=begins[of_circuit],
            high=(-(-ends // WIDTH) * WIDTH)[of_circuit],
            groups=groups.astype(np.int64),
            cars=group_cars,
            coupling=coupling.reshape(len(head), p.coupling.shape[1]),
            capacity=capacity[of_circuit],
            pace=pace_rows[of_circuit],
            weight=weight,
            part_slots=part_slots,
            part_cars=cut,
            meetings=meetings,
        ),
        who=who,
        circuit=of_circuit,
        scale=scale if scale > 0 else 1.0,
    )


def _reward(problem: Problem, who: Ints) -> tuple[Floats, Floats]:
    """Each car's concave worth of charge as kinks and slopes; the last kink is its energy."""
    energy = problem.energy[who, None]
    if problem.reward is None:
        return energy.copy(), np.zeros_like(energy)
    bends = np.minimum(np.cumsum(problem.reward.width[who], axis=1), energy)
    slope = problem.reward.slope[who]
    return (
        np.ascontiguousarray(np.hstack((bends, energy))),
        np.ascontiguousarray(np.hstack((slope, np.zeros_like(energy)))),
    )


def _kinds(coupling: Floats) -> Ints:
    """Number equal rows alike, in an order that depends on the rows only."""
    n, rows = coupling.shape
    mixed = coupling @ np.sqrt(np.arange(2.0, rows + 2.0))
    _, first, kind = np.unique(mixed, return_index=True, return_inverse=True)
    if not np.array_equal(coupling, coupling[first[kind]]):
        _, kind = np.unique(coupling, axis=0, return_inverse=True)
    return kind.reshape(n).astype(np.int64)


@njit(**JIT)
def _useful(upper, value, step_h, energy, best):
    """First useful step, the one after the last, and a fingerprint of what is asked."""
    n, steps = upper.shape
    first = np.zeros(n, dtype=np.int64)
    last = np.zeros(n, dtype=np.int64)
    mark = np.zeros(n)
    for i in range(n):
        if energy[i] <= 0.0:
            continue
        seen = False
        for t in range(steps):
            if upper[i, t] > 0.0 and value[i, t] + best[i] > 0.0:
                if not seen:
                    first[i] = t
                    seen = True
                last[i] = t + 1
                mark[i] += (upper[i, t] + 0.7 * value[i, t]) * (t + 1.1)
        mark[i] += best[i]
        if energy[i] < np.inf:
            mark[i] += energy[i]
    return first, last, mark


@njit(**JIT)
def _walk(parent):
    """Place of each circuit in a walk that finishes a branch before the next."""
    circuits = len(parent)
    below = np.ones(circuits, dtype=np.int64)
    for k in range(circuits - 1, -1, -1):
        if parent[k] >= 0:
            below[parent[k]] += below[k]
    place = np.zeros(circuits, dtype=np.int64)
    free = np.zeros(circuits, dtype=np.int64)
    roots = 0
    for k in range(circuits):
        if parent[k] < 0:
            place[k] = roots
            roots += below[k]
        else:
            place[k] = free[parent[k]]
            free[parent[k]] += below[k]
        free[k] = place[k] + 1
    return place


@njit(**JIT)
def _cut(start, size, circuit, parent, walk, parts):
    """Where the walk is cut: near equal work, across as few circuits as possible."""
    m = len(start)
    cut = np.zeros(parts + 1, dtype=np.int64)
    cut[parts] = m
    if m == 0:
        return cut
    whole = start[m - 1] + size[m - 1]
    for part in range(1, parts):
        aim = whole * part / parts
        slack = 0.06 * whole / parts
        best, least, nearest = -1, np.inf, np.inf
        for j in range(cut[part - 1], m):
            miss = abs(start[j] - aim)
            if miss > slack or (j > 0 and circuit[j] == circuit[j - 1]):
                continue
            a, b, crossed = circuit[j], circuit[j - 1] if j > 0 else circuit[j], 0
            while a != b and a >= 0 and b >= 0:
                if a > b:
                    a = parent[a]
                else:
                    b = parent[b]
            while a >= 0 and b >= 0:
                crossed += 1
                a = parent[a]
            if crossed < least or (crossed == least and miss < nearest):
                best, least, nearest = j, crossed, miss
        if best < 0:
            best = np.searchsorted(start, aim)
        cut[part] = max(best, cut[part - 1])
    return cut


@njit(**JIT)
def _slots(circuit, cut, parent, order):
    """One slot per part for each circuit that feeds a car there, in walking order."""
    circuits, parts, m = len(parent), len(cut) - 1, len(circuit)
    number = np.full((parts, circuits), -1, dtype=np.int64)
    present = np.zeros(circuits, dtype=np.int64)
    part_slots = np.zeros(parts + 1, dtype=np.int64)
    slots = 0
    for part in range(parts):
        for j in range(cut[part], cut[part + 1]):
            k = circuit[j]
            while k >= 0 and number[part, k] < 0:
                number[part, k] = 0
                k = parent[k]
        for k in order:
            if number[part, k] >= 0:
                number[part, k] = slots
                present[k] += 1
                slots += 1
        part_slots[part + 1] = slots
    home = np.zeros(m, dtype=np.int64)
    above = np.full(slots, -1, dtype=np.int64)
    of_circuit = np.zeros(slots, dtype=np.int64)
    shared = np.full(slots, -1, dtype=np.int64)
    meetings = 0
    for k in range(circuits):
        for part in range(parts):
            s = number[part, k]
            if s >= 0:
                of_circuit[s] = k
                if parent[k] >= 0:
                    above[s] = number[part, parent[k]]
                if present[k] > 1:
                    shared[s] = meetings
        if present[k] > 1:
            meetings += 1
    for part in range(parts):
        for j in range(cut[part], cut[part + 1]):
            home[j] = number[part, circuit[j]]
    return home, above, of_circuit, part_slots, shared, meetings


@njit(**JIT)
def _fill(room, worth, who, start, first, last, low, upper, value, step_h, energy, best):
    for j in range(len(who)):
        i = who[j]
        shift = start[j] - low[j]
        for t in range(first[j], last[j]):
            if upper[i, t] > 0.0 and value[i, t] + best[i] > 0.0:
                room[shift + t] = min(upper[i, t] * step_h[t], energy[i])
                worth[shift + t] = value[i, t]


@njit(**JIT)
def _rows(capacity, step_h, parent, circuit, who, coupling, start, low, size, room, peak, width):
    """Capacity of the rows that can bind, inf elsewhere, and how much coupling each carries.

    A row cannot bind when all that may come from below, each branch capped by its own row,
    fits. Dropping it loses nothing: its price is 0 in some optimal dual.
    """
    circuits, rows, steps = capacity.shape
    count = np.zeros((circuits, rows, width))
    most = np.zeros((circuits, rows, width))
    kept = np.full((circuits, rows, width), np.inf)
    for j in range(len(who)):
        k, shift = circuit[j], start[j] - low[j]
        for r in range(rows):
            weight = coupling[who[j], r]
            if weight > 0.0:
                for t in range(low[j], low[j] + size[j]):
                    most[k, r, t] += weight * room[shift + t]
                    if room[shift + t] > 0.0:
                        count[k, r, t] += weight * peak[j]
    for k in range(circuits - 1, -1, -1):
        up = parent[k]
        for r in range(rows):
            for t in range(steps):
                fits = capacity[k, r, t] * step_h[t]
                if most[k, r, t] > fits:
                    kept[k, r, t] = fits
                    most[k, r, t] = fits
            if up >= 0:
                for t in range(steps):
                    most[up, r, t] += most[k, r, t]
                    count[up, r, t] += count[k, r, t]
    return kept, count


@njit(**JIT)
def _paces(kept, count, weight, parent, circuit, who, coupling, start, low, size, room, peak):
    """Step sizes σ = w/Σαs of rows and τ = s/Σwα of cars, the diagonal of Pock and Chambolle.

    Cars are measured by their largest room s, so that a hundredfold one does not slow the
    others. A participant takes the smallest τ of its steps, so that its projection stays Euclidean.
    """
    circuits, rows, width = kept.shape
    pace = np.zeros((circuits, rows, width))
    above = np.zeros((circuits, rows, width))
    for k in range(circuits):
        up = parent[k]
        for r in range(rows):
            for t in range(width):
                if kept[k, r, t] < np.inf:
                    pace[k, r, t] = SAFE * weight[r] / count[k, r, t]
                    above[k, r, t] = weight[r]
                if up >= 0:
                    above[k, r, t] += above[up, r, t]
    cars = np.zeros(len(who))
    for j in range(len(who)):
        k, i, shift = circuit[j], who[j], start[j] - low[j]
        most = 0.0
        for t in range(low[j], low[j] + size[j]):
            if room[shift + t] > 0.0:
                here = 0.0
                for r in range(rows):
                    here += coupling[i, r] * above[k, r, t]
                most = max(most, here)
        cars[j] = peak[j] / max(most, LEAST)
    return pace, cars
