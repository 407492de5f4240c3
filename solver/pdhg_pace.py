"""Step sizes that follow what moves.

The diagonal step sizes that are safe whatever happens count every cell below a row. Near the
optimum most cells rest at a bound and most rows carry no price; only what is free to
move couples, and counting only that allows steps several times longer. The rest counts
by a share φ, which shrinks from restart to restart. Too long a step shows at once as a
fixed-point residual that is not a norm any more: then back to the anchor, with what moved
in between counted in full.
"""

# numba infers the types of what it compiles.
# mypy: allow-untyped-defs

from __future__ import annotations

from numba import njit

from solver.jit import INNER
from solver.lanes import WIDTH, above, larger, load, pointer, smaller, splat, store
from solver.layout_tree import LEAST, SAFE
from solver.pdhg_kernel import clear, gather_prices, pass_up, spread_load


@njit(**INNER)
def count_loose(cells, cars, tree, state, part, share, memory):
    """Coupling of what is free to move on each row, left in `load` and at the meetings."""
    _, rows, width = tree.capacity.shape
    per_slot, places = rows * width, tree.meetings * rows * width
    x, room, loose = pointer(state.next_x), pointer(cells.room), pointer(state.loose_x)
    loads, lifted = pointer(state.load), pointer(state.scratch[part])
    meeting = pointer(state.meeting)
    zero, one, floor, kept = splat(0.0), splat(1.0), splat(share), splat(memory)
    first, last = tree.part_slots[part], tree.part_slots[part + 1]
    clear(loads, first * per_slot, last * per_slot)
    for s in range(last - 1, first - 1, -1):
        here = s * per_slot
        for g in range(tree.groups[s], tree.groups[s + 1]):
            clear(lifted, 0, width)
            for j in range(tree.cars[g], tree.cars[g + 1]):
                cell, step, peak = cars.start[j], cars.first[j], splat(cars.peak[j])
                for i in range(0, cars.size[j], WIDTH):
                    at, fits = load(x, cell + i), load(room, cell + i)
                    free = above(at, zero) * above(fits, at)
                    counts = larger(free, larger(floor, kept * load(loose, cell + i)))
                    counts = smaller(counts, one) * above(fits, zero)
                    store(loose, cell + i, counts)
                    store(lifted, step + i, load(lifted, step + i) + counts * peak)
            spread_load(loads, tree.coupling, g, lifted, here, width)
        pass_up(loads, tree.parent[s], here, per_slot)
        if tree.shared[s] >= 0:
            at_meeting = part * 2 * places + tree.shared[s] * per_slot
            for i in range(0, per_slot, WIDTH):
                store(meeting, at_meeting + i, load(loads, here + i))


@njit(**INNER)
def repace(cells, cars, tree, state, part, share, memory):
    """Set σ and τ of one part from what was counted."""
    _, rows, width = tree.capacity.shape
    per_slot, places = rows * width, tree.meetings * rows * width
    loads, heavy, y = pointer(state.load), pointer(state.price), pointer(state.next_y)
    sigma, loose, pace = pointer(state.sigma), pointer(state.loose_y), pointer(tree.pace)
    tempo, tariff = pointer(state.tempo), pointer(state.scratch[part])
    meeting = pointer(state.meeting)
    zero, one, tiny = splat(0.0), splat(1.0), splat(1e-300)
    floor, kept = splat(share), splat(memory)
    first, last = tree.part_slots[part], tree.part_slots[part + 1]
    for s in range(first, last):
        here, up = s * per_slot, tree.parent[s] * per_slot
        for i in range(0, per_slot, WIDTH):
            count = load(loads, here + i)
            if tree.shared[s] >= 0:
                count = zero
                for other in range(len(state.scratch)):
                    at = other * 2 * places + tree.shared[s] * per_slot + i
                    count = count + load(meeting, at)
            weight = tree.weight[i // width]
            binds = above(load(pace, here + i), zero)
            priced = above(load(y, here + i), zero)
            counts = larger(priced, larger(floor, kept * load(loose, here + i)))
            counts = smaller(counts, one) * binds
            store(loose, here + i, counts)
            store(sigma, here + i, binds * splat(SAFE * weight) / larger(count, tiny))
            carried = load(heavy, up + i) if up >= 0 else zero
            store(heavy, here + i, carried + counts * splat(weight))
        for g in range(tree.groups[s], tree.groups[s + 1]):
            gather_prices(heavy, tree.coupling, g, tariff, here, width)
            for i in range(0, width, WIDTH):
                store(tempo, g * width + i, one / larger(load(tariff, i), splat(LEAST)))


@njit(**INNER)
def restart(cars, tree, state, part):
    """Anchor at (x⁺, y⁺); leaves how far the epoch went, squared, in the sums."""
    x_far, y_far = 0.0, 0.0
    for s in range(tree.part_slots[part], tree.part_slots[part + 1]):
        for g in range(tree.groups[s], tree.groups[s + 1]):
            for j in range(tree.cars[g], tree.cars[g + 1]):
                far, shift = 0.0, cars.first[j] - cars.start[j]
                for i in range(cars.start[j], cars.start[j] + cars.size[j]):
                    step = state.next_x[i] - state.anchor_x[i]
                    far += step * step / state.tempo[g, i + shift]
                    state.x[i] = state.next_x[i]
                    state.anchor_x[i] = state.next_x[i]
                x_far += far / cars.peak[j]
    per_slot = tree.capacity.shape[1] * tree.capacity.shape[2]
    for s in range(tree.part_slots[part], tree.part_slots[part + 1]):
        far = 0.0
        for i in range(s * per_slot, (s + 1) * per_slot):
            if state.sigma[i] > 0.0:
                step = state.next_y[i] - state.anchor_y[i]
                far += step * step / state.sigma[i]
                state.y[i] = state.next_y[i]
                state.anchor_y[i] = state.next_y[i]
        if tree.counts[s]:
            y_far += far
    state.sums[0, part, 5] = x_far
    state.sums[0, part, 6] = y_far


@njit(**INNER)
def go_back(cars, tree, state, part):
    """Return to the anchor."""
    for j in range(tree.part_cars[part], tree.part_cars[part + 1]):
        for i in range(cars.start[j], cars.start[j] + cars.size[j]):
            state.x[i] = state.anchor_x[i]
    per_slot = tree.capacity.shape[1] * tree.capacity.shape[2]
    for i in range(tree.part_slots[part] * per_slot, tree.part_slots[part + 1] * per_slot):
        state.y[i] = state.anchor_y[i]
