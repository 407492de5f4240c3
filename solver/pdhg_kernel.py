"""The hot loop of the structured method: one sweep over cars and circuits.

Letters as in the papers: x, y primal and dual point, x⁺, y⁺ where the PDHG operator takes
them, x₀, y₀ the anchor, τ and σ step sizes, ω the primal weight, λ a car's own multiplier.
All arrays are flat and read by index; see `solver.layout` for their order.
"""

# numba infers the types of what it compiles.
# mypy: allow-untyped-defs

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from solver.jit import INLINE, INNER
from solver.lanes import WIDTH, larger, load, pointer, splat, store, total
from solver.layout import Layout, zeros
from solver.pdhg_car import ask, move, move_again, settled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SUMS = 16  # a part's sums, padded against false sharing
BUFFERS = 6  # rows of scratch per part: tariff, lifted, shifted, v, q, past
# Where nothing of a car is strictly inside, its charge is taken to fall by this much of its pace.
STEEP = 0.01
TOGETHER = 8  # cars that are asked before the first of them is moved


class State(NamedTuple):
    """Everything that changes. N cells, m cars, S slots of R·W rows, P parts, M meetings."""

    x: Floats  # (N,)
    anchor_x: Floats
    next_x: Floats  # x⁺ of the last checked sweep
    plan: Floats  # made feasible from it
    best_plan: Floats
    loose_x: Floats  # how far a cell counts as free to move, 0 … 1
    y: Floats  # (S·R·W,)
    anchor_y: Floats
    next_y: Floats
    best_y: Floats
    loose_y: Floats
    sigma: Floats  # dual step sizes in use, before the primal weight
    price: Floats  # sum of y from the root down
    load: Floats  # rows under 2x⁺ − x
    move: Floats  # rows under x⁺ − x
    tempo: Floats  # (G, W) primal step sizes in use, before largest room and primal weight
    multiplier: Floats  # (m,) λ [1/Ah]
    bend: Ints  # (m,) kink of the reward last stood at
    meeting: Floats  # (2, P, 2, M, R·W) loads of shared circuits, by parity of the sweep
    sums: Floats  # (2, P, SUMS)
    scratch: Floats  # (P, BUFFERS·W + TOGETHER)


def new_state(layout: Layout) -> State:
    """All zero: nothing charges, nothing costs."""
    cells, tree = layout.cells, layout.tree
    n, m, rows = len(cells.room), len(layout.who), tree.capacity.size
    parts, width = len(tree.part_cars) - 1, tree.capacity.shape[2]
    per_slot = tree.capacity.shape[1] * width
    return State(
        x=zeros(n),
        anchor_x=zeros(n),
        next_x=zeros(n),
        plan=zeros(n),
        best_plan=zeros(n),
        loose_x=zeros(n),
        y=zeros(rows),
        anchor_y=zeros(rows),
        next_y=zeros(rows),
        best_y=zeros(rows),
        loose_y=zeros(rows),
        sigma=tree.pace.reshape(-1).copy(),
        price=zeros(rows),
        load=zeros(rows),
        move=zeros(rows),
        tempo=tree.tempo.copy(),
        multiplier=np.zeros(m),
        bend=np.zeros(m, dtype=np.int64),
        meeting=zeros(2, parts, 2, tree.meetings, per_slot),
        sums=np.zeros((2, parts, SUMS)),
        scratch=zeros(parts, BUFFERS * width + TOGETHER),
    )


@njit(**INNER)
def _move_rows(
    y, anchor, ahead, sigma, capacity, loads, moves, shift, begin, end, omega, fresh, old, check
):
    """The rows' half: y⁺ = max(0, y + σω(load − C)), then the Halpern step.

    Loads and moves of row i stand at i + shift.

    Returns Σ(y⁺−y)²/σω and Σ(y⁺−y)·moves.
    """
    zero, tiny = splat(0.0), splat(1e-300)
    weight, keep, back = splat(omega), splat(fresh), splat(old)
    moved, cross = zero, zero
    for i in range(begin, end, WIDTH):
        here, pace = load(y, i), weight * load(sigma, i)
        there = larger(here + pace * (load(loads, i + shift) - load(capacity, i)), zero)
        step = there - here
        if check:
            store(ahead, i, there)
            moved = moved + step * step / larger(pace, tiny)
            cross = cross + step * load(moves, i + shift)
        store(y, i, keep * (there + step) + back * load(anchor, i))
    return total(moved), total(cross)


