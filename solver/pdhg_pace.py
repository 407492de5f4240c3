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

from solver.pdhg_kernel import FAST


@njit(**FAST)
def count_loose(cells, cars, tree, state, part, share, memory):
    """Coupling of what is free to move on each row, left in `load` and at the meetings."""
    shape = tree.capacity.shape
    rows = shape[1]
    loads = state.load.reshape(shape)
    first, last = tree.part_slots[part], tree.part_slots[part + 1]
    loads[first:last] = 0.0
    for s in range(last - 1, first - 1, -1):
        for g in range(tree.groups[s], tree.groups[s + 1]):
            for j in range(tree.cars[g], tree.cars[g + 1]):
                cell, step = cars.start[j], cars.first[j]
                for i in range(cars.size[j]):
                    room = cells.room[cell + i]
                    if room > 0.0:
                        x = state.next_x[cell + i]
                        loose = 1.0
                        if x <= 0.0 or x >= room:
                            loose = max(share, memory * state.loose_x[cell + i])
                        state.loose_x[cell + i] = loose
                for r in range(rows):
                    weight = tree.coupling[g, r]
                    if weight > 0.0:
                        for i in range(cars.size[j]):
                            loads[s, r, step + i] += weight * state.loose_x[cell + i]
        if tree.parent[s] >= 0:
            loads[tree.parent[s]] += loads[s]
        if tree.shared[s] >= 0:
            state.meeting[0, part, 0, tree.shared[s]] = loads[s].reshape(-1)


@njit(**FAST)
def repace(cells, cars, tree, state, part, share, memory):
    """Set σ and τ of one part from what was counted."""
    shape = tree.capacity.shape
    rows, width = shape[1], shape[2]
    loads, above = state.load.reshape(shape), state.price.reshape(shape)
    sigma, loose_y = state.sigma.reshape(shape), state.loose_y.reshape(shape)
    y = state.next_y.reshape(shape)
    first, last = tree.part_slots[part], tree.part_slots[part + 1]
    for s in range(first, last):
        up = tree.parent[s]
        if tree.shared[s] >= 0:
            for i in range(rows * width):
                carried = 0.0
                for other in range(len(state.scratch)):
                    carried += state.meeting[0, other, 0, tree.shared[s], i]
                state.load[s * rows * width + i] = carried
        for r in range(rows):
            for t in range(width):
                weight = 0.0
                if tree.pace[s, r, t] > 0.0:
                    sigma[s, r, t] = 0.99 * tree.weight[r] / loads[s, r, t]
                    loose = 1.0
                    if y[s, r, t] <= 0.0:
                        loose = max(share, memory * loose_y[s, r, t])
                    loose_y[s, r, t] = loose
                    weight = tree.weight[r] * loose
                above[s, r, t] = weight + (above[up, r, t] if up >= 0 else 0.0)
    tariff = state.scratch[part]
    for s in range(first, last):
        for g in range(tree.groups[s], tree.groups[s + 1]):
            tariff[:width] = 0.0
            for r in range(rows):
                for t in range(width):
                    tariff[t] += tree.coupling[g, r] * above[s, r, t]
            for j in range(tree.cars[g], tree.cars[g + 1]):
                cell, step, most = cars.start[j], cars.first[j], 0.0
                for i in range(cars.size[j]):
                    most = max(most, tariff[step + i] * state.loose_x[cell + i])
                state.tau[j] = 1.0 / max(most, 0.05)


@njit(**FAST)
def restart(cars, tree, state, part):
    """Anchor at (x⁺, y⁺); leaves how far the epoch went, squared, in the sums."""
    x_far, y_far = 0.0, 0.0
    for j in range(tree.part_cars[part], tree.part_cars[part + 1]):
        far = 0.0
        for i in range(cars.start[j], cars.start[j] + cars.size[j]):
            step = state.next_x[i] - state.anchor_x[i]
            far += step * step
            state.x[i] = state.next_x[i]
            state.anchor_x[i] = state.next_x[i]
        x_far += far / state.tau[j]
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


@njit(**FAST)
def go_back(cars, tree, state, part):
    """Return to the anchor."""
    for j in range(tree.part_cars[part], tree.part_cars[part + 1]):
        for i in range(cars.start[j], cars.start[j] + cars.size[j]):
            state.x[i] = state.anchor_x[i]
    per_slot = tree.capacity.shape[1] * tree.capacity.shape[2]
    for i in range(tree.part_slots[part] * per_slot, tree.part_slots[part + 1] * per_slot):
        state.y[i] = state.anchor_y[i]
