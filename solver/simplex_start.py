"""Where the dual simplex starts and how it is kept honest: from a basis to values and prices.

Nothing here trusts what was updated pivot by pivot: prices, values and, if need be, the
inverse itself are taken afresh from the lists of who is basic.
"""

from __future__ import annotations

import numpy as np

from solver.simplex_basis import (
    BASIC,
    LOWER,
    UPPER,
    Basis,
    add_tight,
    border,
    link,
    list_cell,
    rename,
    row_of_slack,
    shrink,
    solve_column,
    unlink,
)
from solver.simplex_kernel import correct, refill, stir
from solver.simplex_layout import Floats, Ints, Net, compiled

# Smallest entry of W⁻¹ to take a column out by.
SOUND_PIVOT = 1e-6


@compiled
def start_cold(net: Net, b: Basis) -> None:
    """Everybody's own best plan at zero prices: dual feasible, loads be as they may."""
    for e in range(len(net.at)):
        refill(net, b, e)


@compiled
def factor(net: Net, b: Basis, inverse: Floats, turned: Floats, columns: Ints, tight: Ints) -> None:
    """Build W⁻¹ from the cells and rows it is said to have, column by column.

    Each column takes the row where it is largest of those still free. Columns that depend on
    the others are left out, rows nobody took are left slack: what stands is a basis.
    Keys must be set; every other status must be a bound.
    """
    free = np.zeros(len(net.room), np.bool_)
    for row in tight:
        if net.room[row] < np.inf:
            free[row] = True
    b.spot[:] = -1
    b.first[:] = -1
    b.count[0] = 0
    b.count[4] = 0
    most = inverse.shape[0]
    row, column, image = b.row, b.column, b.image
    for j in columns:
        if b.status[j] >= BASIC:
            continue
        m = b.count[0]
        if m == most:
            break
        column[:m] = 0.0
        add_tight(net, b, j, 1.0, column)
        add_tight(net, b, b.key[net.cell_ev[j]], -1.0, column)
        solve_column(turned, m, column, image)
        many = stir(net, b, image, j)
        best, chosen = 1e-3, -1
        for a in range(many):
            item = b.touched[a]
            if item < len(free) and free[item] and abs(b.swing[item]) > best:
                best, chosen = abs(b.swing[item]), item
        pivot = b.swing[chosen] if chosen >= 0 else 0.0
        for a in range(many):
            b.swing[b.touched[a]] = 0.0
            b.stirred[b.touched[a]] = False
        if chosen < 0:
            continue
        row_of_slack(net, b, inverse, chosen, row)
        border(inverse, turned, m, image, row, pivot, b.some)
        free[chosen] = False
        b.tight[m] = chosen
        b.spot[chosen] = m
        b.count[0] = m + 1
        link(net, b, m, j)


@compiled
def reprice(net: Net, b: Basis, inverse: Floats, worth: Floats) -> None:
    """Prices and reduced worths of this basis, from `worth`, refined once."""
    m = b.count[0]
    price = np.zeros(m)
    b.price[:] = 0.0
    paid = np.zeros(len(net.width))
    # The second round mends what rounding left; mostly there is nothing, and it costs nothing.
    least = 1e-15 * _height(worth)
    for _ in range(2):
        for q in range(m):
            j = b.cell[q]
            k = b.key[net.cell_ev[j]]
            short = (worth[j] - paid[j]) - (worth[k] - paid[k])
            if abs(short) > least:
                for p in range(m):
                    price[p] += short * inverse[q, p]
        for p in range(m):
            b.price[b.tight[p]] = price[p]
        pay(net, b.price, paid)
    for e in range(len(net.at)):
        own = worth[b.key[e]] - paid[b.key[e]]
        for a in range(net.own_start[e], net.own_start[e + 1]):
            j = net.own[a]
            b.d[j] = 0.0 if b.status[j] >= BASIC else worth[j] - paid[j] - own


@compiled
def pay(net: Net, price: Floats, paid: Floats) -> None:
    """What each cell pays for the rows above it. [1/Ah]"""
    above = np.zeros((net.circuits, net.rows))
    steps = len(net.lift) // max(net.circuits, 1)
    for t in range(steps):
        base = t * net.circuits
        for p in range(net.circuits):
            for r in range(net.rows):
                above[p, r] = price[(base + p) * net.rows + r]
                if net.up[p] >= 0:
                    above[p, r] += above[net.up[p], r]
            for j in range(net.start[base + p], net.start[base + p + 1]):
                e = net.cell_ev[j]
                total = 0.0
                for r in range(net.rows):
                    total += net.alpha[e, r] * above[p, r]
                paid[j] = total


@compiled
def choose_bounds(net: Net, b: Basis) -> int:
    """Every nonbasic cell to the bound its reduced worth asks for; returns how many moved."""
    least = 1e-14 * _height(net.decided)
    moved = 0
    for j in range(len(net.width)):
        if b.status[j] == LOWER and b.d[j] > least:
            b.status[j] = UPPER
            moved += 1
        elif b.status[j] == UPPER and b.d[j] < -least:
            b.status[j] = LOWER
            moved += 1
    return moved


