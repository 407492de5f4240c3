"""What a pair (x⁺, y⁺) proves: a plan that is feasible and a bound no plan exceeds.

Bound: for any row prices y ≥ 0 the Lagrangian splits into one fractional knapsack per car,
solved exactly. Plan: every cell is scaled by the worst C/load on its way to the root, then the
cars, one after another, plan anew with what the others leave.
"""

# numba infers the types of what it compiles.
# mypy: allow-untyped-defs

from __future__ import annotations

import numpy as np
from numba import njit

from solver.jit import INNER
from solver.lanes import (
    WIDTH,
    above,
    larger,
    least,
    load,
    most,
    pointer,
    short,
    smaller,
    splat,
    store,
    total,
)
from solver.pdhg_kernel import clear, gather_prices, pass_down, pass_up, spread_load

BIG = 1e300
NOTHING = 1e-11  # of a car's largest room or of what it asks for


@njit(**INNER)
def knapsack(worth, tariff, room, cell, step, size, kink, slope, base, bends, level):
    """max Σ (worth − tariff)·e + U(Σe) over a car's polytope, and its λ, by its dual.

    The dual is convex and piecewise linear in λ; from a good guess its least point is a few
    bends away. Every λ gives a true bound, so stopping early costs tightness, not truth.
    """
    value, best = np.inf, level
    big, small, zero, one = splat(BIG), splat(-BIG), splat(0.0), splat(1.0)
    for _ in range(40):
        mark = splat(level)
        paid, used, closed, after, before = zero, zero, zero, big, small
        for i in range(0, size, WIDTH):
            here = load(worth, cell + i) - load(tariff, step + i)
            fits = load(room, cell + i)
            up, down = above(here, mark), above(mark, here)
            paid = paid + fits * larger(here - mark, zero)
            used = used + fits * up
            closed = closed + (fits - fits * down)
            # Padding has no room and must not count as a bend.
            exists = above(fits, zero)
            after = smaller(after, here + (one - up * exists) * big)
            before = larger(before, here - (one - down * exists) * big)
        dual = total(paid)
        fewest, furthest = total(used), total(closed)  # charge just above and at this level
        upward, downward = least(after), most(before)
        asked_less, asked, last = 0.0, 0.0, 0.0
        for b in range(bends):
            segment, gain = kink[base + b] - last, slope[base + b] + level
            last = kink[base + b]
            if segment <= 0.0:
                continue
            if gain > 0.0:
                dual += segment * gain
                asked_less += segment
                downward = max(downward, -slope[base + b])
            elif gain < 0.0:
                upward = min(upward, -slope[base + b])
            if gain >= 0.0:
                asked += segment
        if dual <= value + 1e-14 * abs(value):
            value, best = min(dual, value), level
        # Of equal λ the largest: it also holds for cells whose room was cut to the energy.
        if fewest >= asked * (1.0 - 1e-12) and upward < BIG:
            level = upward
        elif furthest < asked_less and downward > -BIG:
            level = downward
        else:
            break
    return value, best


@njit(**INNER)
def prove(cells, cars, tree, state, part):
    """This part's share of the bound; leaves its loads under x⁺ at the meetings."""
    _, rows, width = tree.capacity.shape
    per_slot, bound, bends = rows * width, 0.0, cars.kink.shape[1]
    price, loads, ahead = pointer(state.price), pointer(state.load), pointer(state.next_x)
    own = state.scratch[part]
    tariff, lifted = pointer(own[:width]), pointer(own[width : 2 * width])
    room, worth = pointer(cells.room), pointer(cells.worth)
    kink, slope, guess = pointer(cars.kink), pointer(cars.slope), pointer(state.multiplier)
    y, capacity = pointer(state.next_y), pointer(tree.capacity)
    first, last = tree.part_slots[part], tree.part_slots[part + 1]
    for s in range(first, last):
        here = s * per_slot
        pass_down(price, y, tree.parent[s], here, here, per_slot)
        clear(loads, here, here + per_slot)
        if tree.counts[s]:
            cost = splat(0.0)
            for i in range(here, here + per_slot, WIDTH):
                cost = cost + load(y, i) * load(capacity, i)
            bound += total(cost)
    for s in range(last - 1, first - 1, -1):
        here = s * per_slot
        for g in range(tree.groups[s], tree.groups[s + 1]):
            gather_prices(price, tree.coupling, g, tariff, here, width)
            clear(lifted, 0, width)
            for j in range(tree.cars[g], tree.cars[g + 1]):
                cell, size, step = cars.start[j], cars.size[j], cars.first[j]
                value, _ = knapsack(
                    worth, tariff, room, cell, step, size, kink, slope, j * bends, bends, guess[j]
                )
                bound += value
                for i in range(0, size, WIDTH):
                    store(lifted, step + i, load(lifted, step + i) + load(ahead, cell + i))
            spread_load(loads, tree.coupling, g, lifted, here, width)
        pass_up(loads, tree.parent[s], here, per_slot)
    _announce(tree, state, part, 0)
    state.sums[0, part, 3] = bound


