"""The dual simplex's view of a problem: cells in ampere hours, sorted so that subtrees are ranges.

Circuits are renumbered in preorder and participants follow their circuit, so that the cells
below a circuit in one step lie side by side. Every participant gets *slack cells* after its
time cells, so that its energy row reads Σ cells = energy: one slack worth nothing, or one for
each slope of its reward (charge not given loses that slope).

A quantity is `y = x·Δ` [Ah], a row of step t is `Σ α y ≤ C·Δ_t`: the matrix holds nothing but
couplings, so what was factored for one tick is good for the next.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]

# Share of the typical worth that decides between equally good plans. It also keeps the dual
# simplex from cycling: with ties unbroken it stalls at 1,000 cars.
DECIDES = 5e-7


# How the kernels are compiled. `loop` also does without numba's counting of references, which
# took a third of the time: such a function may not allocate. `part` is pasted into its callers.
compiled = njit(cache=True, nogil=True, error_model="numpy")
loop = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
part = njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)


class Net(NamedTuple):
    """A problem as the kernel wants it. Circuits in preorder, participants sorted by circuit."""

    circuits: int  # K
    rows: int  # R
    time_cells: int  # cells before this number are time cells, after it slack cells
    order: Ints  # (n,) participant as the caller numbers it
    place: Ints  # (K,) circuit as the caller numbers it → preorder
    at: Ints  # (n,) preorder circuit of each participant
    alpha: Floats  # (n, R) coupling
    up: Ints  # (K,) preorder parent, −1 at a root
    size: Ints  # (K,) circuits in the subtree
    start: Ints  # (T·K + 1,) first cell of (step, preorder circuit)
    lift: Ints  # (T·K,) nearest circuit at or above with a row that can bind; −1: none
    cell_ev: Ints  # (cells,)
    cell_step: Ints  # (cells,) −1 − s for slack cell s
    own_start: Ints  # (n + 1,)
    own: Ints  # cells of each participant, in time, slacks last
    width: Floats  # (cells,) the most a cell can hold [Ah]
    worth: Floats  # (cells,) true worth [1/Ah]
    decided: Floats  # (cells,) worth with ties broken
    room: Floats  # (T·K·R,) capacity, inf where the row cannot bind [Ah]
    energy: Floats  # (n,) sum of all cells of a participant [Ah]
    constant: float  # worth of everybody full, by reward


@compiled
def lay_out(
    step_h: Floats,
    parent: Ints,
    capacity: Floats,
    circuit: Ints,
    coupling: Floats,
    upper: Floats,
    energy: Floats,
    value: Floats,
    reward_width: Floats,
    reward_slope: Floats,
    keep_ev: Ints,
    keep_step: Ints,
    name: Words,
) -> Any:
    """Sort a problem into a `Net`.

    `keep_ev`, `keep_step` name cells that must exist even if nothing fits into them now,
    because an earlier basis speaks of them. `name` is a number for each participant that
    does not depend on its row.
    """
    n, steps = upper.shape
    circuits, rows = capacity.shape[0], capacity.shape[1]
    place, up, size = _preorder(parent)
    order, at = _by_circuit(circuit, place, circuits)
    slacks = reward_slope.shape[1] + 1

    kept = np.zeros((n, steps), np.bool_)
    for j in range(len(keep_ev)):
        if keep_step[j] >= 0:
            kept[keep_ev[j], keep_step[j]] = True

    # Cells lie by step, then participant: count, then fill.
    cursor = np.zeros(steps + 1, np.int64)
    for i in range(n):
        for t in range(steps):
            if upper[i, t] > 0.0 or kept[i, t]:
                cursor[t + 1] += 1
    for t in range(steps):
        cursor[t + 1] += cursor[t]
    time_cells = cursor[steps]
    cells = time_cells + n * slacks

    start = np.empty(steps * circuits + 1, np.int64)
    cell_ev = np.empty(cells, np.int64)
    cell_step = np.empty(cells, np.int64)
    own_start = np.empty(n + 1, np.int64)
    own = np.empty(cells, np.int64)
    width = np.empty(cells)
    worth = np.empty(cells)
    decided = np.empty(cells)
    alpha = np.empty((n, rows))
    full = np.empty(n)
    constant = 0.0

    unit = DECIDES * _typical(upper, value, reward_slope)
    scale = 0.02 / 2.0**53
    soon = 1.0 / (1.0 + np.arange(steps) / max(steps, 1))
    filled = 0
    circuit_now = 0
    own_start[0] = 0
    for e in range(n):
        i = order[e]
        while circuit_now <= at[e]:
            for t in range(steps):
                start[t * circuits + circuit_now] = cursor[t]
            circuit_now += 1
        for r in range(rows):
            alpha[e, r] = coupling[i, r]
        last = 0
        for t in range(steps):
            if upper[i, t] > 0.0:
                last = t
        early = 0.5 * (2.0 - (last + 1) / (steps + 1))
        total = 0.0
        for t in range(steps):
            if upper[i, t] > 0.0 or kept[i, t]:
                j = cursor[t]
                cursor[t] += 1
                own[filled] = j
                filled += 1
                cell_ev[j] = e
                cell_step[j] = t
                width[j] = upper[i, t] * step_h[t]
                total += width[j]
                worth[j] = value[i, t]
                chance = np.float64(_mix(name[i] + np.uint64(t)) >> np.uint64(11)) * scale
                decided[j] = value[i, t] + unit * (early * soon[t] + chance)
        full[e] = min(energy[i], total)
        left = full[e]
        for s in range(slacks):
            j = time_cells + e * slacks + s
            own[filled] = j
            filled += 1
            cell_ev[j] = e
            cell_step[j] = -1 - s
            long, slope = left, 0.0
            if s < slacks - 1:
                long, slope = min(left, reward_width[i, s]), reward_slope[i, s]
            left -= long
            width[j] = long
            worth[j] = -slope
            decided[j] = -slope
            constant += long * slope
        own_start[e + 1] = filled
    while circuit_now < circuits:
        for t in range(steps):
            start[t * circuits + circuit_now] = cursor[t]
        circuit_now += 1
    start[steps * circuits] = time_cells

    room, lift = _binding(
        step_h, capacity, place, up, alpha, at, start, cell_ev, width, circuits, rows, steps
    )
    return Net(
        circuits,
        rows,
        time_cells,  # type: ignore[arg-type]
        order,
        place,
        at,
        alpha,
        up,
        size,
        start,
        lift,
        cell_ev,
        cell_step,
        own_start,
        own,
        width,
        worth,
        decided,
        room,
        full,
        constant,
    )


@compiled
def _preorder(parent: Ints) -> Any:
    """Where each circuit stands in preorder; parents and subtree sizes in that order."""
    circuits = len(parent)
    under = np.ones(circuits, np.int64)
    for k in range(circuits - 1, -1, -1):
        if parent[k] >= 0:
            under[parent[k]] += under[k]
    place = np.empty(circuits, np.int64)
    free = np.empty(circuits, np.int64)
    root = 0
    for k in range(circuits):
        if parent[k] < 0:
            place[k] = root
            root += under[k]
        else:
            place[k] = free[parent[k]]
            free[parent[k]] += under[k]
        free[k] = place[k] + 1
    up = np.empty(circuits, np.int64)
    size = np.empty(circuits, np.int64)
    for k in range(circuits):
        up[place[k]] = place[parent[k]] if parent[k] >= 0 else -1
        size[place[k]] = under[k]
    return place, up, size


@compiled
def _by_circuit(circuit: Ints, place: Ints, circuits: int) -> Any:
    """Participants sorted by preorder circuit, and where each hangs."""
    n = len(circuit)
    first = np.zeros(circuits + 1, np.int64)
    for i in range(n):
        first[place[circuit[i]] + 1] += 1
    for k in range(circuits):
        first[k + 1] += first[k]
    order = np.empty(n, np.int64)
    at = np.empty(n, np.int64)
    for i in range(n):
        k = place[circuit[i]]
        order[first[k]] = i
        at[first[k]] = k
        first[k] += 1
    return order, at


@compiled
def _binding(
    step_h: Floats,
    capacity: Floats,
    place: Ints,
    up: Ints,
    alpha: Floats,
    at: Ints,
    start: Ints,
    cell_ev: Ints,
    width: Floats,
    circuits: int,
    rows: int,
    steps: int,
) -> Any:
    """Room of each row; inf where everything below it, or the rows below it, cannot fill it."""
    room = np.full(steps * circuits * rows, np.inf)
    lift = np.full(steps * circuits, -1, np.int64)
    back = np.empty(circuits, np.int64)
    for k in range(circuits):
        back[place[k]] = k
    most = np.empty((circuits, rows))
    for t in range(steps):
        most[:] = 0.0
        for p in range(circuits - 1, -1, -1):
            for j in range(start[t * circuits + p], start[t * circuits + p + 1]):
                for r in range(rows):
                    most[p, r] += max(alpha[cell_ev[j], r], 0.0) * width[j]
            for r in range(rows):
                limit = capacity[back[p], r, t] * step_h[t]
                if most[p, r] > limit * (1.0 + 1e-12):
                    room[(t * circuits + p) * rows + r] = limit
                    most[p, r] = limit
                    lift[t * circuits + p] = p
                if up[p] >= 0:
                    most[up[p], r] += most[p, r]
        for p in range(circuits):
            if lift[t * circuits + p] < 0 and up[p] >= 0:
                lift[t * circuits + p] = lift[t * circuits + up[p]]
    return room, lift


@compiled
def _typical(upper: Floats, value: Floats, slope: Floats) -> float:
    """The mean size of a worth inside the stays, down to a power of two.

    The power keeps the tie-break the same from tick to tick while cars come and go.
    """
    total, many = 0.0, 0
    n, steps = upper.shape
    for i in range(n):
        for t in range(steps):
            if upper[i, t] > 0.0:
                total += abs(value[i, t])
                many += 1
    size = total / max(many, 1)
    if slope.shape[0] * slope.shape[1] > 0:
        size += slope.mean()
    return 2.0 ** np.floor(np.log2(size)) if size > 0.0 else 0.0


@compiled
def _mix(word: np.uint64) -> np.uint64:
    """Scatter 64 bits (the finaliser of splitmix64: Steele, Lea & Flood, OOPSLA 2014)."""
    word = word + np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@compiled
def name_by_claim(
    circuit: Ints, coupling: Floats, upper: Floats, energy: Floats, value: Floats
) -> Any:
    """A number for each participant that follows it wherever its row stands.

    Made of what it asks for except its energy, which moves from tick to tick; among those
    that ask alike, the one that needs more comes first. `twin[i]` is the first row that asks
    for exactly the same as row i.
    """
    n, steps = upper.shape
    name = np.empty(n, np.uint64)
    bits_c, bits_u, bits_v = coupling.view(np.uint64), upper.view(np.uint64), value.view(np.uint64)
    odd = np.uint64(0x9E3779B97F4A7C15)
    for i in range(n):
        word = _mix(np.uint64(circuit[i]))
        for r in range(coupling.shape[1]):
            word = _mix(word ^ bits_c[i, r])
        low = np.uint64(0)
        for t in range(steps):
            # One multiplication a cell: this loop runs over the whole table.
            low = (low ^ bits_u[i, t]) * odd + (bits_v[i, t] ^ (low >> np.uint64(29)))
        name[i] = _mix(word ^ low)
    twin = np.arange(n)
    order = np.argsort(name)
    begin = 0
    while begin < n:
        end = begin + 1
        while end < n and name[order[end]] == name[order[begin]]:
            end += 1
        if end - begin > 1:
            alike = np.sort(order[begin:end])
            alike = alike[np.argsort(-energy[alike], kind="mergesort")]
            for a in range(len(alike)):
                name[alike[a]] = _mix(name[alike[a]] + np.uint64(a))
                if a > 0 and energy[alike[a]] == energy[alike[a - 1]]:
                    twin[alike[a]] = twin[alike[a - 1]]
        begin = end
    return name, twin
