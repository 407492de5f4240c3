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

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from solver.jit import JIT
from solver.lanes import WIDTH
from solver.layout_tree import binding_rows, cut_into, safe_paces, slots_of, walking

if TYPE_CHECKING:
    from solver.problem import Problem

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Cars(NamedTuple):
    """The m participants that can use anything, in sweeping order."""

    start: Ints  # (m,) first cell
    first: Ints  # (m,) step of that cell, a multiple of WIDTH
    size: Ints  # (m,) cells, a multiple of WIDTH
    peak: Floats  # (m,) largest room [Ah], the unit in which its steps are measured
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
    order: Ints  # (S,) in which they are swept: leaves as their cars lie in memory, then upwards
    shared: Ints  # (S,) number among the circuits present in several parts, −1 if whole
    counts: NDArray[np.bool_]  # (S,) the one copy whose rows enter sums over circuits
    low: Ints  # (S,) first step whose rows can bind, in whole vectors
    high: Ints  # (S,) after the last one
    groups: Ints  # (S+1,) groups of a slot: same circuit, same coupling
    cars: Ints  # (G+1,) cars of a group
    coupling: Floats  # (G, R)
    row: Ints  # (G,) the one row that each car of a group loads by just what it takes, or −1
    capacity: Floats  # (S, R, W) C·Δ; 0 where the row cannot bind [Ah]
    pace: Floats  # (S, R, W) dual step size σ; 0 where the row cannot bind
    tempo: Floats  # (G, W) primal step size τ, before the largest room and the primal weight
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
    walk = walking(p.parent)
    who = np.flatnonzero(last > first)
    place = (walk[p.circuit] * (kind.max(initial=0) + 1) + kind) * (p.steps + 1) + last
    who = who[np.lexsort((print_[who], first[who], place[who]))]

    circuit, kind = p.circuit[who], kind[who]
    low = first[who] // WIDTH * WIDTH
    size = -(-last[who] // WIDTH) * WIDTH - low
    start = np.cumsum(size) - size
    cut = cut_into(start, size, circuit, p.parent, walk, parts)
    slots = slots_of(circuit, cut, p.parent, np.argsort(walk))
    width = -(-p.steps // WIDTH) * WIDTH

    total = int(size.sum())
    room, worth = zeros(total), zeros(total)
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
    capacity, count = binding_rows(
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
    pace, tempo = safe_paces(capacity, count, weight, p.parent, circuit[head], coupling)
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
            kink=kink,
            slope=slope,
        ),
        tree=Tree(
            parent=parent,
            inner=inner,
            order=_order(inner, part_slots),
            shared=shared,
            counts=counts,
            low=begins[of_circuit],
            high=(-(-ends // WIDTH) * WIDTH)[of_circuit],
            groups=groups.astype(np.int64),
            cars=group_cars,
            coupling=coupling,
            row=_one_row(coupling),
            capacity=capacity[of_circuit],
            pace=pace[of_circuit],
            tempo=tempo,
            weight=weight,
            part_slots=part_slots,
            part_cars=cut,
            meetings=meetings,
        ),
        who=who,
        circuit=of_circuit,
        scale=scale if scale > 0 else 1.0,
    )


def zeros(*shape: int) -> Floats:
    """Zeros that begin where a vector register's worth of memory does."""
    size = int(np.prod(shape))
    memory = np.zeros(size + WIDTH)
    skip = -(memory.ctypes.data // 8) % WIDTH
    return memory[skip : skip + size].reshape(shape)


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


def _order(inner: NDArray[np.bool_], part_slots: Ints) -> Ints:
    """Slots of each part, those that feed others last and from the bottom up."""
    order = np.arange(len(inner))
    for first, last in itertools.pairwise(part_slots):
        slots, feeds = order[first:last].copy(), inner[first:last]
        order[first:last] = np.concatenate((slots[~feeds], slots[feeds][::-1]))
    return order


def _one_row(coupling: Floats) -> Ints:
    """The row of coupling one where all others are 0; −1 where it is otherwise."""
    alone = ((coupling != 0.0).sum(axis=1) == 1) & (coupling == 1.0).any(axis=1)
    return np.where(alone, coupling.argmax(axis=1), -1)


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
def _fill(room, worth, who, start, first, last, low, upper, value, step_h, energy, best):
    for j in range(len(who)):
        i = who[j]
        shift = start[j] - low[j]
        for t in range(first[j], last[j]):
            if upper[i, t] > 0.0 and value[i, t] + best[i] > 0.0:
                room[shift + t] = min(upper[i, t] * step_h[t], energy[i])
                worth[shift + t] = value[i, t]
