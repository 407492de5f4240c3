"""The pivots of the dual simplex: who leaves, who enters, what that changes.

Every variable lies between two bounds, so any prices are dual feasible once each nonbasic cell
sits at the bound its reduced worth asks for; the method starts from each participant's own
best plan at zero prices and needs no first phase. The leaving variable is chosen by Devex
weights (Forrest & Goldfarb, Math. Program. 57 (1992) 341–374), the entering one by
`simplex_ray`.
"""

from __future__ import annotations

from solver.simplex_basis import (
    BASIC,
    COLUMNS,
    KEY,
    LOWER,
    PIVOTS,
    UPDATES,
    UPPER,
    WRONG,
    Basis,
    add_tight,
    link,
    list_cell,
    list_line,
    move,
    put,
    rename,
    unlink,
)
from solver.simplex_inverse import (
    TINY,
    Inverse,
    border,
    replace_column,
    replace_row,
    row_of_slack,
    shrink,
    solve_column,
    trade_key,
)
from solver.simplex_layout import Net
from solver.simplex_memory import WIDTH, loop, part
from solver.simplex_ray import carry, entry_of, price_row, sift, walk

DONE, CRAMPED, LATE, LOST, STALE, ON = range(6)

# Updates of W⁻¹ beyond one a column before it is built anew. Rounding breeds: after a hundred
# ticks at 1,000 cars W⁻¹ was 20 % full, of which 1.3 % meant something, and pivots took
# six times as long.
FRESH = 100


