"""The dual simplex from an earlier basis."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from solver.problem import Ints
from solver.simplex_basis import COLUMNS, KEY, LOWER, UPDATES, Basis, link, put
from solver.simplex_inverse import Inverse
from solver.simplex_layout import Asked, Net
from solver.simplex_memory import compiled
from solver.simplex_start import (
    choose_bounds,
    drop_column,
    drop_negative,
    drop_row,
    factor,
    reprice,
    revalue,
)

# Where more of the participants than this have other worths than last time, the prices are
# taken as they come out instead of taking those participants out of the basis.
MOST_CHANGED = 0.25


@compiled
def rebuild(net: Net, b: Basis, w: Inverse) -> None:
    """The same basis with a new inverse, prices and values."""
    refactor(net, b, w)
    reprice(net, b, w, net.decided)
    choose_bounds(net, b)
    revalue(net, b, w)


@compiled
def refactor(net: Net, b: Basis, w: Inverse) -> None:
    """The same basis with a new inverse."""
    m = b.count[COLUMNS]
    cells, lines = np.empty(m, np.int64), np.empty(m, np.int64)
    for q in range(m):
        cells[q], lines[q] = b.cell[q], b.tight[q]
        put(net, b, b.cell[q], LOWER)
        b.where[b.cell[q]] = -1
    factor(net, b, w, cells, lines)


@compiled
def start_warm(
    net: Net, b: Basis, w: Inverse, asked: Asked, kept: Any, keep_car: Ints, keep_step: Ints
) -> None:
    """Take up an earlier basis.

    Columns of participants that are not what they were go, each with a row; the prices stay
    ≥ 0, and what bounds do not suit them is the dual simplex's own work.
    """
    cells = _cells_of(net, keep_car, keep_step)
    n = net.cars
    for i in range(n):
        b.key[net.car[cells[i]]] = cells[i]
        put(net, b, cells[i], KEY)
    lines = np.empty(len(kept.tight), np.int64)
    for a in range(len(lines)):
        t = kept.tight[a] % net.steps
        r = kept.tight[a] // net.steps % net.rows
        k = kept.tight[a] // (net.steps * net.rows)
        lines[a] = (t * net.circuits + net.place[k]) * net.rows + r

    if len(kept.inverse) == 0:
        factor(net, b, w, cells[n:], lines)
    else:
        b.count[COLUMNS] = len(lines)
        for q in range(len(lines)):
            link(net, b, q, cells[n + q])
            b.tight[q] = lines[q]
            b.spot[lines[q]] = q
            b.price[lines[q]] = kept.price[q]
        leave = _who_changed(net, b, asked, kept, cells)
        for q in range(b.count[COLUMNS] - 1, -1, -1):
            if leave[net.car[b.cell[q]]]:
                drop_column(net, b, w, q)
        for p in range(b.count[COLUMNS] - 1, -1, -1):
            if net.room[b.tight[p]] == np.inf:
                drop_row(net, b, w, p)
        b.count[UPDATES] = kept.updates + len(lines) - b.count[COLUMNS]
        if b.count[UPDATES] > b.count[COLUMNS]:
            refactor(net, b, w)
    reprice(net, b, w, net.decided)
    if drop_negative(net, b, w, net.decided) > 0:
        reprice(net, b, w, net.decided)
    choose_bounds(net, b)
    revalue(net, b, w)


@compiled
def _cells_of(net: Net, keep_car: Ints, keep_step: Ints) -> Ints:
    """The cells an earlier basis speaks of."""
    e_of = np.empty(net.cars, np.int64)
    for e in range(net.cars):
        e_of[net.order[e]] = e
    cells = np.empty(len(keep_car), np.int64)
    for a in range(len(keep_car)):
        e = e_of[keep_car[a]]
        if keep_step[a] < 0:
            slacks = 0
            while net.step[net.end[e] - 1 - slacks] < 0 and slacks < net.end[e] - net.begin[e]:
                slacks += 1
            cells[a] = net.end[e] - slacks - 1 - keep_step[a]
            continue
        for j in range(net.begin[e], net.end[e]):
            if net.step[j] == keep_step[a]:
                cells[a] = j
    return cells


@compiled
def _who_changed(net: Net, b: Basis, asked: Asked, kept: Any, cells: Ints) -> NDArray[np.bool_]:
    """Whose columns speak of another car, another place or another worth."""
    n = net.cars
    other = np.zeros(n, np.bool_)
    worth = np.zeros(n, np.bool_)
    many = 0
    for e in range(n):
        i = net.order[e]
        other[e] = asked.name[i] != kept.name[i] or asked.circuit[i] != kept.circuit[i]
        for r in range(net.rows):
            other[e] |= asked.coupling[i, r] != kept.coupling[i, r]
        worth[e] = net.worth[b.key[e]] != kept.key_worth[i]
    for q in range(len(kept.column_car)):
        j = cells[n + q]
        if net.worth[j] != kept.column_worth[q]:
            worth[net.car[j]] = True
    for e in range(n):
        many += worth[e]
    if many <= MOST_CHANGED * n:
        for e in range(n):
            other[e] |= worth[e]
    return other