@compiled
def revalue(net: Net, b: Basis, turned: Floats) -> None:
    """Values and loads of this basis from its bounds; lists afresh what is infeasible."""
    rows, cells, m = len(net.room), len(net.width), b.count[0]
    b.count[1] = 0
    b.listed[:] = False
    for j in range(cells):
        if b.status[j] == LOWER:
            b.x[j] = 0.0
        elif b.status[j] == UPPER:
            b.x[j] = net.width[j]
    for e in range(len(net.at)):
        left = net.energy[e]
        key = b.key[e]
        for a in range(net.own_start[e], net.own_start[e + 1]):
            if net.own[a] != key:
                left -= b.x[net.own[a]]
        b.x[key] = left
    excess, image = b.column, b.image
    for _ in range(2):
        bear(net, b)
        for p in range(m):
            over = b.load[b.tight[p]] - net.room[b.tight[p]]
            excess[p] = over if abs(over) > 1e-4 * b.tol else 0.0
        correct(net, b, turned, excess, image)
    for j in range(cells):
        if b.status[j] >= BASIC:
            list_cell(net, b, j)
    for row in range(rows):
        if b.load[row] > net.room[row] + b.tol and b.spot[row] < 0 and not b.listed[row]:
            b.listed[row] = True
            b.wrong[b.count[1]] = row
            b.count[1] += 1


@compiled
def bear(net: Net, b: Basis) -> None:
    """All loads from the cells."""
    b.load[:] = 0.0
    steps = len(net.lift) // max(net.circuits, 1)
    for t in range(steps):
        base = t * net.circuits
        for p in range(net.circuits - 1, -1, -1):
            for j in range(net.start[base + p], net.start[base + p + 1]):
                for r in range(net.rows):
                    b.load[(base + p) * net.rows + r] += net.alpha[net.cell_ev[j], r] * b.x[j]
            if net.up[p] >= 0:
                for r in range(net.rows):
                    b.load[(base + net.up[p]) * net.rows + r] += b.load[(base + p) * net.rows + r]


@compiled
def drop_column(net: Net, b: Basis, inverse: Floats, turned: Floats, q: int) -> None:
    """Let a column go, with the row whose price falls to zero first: no price becomes negative.

    Columns may leave freely: a cell has two bounds, and one of them suits any reduced worth.
    """
    m = b.count[0]
    best, chosen = np.inf, -1
    for p in range(m):
        if abs(inverse[q, p]) > SOUND_PIVOT:
            step = abs(b.price[b.tight[p]] / inverse[q, p])
            if step < best:
                best, chosen = step, p
    if chosen < 0:
        chosen = 0
        for p in range(m):
            if abs(inverse[q, p]) > abs(inverse[q, chosen]):
                chosen = p
    _drop(net, b, inverse, turned, q, chosen)


@compiled
def drop_row(net: Net, b: Basis, inverse: Floats, turned: Floats, p: int) -> None:
    """Let a row go, with the column that depends on it most."""
    q = 0
    for s in range(b.count[0]):
        if abs(turned[p, s]) > abs(turned[p, q]):
            q = s
    _drop(net, b, inverse, turned, q, p)


@compiled
def drop_negative(net: Net, b: Basis, inverse: Floats, turned: Floats, worth: Floats) -> int:
    """Make every price ≥ 0 by letting rows go, each with a column; returns how many went."""
    least = 1e-9 * _height(worth)
    dropped = 0
    while b.count[0] > 0:
        m = b.count[0]
        worst, p = -least, -1
        for s in range(m):
            if b.price[b.tight[s]] < worst:
                worst, p = b.price[b.tight[s]], s
        if p < 0:
            break
        drop_row(net, b, inverse, turned, p)
        dropped += 1
    for p in range(b.count[0]):
        b.price[b.tight[p]] = max(0.0, b.price[b.tight[p]])
    return dropped


@compiled
def _drop(net: Net, b: Basis, inverse: Floats, turned: Floats, q: int, p: int) -> None:
    """Column q and row p leave W; the prices follow."""
    m = b.count[0]
    row, column = b.row, b.column
    for s in range(m):
        row[s] = inverse[q, s]
        column[s] = turned[p, s]
    step = b.price[b.tight[p]] / row[p]
    for s in range(m):
        b.price[b.tight[s]] -= step * row[s]
    b.price[b.tight[p]] = 0.0
    b.spot[b.tight[p]] = -1
    j = b.cell[q]
    unlink(net, b, q)
    b.where[j] = -1
    b.status[j] = LOWER
    shrink(b, inverse, turned, q, p, column, row)
    if q != m - 1:
        rename(net, b, m - 1, q)


@compiled
def _height(worth: Floats) -> float:
    top = 0.0
    for w in worth:
        top = max(top, abs(w))
    return top
