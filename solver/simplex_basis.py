"""A basis of the dual simplex: one key cell per participant, and a small matrix for the rest.

With the energy rows as generalised upper bounds (Dantzig & Van Slyke, J. Comput. Syst. Sci. 1
(1967) 213–226) every participant has one basic cell that follows from its energy row, its
*key*. What is left of the basis is W: the rows that are tight, against the other basic cells,
each as the difference between its own column and that of its participant's key.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from solver.problem import Floats, Ints
from solver.simplex_layout import Marks, Net
from solver.simplex_memory import WIDTH, beyond, compiled, part

LOWER, UPPER, BASIC, KEY = 0, 1, 2, 3

# Devex weights begin at 1, and for a row at so much more for each cell below it: a row above
# many is chosen later (a tenth fewer pivots at 200 cars).
HEAVY = 0.1

# What stands where in `count`.
COLUMNS, WRONG, PIVOTS, UPDATES = range(4)


class Basis(NamedTuple):
    """Who is basic, at what value and price. Written to by the kernel; bare pointers."""

    x: Floats  # (cells,) [Ah]
    d: Floats  # (cells,) reduced worth [1/Ah]
    side: Floats  # (cells,) 1 at the lower bound, −1 at the upper, 0 where nothing can move
    status: Marks  # (cells,)
    where: Ints  # (cells,) column of W, for basic cells
    key: Ints  # (n,) the key cell
    first: Ints  # (n,) first column of W of a participant, −1 if none
    following: Ints  # (room,) next column of the same participant, by column
    cell: Ints  # (room,) cell of each column of W
    tight: Ints  # (room,) row of each row of W
    spot: Ints  # (rows,) row of W, −1 if not tight
    price: Floats  # (rows,) [1/Ah]
    cover: Floats  # (rows,) prices summed from the root down [1/Ah]
    load: Floats  # (rows,) [Ah]
    heft: Floats  # (rows + cells,) Devex weight
    listed: Marks  # (rows + cells,) on the list of the infeasible
    wrong: Ints  # (rows + cells,) that list
    # To numba a field, and nobody calls a tuple's own `count`.
    count: Ints  # type: ignore[assignment] # (8,) see above
    swing: Floats  # (rows + cells,) what a unit of the entering one does; zero between uses
    stirred: Marks  # (rows + cells,) whether it does anything
    touched: Ints  # (rows + cells,) to what
    slope: Floats  # (cells,) the pivot row; zero between uses
    met: Marks  # (n,) participants that the pivot row reaches
    reached: Ints  # (n + 1,) which
    due: Floats  # (n,) where on the dual ray the next event of a participant is
    next: Ints  # (n,) the cell that overtakes the key there, −1 if none
    ratio: Floats  # (cells + n,) heap of what may happen along the dual ray
    rival: Ints  # (cells + n,)
    pace: Floats  # (8,) how far the latest dual steps went
    row: Floats  # (room,) pivot row over the rows of W
    column: Floats  # (room,) right-hand side, by row of W
    image: Floats  # (room,) W⁻¹ of one, by column of W
    some: Ints  # (2·room,) what is not zero in two of them
    room: int  # columns there is memory for, with padding
    tol: float  # what counts as beyond a bound [Ah]


@compiled
def memory_of_basis(lines: int, cells: int, cars: int) -> Any:
    """Doubles, integers and marks that `fresh_basis` cuts out of its pools."""
    room = lines + 2 * WIDTH
    floats = 5 * cells + 2 * cars + 3 * lines + 2 * (lines + cells) + 3 * room + 8
    ints = 2 * cells + 5 * cars + 1 + lines + 2 * (lines + cells) + 5 * room + 8
    return floats, ints, 3 * cells + 2 * lines + cars


@compiled
def fresh_basis(net: Net, f: Any, i: Any, marks: Any) -> Any:
    """Nothing basic yet: every cell at its lower bound, no key."""
    cells, lines, n = net.cells, net.lines, net.cars
    room = lines + 2 * WIDTH
    x, f = f, beyond(f, cells)
    d, f = f, beyond(f, cells)
    side, f = f, beyond(f, cells)
    slope, f = f, beyond(f, cells)
    ratio, f = f, beyond(f, cells + n)
    due, f = f, beyond(f, n)
    price, f = f, beyond(f, lines)
    cover, f = f, beyond(f, lines)
    load, f = f, beyond(f, lines)
    heft, f = f, beyond(f, lines + cells)
    swing, f = f, beyond(f, lines + cells)
    row, f = f, beyond(f, room)
    column, f = f, beyond(f, room)
    image, f = f, beyond(f, room)
    pace = beyond(f, 0)
    where, i = i, beyond(i, cells)
    rival, i = i, beyond(i, cells + n)
    key, i = i, beyond(i, n)
    first, i = i, beyond(i, n)
    reached, i = i, beyond(i, n + 1)
    overtaking, i = i, beyond(i, n)
    spot, i = i, beyond(i, lines)
    wrong, i = i, beyond(i, lines + cells)
    touched, i = i, beyond(i, lines + cells)
    following, i = i, beyond(i, room)
    cell, i = i, beyond(i, room)
    tight, i = i, beyond(i, room)
    some, i = i, beyond(i, 2 * room)
    count = beyond(i, 0)
    status, marks = marks, beyond(marks, cells)
    listed, marks = marks, beyond(marks, lines + cells)
    stirred, marks = marks, beyond(marks, lines + cells)
    met = beyond(marks, 0)

    top = 0.0
    for j in range(cells):
        x[j] = slope[j] = 0.0
        d[j] = net.decided[j]
        side[j] = 1.0 if net.width[j] > 0.0 else 0.0
        status[j] = LOWER
        where[j] = -1
        if net.step[j] >= 0:
            top = max(top, net.width[j])
    for e in range(n):
        key[e] = first[e] = -1
        met[e] = 0
    for line in range(lines):
        spot[line] = -1
        price[line] = load[line] = 0.0
    for item in range(lines + cells):
        heft[item] = 1.0
        swing[item] = 0.0
        listed[item] = stirred[item] = 0
    for line in range(lines):
        node = line // net.rows
        many = net.start[node + net.size[node % net.circuits]] - net.start[node]
        heft[line] += HEAVY * many
    for a in range(8):
        count[a] = 0
        pace[a] = 0.0
    return Basis(
        x, d, side, status, where, key, first, following, cell, tight, spot, price, cover, load,
        heft, listed, wrong, count, swing, stirred, touched, slope, met, reached, due, overtaking,
        ratio, rival, pace, row, column, image, some, room, 1e-9 * top,
    )  # fmt: skip


# ── moving a cell ────────────────────────────────────────────────────────────────────────────


@part
def put(net: Net, b: Basis, j: int, status: int) -> None:
    """Give a cell a status."""
    b.status[j] = status
    b.side[j] = 0.0
    if status < BASIC and net.width[j] > 0.0:
        b.side[j] = 1.0 if status == LOWER else -1.0


@part
def list_cell(net: Net, b: Basis, j: int) -> None:
    """Put a basic cell on the list if it is beyond a bound."""
    if b.x[j] < -b.tol or b.x[j] > net.width[j] + b.tol:
        item = net.lines + j
        if b.listed[item] == 0:
            b.listed[item] = 1
            b.wrong[b.count[WRONG]] = item
            b.count[WRONG] += 1


@part
def list_line(net: Net, b: Basis, line: int) -> None:
    """Put a row that is not tight on the list if it is overloaded."""
    if b.load[line] > net.room[line] + b.tol and b.listed[line] == 0 and b.spot[line] < 0:
        b.listed[line] = 1
        b.wrong[b.count[WRONG]] = line
        b.count[WRONG] += 1


@part
def move(net: Net, b: Basis, j: int, by: float) -> None:
    """Change a cell and the loads above it; what it pushes over a bound is listed."""
    b.x[j] += by
    if b.status[j] >= BASIC:
        list_cell(net, b, j)
    t = net.step[j]
    if t < 0:
        return
    e = net.car[j]
    base = t * net.circuits
    p = net.lift[base + net.at[e]]
    while p >= 0:
        for r in range(net.rows):
            a = net.alpha[e * net.rows + r]
            if a != 0.0:
                line = (base + p) * net.rows + r
                b.load[line] += a * by
                list_line(net, b, line)
        p = net.up[p]
        if p >= 0:
            p = net.lift[base + p]


@part
def shift(net: Net, b: Basis, j: int, by: float, excess: Floats) -> None:
    """The same, noting what that adds to the tight rows."""
    b.x[j] += by
    if b.status[j] >= BASIC:
        list_cell(net, b, j)
    t = net.step[j]
    if t < 0:
        return
    e = net.car[j]
    base = t * net.circuits
    p = net.lift[base + net.at[e]]
    while p >= 0:
        for r in range(net.rows):
            a = net.alpha[e * net.rows + r]
            if a != 0.0:
                line = (base + p) * net.rows + r
                b.load[line] += a * by
                s = b.spot[line]
                if s >= 0:
                    excess[s] += a * by
                else:
                    list_line(net, b, line)
        p = net.up[p]
        if p >= 0:
            p = net.lift[base + p]


@part
def add_tight(net: Net, b: Basis, j: int, times: float, column: Floats) -> None:
    """column += times · (the coefficients of cell j in the tight rows)."""
    t = net.step[j]
    if t < 0:
        return
    e = net.car[j]
    base = t * net.circuits
    p = net.lift[base + net.at[e]]
    while p >= 0:
        for r in range(net.rows):
            a = net.alpha[e * net.rows + r]
            if a != 0.0:
                s = b.spot[(base + p) * net.rows + r]
                if s >= 0:
                    column[s] += times * a
        p = net.up[p]
        if p >= 0:
            p = net.lift[base + p]


# ── columns of a participant ─────────────────────────────────────────────────────────────────


@part
def link(net: Net, b: Basis, q: int, j: int) -> None:
    """Cell j stands in column q of W from now on."""
    e = net.car[j]
    b.cell[q] = j
    b.where[j] = q
    put(net, b, j, BASIC)
    b.following[q] = b.first[e]
    b.first[e] = q


@part
def unlink(net: Net, b: Basis, q: int) -> None:
    """Column q no longer belongs to its participant."""
    e = net.car[b.cell[q]]
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
    e = net.car[b.cell[new]]
    b.following[new] = b.following[old]
    if b.first[e] == old:
        b.first[e] = new
        return
    before = b.first[e]
    while b.following[before] != old:
        before = b.following[before]
    b.following[before] = new
