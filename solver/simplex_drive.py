"""The dual simplex from arrays to arrays: set out, start, pivot, check, read off."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from solver.simplex_basis import KEY, LOWER, Basis, fresh_basis, link
from solver.simplex_kernel import CRAMPED, DONE, LATE, LOST, STALE, choose, pivot_until
from solver.simplex_layout import Floats, Ints, Net, Words, compiled, lay_out
from solver.simplex_start import (
    choose_bounds,
    drop_column,
    drop_negative,
    drop_row,
    factor,
    pay,
    reprice,
    revalue,
    start_cold,
)

# Where more of the participants than this have other worths than last time, the prices are
# taken as they come out instead of taking those participants out of the basis.
MOST_CHANGED = 0.25

# How often the inverse is built anew, or values are taken afresh, before giving up.
PATIENCE = 8


class Asked(NamedTuple):
    """A problem as plain arrays; shapes as in `Problem`."""

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


class Kept(NamedTuple):
    """A basis in the caller's numbering. Empty arrays: none."""

    key_step: Ints  # (n,) step of each key; −1 − s for slack cell s
    key_worth: Floats  # (n,)
    name: Words  # (n,)
    circuit: Ints  # (n,)
    coupling: Floats  # (n, R)
    column_ev: Ints  # (m,)
    column_step: Ints  # (m,)
    column_worth: Floats  # (m,)
    tight: Ints  # (m,) flat index into capacity
    price: Floats  # (m,) of those [1/Ah]
    inverse: Floats  # (≥ m, ≥ m), or empty: to be built
    turned: Floats
    updates: int  # of the inverse since it was built


class Found(NamedTuple):
    """What came out."""

    converged: bool
    pivots: int
    x: Floats  # (n, T) [A]
    row_dual: Floats  # (K, R, T)
    energy_dual: Floats  # (n,)
    objective: float
    bound: float
    kept: Kept


@compiled
def drive(asked: Asked, kept: Kept, limit: int) -> Any:
    """Solve, from `kept` if it fits, in at most `limit` pivots. Writes into its inverse."""
    n = len(asked.circuit)
    warm = n > 0 and len(kept.key_step) == n
    keep_ev, keep_step = kept.column_ev, kept.column_step
    if warm:
        keep_ev = np.concatenate((np.arange(n), keep_ev))
        keep_step = np.concatenate((kept.key_step, keep_step))
    net = lay_out(
        asked.step_h,
        asked.parent,
        asked.capacity,
        asked.circuit,
        asked.coupling,
        asked.upper,
        asked.energy,
        asked.value,
        asked.reward_width,
        asked.reward_slope,
        keep_ev,
        keep_step,
        asked.name,
    )
    b = fresh_basis(net, len(kept.tight))
    inverse, turned = kept.inverse, kept.turned
    if warm:
        size = len(kept.tight) + 32
        if len(inverse) == 0:
            inverse, turned = np.empty((size, size)), np.empty((size, size))
        start_warm(net, b, asked, kept, keep_ev, keep_step, inverse, turned)
    else:
        inverse, turned = np.empty((32, 32)), np.empty((32, 32))
        start_cold(net, b)

    code, patience = LATE, PATIENCE
    while patience > 0:
        code = pivot_until(net, b, inverse, turned, limit)
        if code == CRAMPED:
            inverse, turned = _grown(inverse, b.count[0]), _grown(turned, b.count[0])
            continue
        if code == LATE:
            break
        if code == STALE:
            rebuild(net, b, inverse, turned)
            continue
        patience -= 1
        if code == LOST:
            rebuild(net, b, inverse, turned)
            continue
        # What was updated pivot by pivot is not believed: all of it afresh, and on if need be.
        reprice(net, b, inverse, net.decided)
        drop_negative(net, b, inverse, turned, net.decided)
        choose_bounds(net, b)
        revalue(net, b, turned)
        if choose(net, b) < 0:
            break
        code = LATE
    return read_off(net, b, asked, inverse, turned, code == DONE)


@compiled
def _grown(matrix: Floats, m: int) -> Floats:
    size = m + m // 2 + 32
    larger = np.empty((size, size))
    larger[:m, :m] = matrix[:m, :m]
    return larger


@compiled
def rebuild(net: Net, b: Basis, inverse: Floats, turned: Floats) -> None:
    """The same basis with a new inverse, prices and values."""
    refactor(net, b, inverse, turned)
    reprice(net, b, inverse, net.decided)
    choose_bounds(net, b)
    revalue(net, b, turned)


@compiled
def refactor(net: Net, b: Basis, inverse: Floats, turned: Floats) -> None:
    """The same basis with a new inverse."""
    m = b.count[0]
    cells, rows = b.cell[:m].copy(), b.tight[:m].copy()
    for j in cells:
        b.status[j] = LOWER
        b.where[j] = -1
    factor(net, b, inverse, turned, cells, rows)