@njit(**INNER)
def fit(cells, cars, tree, state, part):
    """Scale this part's cells until every row is kept; leaves the new loads at the meetings."""
    _, rows, width = tree.capacity.shape
    per_slot = rows * width
    scale, loads, capacity = pointer(state.move), pointer(state.load), pointer(tree.capacity)
    pace, ahead, plan = pointer(tree.pace), pointer(state.next_x), pointer(state.plan)
    own = state.scratch[part]
    keep, lifted = pointer(own[:width]), pointer(own[width : 2 * width])
    one, zero, tiny = splat(1.0), splat(0.0), splat(1e-300)
    _gather(tree, state, part, 0)
    first, last = tree.part_slots[part], tree.part_slots[part + 1]
    for s in range(first, last):
        here, up = s * per_slot, tree.parent[s] * per_slot
        for i in range(0, per_slot, WIDTH):
            # Rows that cannot bind have neither pace nor capacity and keep everything.
            free = one - above(load(pace, here + i), zero)
            share = load(capacity, here + i) / larger(load(loads, here + i), tiny)
            share = larger(smaller(share, one), free)
            if up >= 0:
                share = smaller(share, load(scale, up + i))
            store(scale, here + i, share)
        clear(loads, here, here + per_slot)
    for s in range(last - 1, first - 1, -1):
        here = s * per_slot
        for g in range(tree.groups[s], tree.groups[s + 1]):
            for i in range(0, width, WIDTH):
                share = one
                for r in range(rows):
                    if tree.coupling[g, r] > 0.0:
                        share = smaller(share, load(scale, here + r * width + i))
                store(keep, i, share)
            clear(lifted, 0, width)
            for j in range(tree.cars[g], tree.cars[g + 1]):
                cell, step = cars.start[j], cars.first[j]
                for i in range(0, cars.size[j], WIDTH):
                    taken = load(ahead, cell + i) * load(keep, step + i)
                    store(plan, cell + i, taken)
                    store(lifted, step + i, load(lifted, step + i) + taken)
            spread_load(loads, tree.coupling, g, lifted, here, width)
        pass_up(loads, tree.parent[s], here, per_slot)
    _announce(tree, state, part, 1)


@njit(**INNER)
def refill(cells, cars, tree, state, part):
    """Let this part's cars plan anew with what is left; its share of the plan's worth.

    Of what is left on a circuit in several parts each part may use an equal share.
    """
    _, rows, width = tree.capacity.shape
    per_slot, bends = rows * width, cars.kink.shape[1]
    left, price, plan = pointer(state.load), pointer(state.price), pointer(state.plan)
    pace, capacity = pointer(tree.pace), pointer(tree.capacity)
    room, worth = pointer(cells.room), pointer(cells.worth)
    own = state.scratch[part]
    tariff, spare = pointer(own[:width]), pointer(own[width : 2 * width])
    zero, one, big, small = splat(0.0), splat(1.0), splat(BIG), splat(-BIG)
    _gather(tree, state, part, 1)
    first, last = tree.part_slots[part], tree.part_slots[part + 1]
    for s in range(first, last):
        here = s * per_slot
        share = splat(1.0 / (len(state.scratch) if tree.shared[s] >= 0 else 1.0))
        for i in range(here, here + per_slot, WIDTH):
            bound = above(load(pace, i), zero)
            unused = larger(share * (load(capacity, i) - load(left, i)), zero)
            store(left, i, larger(unused, big - bound * big))
    earned = 0.0
    for s in range(last - 1, first - 1, -1):
        for g in range(tree.groups[s], tree.groups[s + 1]):
            gather_prices(price, tree.coupling, g, tariff, s * per_slot, width)
            _find_spare(left, tree.coupling, tree.parent, s, g, spare, width)
            for j in range(tree.cars[g], tree.cars[g + 1]):
                cell, size, step = cars.start[j], cars.size[j], cars.first[j]
                held, sold, gains, costs = zero, zero, small, big
                tiny = splat(NOTHING * cars.peak[j])
                for i in range(0, size, WIDTH):
                    short()
                    earns, has = load(worth, cell + i), load(plan, cell + i)
                    held = held + has
                    sold = sold + has * earns
                    more = smaller(load(spare, step + i), load(room, cell + i) - has)
                    gains = larger(gains, earns - (one - above(more, tiny)) * big)
                    costs = smaller(costs, earns + (one - above(has, tiny)) * big)
                charge = total(held)
                earned += total(sold)
                if charge < cars.kink[j, bends - 1] * (1.0 - NOTHING) or most(gains) > least(costs):
                    more_worth, charge = _plan_anew(
                        room, worth, plan, tariff, spare, left, tree.coupling, tree.parent,
                        s, g, cell, step, size, width, pointer(cars.kink), pointer(cars.slope),
                        j * bends, bends, charge, NOTHING * cars.peak[j],
                    )  # fmt: skip
                    earned += more_worth
                last_kink = 0.0
                for b in range(bends):
                    kink = cars.kink[j, b]
                    if cars.slope[j, b] > 0.0:
                        earned += cars.slope[j, b] * max(0.0, min(charge, kink) - last_kink)
                    last_kink = kink
    state.sums[0, part, 4] = earned