@njit(**INLINE)
def gather_prices(price, coupling, g, tariff, here, width):
    """What a group pays in each step for all rows above it."""
    for r in range(coupling.shape[1]):
        weight = splat(coupling[g, r])
        if r == 0:
            for i in range(0, width, WIDTH):
                store(tariff, i, weight * load(price, here + i))
        elif coupling[g, r] > 0.0:
            for i in range(0, width, WIDTH):
                store(tariff, i, load(tariff, i) + weight * load(price, here + r * width + i))


@njit(**INLINE)
def spread_load(rows, coupling, g, lifted, here, width):
    """Add what a group takes in each step to the rows of its circuit."""
    for r in range(coupling.shape[1]):
        if coupling[g, r] > 0.0:
            weight = splat(coupling[g, r])
            for i in range(0, width, WIDTH):
                at = here + r * width + i
                store(rows, at, load(rows, at) + weight * load(lifted, i))


@njit(**INLINE)
def clear(values, begin, end):
    """Write zeros."""
    zero = splat(0.0)
    for i in range(begin, end, WIDTH):
        store(values, i, zero)


@njit(**INNER)
def pass_up(rows, up, here, per_slot):
    """Add the rows of a slot to those of the slot above it."""
    if up >= 0:
        for i in range(0, per_slot, WIDTH):
            at = up * per_slot + i
            store(rows, at, load(rows, at) + load(rows, here + i))


@njit(**INNER)
def pass_down(price, y, up, here, there, per_slot):
    """The price of a slot, its own from `here` and all above, written `there`."""
    for i in range(0, per_slot, WIDTH):
        above = load(price, up * per_slot + i) if up >= 0 else splat(0.0)
        store(price, there + i, above + load(y, here + i))


