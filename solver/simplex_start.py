"""Where the dual simplex starts and how it is kept honest: from a basis to values and prices.

Nothing here trusts what was updated pivot by pivot: prices, values and, if need be, the
inverse itself are taken afresh from the lists of who is basic.
"""

from __future__ import annotations

import numpy as np

from solver.problem import Floats, Ints
from solver.simplex_basis import (
    BASIC,
    COLUMNS,
    LOWER,
    UPDATES,
    UPPER,
    WRONG,
    Basis,
    add_tight,
    link,
    list_cell,
    list_line,
    put,
    rename,
    unlink,
)
from solver.simplex_inverse import (
    Inverse,
    add_stretch,
    border,
    clear,
    row_of_slack,
    shrink,
    solve_column,
)
from solver.simplex_kernel import correct, fill_alone, stir, unstir
from solver.simplex_layout import Net
from solver.simplex_memory import compiled, loop

# Smallest entry of W⁻¹ to take a column out by.
SOUND_PIVOT = 1e-6


@loop
def start_cold(net: Net, b: Basis) -> None:
    """Everybody's own best plan at zero prices: dual feasible, loads be as they may."""
    for e in range(net.cars):
        fill_alone(net, b, e)
    bear(net, b)
    for line in range(net.lines):
        list_line(net, b, line)


@compiled
def factor(net: Net, b: Basis, w: Inverse, columns: Ints, tight: Ints) -> None:
    """Build W⁻¹ from the cells and rows it is said to have, column by column.

    Each column takes the row where it is largest of those still free. Columns that depend on
    the others are left out, rows nobody took are left slack: what stands is a basis.
    Keys must be set; every other status must be a bound.
    """
    free = np.zeros(net.lines, np.bool_)
    for line in tight:
        free[line] = net.room[line] < np.inf
    for line in range(net.lines):
        b.spot[line] = -1
    for e in range(net.cars):
        b.first[e] = -1
    b.count[COLUMNS] = 0
    b.count[UPDATES] = 0
    for j in columns:
        if b.status[j] >= BASIC:
            continue
        m = b.count[COLUMNS]
        for p in range(m):
            b.column[p] = 0.0
        add_tight(net, b, j, 1.0, b.column)
        add_tight(net, b, b.key[net.car[j]], -1.0, b.column)
        solve_column(w, m, b.column, b.image)
        many = stir(net, b, j)
        best, chosen = 1e-3, -1
        for a in range(many):
            item = b.touched[a]
            if item < net.lines and free[item] and abs(b.swing[item]) > best:
                best, chosen = abs(b.swing[item]), item
        pivot = b.swing[chosen] if chosen >= 0 else 0.0
        unstir(b, many)
        if chosen < 0:
            continue
        row_of_slack(net, b, w, chosen, b.row)
        border(b, w, m, b.image, b.row, pivot)
        free[chosen] = False
        b.tight[m] = chosen
        b.spot[chosen] = m
        b.count[COLUMNS] = m + 1
        link(net, b, m, j)


@loop
def solve_prices(net: Net, b: Basis, w: Inverse, worth: Floats) -> None:
    """Prices of this basis from `worth`, refined once."""
    m = b.count[COLUMNS]
    for line in range(net.lines):
        b.price[line] = 0.0
    least = 1e-15 * height(net, worth)
    clear(b.row, m)
    for _ in range(2):
        unsettled = False
        for q in range(m):
            j = b.cell[q]
            k = b.key[net.car[j]]
            paid = paid_by(net, b.price, j) - paid_by(net, b.price, k)
            short = worth[j] - worth[k] - paid
            if abs(short) > least:
                add_stretch(b.row, m, short, w.rows, q * w.stride)
                unsettled = True
        if not unsettled:
            return
        for p in range(m):
            b.price[b.tight[p]] = b.row[p]


@loop
def reprice(net: Net, b: Basis, w: Inverse, worth: Floats) -> None:
    """Prices and reduced worths of this basis, from `worth`."""
    solve_prices(net, b, w, worth)
    rows, circuits = net.rows, net.circuits
    for node in range(net.steps * circuits):
        up = net.up[node % circuits]
        above = (node - node % circuits + up) * rows
        for r in range(rows):
            b.cover[node * rows + r] = b.price[node * rows + r]
            if up >= 0:
                b.cover[node * rows + r] += b.cover[above + r]
    for e in range(net.cars):
        for j in range(net.begin[e], net.end[e]):
            b.d[j] = worth[j]
            if net.step[j] >= 0:
                node = net.step[j] * circuits + net.at[e]
                for r in range(rows):
                    b.d[j] -= net.alpha[e * rows + r] * b.cover[node * rows + r]
        own = b.d[b.key[e]]
        for j in range(net.begin[e], net.end[e]):
            b.d[j] = b.d[j] - own if b.status[j] < BASIC else 0.0


@loop
def paid_by(net: Net, price: Floats, j: int) -> float:
    """What a cell pays for the rows above it. [1/Ah]"""
    if net.step[j] < 0:
        return 0.0
    e = net.car[j]
    base = net.step[j] * net.circuits
    total = 0.0
    p = net.lift[base + net.at[e]]
    while p >= 0:
        for r in range(net.rows):
            total += net.alpha[e * net.rows + r] * price[(base + p) * net.rows + r]
        p = net.up[p]
        if p >= 0:
            p = net.lift[base + p]
    return total


