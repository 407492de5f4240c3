"""The dual simplex's view of a problem: cells in ampere hours, car by car, and rows by step.

Participants are sorted by circuit in preorder, and the cells of each lie side by side in time,
padded to whole vectors. A row of a circuit in one step is a stretch of `line_cell`, as circuits
below it follow it. Every participant gets *slack cells* after its time cells, so that its
energy row reads Σ cells = energy: one slack worth nothing, or one for each slope of its reward
(charge not given loses that slope).

A quantity is `y = x·Δ` [Ah], a row of step t is `Σ α y ≤ C·Δ_t`: the matrix holds nothing but
couplings, so what was factored for one tick is good for the next.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from solver.problem import Floats, Ints
from solver.simplex_memory import WIDTH, beyond, compiled
from solver.ties import CHANCE, DECIDES, Words

Marks = NDArray[np.int8]

# The step of a cell that pads a participant to whole vectors.
PADDING = -(1 << 40)


class Asked(NamedTuple):
    """A problem as plain arrays, read-only; shapes as in `Problem`."""

    step_h: Floats
    parent: Ints
    capacity: Floats
    circuit: Ints
    coupling: Floats
    upper: Floats
    energy: Floats
    value: Floats
    reward_width: Floats
    reward_slope: Floats
    name: Words  # a number that follows a participant


class Net(NamedTuple):
    """A problem as the kernel wants it: circuits in preorder (p), participants sorted (e).

    Inside numba the arrays are bare pointers.
    """

    circuits: int  # K
    rows: int  # R
    steps: int  # T
    cars: int  # n
    cells: int  # with padding
    lines: int  # T·K·R
    order: Ints  # (n,) participant as the caller numbers it
    place: Ints  # (K,) circuit as the caller numbers it → preorder
    at: Ints  # (n,) preorder circuit of each participant
    alpha: Floats  # (n·R,) coupling
    up: Ints  # (K,) preorder parent, −1 at a root
    size: Ints  # (K,) circuits in the subtree
    start: Ints  # (T·K + 1,) first place in `line_cell` of (step, preorder circuit)
    line_cell: Ints  # (time cells,) sorted by step, then participant
    line_car: Ints  # (time cells,) whose
    lift: Ints  # (T·K,) nearest circuit at or above with a row that can bind; −1: none
    car: Ints  # (cells,)
    step: Ints  # (cells,) −1 − s for slack cell s
    begin: Ints  # (n + 1,) first cell of each participant, a multiple of WIDTH
    end: Ints  # (n,) after its last
    width: Floats  # (cells,) the most a cell can hold [Ah]
    worth: Floats  # (cells,) true worth [1/Ah]
    decided: Floats  # (cells,) worth with ties broken
    room: Floats  # (T·K·R,) capacity, inf where the row cannot bind [Ah]
    energy: Floats  # (n,) sum of all cells of a participant [Ah]


@compiled
def measure(asked: Asked, keep_car: Ints, keep_step: Ints, wanted: Marks, stay: Ints) -> Any:
    """How many cells there will be, with padding, how many of them in time, and their worth.

    Marks in `wanted` (n·T,) the cells into which something fits, and those an earlier basis
    speaks of (`keep_car`, `keep_step`); writes into `stay` (n, 3) the first of them, the one
    after the last, and the one after the last into which something fits.
    """
    n, steps = asked.upper.shape
    for a in range(n * steps):
        wanted[a] = 0
    for a in range(len(keep_car)):
        if keep_step[a] >= 0:
            wanted[keep_car[a] * steps + keep_step[a]] = 1
    cells, in_time, fitting, total = 0, 0, 0, 0.0
    for i in range(n):
        first, last, until, many = steps, 0, 0, 0
        for t in range(steps):
            if asked.upper[i, t] > 0.0:
                total += abs(asked.value[i, t])
                fitting += 1
                until = t + 1
                wanted[i * steps + t] = 1
            if wanted[i * steps + t]:
                first = min(first, t)
                last = t + 1
                many += 1
        stay[i, 0], stay[i, 1], stay[i, 2] = first, last, until
        in_time += many
        cells += (many + asked.reward_slope.shape[1] + WIDTH) // WIDTH * WIDTH
    return cells, in_time, _typical(total / max(fitting, 1), asked.reward_slope)


@compiled
def _typical(worth: float, slope: Floats) -> float:
    """The mean size of a worth inside the stays, down to a power of two.

    The power keeps the tie-break the same from tick to tick while cars come and go.
    """
    n, slopes = slope.shape
    total = 0.0
    for i in range(n):
        for s in range(slopes):
            total += slope[i, s]
    size = worth + total / max(n * slopes, 1)
    return 2.0 ** np.floor(np.log2(size)) if size > 0.0 else 0.0


@compiled
def memory_of(asked: Asked, cells: int, in_time: int) -> Any:
    """Doubles and integers that `lay_out` cuts out of its pools."""
    circuits, rows, steps = asked.capacity.shape
    n = len(asked.circuit)
    floats = 3 * cells + n * (rows + 1) + steps * circuits * rows
    ints = 4 * n + 1 + 3 * circuits + 2 * (steps * circuits + 1) + 2 * in_time + 2 * cells
    return floats, ints


@compiled
def lay_out(
    asked: Asked,
    wanted: Marks,
    stay: Ints,
    typical: float,
    cells: int,
    in_time: int,
    f: Any,
    i: Any,
) -> Net:
    """Sort a problem into a `Net` made of the memory at `f` (doubles) and `i` (integers)."""
    circuits, rows, steps = asked.capacity.shape
    n = len(asked.circuit)
    alpha, f = f, beyond(f, n * rows)
    energy, f = f, beyond(f, n)
    room, f = f, beyond(f, steps * circuits * rows)
    width, f = f, beyond(f, cells)
    worth, f = f, beyond(f, cells)
    decided = beyond(f, 0)
    order, i = i, beyond(i, n)
    at, i = i, beyond(i, n)
    end, i = i, beyond(i, n)
    begin, i = i, beyond(i, n + 1)
    place, i = i, beyond(i, circuits)
    up, i = i, beyond(i, circuits)
    size, i = i, beyond(i, circuits)
    start, i = i, beyond(i, steps * circuits + 1)
    lift, i = i, beyond(i, steps * circuits)
    line_cell, i = i, beyond(i, in_time)
    line_car, i = i, beyond(i, in_time)
    car, i = i, beyond(i, cells)
    step = beyond(i, 0)
    net = Net(
        circuits, rows, steps, n, cells, steps * circuits * rows, order, place, at, alpha, up,
        size, start, line_cell, line_car, lift, car, step, begin, end, width, worth, decided, room,
        energy,
    )  # fmt: skip
    _preorder(asked.parent, net)
    _by_circuit(asked.circuit, net)
    for e in range(n):
        for r in range(rows):
            alpha[e * rows + r] = asked.coupling[order[e], r]
    _fill_in(net, asked, wanted, stay, DECIDES * typical)
    _bind(net, asked.step_h, asked.capacity)
    return net


@compiled
def _preorder(parent: Ints, net: Net) -> None:
    """Where each circuit stands in preorder; parents and subtree sizes in that order."""
    circuits = len(parent)
    under = np.ones(circuits, np.int64)
    for k in range(circuits - 1, -1, -1):
        if parent[k] >= 0:
            under[parent[k]] += under[k]
    free = np.empty(circuits, np.int64)
    root = 0
    for k in range(circuits):
        if parent[k] < 0:
            net.place[k] = root
            root += under[k]
        else:
            net.place[k] = free[parent[k]]
            free[parent[k]] += under[k]
        free[k] = net.place[k] + 1
    for k in range(circuits):
        net.up[net.place[k]] = net.place[parent[k]] if parent[k] >= 0 else -1
        net.size[net.place[k]] = under[k]


@compiled
def _by_circuit(circuit: Ints, net: Net) -> None:
    """Participants sorted by preorder circuit, and where each hangs."""
    first = np.zeros(net.circuits + 1, np.int64)
    for i in range(net.cars):
        first[net.place[circuit[i]] + 1] += 1
    for k in range(net.circuits):
        first[k + 1] += first[k]
    for i in range(net.cars):
        k = net.place[circuit[i]]
        net.order[first[k]] = i
        net.at[first[k]] = k
        first[k] += 1


@compiled
def _count(net: Net, wanted: Marks, stay: Ints, free: Ints) -> None:
    """Where each row finds its cells, and the first free place of each step."""
    slots = net.steps * net.circuits
    for s in range(slots + 1):
        net.start[s] = 0
    for e in range(net.cars):
        i = net.order[e]
        for t in range(stay[i, 0], stay[i, 1]):
            net.start[t * net.circuits + net.at[e] + 1] += wanted[i * net.steps + t]
    for t in range(net.steps):
        free[t] = net.start[t * net.circuits]
        for s in range(t * net.circuits, (t + 1) * net.circuits):
            net.start[s + 1] += net.start[s]


@compiled
def _fill_in(net: Net, asked: Asked, wanted: Marks, stay: Ints, unit: float) -> None:
    """The cells of each participant: where they stand, what they hold and are worth."""
    free = np.empty(net.steps, np.int64)
    _count(net, wanted, stay, free)
    scale = CHANCE / 2.0**53
    j = 0
    for e in range(net.cars):
        i = net.order[e]
        early = 0.5 * (2.0 - max(stay[i, 2], 1) / (net.steps + 1))
        total = 0.0
        net.begin[e] = j
        for t in range(stay[i, 0], stay[i, 1]):
            if wanted[i * net.steps + t] == 0:
                continue
            net.line_cell[free[t]] = j
            net.line_car[free[t]] = e
            free[t] += 1
            net.step[j] = t
            net.width[j] = asked.upper[i, t] * asked.step_h[t]
            total += net.width[j]
            net.worth[j] = asked.value[i, t]
            chance = np.float64(mix(asked.name[i] + np.uint64(t)) >> np.uint64(11)) * scale
            net.decided[j] = asked.value[i, t] + unit * (early / (1.0 + t / net.steps) + chance)
            j += 1
        net.energy[e] = min(asked.energy[i], total)
        j = _add_slacks(net, asked, i, net.energy[e], j)
        net.end[e] = j
        while j % WIDTH != 0:
            net.step[j] = PADDING
            net.width[j] = net.worth[j] = net.decided[j] = 0.0
            j += 1
        for a in range(net.begin[e], j):
            net.car[a] = e
    net.begin[net.cars] = j


@compiled
def _add_slacks(net: Net, asked: Asked, i: int, left: float, j: int) -> int:
    """Charge that is not given, slope by slope of the reward; returns the cell after."""
    slopes = asked.reward_slope.shape[1]
    for s in range(slopes + 1):
        long, slope = left, 0.0
        if s < slopes:
            long, slope = min(left, asked.reward_width[i, s]), asked.reward_slope[i, s]
        left -= long
        net.step[j] = -1 - s
        net.width[j] = long
        net.worth[j] = -slope
        net.decided[j] = -slope
        j += 1
    return j


@compiled
def _bind(net: Net, step_h: Floats, capacity: Floats) -> None:
    """Room of each row; inf where everything below it, or the rows below it, cannot fill it."""
    circuits, rows = net.circuits, net.rows
    back = np.empty(circuits, np.int64)
    for k in range(circuits):
        back[net.place[k]] = k
    most = np.empty((circuits, rows))
    for t in range(net.steps):
        base = t * circuits
        for p in range(circuits):
            for r in range(rows):
                most[p, r] = 0.0
        for p in range(circuits - 1, -1, -1):
            net.lift[base + p] = -1
            for a in range(net.start[base + p], net.start[base + p + 1]):
                for r in range(rows):
                    reach = max(net.alpha[net.line_car[a] * rows + r], 0.0)
                    most[p, r] += reach * net.width[net.line_cell[a]]
            for r in range(rows):
                limit = capacity[back[p], r, t] * step_h[t]
                net.room[(base + p) * rows + r] = np.inf
                if most[p, r] > limit * (1.0 + 1e-12):
                    net.room[(base + p) * rows + r] = limit
                    most[p, r] = limit
                    net.lift[base + p] = p
                if net.up[p] >= 0:
                    most[net.up[p], r] += most[p, r]
        for p in range(circuits):
            if net.lift[base + p] < 0 and net.up[p] >= 0:
                net.lift[base + p] = net.lift[base + net.up[p]]


@compiled
def mix(word: np.uint64) -> np.uint64:
    """Scatter 64 bits (the finaliser of splitmix64: Steele, Lea & Flood, OOPSLA 2014)."""
    word = word + np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))
