"""One car's half of a sweep: the projection on its own polytope, and its Halpern step.

With τ a step size for each cell, a car charges clip(x + τ(v − p − λ), 0, room), where one
multiplier λ keeps its energy and its reward. From the last λ one Newton step is nearly
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
def _fill_to(v, q, room, tempo, cell, beat, size, pace, level):
    """q = clip(v − τλ, 0, room); its sum, and the sum of τ over the cells strictly inside."""
    zero, shift = splat(0.0), splat(pace * level)
    filled, inside = zero, zero
    for i in range(0, size, WIDTH):
        short()
        step = load(tempo, beat + i)
        wish = load(v, i) - shift * step
        take = smaller(larger(wish, zero), load(room, cell + i))
        store(q, i, take)
        filled = filled + take
        inside = inside + step * equal(take, wish)
    return total(filled), pace * total(inside)


@njit(**INNER)
def _project(
    v, q, room, tempo, cell, beat, size, pace, kink, slope, base, bends, bend, level, filled, inside
):  # fmt: skip
    """Nearest point q of a car's polytope to v, its reward included, from q at a guess of λ.

    The charge Σq falls as the level λ rises, while the charge the reward asks for at that
    level is a staircase up: kink j for levels between −slope[j] and −slope[j+1]. Newton on
    the piecewise linear fall, bracketed; walks to the next stair where it must.
    """
    low = -slope[base + bend]
    high = -slope[base + bend + 1] if bend + 1 < bends else np.inf
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
                high = -slope[base + bend + 1] if bend + 1 < bends else np.inf
                over = np.inf
                continue
            under = level
        else:
            if level <= low:
                if bend == 0 or filled >= kink[base + bend - 1]:
                    break
                bend -= 1
                high = low
                low = -slope[base + bend]
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
                guess = under + max(2.0 * (under - low), excess / pace)
        if guess == level:
            break
        level = guess
        filled, inside = _fill_to(v, q, room, tempo, cell, beat, size, pace, level)
    return level, bend


@njit(**INLINE)
def ask(x, anchor, room, worth, price, tempo, cell, step, beat, size, pace, level):
    """What a car would charge at a level, and the sum of τ over cells strictly inside."""
    speed, shift, zero = splat(pace), splat(level), splat(0.0)
    filled, inside = zero, zero
    for i in range(0, size, WIDTH):
        short()
        fetch(x, cell + i + AHEAD)
        fetch(worth, cell + i + AHEAD)
        fetch(room, cell + i + AHEAD)
        fetch(anchor, cell + i + AHEAD)
        tau = speed * load(tempo, beat + i)
        gain = load(worth, cell + i) - load(price, step + i) - shift
        wish = load(x, cell + i) + tau * gain
        take = smaller(larger(wish, zero), load(room, cell + i))
        filled = filled + take
        inside = inside + tau * equal(take, wish)
    return total(filled), total(inside)


@njit(**INLINE)
def move(
    x, anchor, room, worth, ahead, price, loads, moves, past, tempo, cell, step, beat, size, pace,
    level, fresh, old, check,
):  # fmt: skip
    """Take the Halpern step of a car at its level; its charge and how far it went."""
    speed, shift, zero = splat(pace), splat(level), splat(0.0)
    keep, back, filled, moved = splat(fresh), splat(old), zero, zero
    for i in range(0, size, WIDTH):
        short()
        here = load(x, cell + i)
        store(past, i, here)
        tau = speed * load(tempo, beat + i)
        gain = load(worth, cell + i) - load(price, step + i) - shift
        there = smaller(larger(here + tau * gain, zero), load(room, cell + i))
        filled = filled + there
        way = there - here
        if check:
            moved = moved + way * way / tau
            store(ahead, cell + i, there)
            store(moves, step + i, load(moves, step + i) + way)
        beyond = there + way
        store(loads, step + i, load(loads, step + i) + beyond)
        store(x, cell + i, keep * beyond + back * load(anchor, cell + i))
    return total(filled), total(moved)


@njit(**INLINE)
def settled(charge, level, kink, slope, stair, bend, bends):
    """Whether a car's charge at this level is what its energy and its reward ask for."""
    excess = charge - kink[stair]
    if abs(excess) <= EXACT * kink[stair]:
        return True
    if excess < 0.0:
        return level <= -slope[stair] and (bend == 0 or charge >= kink[stair - 1])
    return bend + 1 < bends and level >= -slope[stair + 1] and charge <= kink[stair + 1]


@njit(**INNER)
def move_again(
    x, anchor, room, worth, ahead, price, loads, moves, past, v, q, tempo, cell, step, beat, size,
    pace, kink, slope, base, bends, bend, level, fresh, old, check,
):  # fmt: skip
    """Undo the step of a car that was taken at the wrong level, and take it at the right one."""
    speed, zero, wrong = splat(pace), splat(0.0), splat(level)
    keep, back, moved = splat(fresh), splat(old), splat(0.0)
    for i in range(0, size, WIDTH):
        short()
        tau = speed * load(tempo, beat + i)
        gain = load(worth, cell + i) - load(price, step + i)
        was = smaller(larger(load(past, i) + tau * (gain - wrong), zero), load(room, cell + i))
        if check:
            store(moves, step + i, load(moves, step + i) - (was - load(past, i)))
        store(loads, step + i, load(loads, step + i) - (was + (was - load(past, i))))
        store(v, i, load(past, i) + tau * gain)
    filled, inside = _fill_to(v, q, room, tempo, cell, beat, size, pace, level)
    level, bend = _project(
        v, q, room, tempo, cell, beat, size, pace, kink, slope, base, bends, bend,
        level, filled, inside,
    )  # fmt: skip
    for i in range(0, size, WIDTH):
        short()
        there = load(q, i)
        way = there - load(past, i)
        if check:
            moved = moved + way * way / (speed * load(tempo, beat + i))
            store(ahead, cell + i, there)
            store(moves, step + i, load(moves, step + i) + way)
        beyond = there + way
        store(loads, step + i, load(loads, step + i) + beyond)
        store(x, cell + i, keep * beyond + back * load(anchor, cell + i))
    return level, bend, total(moved)