@compiled
def start_warm(
    net: Net,
    b: Basis,
    asked: Asked,
    kept: Kept,
    keep_ev: Ints,
    keep_step: Ints,
    inverse: Floats,
    turned: Floats,
) -> None:
    """Take up an earlier basis.

    Columns of participants that are not what they were go, each with a row; the prices stay
    ≥ 0, and what bounds do not suit them is the dual simplex's own work.
    """
    n = len(asked.circuit)
    steps = len(asked.step_h)
    rank = np.empty(n, np.int64)
    for e in range(n):
        rank[net.order[e]] = e
    cells = np.empty(len(keep_ev), np.int64)
    for a in range(len(keep_ev)):
        e = rank[keep_ev[a]]
        if keep_step[a] < 0:
            cells[a] = net.own[net.own_start[e + 1] + keep_step[a]]
            continue
        for c in range(net.own_start[e], net.own_start[e + 1]):
            if net.cell_step[net.own[c]] == keep_step[a]:
                cells[a] = net.own[c]
    for i in range(n):
        b.key[rank[i]] = cells[i]
        b.status[cells[i]] = KEY
    rows = np.empty(len(kept.tight), np.int64)
    for a in range(len(rows)):
        t = kept.tight[a] % steps
        r = kept.tight[a] // steps % net.rows
        k = kept.tight[a] // (steps * net.rows)
        rows[a] = (t * net.circuits + net.place[k]) * net.rows + r

    if len(kept.inverse) == 0:
        factor(net, b, inverse, turned, cells[n:], rows)
    else:
        b.count[0] = len(rows)
        for q in range(len(rows)):
            link(net, b, q, cells[n + q])
            b.tight[q] = rows[q]
            b.spot[rows[q]] = q
            b.price[rows[q]] = kept.price[q]
        leave = who_changed(net, b, asked, kept, cells)
        for q in range(b.count[0] - 1, -1, -1):
            if leave[net.cell_ev[b.cell[q]]]:
                drop_column(net, b, inverse, turned, q)
        for p in range(b.count[0] - 1, -1, -1):
            if net.room[b.tight[p]] == np.inf:
                drop_row(net, b, inverse, turned, p)
        b.count[4] = kept.updates + len(rows) - b.count[0]
        if b.count[4] > b.count[0]:
            refactor(net, b, inverse, turned)
    reprice(net, b, inverse, net.decided)
    if drop_negative(net, b, inverse, turned, net.decided) > 0:
        reprice(net, b, inverse, net.decided)
    choose_bounds(net, b)
    revalue(net, b, turned)


@compiled
def who_changed(net: Net, b: Basis, asked: Asked, kept: Kept, cells: Ints) -> NDArray[np.bool_]:
    """Whose columns speak of another car, another place or another worth."""
    n = len(asked.circuit)
    other = np.zeros(n, np.bool_)
    worth = np.zeros(n, np.bool_)
    many = 0
    for e in range(n):
        i = net.order[e]
        other[e] = asked.name[i] != kept.name[i] or asked.circuit[i] != kept.circuit[i]
        for r in range(net.rows):
            other[e] |= asked.coupling[i, r] != kept.coupling[i, r]
        worth[e] = net.worth[b.key[e]] != kept.key_worth[i]
    for q in range(len(kept.column_ev)):
        j = cells[n + q]
        if net.worth[j] != kept.column_worth[q]:
            worth[net.cell_ev[j]] = True
    for e in range(n):
        many += worth[e]
    if many <= MOST_CHANGED * n:
        for e in range(n):
            other[e] |= worth[e]
    return other


@compiled
def read_off(
    net: Net, b: Basis, asked: Asked, inverse: Floats, turned: Floats, converged: bool
) -> Found:
    """Plan, prices at the true worths, bound and basis, in the caller's numbering."""
    n, steps = asked.upper.shape
    m = b.count[0]
    back = np.empty(net.circuits, np.int64)
    for k in range(net.circuits):
        back[net.place[k]] = k
    tight, price = np.empty(m, np.int64), np.empty(m)
    for p in range(m):
        row = b.tight[p]
        t = row // (net.rows * net.circuits)
        k = back[row // net.rows % net.circuits]
        tight[p] = (k * net.rows + row % net.rows) * steps + t
        price[p] = b.price[row]

    reprice(net, b, inverse, net.worth)
    objective = net.constant
    x = np.zeros((n, steps))
    for j in range(len(net.width)):
        y = min(max(b.x[j], 0.0), net.width[j])
        objective += net.worth[j] * y
        t = net.cell_step[j]
        if t >= 0:
            i = net.order[net.cell_ev[j]]
            x[i, t] = min(y / asked.step_h[t], asked.upper[i, t])

    bound = net.constant
    row_dual = np.zeros((net.circuits, net.rows, steps))
    flat = row_dual.reshape(-1)
    for p in range(m):
        row = b.tight[p]
        b.price[row] = max(0.0, b.price[row])
        bound += b.price[row] * net.room[row]
        flat[tight[p]] = b.price[row] * asked.step_h[tight[p] % steps]
    paid = np.zeros(len(net.width))
    pay(net, b.price, paid)
    energy_dual = np.empty(n)
    key_step, key_worth = np.empty(n, np.int64), np.empty(n)
    for e in range(n):
        i, key = net.order[e], b.key[e]
        key_step[i], key_worth[i] = net.cell_step[key], net.worth[key]
        own = net.worth[key] - paid[key]
        bound += own * net.energy[e]
        for a in range(net.own_start[e], net.own_start[e + 1]):
            j = net.own[a]
            bound += max(0.0, net.worth[j] - paid[j] - own) * net.width[j]
        energy_dual[i] = max(0.0, own)
    column_ev, column_step = np.empty(m, np.int64), np.empty(m, np.int64)
    column_worth = np.empty(m)
    for q in range(m):
        j = b.cell[q]
        column_ev[q] = net.order[net.cell_ev[j]]
        column_step[q] = net.cell_step[j]
        column_worth[q] = net.worth[j]
    kept = Kept(
        key_step,
        key_worth,
        asked.name,
        asked.circuit,
        asked.coupling,
        column_ev,
        column_step,
        column_worth,
        tight,
        price,
        inverse,
        turned,
        b.count[4],
    )
    return Found(converged, b.count[3], x, row_dual, energy_dual, objective, bound, kept)
