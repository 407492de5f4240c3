"""One car's half of a sweep: the projection on its own polytope, and its Halpern step.

A car with energy E and a concave reward charges clip(v − λτ, 0, room) with one multiplier λ
that is kept in units of a price between sweeps. From the last λ one Newton step is nearly
always exact: so a car is asked once, moved at what that gives, and only where a cell has
left its bound or come to it (one in a hundred, late in a run) is it moved again.
"""

# numba infers the types of what it compiles.
# mypy: allow-untyped-defs

from __future__ import annotations

import numpy as np
from numba import njit

from solver.jit import INLINE, INNER
from solver.lanes import WIDTH, equal, fetch, larger, load, short, smaller, splat, store, total

EXACT = 1e-12  # of what it asks for, to which a car is charged
AHEAD = 256  # cells from here that are fetched from memory: about what eight cars have


@njit(**INNER)
def _fill_to(v, q, room, cell, size, level):
    """q = clip(v − level, 0, room); its sum, and how many cells lie strictly inside."""
    zero, shift = splat(0.0), splat(level)
    filled, inside = zero, zero
    for i in range(0, size, WIDTH):
        short()
        wish = load(v, i) - shift
        take = smaller(larger(wish, zero), load(room, cell + i))
        store(q, i, take)
        filled = filled + take
        inside = inside + equal(take, wish)
    return total(filled), total(inside)


@njit(**INNER)
def _project(v, q, room, cell, size, tau, kink, slope, base, bends, bend, level, filled, inside):
    """Nearest point q of a car's polytope to v, its reward included, from q at a guess of τλ.

    The charge Σq falls as the level τλ rises, while the charge the reward asks for at that
    level is a staircase up: kink j for levels between −τ slope[j] and −τ slope[j+1]. Newton on
    the piecewise linear fall, bracketed; walks to the next stair where it must.
    """
    low = -tau * slope[base + bend]
    high = -tau * slope[base + bend + 1] if bend + 1 < bends else np.inf
    under, over = -np.inf, np.inf  # levels known to be too low, too high
    for _ in range(200):
        excess = filled - kink[base + bend]
        if abs(excess) <= 1e-13 * kink[base + bend]:
            break
        if excess > 0.0:
            if level >= high:
                if filled <= kink[base + bend + 1]:
                    break
                bend += 1
                low = high
                high = -tau * slope[base + bend + 1] if bend + 1 < bends else np.inf
                over = np.inf
                continue
            under = level
        else:
            if level <= low:
                if bend == 0 or filled >= kink[base + bend - 1]:
                    break
                bend -= 1
                high = low
                low = -tau * slope[base + bend]
                under = -np.inf
                continue
            over = level
        guess = level + excess / inside if inside > 0.0 else level
        guess = min(max(guess, low), high)
        if guess <= under or guess >= over:
            if over < np.inf and under > -np.inf:
                guess = 0.5 * (under + over)
            elif over < np.inf:
                guess = low
            elif high < np.inf:
                guess = high
            else:
                guess = under + max(2.0 * (under - low), excess)
        if guess == level:
            break
        level = guess
        filled, inside = _fill_to(v, q, room, cell, size, level)
    return level, bend


@njit(**INLINE)
def ask(x, anchor, room, worth, price, cell, step, size, tau, level):
    """What a car would charge at a level, and in how many cells it could have more or less."""
    pace, shift, zero = splat(tau), splat(level), splat(0.0)
    filled, inside = zero, zero
    for i in range(0, size, WIDTH):
        short()
        fetch(x, cell + i + AHEAD)
        fetch(worth, cell + i + AHEAD)
        fetch(room, cell + i + AHEAD)
        fetch(anchor, cell + i + AHEAD)
        aim = load(x, cell + i) + pace * (load(worth, cell + i) - load(price, step + i))
        wish = aim - shift
        take = smaller(larger(wish, zero), load(room, cell + i))
        filled = filled + take
        inside = inside + equal(take, wish)
    return total(filled), total(inside)


@njit(**INLINE)
def move(
    x, anchor, room, worth, ahead, price, loads, moves, past, cell, step, size, tau, level,
    fresh, old, check,
):  # fmt: skip
    """Take the Halpern step of a car at its level; its charge and how far it went."""
    pace, shift, zero = splat(tau), splat(level), splat(0.0)
    keep, back, filled, moved = splat(fresh), splat(old), zero, zero
    for i in range(0, size, WIDTH):
        short()
        here = load(x, cell + i)
        store(past, i, here)
        aim = here + pace * (load(worth, cell + i) - load(price, step + i))
        there = smaller(larger(aim - shift, zero), load(room, cell + i))
        filled = filled + there
        way = there - here
        if check:
            moved = moved + way * way
            store(ahead, cell + i, there)
            store(moves, step + i, load(moves, step + i) + way)
        beyond = there + way
        store(loads, step + i, load(loads, step + i) + beyond)
        store(x, cell + i, keep * beyond + back * load(anchor, cell + i))
    return total(filled), total(moved)


@njit(**INLINE)
def settled(charge, level, kink, slope, stair, bend, bends, tau):
    """Whether a car's charge at this level is what its energy and its reward ask for."""
    excess = charge - kink[stair]
    if abs(excess) <= EXACT * kink[stair]:
        return True
    if excess < 0.0:
        return level <= -tau * slope[stair] and (bend == 0 or charge >= kink[stair - 1])
    return bend + 1 < bends and level >= -tau * slope[stair + 1] and charge <= kink[stair + 1]


@njit(**INNER)
def move_again(
    x, anchor, room, worth, ahead, price, loads, moves, past, v, q, cell, step, size, tau,
    kink, slope, base, bends, bend, level, fresh, old, check,
):  # fmt: skip
    """Undo the step of a car that was taken at the wrong level, and take it at the right one."""
    pace, zero, wrong = splat(tau), splat(0.0), splat(level)
    keep, back, moved = splat(fresh), splat(old), splat(0.0)
    for i in range(0, size, WIDTH):
        short()
        aim = load(past, i) + pace * (load(worth, cell + i) - load(price, step + i))
        was = smaller(larger(aim - wrong, zero), load(room, cell + i))
        if check:
            store(moves, step + i, load(moves, step + i) - (was - load(past, i)))
        store(loads, step + i, load(loads, step + i) - (was + (was - load(past, i))))
        store(v, i, aim)
    filled, inside = _fill_to(v, q, room, cell, size, level)
    level, bend = _project(
        v, q, room, cell, size, tau, kink, slope, base, bends, bend, level, filled, inside
    )
    for i in range(0, size, WIDTH):
        short()
        there = load(q, i)
        way = there - load(past, i)
        if check:
            moved = moved + way * way
            store(ahead, cell + i, there)
            store(moves, step + i, load(moves, step + i) + way)
        beyond = there + way
        store(loads, step + i, load(loads, step + i) + beyond)
        store(x, cell + i, keep * beyond + back * load(anchor, cell + i))
    return level, bend, total(moved)
