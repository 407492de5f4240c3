"""The dual simplex from arrays to arrays: set out, start, pivot, check, read off."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from solver.problem import Floats, Ints
from solver.simplex_basis import COLUMNS, PIVOTS, UPDATES, Basis, fresh_basis, memory_of_basis
from solver.simplex_inverse import Inverse
from solver.simplex_kernel import CRAMPED, DONE, LATE, LOST, STALE, choose, pivot_until
from solver.simplex_layout import Asked, Marks, Net, lay_out, measure, memory_of
from solver.simplex_memory import WIDTH, beyond, compiled, entry, pointer
from solver.simplex_start import (
    choose_bounds,
    drop_negative,
    paid_by,
    reprice,
    revalue,
    solve_prices,
    start_cold,
)
from solver.simplex_warm import rebuild, start_warm
from solver.ties import Words

# How often the inverse is built anew, or values are taken afresh, before giving up.
PATIENCE = 8

# Columns of W there is memory for at first.
FIRST_ROOM = 56


class Kept(NamedTuple):
    """A basis in the caller's numbering. Empty arrays: none."""

    key_step: Ints  # (n,) step of each key; −1 − s for slack cell s
    key_worth: Floats  # (n,)
    name: Words  # (n,)
    circuit: Ints  # (n,)
    coupling: Floats  # (n, R)
    column_car: Ints  # (m,)
    column_step: Ints  # (m,)
    column_worth: Floats  # (m,)
    tight: Ints  # (m,) flat index into capacity
    price: Floats  # (m,) of those [1/Ah]
    inverse: Floats  # (> m, > m), or empty: to be built
    turned: Floats
    updates: int  # of the inverse since it was built


class Found(NamedTuple):
    """What came out."""

    converged: bool
    pivots: int
    x: Floats  # (n, T) [A]
    row_dual: Floats  # (K, R, T)
    energy_dual: Floats  # (n,)
    kept: Kept


@entry
def drive(asked: Asked, kept: Kept, limit: int) -> Any:
    """Solve, from `kept` if it fits, in at most `limit` pivots. Writes into its inverse."""
    n = len(asked.circuit)
    keys = len(kept.key_step) if len(kept.key_step) == n else 0
    keep_car = np.empty(keys + len(kept.column_car), np.int64)
    keep_step = np.empty(keys + len(kept.column_car), np.int64)
    for i in range(keys):
        keep_car[i], keep_step[i] = i, kept.key_step[i]
    for q in range(len(kept.column_car)):
        keep_car[keys + q], keep_step[keys + q] = kept.column_car[q], kept.column_step[q]
    wanted, stay = np.empty(asked.upper.size, np.int8), np.empty((n, 3), np.int64)
    cells, in_time, typical = measure(asked, keep_car, keep_step, wanted, stay)
    net_floats, net_ints = memory_of(asked, cells, in_time)
    b_floats, b_ints, b_marks = memory_of_basis(asked.capacity.size, cells, n)
    floats, ints = np.empty(net_floats + b_floats), np.empty(net_ints + b_ints, np.int64)
    marks = np.empty(b_marks, np.int8)
    net = lay_out(asked, wanted, stay, typical, cells, in_time, pointer(floats), pointer(ints))
    b = fresh_basis(
        net, beyond(pointer(floats), net_floats), beyond(pointer(ints), net_ints), pointer(marks)
    )
    inverse, turned = kept.inverse, kept.turned
    if len(inverse) == 0:
        size = (len(kept.tight) + FIRST_ROOM + WIDTH) // WIDTH * WIDTH
        inverse, turned = np.zeros((size, size)), np.zeros((size, size))
    w = Inverse(pointer(inverse), pointer(turned), len(inverse))
    if len(keep_car) > len(kept.column_car):
        start_warm(net, b, w, asked, kept, keep_car, keep_step)
    else:
        start_cold(net, b)

    code, patience = LATE, PATIENCE
    while patience > 0:
        code = pivot_until(net, b, w, limit)
        if code == CRAMPED:
            inverse, turned = _grown(inverse, b.count[COLUMNS]), _grown(turned, b.count[COLUMNS])
            w = Inverse(pointer(inverse), pointer(turned), len(inverse))
            continue
        if code == LATE:
            break
        if code == STALE:
            rebuild(net, b, w)
            continue
        patience -= 1
        if code == LOST:
            rebuild(net, b, w)
            continue
        # What was updated pivot by pivot is not believed: all of it afresh, and on if need be.
        reprice(net, b, w, net.decided)
        drop_negative(net, b, w, net.decided)
        choose_bounds(net, b)
        revalue(net, b, w)
        if choose(net, b) < 0:
            break
        code = LATE
    found = read_off(net, b, w, asked, inverse, turned, code == DONE)
    _alive(floats, ints, marks)
    return found


@compiled
def _alive(floats: Floats, ints: Ints, marks: Marks) -> int:
    """Memory that pointers point into lives until the last word about it."""
    return floats.size + ints.size + marks.size


@compiled
def _grown(matrix: Floats, m: int) -> Floats:
    size = (m + m // 2 + FIRST_ROOM) // WIDTH * WIDTH
    larger = np.zeros((size, size))
    for q in range(m):
        for p in range(m):
            larger[q, p] = matrix[q, p]
    return larger


@compiled
def read_off(
    net: Net, b: Basis, w: Inverse, asked: Asked, inverse: Floats, turned: Floats, converged: bool
) -> Found:
    """Plan, prices at the true worths and basis, in the caller's numbering."""
    n, steps = asked.upper.shape
    m = b.count[COLUMNS]
    back = np.empty(net.circuits, np.int64)
    for k in range(net.circuits):
        back[net.place[k]] = k
    tight, price = np.empty(m, np.int64), np.empty(m)
    for p in range(m):
        line = b.tight[p]
        t = line // (net.rows * net.circuits)
        k = back[line // net.rows % net.circuits]
        tight[p] = (k * net.rows + line % net.rows) * steps + t
        price[p] = b.price[line]

    x = np.zeros((n, steps))
    for e in range(n):
        i = net.order[e]
        for j in range(net.begin[e], net.end[e]):
            t = net.step[j]
            if t >= 0:
                y = min(max(b.x[j], 0.0), net.width[j])
                x[i, t] = min(y / asked.step_h[t], asked.upper[i, t])

    solve_prices(net, b, w, net.worth)
    row_dual = np.zeros((net.circuits, net.rows, steps))
    flat = row_dual.reshape(-1)
    for p in range(m):
        line = b.tight[p]
        b.price[line] = max(0.0, b.price[line])
        flat[tight[p]] = b.price[line] * asked.step_h[tight[p] % steps]
    energy_dual = np.empty(n)
    key_step, key_worth = np.empty(n, np.int64), np.empty(n)
    for e in range(n):
        i, key = net.order[e], b.key[e]
        key_step[i], key_worth[i] = net.step[key], net.worth[key]
        energy_dual[i] = max(0.0, net.worth[key] - paid_by(net, b.price, key))
    column_car, column_step = np.empty(m, np.int64), np.empty(m, np.int64)
    column_worth = np.empty(m)
    for q in range(m):
        j = b.cell[q]
        column_car[q] = net.order[net.car[j]]
        column_step[q] = net.step[j]
        column_worth[q] = net.worth[j]
    kept = Kept(
        key_step, key_worth, asked.name, asked.circuit, asked.coupling, column_car, column_step,
        column_worth, tight, price, inverse, turned, b.count[UPDATES],
    )  # fmt: skip
    return Found(converged, b.count[PIVOTS], x, row_dual, energy_dual, kept)