@loop
def choose_bounds(net: Net, b: Basis) -> int:
    """Every nonbasic cell to the bound its reduced worth asks for; returns how many moved."""
    least = 1e-14 * height(net, net.decided)
    moved = 0
    for j in range(net.cells):
        if b.status[j] == LOWER and b.d[j] > least:
            put(net, b, j, UPPER)
            moved += 1
        elif b.status[j] == UPPER and b.d[j] < -least:
            put(net, b, j, LOWER)
            moved += 1
    return moved


@loop
def revalue(net: Net, b: Basis, w: Inverse) -> None:
    """Values and loads of this basis from its bounds; lists afresh what is infeasible."""
    b.count[WRONG] = 0
    for item in range(net.lines + net.cells):
        b.listed[item] = 0
    for e in range(net.cars):
        left = net.energy[e]
        key = b.key[e]
        for j in range(net.begin[e], net.end[e]):
            if b.status[j] == LOWER:
                b.x[j] = 0.0
            elif b.status[j] == UPPER:
                b.x[j] = net.width[j]
            left -= b.x[j] if j != key else 0.0
        b.x[key] = left
    bear(net, b)
    for _ in range(2):
        for p in range(b.count[COLUMNS]):
            over = b.load[b.tight[p]] - net.room[b.tight[p]]
            b.column[p] = over if abs(over) > 1e-4 * b.tol else 0.0
        correct(net, b, w)
    for j in range(net.cells):
        if b.status[j] >= BASIC:
            list_cell(net, b, j)
    for line in range(net.lines):
        list_line(net, b, line)


@loop
def bear(net: Net, b: Basis) -> None:
    """All loads from the cells."""
    rows = net.rows
    for line in range(net.lines):
        b.load[line] = 0.0
    for t in range(net.steps):
        for p in range(net.circuits - 1, -1, -1):
            node = t * net.circuits + p
            for a in range(net.start[node], net.start[node + 1]):
                x = b.x[net.line_cell[a]]
                if x != 0.0:
                    for r in range(rows):
                        b.load[node * rows + r] += net.alpha[net.line_car[a] * rows + r] * x
            if net.up[p] >= 0:
                above = (t * net.circuits + net.up[p]) * rows
                for r in range(rows):
                    b.load[above + r] += b.load[node * rows + r]


@loop
def drop_column(net: Net, b: Basis, w: Inverse, q: int) -> None:
    """Let a column go, with the row whose price falls to zero first: no price becomes negative.

    Columns may leave freely: a cell has two bounds, and one of them suits any reduced worth.
    """
    m = b.count[COLUMNS]
    best, chosen = np.inf, -1
    for p in range(m):
        entry = w.rows[q * w.stride + p]
        if abs(entry) > SOUND_PIVOT:
            step = abs(b.price[b.tight[p]] / entry)
            if step < best:
                best, chosen = step, p
    if chosen < 0:
        chosen = 0
        for p in range(m):
            if abs(w.rows[q * w.stride + p]) > abs(w.rows[q * w.stride + chosen]):
                chosen = p
    _drop(net, b, w, q, chosen)


@loop
def drop_row(net: Net, b: Basis, w: Inverse, p: int) -> None:
    """Let a row go, with the column that depends on it most."""
    q = 0
    for s in range(b.count[COLUMNS]):
        if abs(w.columns[p * w.stride + s]) > abs(w.columns[p * w.stride + q]):
            q = s
    _drop(net, b, w, q, p)


@loop
def drop_negative(net: Net, b: Basis, w: Inverse, worth: Floats) -> int:
    """Make every price ≥ 0 by letting rows go, each with a column; returns how many went."""
    least = 1e-9 * height(net, worth)
    dropped = 0
    while b.count[COLUMNS] > 0:
        worst, p = -least, -1
        for s in range(b.count[COLUMNS]):
            if b.price[b.tight[s]] < worst:
                worst, p = b.price[b.tight[s]], s
        if p < 0:
            break
        drop_row(net, b, w, p)
        dropped += 1
    for p in range(b.count[COLUMNS]):
        b.price[b.tight[p]] = max(0.0, b.price[b.tight[p]])
    return dropped


@loop
def _drop(net: Net, b: Basis, w: Inverse, q: int, p: int) -> None:
    """Column q and row p leave W; the prices follow."""
    m = b.count[COLUMNS]
    for s in range(m):
        b.row[s] = w.rows[q * w.stride + s]
        b.column[s] = w.columns[p * w.stride + s]
    step = b.price[b.tight[p]] / b.row[p]
    for s in range(m):
        b.price[b.tight[s]] -= step * b.row[s]
    b.price[b.tight[p]] = 0.0
    b.spot[b.tight[p]] = -1
    j = b.cell[q]
    unlink(net, b, q)
    b.where[j] = -1
    put(net, b, j, LOWER)
    shrink(b, w, q, p, b.column, b.row)
    if q != m - 1:
        rename(net, b, m - 1, q)


@loop
def height(net: Net, worth: Floats) -> float:
    """The largest worth of a cell, without its sign."""
    top = 0.0
    for j in range(net.cells):
        top = max(top, abs(worth[j]))
    return top
