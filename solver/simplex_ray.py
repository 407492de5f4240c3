"""The ratio test: walk along the dual ray as far as the dual improves.

The test passes bounds as long as that improves the dual (bound flipping: Maros, Computational
Techniques of the Simplex Method, 2003, sec. 10.2.3). Participants that have their key alone
stay optimal for themselves on the way: the cell that overtakes the key takes over what is in
it, as much as fits, and either of the two is the key from then on.

A pivot row reaches hundreds of cells and a walk meets ten of them. So only what happens up to
a guess of how far the walk goes is collected, by comparing vectors; if it goes further, what
lies further is collected then.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from solver.problem import Floats, Ints
from solver.simplex_basis import COLUMNS, KEY, LOWER, UPPER, Basis, put, shift
from solver.simplex_layout import Net
from solver.simplex_memory import WIDTH, above, larger, load, loop, most, part, splat, store

# A pivot smaller than this is rounding: couplings are of the order of one.
SMALLEST_PIVOT = 1e-9

# What is below this in a pivot row is zero.
SMALLEST_ENTRY = 1e-12

# The first look goes so many times as far as the latest steps went on average, the next ones so
# much further each; the one after the last sees everything.
REACH, FURTHER, LOOKS = 4.0, 8.0, 3


@part
def sift(ratio: Floats, rival: Ints, at: int, many: int) -> None:
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
def price_row(net: Net, b: Basis, line: int) -> int:
    """Fill `slope` with the pivot row over those it reaches, relative to their keys.

    Returns how many participants that are. The pivot row over the rows of W is in `row`;
    `line` is the row that becomes tight, or −1.
    """
    many = 0
    m = b.count[COLUMNS]
    for p in range(m + 1):
        times, which = 1.0, line
        if p < m:
            times, which = b.row[p], b.tight[p]
        if which < 0 or abs(times) <= SMALLEST_ENTRY:
            continue
        r = which % net.rows
        node = which // net.rows
        for a in range(net.start[node], net.start[node + net.size[node % net.circuits]]):
            e = net.line_car[a]
            c = net.alpha[e * net.rows + r]
            if c != 0.0:
                b.reached[many] = e
                many += 1 - b.met[e]
                b.met[e] = 1
                b.slope[net.line_cell[a]] += times * c
    for a in range(many):
        e = b.reached[a]
        g = b.slope[b.key[e]]
        if g != 0.0:
            for j in range(net.begin[e], net.begin[e + 1], WIDTH):
                store(b.slope, j, load(b.slope, j) - splat(g))
    return many


@loop
def next_event(net: Net, b: Basis, e: int, sign: float) -> None:
    """When, along the dual ray, the next cell of a participant overtakes its key, and which."""
    key = b.key[e]
    d, g = b.d[key], b.slope[key]
    chosen, need, fast = -1, np.inf, 1.0
    for j in range(net.begin[e], net.end[e]):
        faster = sign * b.side[j] * (b.slope[j] - g)
        short = max(0.0, b.side[j] * (d - b.d[j]))
        if faster > SMALLEST_PIVOT and short * fast < need * faster:
            chosen, need, fast = j, short, faster
    b.next[e] = chosen
    b.due[e] = need / fast


@loop
def collect(net: Net, b: Basis, many: int, sign: float, until: float) -> int:
    """What happens along the dual ray up to `until`, as a heap; returns its size.

    An entry of `rival` is a cell of a participant with columns in W, or the number of cells
    + e for the next event of a participant that has its key alone.
    """
    size = 0
    for a in range(many):
        e = b.reached[a]
        key = b.key[e]
        d, g = splat(b.d[key]), splat(b.slope[key])
        far, nothing = splat(sign * until), splat(0.0)
        hit = nothing
        for j in range(net.begin[e], net.begin[e + 1], WIDTH):
            side = load(b.side, j)
            short = larger(side * (d - load(b.d, j)), nothing)
            hit = larger(hit, above(far * (side * (load(b.slope, j) - g)), short))
        if most(hit) == 0.0:
            continue
        if b.first[e] < 0:
            next_event(net, b, e, sign)
            if b.next[e] >= 0 and b.due[e] <= until:
                b.ratio[size] = b.due[e]
                b.rival[size] = net.cells + e
                size += 1
            continue
        for j in range(net.begin[e], net.end[e]):
            faster = sign * b.side[j] * b.slope[j]
            if faster > SMALLEST_PIVOT:
                at = max(0.0, -b.side[j] * b.d[j]) / faster
                if at <= until:
                    b.ratio[size] = at
                    b.rival[size] = j
                    size += 1
    for a in range(size // 2 - 1, -1, -1):
        sift(b.ratio, b.rival, a, size)
    return size


@part
def pop(b: Basis, size: int) -> int:
    """Take the top off the heap."""
    size -= 1
    b.rival[0], b.ratio[0] = b.rival[size], b.ratio[size]
    sift(b.ratio, b.rival, 0, size)
    return size


@loop
def first_slack(b: Basis, sign: float) -> Any:
    """The tight row whose price falls to zero first along the ray, and where; −1 if none."""
    stop, slack = np.inf, -1
    for p in range(b.count[COLUMNS]):
        slope = sign * b.row[p]
        if slope > SMALLEST_PIVOT:
            at = max(0.0, b.price[b.tight[p]] / slope)
            if at < stop:
                stop, slack = at, p
    return stop, slack


@loop
def walk(net: Net, b: Basis, many: int, sign: float, beyond: float, excess: Floats) -> Any:
    """Walk along the dual ray as far as the dual improves; returns who enters, and where.

    `excess` gathers what flipped and exchanged cells add to the tight rows. Who: a cell, or
    the number of cells + p for the slack of tight row p, or −1 if nobody can.
    """
    stop, slack = first_slack(b, sign)
    until, looks = min(stop, REACH * b.pace[0]), 1
    size = collect(net, b, many, sign, until)
    while True:
        if size == 0 or b.ratio[0] > until:
            if until >= stop:
                return (net.cells + slack if slack >= 0 else -1), stop
            until = min(stop, FURTHER * until) if looks < LOOKS and until > 0.0 else stop
            looks += 1
            size = collect(net, b, many, sign, until)
            continue
        who, at = b.rival[0], b.ratio[0]
        if who < net.cells:
            beyond -= abs(b.slope[who]) * net.width[who]
            if beyond <= 0.0:
                return who, at
            _flip(net, b, who, excess)
            size = pop(b, size)
            continue
        e = who - net.cells
        j = b.next[e]
        left = _exchangeable(net, b, j, b.key[e])
        beyond -= min(left, net.width[j]) * abs(b.slope[j] - b.slope[b.key[e]])
        if beyond <= 0.0:
            return j, at
        _overtake(net, b, e, j, left, excess)
        next_event(net, b, e, sign)
        if b.next[e] >= 0 and b.due[e] <= until:
            b.ratio[0] = max(at, b.due[e])
            sift(b.ratio, b.rival, 0, size)
        else:
            size = pop(b, size)


@part
def _flip(net: Net, b: Basis, j: int, excess: Floats) -> None:
    """A cell to its other bound; its key makes up for it."""
    by = net.width[j]
    if b.status[j] == UPPER:
        by = -by
        put(net, b, j, LOWER)
    else:
        put(net, b, j, UPPER)
    shift(net, b, j, by, excess)
    shift(net, b, b.key[net.car[j]], -by, excess)


@part
def _exchangeable(net: Net, b: Basis, j: int, key: int) -> float:
    """What the key can give to cell j, or take from it. [Ah]"""
    left = b.x[key] if b.status[j] == LOWER else net.width[key] - b.x[key]
    return max(0.0, left)  # type: ignore[no-any-return]


@part
def _overtake(net: Net, b: Basis, e: int, j: int, left: float, excess: Floats) -> None:
    """Cell j takes over what the key can give; one of the two is the key from then on."""
    key = b.key[e]
    rising = b.status[j] == LOWER
    by = min(left, net.width[j])
    if left <= net.width[j]:
        b.key[e] = j
        put(net, b, j, KEY)
        put(net, b, key, LOWER if rising else UPPER)
    else:
        put(net, b, j, UPPER if rising else LOWER)
    if not rising:
        by = -by
    shift(net, b, j, by, excess)
    shift(net, b, key, -by, excess)


@loop
def carry(net: Net, b: Basis, many: int, step: float) -> None:
    """The reduced worths after a dual step; empties `slope`."""
    nothing = splat(0.0)
    for a in range(many):
        e = b.reached[a]
        b.met[e] = 0
        key = b.key[e]
        times, own = splat(step), splat(b.d[key] + step * b.slope[key])
        for j in range(net.begin[e], net.begin[e + 1], WIDTH):
            store(b.d, j, load(b.d, j) + times * load(b.slope, j) - own)
            store(b.slope, j, nothing)
        b.d[key] = 0.0
    if many > 0:
        b.pace[0] = 0.8 * b.pace[0] + 0.2 * abs(step)


@part
def entry_of(net: Net, b: Basis, j: int) -> float:
    """The pivot row at cell j."""
    return b.slope[j] - b.slope[b.key[net.car[j]]]  # type: ignore[no-any-return]
