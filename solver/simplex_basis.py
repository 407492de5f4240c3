"""A basis of the dual simplex: one key cell per participant, and a small matrix for the rest.

With the energy rows as generalised upper bounds (Dantzig & Van Slyke, J. Comput. Syst. Sci. 1
(1967) 213–226) every participant has one basic cell that follows from its energy row, its
*key*. What is left of the basis is W: the rows that are tight, against the other basic cells,
each as the difference between its own column and that of its participant's key. Its inverse is
kept explicitly, as it stands and transposed, and updated by rank-one changes that touch only
what is not zero; both copies hold the same numbers, so that a row and a column are each read
in one stretch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from solver.simplex_layout import Floats, Ints, Net, compiled, loop, part

LOWER, UPPER, BASIC, KEY = 0, 1, 2, 3

# Entries of W⁻¹ below this are rounding: what is meant is of the order of a coupling.
TINY = 1e-12


class Basis(NamedTuple):
    """Who is basic, at what value and price. Written to by the kernel."""

    x: Floats  # (cells,) [Ah]
    d: Floats  # (cells,) reduced worth [1/Ah]
    status: NDArray[np.int8]  # (cells,)
    where: Ints  # (cells,) column of W, for basic cells
    key: Ints  # (n,) the key cell
    first: Ints  # (n,) first column of W of a participant, −1 if none
    following: Ints  # (cells,) next column of the same participant, by column
    cell: Ints  # (≤ room,) cell of each column of W
    tight: Ints  # (≤ room,) row of each row of W
    spot: Ints  # (rows,) row of W, −1 if not tight
    price: Floats  # (rows,) [1/Ah]
    load: Floats  # (rows,) [Ah]
    heft: Floats  # (rows + cells,) Devex weight
    listed: NDArray[np.bool_]  # (rows + cells,) on the list of the infeasible
    wrong: Ints  # (rows + cells,) that list
    # To numba a field, and nobody calls a tuple's own `count`.
    count: Ints  # type: ignore[assignment] # columns of W, list, participants met, pivots, updates
    swing: Floats  # (rows + cells,) what a unit of the entering one does; zero between uses
    stirred: NDArray[np.bool_]  # (rows + cells,) whether it does anything
    touched: Ints  # (rows + cells,) to what
    slope: Floats  # (cells,) the pivot row; zero between uses
    marked: NDArray[np.bool_]  # (cells,) whether it reaches a cell
    reached: Ints  # (cells,) which
    met: NDArray[np.bool_]  # (n,) participants with their key alone that the row reaches
    alone: Ints  # (n,) which
    due: Floats  # (n,) where on the dual ray their next event is
    next: Ints  # (n,) the cell that overtakes the key there, −1 if none
    ratio: Floats  # (cells + n + room,) heap of what may happen along the dual ray
    rival: Ints  # (cells + n + room,)
    row: Floats  # (room,) pivot row over the rows of W
    column: Floats  # (room,) right-hand side, by row of W
    image: Floats  # (room,) W⁻¹ of one, by column of W
    some: Ints  # (2, room) what is not zero in two of them
    tol: float  # what counts as beyond a bound [Ah]


@compiled
def fresh_basis(net: Net, least: int) -> Any:
    """Nothing basic yet: every cell at its lower bound, no key. Room for `least` columns."""
    most = 1
    for room in net.room:
        if room < np.inf:
            most += 1
    most = max(most, least)
    cells, rows, n = len(net.width), len(net.room), len(net.at)
    top = 0.0
    for j in range(net.time_cells):
        top = max(top, net.width[j])
    return Basis(
        np.zeros(cells),
        net.decided.copy(),
        np.zeros(cells, np.int8),
        np.full(cells, -1, np.int64),
        np.full(n, -1, np.int64),
        np.full(n, -1, np.int64),
        np.full(most, -1, np.int64),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.full(rows, -1, np.int64),
        np.zeros(rows),
        np.zeros(rows),
        np.ones(rows + cells),
        np.zeros(rows + cells, np.bool_),
        np.empty(rows + cells, np.int64),
        np.zeros(8, np.int64),
        np.zeros(rows + cells),
        np.zeros(rows + cells, np.bool_),
        np.empty(rows + cells, np.int64),
        np.zeros(cells),
        np.zeros(cells, np.bool_),
        np.empty(cells, np.int64),
        np.zeros(n, np.bool_),
        np.empty(n, np.int64),
        np.empty(n),
        np.empty(n, np.int64),
        np.empty(cells + n + most),
        np.empty(cells + n + most, np.int64),
        np.empty(most),
        np.empty(most),
        np.empty(most),
        np.empty((2, most), np.int64),
        1e-9 * top,
    )


# ── moving a cell ────────────────────────────────────────────────────────────────────────────


@part
def move(net: Net, b: Basis, j: int, by: float) -> None:
    """Change a cell and the loads above it; what it pushes over a bound is listed."""
    b.x[j] += by
    if b.status[j] >= BASIC:
        list_cell(net, b, j)
    t = net.cell_step[j]
    if t < 0:
        return
    e = net.cell_ev[j]
    base = t * net.circuits
    p = net.lift[base + net.at[e]]
    while p >= 0:
        for r in range(net.rows):
            a = net.alpha[e, r]
            if a != 0.0:
                row = (base + p) * net.rows + r
                b.load[row] += a * by
                if b.load[row] > net.room[row] + b.tol and not b.listed[row] and b.spot[row] < 0:
                    b.listed[row] = True
                    b.wrong[b.count[1]] = row
                    b.count[1] += 1
        p = net.up[p]
        if p >= 0:
            p = net.lift[base + p]


@part
def shift(net: Net, b: Basis, j: int, by: float, excess: Floats) -> None:
    """Move a cell and note what that adds to the tight rows."""
    move(net, b, j, by)
    add_tight(net, b, j, by, excess)


@part
def list_cell(net: Net, b: Basis, j: int) -> None:
    """Put a basic cell on the list if it is beyond a bound."""
    if b.x[j] < -b.tol or b.x[j] > net.width[j] + b.tol:
        item = len(net.room) + j
        if not b.listed[item]:
            b.listed[item] = True
            b.wrong[b.count[1]] = item
            b.count[1] += 1


@part
def add_tight(net: Net, b: Basis, j: int, times: float, column: Floats) -> None:
    """column += times · (the coefficients of cell j in the tight rows)."""
    t = net.cell_step[j]
    if t < 0:
        return
    e = net.cell_ev[j]
    base = t * net.circuits
    p = net.lift[base + net.at[e]]
    while p >= 0:
        for r in range(net.rows):
            a = net.alpha[e, r]
            if a != 0.0:
                s = b.spot[(base + p) * net.rows + r]
                if s >= 0:
                    column[s] += times * a
        p = net.up[p]
        if p >= 0:
            p = net.lift[base + p]


@part
def add_rows(net: Net, b: Basis, j: int, times: float, many: int) -> int:
    """swing[row] += times · coefficient over all rows of cell j; returns how many are touched."""
    t = net.cell_step[j]
    if t < 0:
        return many
    e = net.cell_ev[j]
    base = t * net.circuits
    p = net.lift[base + net.at[e]]
    while p >= 0:
        for r in range(net.rows):
            a = net.alpha[e, r]
            if a != 0.0:
                row = (base + p) * net.rows + r
                if net.room[row] < np.inf:
                    if not b.stirred[row]:
                        b.stirred[row] = True
                        b.touched[many] = row
                        many += 1
                    b.swing[row] += times * a
        p = net.up[p]
        if p >= 0:
            p = net.lift[base + p]
    return many


# ── the inverse ──────────────────────────────────────────────────────────────────────────────


@part
def solve_column(turned: Floats, m: int, column: Floats, out: Floats) -> None:
    """out = W⁻¹ column, where `turned` is W⁻¹ transposed."""
    for q in range(m):
        out[q] = 0.0
    for p in range(m):
        a = column[p]
        if a != 0.0:
            for q in range(m):
                out[q] += a * turned[p, q]


@loop
def row_of_slack(net: Net, b: Basis, inverse: Floats, row: int, out: Floats) -> None:
    """out = −(row's coefficients on the columns of W) · W⁻¹: the pivot row of a slack."""
    m = b.count[0]
    for q in range(m):
        out[q] = 0.0
    r = row % net.rows
    node = row // net.rows
    p = node % net.circuits
    for j in range(net.start[node], net.start[node + net.size[p]]):
        kind = b.status[j]
        if kind < BASIC:
            continue
        e = net.cell_ev[j]
        a = net.alpha[e, r]
        if a == 0.0:
            continue
        if kind == BASIC:
            q = b.where[j]
            for s in range(m):
                out[s] -= a * inverse[q, s]
        else:
            q = b.first[e]
            while q >= 0:
                for s in range(m):
                    out[s] += a * inverse[q, s]
                q = b.following[q]


@loop
def rank_one(
    inverse: Floats, turned: Floats, m: int, column: Floats, row: Floats, pivot: float, some: Ints
) -> None:
    """W⁻¹ −= column · rowᵀ / pivot, in both copies, touching only what is not zero."""
    many_q = 0
    many_p = 0
    for q in range(m):
        if abs(column[q]) > TINY:
            some[0, many_q] = q
            many_q += 1
        if abs(row[q]) > TINY:
            some[1, many_p] = q
            many_p += 1
    for a in range(many_q):
        q = some[0, a]
        share = column[q] / pivot
        for c in range(many_p):
            p = some[1, c]
            v = inverse[q, p] - share * row[p]
            if abs(v) < TINY:
                v = 0.0
            inverse[q, p] = v
            turned[p, q] = v


@loop
def replace_column(
    inverse: Floats,
    turned: Floats,
    m: int,
    q: int,
    column: Floats,
    row: Floats,
    pivot: float,
    some: Ints,
) -> None:
    """Column q of W becomes the one whose W⁻¹ image is `column`; row = row q of W⁻¹."""
    kept = column[q]
    column[q] = 0.0
    rank_one(inverse, turned, m, column, row, pivot, some)
    column[q] = kept
    for p in range(m):
        v = row[p] / pivot
        inverse[q, p] = v
        turned[p, q] = v


@loop
def replace_row(
    inverse: Floats,
    turned: Floats,
    m: int,
    p: int,
    column: Floats,
    row: Floats,
    pivot: float,
    some: Ints,
) -> None:
    """Row p of W becomes the one whose pivot row is `row`; column = column p of W⁻¹."""
    kept = row[p]
    row[p] = 0.0
    rank_one(inverse, turned, m, column, row, pivot, some)
    row[p] = kept
    for q in range(m):
        v = -column[q] / pivot
        inverse[q, p] = v
        turned[p, q] = v


@loop
def border(
    inverse: Floats, turned: Floats, m: int, column: Floats, row: Floats, pivot: float, some: Ints
) -> None:
    """W grows by one row and one column, at place m."""
    rank_one(inverse, turned, m, column, row, pivot, some)
    for q in range(m):
        v = -column[q] / pivot
        inverse[q, m] = v
        turned[m, q] = v
        v = row[q] / pivot
        inverse[m, q] = v
        turned[q, m] = v
    inverse[m, m] = 1.0 / pivot
    turned[m, m] = 1.0 / pivot


@loop
def shrink(
    b: Basis, inverse: Floats, turned: Floats, q: int, p: int, column: Floats, row: Floats
) -> None:
    """W loses column q and row p; column and row are those of W⁻¹. The last ones move in."""
    m = b.count[0]
    rank_one(inverse, turned, m, column, row, row[p], b.some)
    last = m - 1
    if p != last:
        moved = b.tight[last]
        b.tight[p] = moved
        b.spot[moved] = p
        for a in range(m):
            v = inverse[a, last]
            inverse[a, p] = v
            turned[p, a] = v
    if q != last:
        moved = b.cell[last]
        b.cell[q] = moved
        b.where[moved] = q
        for a in range(last):
            v = inverse[last, a]
            inverse[q, a] = v
            turned[a, q] = v
    b.count[0] = last


# ── columns of a participant ─────────────────────────────────────────────────────────────────


@part
def link(net: Net, b: Basis, q: int, j: int) -> None:
    """Cell j stands in column q of W from now on."""
    e = net.cell_ev[j]
    b.cell[q] = j
    b.where[j] = q
    b.status[j] = BASIC
    b.following[q] = b.first[e]
    b.first[e] = q


@part
def unlink(net: Net, b: Basis, q: int) -> None:
    """Column q no longer belongs to its participant."""
    e = net.cell_ev[b.cell[q]]
    if b.first[e] == q:
        b.first[e] = b.following[q]
        return
    before = b.first[e]
    while b.following[before] != q:
        before = b.following[before]
    b.following[before] = b.following[q]


@part
def rename(net: Net, b: Basis, old: int, new: int) -> None:
    """In the list of the participant whose column moved from `old` to `new`."""
    e = net.cell_ev[b.cell[new]]
    b.following[new] = b.following[old]
    if b.first[e] == old:
        b.first[e] = new
        return
    before = b.first[e]
    while b.following[before] != old:
        before = b.following[before]
    b.following[before] = new


@loop
def trade_key(net: Net, b: Basis, inverse: Floats, turned: Floats, e: int) -> int:
    """Swap a participant's key with its first column; returns that column."""
    m = b.count[0]
    q = b.first[e]
    for p in range(m):
        v = -inverse[q, p]
        other = b.following[q]
        while other >= 0:
            v -= inverse[other, p]
            other = b.following[other]
        if abs(v) < TINY:
            v = 0.0
        inverse[q, p] = v
        turned[p, q] = v
    old, new = b.key[e], b.cell[q]
    b.key[e] = new
    b.status[new] = KEY
    b.where[new] = -1
    b.cell[q] = old
    b.status[old] = BASIC
    b.where[old] = q
    return q  # type: ignore[no-any-return]