@loop
def fill_alone(net: Net, b: Basis, e: int) -> None:
    """Solve one participant alone at the present prices of the rows; loads are left behind.

    One pivot of the dual simplex with a bound-flipping ratio test, taken to its end: the best
    cells first until the energy is used up; the cell where that happens is the key.
    """
    begin = net.begin[e]
    many = net.end[e] - begin
    for a in range(many):
        b.rival[a] = begin + a
        b.ratio[a] = -b.d[begin + a]
    for a in range(many // 2 - 1, -1, -1):
        sift(b.ratio, b.rival, a, many)
    left = net.energy[e]
    while many > 1:
        j = b.rival[0]
        if net.width[j] >= left:
            break
        left -= net.width[j]
        put(net, b, j, UPPER)
        b.x[j] = net.width[j]
        many -= 1
        b.rival[0], b.ratio[0] = b.rival[many], b.ratio[many]
        sift(b.ratio, b.rival, 0, many)
    for a in range(1, many):
        put(net, b, b.rival[a], LOWER)
        b.x[b.rival[a]] = 0.0
    key = b.rival[0]
    b.key[e] = key
    put(net, b, key, KEY)
    b.x[key] = left
    own = b.d[key]
    for j in range(begin, net.end[e]):
        b.d[j] -= own
    b.d[key] = 0.0


@loop
def refill(net: Net, b: Basis, w: Inverse, e: int) -> None:
    """The same on the way, with all that hangs on it."""
    begin, end = net.begin[e], net.end[e]
    for j in range(begin, end):
        b.slope[j] = b.x[j]
    fill_alone(net, b, e)
    for j in range(begin, end):
        by = b.x[j] - b.slope[j]
        if by != 0.0:
            b.x[j] = b.slope[j]
            move(net, b, j, by)
        b.slope[j] = 0.0
    for p in range(b.count[COLUMNS]):
        over = b.load[b.tight[p]] - net.room[b.tight[p]]
        b.column[p] = over if abs(over) > 1e-3 * b.tol else 0.0
    correct(net, b, w)


@loop
def choose(net: Net, b: Basis) -> int:
    """The most infeasible basic variable by weight; −1 if none. Tidies the list on the way."""
    best, chosen = 0.0, -1
    a = 0
    while a < b.count[WRONG]:
        item = b.wrong[a]
        beyond = 0.0
        if item < net.lines:
            if b.spot[item] < 0:
                beyond = b.load[item] - net.room[item]
        else:
            j = item - net.lines
            if b.status[j] >= BASIC:
                beyond = max(-b.x[j], b.x[j] - net.width[j])
        if beyond <= b.tol:
            b.listed[item] = 0
            b.count[WRONG] -= 1
            b.wrong[a] = b.wrong[b.count[WRONG]]
            continue
        if item >= net.lines:
            j = item - net.lines
            if b.status[j] == KEY and b.first[net.car[j]] < 0:
                return item  # type: ignore[no-any-return]
        if beyond * beyond > best * b.heft[item]:
            best, chosen = beyond * beyond / b.heft[item], item
        a += 1
    return chosen


@loop
def correct(net: Net, b: Basis, w: Inverse) -> None:
    """Move the columns of W so that the tight rows lose what is in `column`."""
    m = b.count[COLUMNS]
    solve_column(w, m, b.column, b.image)
    for q in range(m):
        by = b.image[q]
        if by != 0.0:
            j = b.cell[q]
            move(net, b, j, -by)
            move(net, b, b.key[net.car[j]], by)


@loop
def stir(net: Net, b: Basis, entering: int) -> int:
    """Fill `swing` with what one unit of the entering variable does to cells and loads."""
    many = 0
    if entering < net.cells:
        many = _stir(b, net.lines + entering, 1.0, many)
        many = _stir(b, net.lines + b.key[net.car[entering]], -1.0, many)
    for q in range(b.count[COLUMNS]):
        by = b.image[q]
        if abs(by) > TINY:
            j = b.cell[q]
            many = _stir(b, net.lines + j, -by, many)
            many = _stir(b, net.lines + b.key[net.car[j]], by, many)
    for a in range(many):
        item = b.touched[a]
        many = _stir_rows(net, b, item - net.lines, b.swing[item], many)
    return many


@part
def _stir(b: Basis, item: int, by: float, many: int) -> int:
    if b.stirred[item] == 0:
        b.stirred[item] = 1
        b.touched[many] = item
        many += 1
    b.swing[item] += by
    return many


@part
def _stir_rows(net: Net, b: Basis, j: int, by: float, many: int) -> int:
    """swing[row] += by · coefficient over all rows of cell j; returns how many are touched."""
    t = net.step[j]
    if t < 0:
        return many
    e = net.car[j]
    base = t * net.circuits
    p = net.lift[base + net.at[e]]
    while p >= 0:
        for r in range(net.rows):
            a = net.alpha[e * net.rows + r]
            line = (base + p) * net.rows + r
            if a != 0.0 and net.room[line] < 1e300:
                many = _stir(b, line, by * a, many)
        p = net.up[p]
        if p >= 0:
            p = net.lift[base + p]
    return many


@loop
def unstir(b: Basis, many: int) -> None:
    """Empty `swing`."""
    for a in range(many):
        b.swing[b.touched[a]] = 0.0
        b.stirred[b.touched[a]] = 0


@loop
def settle(
    net: Net, b: Basis, many: int, step: float, entering: int, leaving: int, pivot: float
) -> None:
    """Carry out the primal step and update the Devex weights; empties `swing`."""
    heft = b.heft[leaving]
    inverse = 1.0 / pivot
    for a in range(many):
        item = b.touched[a]
        swing = b.swing[item]
        b.swing[item] = 0.0
        b.stirred[item] = 0
        if swing == 0.0:
            continue
        relative = swing * inverse
        b.heft[item] = max(b.heft[item], relative * relative * heft)
        if item < net.lines:
            b.load[item] += swing * step
            list_line(net, b, item)
        else:
            b.x[item - net.lines] += swing * step
            list_cell(net, b, item - net.lines)
    b.heft[entering] = max(heft * inverse * inverse, 1.0)


@loop
def pivot_until(net: Net, b: Basis, w: Inverse, limit: int) -> int:
    """Pivot until nothing is infeasible, `limit` pivots are done or W⁻¹ has no room left."""
    code = ON
    while code == ON:
        leaving = choose(net, b)
        m = b.count[COLUMNS]
        if leaving < 0:
            code = DONE
        elif b.count[PIVOTS] >= limit:
            code = LATE
        elif m + 1 > w.stride - WIDTH:
            code = CRAMPED
        elif b.count[UPDATES] > m + FRESH:
            code = STALE
        else:
            b.count[PIVOTS] += 1
            code = _pivot(net, b, w, leaving)
    return code


@loop
def _pivot(net: Net, b: Basis, w: Inverse, leaving: int) -> int:
    """One pivot."""
    m = b.count[COLUMNS]
    cells, lines = net.cells, net.lines
    q, line = -1, -1
    if leaving < lines:
        line = leaving
        row_of_slack(net, b, w, line, b.row)
        beyond, sign = b.load[line] - net.room[line], -1.0
    else:
        j = leaving - lines
        if b.status[j] == KEY:
            if b.first[net.car[j]] < 0:
                refill(net, b, w, net.car[j])
                return ON
            q = trade_key(net, b, w, net.car[j])
        else:
            q = b.where[j]
        for p in range(m):
            b.row[p] = w.rows[q * w.stride + p]
        beyond, sign = -b.x[j], -1.0
        if b.x[j] > 0.0:
            beyond, sign = b.x[j] - net.width[j], 1.0

    met = price_row(net, b, line)
    for p in range(m):
        b.column[p] = 0.0
    entering, step = walk(net, b, met, sign, beyond, b.column)
    if entering < 0:
        carry(net, b, met, 0.0)
        return LOST
    step *= sign
    pivot = b.row[entering - cells] if entering >= cells else entry_of(net, b, entering)
    carry(net, b, met, step)
    for p in range(m):
        b.price[b.tight[p]] -= step * b.row[p]
    if line >= 0:
        b.price[line] = -step
    correct(net, b, w)

    incoming = _image(net, b, w, entering)
    many = stir(net, b, entering)
    b.count[UPDATES] += 1
    swing = b.swing[leaving]
    expected = pivot if line >= 0 else -pivot
    if abs(swing - expected) > 1e-7 * (1.0 + abs(pivot)):
        unstir(b, many)
        return LOST
    bound = 0.0
    if line >= 0:
        primal = (net.room[line] - b.load[line]) / swing
    else:
        bound = net.width[leaving - lines] if sign > 0.0 else 0.0
        primal = (bound - b.x[leaving - lines]) / swing
    if entering < cells:
        put(net, b, entering, BASIC)
        b.d[entering] = 0.0
    else:
        b.spot[incoming] = -1
        b.price[incoming] = 0.0
    settle(net, b, many, primal, incoming, leaving, pivot)
    if line >= 0:
        b.load[line] = net.room[line]
        _tighten(net, b, w, line, entering, pivot)
    else:
        j = leaving - lines
        b.x[j] = bound
        b.d[j] = step
        put(net, b, j, UPPER if sign > 0.0 else LOWER)
        b.where[j] = -1
        _take_out(net, b, w, q, entering)
    return ON


@loop
def _image(net: Net, b: Basis, w: Inverse, entering: int) -> int:
    """Fill `image` with what the entering variable does to the columns of W; which item it is."""
    m = b.count[COLUMNS]
    if entering >= net.cells:
        for p in range(m):
            b.image[p] = w.columns[(entering - net.cells) * w.stride + p]
        return b.tight[entering - net.cells]  # type: ignore[no-any-return]
    for p in range(m):
        b.column[p] = 0.0
    add_tight(net, b, entering, 1.0, b.column)
    add_tight(net, b, b.key[net.car[entering]], -1.0, b.column)
    solve_column(w, m, b.column, b.image)
    return net.lines + entering


@loop
def _tighten(net: Net, b: Basis, w: Inverse, line: int, entering: int, pivot: float) -> None:
    """A row becomes tight: W grows, or the row takes the place of the one that enters."""
    m = b.count[COLUMNS]
    p = entering - net.cells
    if p < 0:
        border(b, w, m, b.image, b.row, pivot)
        p = m
        b.count[COLUMNS] = m + 1
        link(net, b, m, entering)
    else:
        replace_row(b, w, m, p, b.image, b.row, pivot)
    b.tight[p] = line
    b.spot[line] = p


@loop
def _take_out(net: Net, b: Basis, w: Inverse, q: int, entering: int) -> None:
    """Column q of W goes: the entering cell takes its place, or a row goes with it."""
    m = b.count[COLUMNS]
    unlink(net, b, q)
    if entering < net.cells:
        replace_column(b, w, m, q, b.image, b.row, b.image[q])
        link(net, b, q, entering)
    else:
        shrink(b, w, q, entering - net.cells, b.image, b.row)
        if q != m - 1:
            rename(net, b, m - 1, q)
