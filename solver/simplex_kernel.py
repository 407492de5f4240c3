"""The pivots of the dual simplex: who leaves, who enters, what that changes.

Every variable lies between two bounds, so any prices are dual feasible once each nonbasic cell
sits at the bound its reduced worth asks for; the method starts from each participant's own
best plan at zero prices and needs no first phase. The ratio test passes bounds as long as that
improves the dual (bound flipping: Maros, Computational Techniques of the Simplex Method, 2003,
sec. 10.2.3); the leaving variable is chosen by Devex weights (Forrest & Goldfarb, Math.
Program. 57 (1992) 341–374).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from solver.simplex_basis import (
    BASIC,
    KEY,
    LOWER,
    TINY,
    UPPER,
    Basis,
    add_rows,
    add_tight,
    border,
    link,
    list_cell,
    move,
    rename,
    replace_column,
    replace_row,
    row_of_slack,
    shift,
    shrink,
    solve_column,
    trade_key,
    unlink,
)
from solver.simplex_layout import Floats, Net, loop, part

DONE, CRAMPED, LATE, LOST, STALE = 0, 1, 2, 3, 4

# Updates of W⁻¹ beyond one a column before it is built anew. Rounding breeds: after a hundred
# ticks at 1,000 cars W⁻¹ was 20 % full, of which 1.3 % meant something, and pivots took
# six times as long.
FRESH = 100

# A pivot smaller than this is rounding: couplings are of the order of one.
SMALLEST_PIVOT = 1e-9

# What is below this in a pivot row is zero.
SMALLEST_ENTRY = 1e-12


@loop
def refill(net: Net, b: Basis, e: int) -> None:
    """Solve one participant alone at the present prices of the rows; its key is its only basic.

    One pivot of the dual simplex with a bound-flipping ratio test, taken to its end: the best
    cells first until the energy is used up; the cell where that happens is the key.
    """
    begin, end = net.own_start[e], net.own_start[e + 1]
    many = end - begin
    for a in range(many):
        j = net.own[begin + a]
        b.rival[a] = j
        b.ratio[a] = -b.d[j]
    for a in range(many // 2 - 1, -1, -1):
        sift(b.ratio, b.rival, a, many)
    left = net.energy[e]
    old = b.key[e]
    if old >= 0:
        b.status[old] = LOWER
    left_in_heap = many
    while True:
        j = b.rival[0]
        if net.width[j] >= left or left_in_heap == 1:
            break
        left -= net.width[j]
        b.status[j] = UPPER
        if b.x[j] != net.width[j]:
            move(net, b, j, net.width[j] - b.x[j])
        left_in_heap -= 1
        b.rival[0], b.ratio[0] = b.rival[left_in_heap], b.ratio[left_in_heap]
        sift(b.ratio, b.rival, 0, left_in_heap)
    new = b.rival[0]
    for a in range(1, left_in_heap):
        j = b.rival[a]
        b.status[j] = LOWER
        if b.x[j] != 0.0:
            move(net, b, j, -b.x[j])
    b.key[e] = new
    b.status[new] = KEY
    shift = b.d[new]
    for a in range(begin, end):
        b.d[net.own[a]] -= shift
    b.d[new] = 0.0
    if b.x[new] != left:
        move(net, b, new, left - b.x[new])


@part
def sift(ratio: Floats, rival: Any, at: int, many: int) -> None:
    """Let the entry at `at` sink in a heap with the smallest ratio on top."""
    key, who = ratio[at], rival[at]
    while True:
        child = 2 * at + 1
        if child >= many:
            break
        if child + 1 < many and ratio[child + 1] < ratio[child]:
            child += 1
        if ratio[child] >= key:
            break
        ratio[at], rival[at] = ratio[child], rival[child]
        at = child
    ratio[at], rival[at] = key, who


@loop
def choose(net: Net, b: Basis) -> int:
    """The most infeasible basic variable by weight; −1 if none. Tidies the list on the way."""
    rows = len(net.room)
    best, chosen = 0.0, -1
    a = 0
    while a < b.count[1]:
        item = b.wrong[a]
        beyond = 0.0
        if item < rows:
            if b.spot[item] < 0:
                beyond = b.load[item] - net.room[item]
        else:
            j = item - rows
            if b.status[j] >= BASIC:
                beyond = max(-b.x[j], b.x[j] - net.width[j])
        if beyond <= b.tol:
            b.listed[item] = False
            b.count[1] -= 1
            b.wrong[a] = b.wrong[b.count[1]]
            continue
        if item >= rows and b.status[item - rows] == KEY and b.first[net.cell_ev[item - rows]] < 0:
            return item  # type: ignore[no-any-return]
        score = beyond * beyond / b.heft[item]
        if score > best:
            best, chosen = score, item
        a += 1
    return chosen


@loop
def price_row(net: Net, b: Basis, row: Floats, line: int) -> int:
    """Fill `slope` with the pivot row over the cells it reaches; returns how many.

    Cells of a participant that has its key alone show what the prices of the rows do to them;
    the key's part is left out, as it changes on the way (`advance`).
    """
    many = 0
    m = b.count[0]
    for p in range(m + 1):
        times, which = 1.0, line
        if p < m:
            times, which = row[p], b.tight[p]
        if which < 0 or abs(times) <= SMALLEST_ENTRY:
            continue
        r = which % net.rows
        node = which // net.rows
        k = node % net.circuits
        for j in range(net.start[node], net.start[node + net.size[k]]):
            a = net.alpha[net.cell_ev[j], r]
            if a != 0.0:
                if not b.marked[j]:
                    b.marked[j] = True
                    b.reached[many] = j
                    many += 1
                b.slope[j] += times * a
    for a in range(many):
        j = b.reached[a]
        e = net.cell_ev[j]
        if b.status[j] == KEY and b.first[e] >= 0 and abs(b.slope[j]) > SMALLEST_ENTRY:
            times = -b.slope[j]
            for c in range(net.own_start[e], net.own_start[e + 1]):
                other = net.own[c]
                if not b.marked[other]:
                    b.marked[other] = True
                    b.reached[many] = other
                    many += 1
                b.slope[other] += times
            b.slope[j] = 0.0
    return many


@part
def next_event(net: Net, b: Basis, e: int, sign: float) -> None:
    """When, along the dual ray, the next cell of a participant overtakes its key, and which."""
    key = b.key[e]
    d, g = b.d[key], sign * b.slope[key]
    best, chosen = np.inf, -1
    for a in range(net.own_start[e], net.own_start[e + 1]):
        j = net.own[a]
        if net.width[j] == 0.0 or j == key:
            continue
        faster = sign * b.slope[j] - g
        if b.status[j] == UPPER:
            faster = -faster
        if faster > SMALLEST_PIVOT:
            at = abs(d - b.d[j]) / faster
            if at < best:
                best, chosen = at, j
    b.due[e] = best
    b.next[e] = chosen


@loop
def collect(net: Net, b: Basis, row: Floats, many: int, sign: float) -> int:
    """Everything that may happen along the dual ray, as a heap; returns its size.

    An entry of `rival` is a cell of a participant with columns in W, or the number of cells
    + e for the next event of a participant that has its key alone, or that + n + p for the
    slack of tight row p.
    """
    cells, n = len(net.width), len(net.at)
    size = 0
    alone = 0
    for a in range(many):
        j = b.reached[a]
        e = net.cell_ev[j]
        if b.first[e] >= 0:
            slope = sign * b.slope[j]
            kind = b.status[j]
            rising = kind == LOWER and slope > SMALLEST_PIVOT
            if (rising or (kind == UPPER and slope < -SMALLEST_PIVOT)) and net.width[j] > 0.0:
                b.ratio[size] = max(0.0, -b.d[j] / slope)
                b.rival[size] = j
                size += 1
            continue
        if not b.met[e]:
            b.met[e] = True
            b.alone[alone] = e
            alone += 1
            b.due[e] = np.inf
            b.next[e] = -1
            if abs(b.slope[b.key[e]]) > SMALLEST_ENTRY:
                next_event(net, b, e, sign)
        if abs(b.slope[b.key[e]]) <= SMALLEST_ENTRY and net.width[j] > 0.0:
            slope = sign * b.slope[j]
            if b.status[j] == UPPER:
                slope = -slope
            if slope > SMALLEST_PIVOT:
                at = abs(b.d[j]) / slope
                if at < b.due[e]:
                    b.due[e] = at
                    b.next[e] = j
    b.count[2] = alone
    for a in range(alone):
        e = b.alone[a]
        if b.next[e] >= 0:
            b.ratio[size] = b.due[e]
            b.rival[size] = cells + e
            size += 1
    for p in range(b.count[0]):
        slope = sign * row[p]
        if slope > SMALLEST_PIVOT:
            b.ratio[size] = max(0.0, b.price[b.tight[p]] / slope)
            b.rival[size] = cells + n + p
            size += 1
    for a in range(size // 2 - 1, -1, -1):
        sift(b.ratio, b.rival, a, size)
    return size


@loop
def advance(net: Net, b: Basis, size: int, sign: float, beyond: float, excess: Floats) -> Any:
    """Walk along the dual ray as far as the dual improves; returns who enters, and where.

    Cells of participants with columns in W are flipped to their other bound on the way.
    Participants that have their key alone stay optimal for themselves on the way: the cell
    that overtakes the key takes over what is in it, as much as fits, and either of the two is
    the key from then on. `excess` gathers what all that adds to the tight rows.
    Who: a cell, or the number of cells + p for a slack, or −1 if nobody can.
    """
    cells, n = len(net.width), len(net.at)
    while size > 0:
        who, at = b.rival[0], b.ratio[0]
        if who >= cells + n:
            return who - n, at
        if who < cells:
            beyond -= abs(b.slope[who]) * net.width[who]
            if beyond <= 0.0:
                return who, at
            key = b.key[net.cell_ev[who]]
            by = net.width[who]
            if b.status[who] == UPPER:
                by = -by
                b.status[who] = LOWER
            else:
                b.status[who] = UPPER
            shift(net, b, who, by, excess)
            shift(net, b, key, -by, excess)
            size -= 1
            b.rival[0], b.ratio[0] = b.rival[size], b.ratio[size]
            sift(b.ratio, b.rival, 0, size)
            continue
        e = who - cells
        j, key = b.next[e], b.key[e]
        rising = b.status[j] == LOWER
        left = b.x[key] if rising else net.width[key] - b.x[key]
        by = max(0.0, min(left, net.width[j]))
        beyond -= by * abs(b.slope[j] - b.slope[key])
        if beyond <= 0.0:
            return j, at
        if left <= net.width[j]:
            b.key[e] = j
            b.status[j] = KEY
            b.status[key] = LOWER if rising else UPPER
        else:
            b.status[j] = UPPER if rising else LOWER
        if not rising:
            by = -by
        shift(net, b, j, by, excess)
        shift(net, b, key, -by, excess)
        next_event(net, b, e, sign)
        if b.next[e] >= 0:
            b.ratio[0] = max(at, b.due[e])
        else:
            size -= 1
            b.rival[0], b.ratio[0] = b.rival[size], b.ratio[size]
        sift(b.ratio, b.rival, 0, size)
    return -1, 0.0


@loop
def correct(net: Net, b: Basis, turned: Floats, excess: Floats, image: Floats) -> None:
    """Move the columns of W so that the tight rows lose `excess`."""
    m = b.count[0]
    solve_column(turned, m, excess, image)
    for q in range(m):
        by = image[q]
        if by != 0.0:
            j = b.cell[q]
            move(net, b, j, -by)
            move(net, b, b.key[net.cell_ev[j]], by)


@loop
def stir(net: Net, b: Basis, image: Floats, entering: int) -> int:
    """Fill `swing` with what one unit of the entering variable does to cells and loads."""
    rows, cells = len(net.room), len(net.width)
    many = 0
    if entering < cells:
        many = _stir_cell(b, rows + entering, 1.0, many)
        many = _stir_cell(b, rows + b.key[net.cell_ev[entering]], -1.0, many)
    for q in range(b.count[0]):
        by = image[q]
        if abs(by) > TINY:
            j = b.cell[q]
            many = _stir_cell(b, rows + j, -by, many)
            many = _stir_cell(b, rows + b.key[net.cell_ev[j]], by, many)
    stirred = many
    for a in range(stirred):
        item = b.touched[a]
        many = add_rows(net, b, item - rows, b.swing[item], many)
    return many


@part
def _stir_cell(b: Basis, item: int, by: float, many: int) -> int:
    if not b.stirred[item]:
        b.stirred[item] = True
        b.touched[many] = item
        many += 1
    b.swing[item] += by
    return many


@loop
def settle(
    net: Net, b: Basis, many: int, step: float, entering: int, leaving: int, pivot: float
) -> None:
    """Carry out the primal step and update the Devex weights; empties `swing`."""
    rows = len(net.room)
    heft = b.heft[leaving]
    for a in range(many):
        item = b.touched[a]
        swing = b.swing[item]
        b.swing[item] = 0.0
        b.stirred[item] = False
        if swing == 0.0:
            continue
        relative = swing / pivot
        b.heft[item] = max(b.heft[item], relative * relative * heft)
        if item < rows:
            b.load[item] += swing * step
            if b.load[item] > net.room[item] + b.tol and not b.listed[item] and b.spot[item] < 0:
                b.listed[item] = True
                b.wrong[b.count[1]] = item
                b.count[1] += 1
        else:
            b.x[item - rows] += swing * step
            list_cell(net, b, item - rows)
    b.heft[entering] = max(heft / (pivot * pivot), 1.0)


@loop
def pivot_until(net: Net, b: Basis, inverse: Floats, turned: Floats, limit: int) -> int:
    """Pivot until nothing is infeasible, `limit` pivots are done or W⁻¹ has no room left."""
    rows, cells = len(net.room), len(net.width)
    row, column, image = b.row, b.column, b.image
    most = inverse.shape[0]
    while True:
        leaving = choose(net, b)
        if leaving < 0:
            return DONE
        if b.count[3] >= limit:
            return LATE
        m = b.count[0]
        if m + 1 > most:
            return CRAMPED
        if b.count[4] > m + FRESH:
            return STALE
        b.count[3] += 1

        q, line = -1, -1
        if leaving < rows:
            line = leaving
            row_of_slack(net, b, inverse, line, row)
            beyond, sign = b.load[line] - net.room[line], -1.0
        else:
            j = leaving - rows
            if b.status[j] == KEY:
                if b.first[net.cell_ev[j]] < 0:
                    refill(net, b, net.cell_ev[j])
                    for p in range(m):
                        excess = b.load[b.tight[p]] - net.room[b.tight[p]]
                        column[p] = excess if abs(excess) > 1e-3 * b.tol else 0.0
                    correct(net, b, turned, column, image)
                    continue
                q = trade_key(net, b, inverse, turned, net.cell_ev[j])
            else:
                q = b.where[j]
            for p in range(m):
                row[p] = inverse[q, p]
            beyond, sign = -b.x[j], -1.0
            if b.x[j] > 0.0:
                beyond, sign = b.x[j] - net.width[j], 1.0

        reached = price_row(net, b, row, line)
        size = collect(net, b, row, reached, sign)
        for p in range(m):
            column[p] = 0.0
        entering, step = advance(net, b, size, sign, beyond, column)
        step *= sign
        pivot = 0.0
        if entering >= cells:
            pivot = row[entering - cells]
        elif entering >= 0:
            pivot = b.slope[entering]
            if b.first[net.cell_ev[entering]] < 0:
                pivot -= b.slope[b.key[net.cell_ev[entering]]]
        for a in range(reached):
            j = b.reached[a]
            b.d[j] += step * b.slope[j]
            b.slope[j] = 0.0
            b.marked[j] = False
        for a in range(b.count[2]):
            e = b.alone[a]
            b.met[e] = False
            own = b.d[b.key[e]]
            if own != 0.0:
                for c in range(net.own_start[e], net.own_start[e + 1]):
                    b.d[net.own[c]] -= own
        if entering < 0:
            return LOST
        for p in range(m):
            b.price[b.tight[p]] -= step * row[p]
        if line >= 0:
            b.price[line] = -step
        correct(net, b, turned, column, image)

        # What the entering variable does to the tight rows, and to everything else.
        if entering < cells:
            for p in range(m):
                column[p] = 0.0
            add_tight(net, b, entering, 1.0, column)
            add_tight(net, b, b.key[net.cell_ev[entering]], -1.0, column)
            solve_column(turned, m, column, image)
            incoming = rows + entering
        else:
            for p in range(m):
                image[p] = turned[entering - cells, p]
            incoming = b.tight[entering - cells]
        many = stir(net, b, image, entering)
        b.count[4] += 1
        swing = b.swing[leaving]
        expected = pivot if line >= 0 else -pivot
        if abs(swing - expected) > 1e-7 * (1.0 + abs(pivot)):
            for a in range(many):
                b.swing[b.touched[a]] = 0.0
                b.stirred[b.touched[a]] = False
            return LOST
        if line >= 0:
            primal = (net.room[line] - b.load[line]) / swing
        else:
            bound = net.width[leaving - rows] if sign > 0.0 else 0.0
            primal = (bound - b.x[leaving - rows]) / swing
        if entering < cells:
            b.status[entering] = BASIC
            b.d[entering] = 0.0
        else:
            b.spot[incoming] = -1
            b.price[incoming] = 0.0
        settle(net, b, many, primal, incoming, leaving, pivot)

        if line < 0:
            j = leaving - rows
            b.x[j] = bound
            b.d[j] = step
            b.status[j] = UPPER if sign > 0.0 else LOWER
            unlink(net, b, q)
            b.where[j] = -1
            if entering < cells:
                replace_column(inverse, turned, m, q, image, row, image[q], b.some)
                link(net, b, q, entering)
            else:
                shrink(b, inverse, turned, q, entering - cells, image, row)
                if q != m - 1:
                    rename(net, b, m - 1, q)
        else:
            b.load[line] = net.room[line]
            if entering < cells:
                border(inverse, turned, m, image, row, pivot, b.some)
                b.tight[m] = line
                b.spot[line] = m
                b.count[0] = m + 1
                link(net, b, m, entering)
            else:
                p = entering - cells
                replace_row(inverse, turned, m, p, image, row, pivot, b.some)
                b.tight[p] = line
                b.spot[line] = p
