"""W⁻¹ of the dual simplex, kept explicitly, as it stands and transposed.

Updated by rank-one changes that touch only what is not zero; both copies hold the same numbers,
so that a row and a column are each read in one stretch.
"""

from __future__ import annotations

from typing import NamedTuple

from solver.problem import Floats
from solver.simplex_basis import (
    BASIC,
    COLUMNS,
    KEY,
    Basis,
    put,
)
from solver.simplex_layout import Net
from solver.simplex_memory import WIDTH, load, loop, part, splat, store

# Entries of W⁻¹ below this are rounding: what is meant is of the order of a coupling.
TINY = 1e-12


class Inverse(NamedTuple):
    """Two squares of memory; bare pointers inside numba."""

    rows: Floats  # (stride·stride,) row q belongs to column q of W
    columns: Floats  # its transpose: column p belongs to row p of W
    stride: int  # a multiple of WIDTH


@part
def clear(out: Floats, m: int) -> None:
    """out[:m] = 0, up to whole vectors."""
    for q in range(0, m, WIDTH):
        store(out, q, splat(0.0))


@part
def add_stretch(out: Floats, m: int, times: float, matrix: Floats, at: int) -> None:
    """out[:m] += times · matrix[at : at + m], up to whole vectors."""
    factor = splat(times)
    for q in range(0, m, WIDTH):
        store(out, q, load(out, q) + factor * load(matrix, at + q))


@loop
def solve_column(w: Inverse, m: int, column: Floats, out: Floats) -> None:
    """out = W⁻¹ column."""
    clear(out, m)
    for p in range(m):
        if column[p] != 0.0:
            add_stretch(out, m, column[p], w.columns, p * w.stride)


@loop
def row_of_slack(net: Net, b: Basis, w: Inverse, line: int, out: Floats) -> None:
    """out = −(row's coefficients on the columns of W) · W⁻¹: the pivot row of a slack."""
    m = b.count[COLUMNS]
    clear(out, m)
    r = line % net.rows
    node = line // net.rows
    p = node % net.circuits
    for a in range(net.start[node], net.start[node + net.size[p]]):
        j = net.line_cell[a]
        kind = b.status[j]
        if kind < BASIC:
            continue
        e = net.line_car[a]
        c = net.alpha[e * net.rows + r]
        if c == 0.0:
            continue
        if kind == BASIC:
            add_stretch(out, m, -c, w.rows, b.where[j] * w.stride)
        else:
            q = b.first[e]
            while q >= 0:
                add_stretch(out, m, c, w.rows, q * w.stride)
                q = b.following[q]


@loop
def rank_one(b: Basis, w: Inverse, m: int, column: Floats, row: Floats, pivot: float) -> None:
    """W⁻¹ −= column · rowᵀ / pivot, in both copies, touching only what is not zero."""
    many_q = 0
    many_p = 0
    for q in range(m):
        b.some[many_q] = q
        many_q += abs(column[q]) > TINY
        b.some[b.room + many_p] = q
        many_p += abs(row[q]) > TINY
    for a in range(many_q):
        q = b.some[a]
        share = column[q] / pivot
        for c in range(many_p):
            p = b.some[b.room + c]
            v = w.rows[q * w.stride + p] - share * row[p]
            if abs(v) < TINY:
                v = 0.0
            w.rows[q * w.stride + p] = v
            w.columns[p * w.stride + q] = v


@loop
def replace_column(
    b: Basis, w: Inverse, m: int, q: int, column: Floats, row: Floats, pivot: float
) -> None:
    """Column q of W becomes the one whose W⁻¹ image is `column`; row = row q of W⁻¹."""
    kept = column[q]
    column[q] = 0.0
    rank_one(b, w, m, column, row, pivot)
    column[q] = kept
    for p in range(m):
        v = row[p] / pivot
        w.rows[q * w.stride + p] = v
        w.columns[p * w.stride + q] = v


@loop
def replace_row(
    b: Basis, w: Inverse, m: int, p: int, column: Floats, row: Floats, pivot: float
) -> None:
    """Row p of W becomes the one whose pivot row is `row`; column = column p of W⁻¹."""
    kept = row[p]
    row[p] = 0.0
    rank_one(b, w, m, column, row, pivot)
    row[p] = kept
    for q in range(m):
        v = -column[q] / pivot
        w.rows[q * w.stride + p] = v
        w.columns[p * w.stride + q] = v


@loop
def border(b: Basis, w: Inverse, m: int, column: Floats, row: Floats, pivot: float) -> None:
    """W grows by one row and one column, at place m."""
    rank_one(b, w, m, column, row, pivot)
    for q in range(m):
        v = -column[q] / pivot
        w.rows[q * w.stride + m] = v
        w.columns[m * w.stride + q] = v
        v = row[q] / pivot
        w.rows[m * w.stride + q] = v
        w.columns[q * w.stride + m] = v
    w.rows[m * w.stride + m] = 1.0 / pivot
    w.columns[m * w.stride + m] = 1.0 / pivot


@loop
def shrink(b: Basis, w: Inverse, q: int, p: int, column: Floats, row: Floats) -> None:
    """W loses column q and row p; column and row are those of W⁻¹. The last ones move in."""
    m = b.count[COLUMNS]
    rank_one(b, w, m, column, row, row[p])
    last = m - 1
    if p != last:
        moved = b.tight[last]
        b.tight[p] = moved
        b.spot[moved] = p
        for a in range(m):
            v = w.rows[a * w.stride + last]
            w.rows[a * w.stride + p] = v
            w.columns[p * w.stride + a] = v
    if q != last:
        moved = b.cell[last]
        b.cell[q] = moved
        b.where[moved] = q
        for a in range(last):
            v = w.rows[last * w.stride + a]
            w.rows[q * w.stride + a] = v
            w.columns[a * w.stride + q] = v
    b.count[COLUMNS] = last


@loop
def trade_key(net: Net, b: Basis, w: Inverse, e: int) -> int:
    """Swap a participant's key with its first column; returns that column."""
    m = b.count[COLUMNS]
    q = b.first[e]
    for p in range(m):
        v = -w.rows[q * w.stride + p]
        other = b.following[q]
        while other >= 0:
            v -= w.rows[other * w.stride + p]
            other = b.following[other]
        if abs(v) < TINY:
            v = 0.0
        w.rows[q * w.stride + p] = v
        w.columns[p * w.stride + q] = v
    old, new = b.key[e], b.cell[q]
    b.key[e] = new
    put(net, b, new, KEY)
    b.d[new] = 0.0
    b.where[new] = -1
    b.cell[q] = old
    put(net, b, old, BASIC)
    b.where[old] = q
    return q  # type: ignore[no-any-return]