@njit(**INNER)
def sweep(cells, cars, tree, state, part, parity, omega, fresh, old, check):
    """Move the cars and the unshared circuits of one part; leave its loads at the meetings."""
    _, rows, width = tree.capacity.shape
    per_slot, coupling = rows * width, tree.coupling
    x, anchor, ahead = pointer(state.x), pointer(state.anchor_x), pointer(state.next_x)
    room, worth = pointer(cells.room), pointer(cells.worth)
    y, price, loads, moves = (
        pointer(state.y),
        pointer(state.price),
        pointer(state.load),
        pointer(state.move),
    )
    own = state.scratch[part]
    own_tariff, own_lifted, own_shifted = (
        pointer(own[:width]),
        pointer(own[width : 2 * width]),
        pointer(own[2 * width : 3 * width]),
    )
    v, q = pointer(own[3 * width : 4 * width]), pointer(own[4 * width : 5 * width])
    past, guess = pointer(own[5 * width : 6 * width]), pointer(own[6 * width :])
    multiplier_of, bend_of = pointer(state.multiplier), pointer(state.bend)
    kink, slope, bends = pointer(cars.kink), pointer(cars.slope), cars.kink.shape[1]
    start, begins, size, peak = (
        pointer(cars.start),
        pointer(cars.first),
        pointer(cars.size),
        pointer(cars.peak),
    )
    meeting, tempo = pointer(state.meeting), pointer(state.tempo)
    places = tree.meetings * per_slot
    x_moved, y_moved, crossed = 0.0, 0.0, 0.0

    first, last = tree.part_slots[part], tree.part_slots[part + 1]
    for s in range(first, last):
        if tree.inner[s]:
            here = s * per_slot
            pass_down(price, y, tree.parent[s], here, here, per_slot)
            clear(loads, here, here + per_slot)
            if check:
                clear(moves, here, here + per_slot)
    for turn in range(first, last):
        s = tree.order[turn]
        here, up = s * per_slot, tree.parent[s]
        desk = here
        if not tree.inner[s]:
            # Leaves take turns at the place of the last one, which so stays in the cache.
            desk = (last - 1) * per_slot
            pass_down(price, y, up, here, desk, per_slot)
            clear(loads, desk, desk + per_slot)
            if check:
                clear(moves, desk, desk + per_slot)
        for g in range(tree.groups[s], tree.groups[s + 1]):
            # Who loads one row by just what it takes reads its price and adds to it in place.
            row, beat = tree.row[g], g * width
            if row >= 0:
                tariff, lifted, shifted = price, loads, moves
                place = desk + row * width
            else:
                tariff, lifted, shifted, place = own_tariff, own_lifted, own_shifted, 0
                gather_prices(price, coupling, g, tariff, desk, width)
                clear(lifted, 0, width)
                if check:
                    clear(shifted, 0, width)
            for head in range(tree.cars[g], tree.cars[g + 1], TOGETHER):
                tail = min(head + TOGETHER, tree.cars[g + 1])
                for j in range(head, tail):
                    pace, stair = peak[j] / omega, j * bends + bend_of[j]
                    low = -slope[stair]
                    high = -slope[stair + 1] if bend_of[j] + 1 < bends else np.inf
                    level = min(max(multiplier_of[j], low), high)
                    filled, inside = ask(
                        x, anchor, room, worth, tariff, tempo,
                        start[j], place + begins[j], beat + begins[j], size[j], pace, level,
                    )  # fmt: skip
                    level += (filled - kink[stair]) / max(inside, STEEP * pace)
                    guess[j - head] = min(max(level, low), high)
                for j in range(head, tail):
                    pace, stair, level = peak[j] / omega, j * bends + bend_of[j], guess[j - head]
                    charge, moved = move(
                        x, anchor, room, worth, ahead, tariff, lifted, shifted, past, tempo,
                        start[j], place + begins[j], beat + begins[j], size[j], pace,
                        level, fresh, old, check,
                    )  # fmt: skip
                    if not settled(charge, level, kink, slope, stair, bend_of[j], bends):
                        level, bend_of[j], moved = move_again(
                            x, anchor, room, worth, ahead, tariff, lifted, shifted, past, v, q,
                            tempo, start[j], place + begins[j], beat + begins[j], size[j], pace,
                            kink, slope, j * bends, bends, bend_of[j], level, fresh, old, check,
                        )  # fmt: skip
                    multiplier_of[j] = level
                    x_moved += moved
            if row < 0:
                spread_load(loads, coupling, g, lifted, desk, width)
                if check:
                    spread_load(moves, coupling, g, shifted, desk, width)
        pass_up(loads, up, desk, per_slot)
        if check:
            pass_up(moves, up, desk, per_slot)
        if tree.shared[s] >= 0:
            at = ((parity * len(state.scratch) + part) * 2) * places + tree.shared[s] * per_slot
            for i in range(0, per_slot, WIDTH):
                store(meeting, at + i, load(loads, desk + i))
                if check:
                    store(meeting, at + places + i, load(moves, desk + i))
        else:
            for r in range(rows):
                begin = here + r * width
                moved, cross = _move_rows(
                    y, pointer(state.anchor_y), pointer(state.next_y),
                    pointer(state.sigma), pointer(tree.capacity), loads, moves, desk - here,
                    begin + tree.low[s], begin + tree.high[s], omega, fresh, old, check,
                )  # fmt: skip
                y_moved += moved
                crossed += cross
    sums = state.sums[parity, part]
    sums[0], sums[1], sums[2] = x_moved, y_moved, crossed


@njit(**INNER)
def meet(tree, state, part, parity, omega, fresh, old, check):
    """Move this part's copies of the shared circuits by the loads of all parts.

    Every part does the same arithmetic in the same order, so the copies stay equal.
    """
    _, rows, width = tree.capacity.shape
    per_slot = rows * width
    parts = len(state.scratch)
    places = tree.meetings * per_slot
    meeting = pointer(state.meeting)
    loads, moves = pointer(state.load), pointer(state.move)
    y_moved, crossed = 0.0, 0.0
    for s in range(tree.part_slots[part], tree.part_slots[part + 1]):
        if tree.shared[s] < 0:
            continue
        here = s * per_slot
        for i in range(0, per_slot, WIDTH):
            carried, shifted = splat(0.0), splat(0.0)
            for other in range(parts):
                at = (parity * parts + other) * 2 * places + tree.shared[s] * per_slot + i
                carried = carried + load(meeting, at)
                if check:
                    shifted = shifted + load(meeting, at + places)
            store(loads, here + i, carried)
            store(moves, here + i, shifted)
        for r in range(rows):
            begin = here + r * width
            moved, cross = _move_rows(
                pointer(state.y), pointer(state.anchor_y), pointer(state.next_y),
                pointer(state.sigma), pointer(tree.capacity), loads, moves, 0,
                begin + tree.low[s], begin + tree.high[s], omega, fresh, old, check,
            )  # fmt: skip
            if tree.counts[s]:
                y_moved += moved
                crossed += cross
    sums = state.sums[parity, part]
    sums[1] += y_moved
    sums[2] += crossed