@njit(**INNER)
def _find_spare(left, coupling, parent, s, g, spare, width):
    """What one more car of a group could still take in each step, all rows above it asked."""
    rows = coupling.shape[1]
    for i in range(0, width, WIDTH):
        store(spare, i, splat(BIG))
    k = s
    while k >= 0:
        for r in range(rows):
            if coupling[g, r] > 0.0:
                share = splat(1.0 / coupling[g, r])
                for i in range(0, width, WIDTH):
                    fits = share * load(left, (k * rows + r) * width + i)
                    store(spare, i, smaller(load(spare, i), fits))
        k = parent[k]


@njit(**INNER)
def _book(left, coupling, parent, s, g, spare, width, step, amount):
    """Take an amount from all rows above a group in one step, or give it back."""
    rows = coupling.shape[1]
    k, fits = s, BIG
    while k >= 0:
        for r in range(rows):
            if coupling[g, r] > 0.0:
                at = (k * rows + r) * width + step
                left[at] = left[at] - amount * coupling[g, r]
                fits = min(fits, left[at] / coupling[g, r])
        k = parent[k]
    spare[step] = fits


@njit(**INNER)
def _plan_anew(
    room, worth, plan, tariff, spare, left, coupling, parent, s, g, cell, step, size, width,
    kink, slope, base, bends, charge, tiny,
):  # fmt: skip
    """Let one car use what the others leave: first what it lacks, then better cells for worse."""
    bend, earned = 0, 0.0
    for _ in range(3 * size):
        while bend < bends and charge >= kink[base + bend] * (1.0 - NOTHING):
            bend += 1
        reach, best, dear, cheap = -BIG, -1, -1, -1
        for i in range(size):
            has, earns = plan[cell + i], worth[cell + i]
            if room[cell + i] - has > tiny and spare[step + i] > tiny:
                if earns - tariff[step + i] > reach:
                    reach, best = earns - tariff[step + i], i
                if dear < 0 or earns > worth[cell + dear]:
                    dear = i
            if has > tiny and (cheap < 0 or earns < worth[cell + cheap]):
                cheap = i
        if best < 0:
            break
        if bend < bends and worth[cell + best] + slope[base + bend] > 0.0:
            amount = min(room[cell + best] - plan[cell + best], spare[step + best])
            amount = min(amount, kink[base + bend] - charge)
            charge += amount
            dear = best
        elif cheap >= 0 and worth[cell + dear] > worth[cell + cheap]:
            amount = min(room[cell + dear] - plan[cell + dear], spare[step + dear])
            amount = min(amount, plan[cell + cheap])
            plan[cell + cheap] = plan[cell + cheap] - amount
            earned -= amount * worth[cell + cheap]
            _book(left, coupling, parent, s, g, spare, width, step + cheap, -amount)
        else:
            break
        plan[cell + dear] = plan[cell + dear] + amount
        earned += amount * worth[cell + dear]
        _book(left, coupling, parent, s, g, spare, width, step + dear, amount)
    return earned, charge


@njit(**INNER)
def price_energy(cells, cars, tree, state, part):
    """Leave each car's best λ under the best row prices in `multiplier`."""
    _, rows, width = tree.capacity.shape
    per_slot, bends = rows * width, cars.kink.shape[1]
    price, tariff = pointer(state.price), pointer(state.scratch[part])
    first, last = tree.part_slots[part], tree.part_slots[part + 1]
    for s in range(first, last):
        here = s * per_slot
        pass_down(price, pointer(state.best_y), tree.parent[s], here, here, per_slot)
        for g in range(tree.groups[s], tree.groups[s + 1]):
            gather_prices(price, tree.coupling, g, tariff, here, width)
            for j in range(tree.cars[g], tree.cars[g + 1]):
                _, state.multiplier[j] = knapsack(
                    pointer(cells.worth), tariff, pointer(cells.room),
                    cars.start[j], cars.first[j], cars.size[j],
                    pointer(cars.kink), pointer(cars.slope), j * bends, bends,
                    state.multiplier[j],
                )  # fmt: skip


@njit(**INNER)
def _announce(tree, state, part, parity):
    """Leave this part's loads of the shared circuits where the others find them."""
    per_slot = tree.capacity.shape[1] * tree.capacity.shape[2]
    for s in range(tree.part_slots[part], tree.part_slots[part + 1]):
        if tree.shared[s] >= 0:
            for i in range(per_slot):
                state.meeting[parity, part, 0, tree.shared[s], i] = state.load[s * per_slot + i]


@njit(**INNER)
def _gather(tree, state, part, parity):
    """Sum the loads of the shared circuits over all parts."""
    per_slot = tree.capacity.shape[1] * tree.capacity.shape[2]
    for s in range(tree.part_slots[part], tree.part_slots[part + 1]):
        if tree.shared[s] >= 0:
            for i in range(per_slot):
                carried = 0.0
                for other in range(len(state.scratch)):
                    carried += state.meeting[parity, other, 0, tree.shared[s], i]
                state.load[s * per_slot + i] = carried
