"""Where circuits and cars stand for the structured method, which rows can bind, safe steps.

Compiled passes over the arrays of a problem, from which `layout` puts the pieces together.
"""

# numba infers the types of what it compiles.
# mypy: allow-untyped-defs

from __future__ import annotations

import numpy as np
from numba import njit

from solver.jit import JIT

SAFE = 0.99  # keeps the product of the step sizes strictly below one
LEAST = 0.3  # a car that meets no row that can bind still takes finite steps


@njit(**JIT)
def walking(parent):
    """Place of each circuit in a walk that finishes a branch before the next."""
    circuits = len(parent)
    below = np.ones(circuits, dtype=np.int64)
    for k in range(circuits - 1, -1, -1):
        if parent[k] >= 0:
            below[parent[k]] += below[k]
    place = np.zeros(circuits, dtype=np.int64)
    free = np.zeros(circuits, dtype=np.int64)
    roots = 0
    for k in range(circuits):
        if parent[k] < 0:
            place[k] = roots
            roots += below[k]
        else:
            place[k] = free[parent[k]]
            free[parent[k]] += below[k]
        free[k] = place[k] + 1
    return place


@njit(**JIT)
def cut_into(start, size, circuit, parent, walk, parts):
    """Where the walk is cut: near equal work, across as few circuits as possible."""
    m = len(start)
    cut = np.zeros(parts + 1, dtype=np.int64)
    cut[parts] = m
    if m == 0:
        return cut
    whole = start[m - 1] + size[m - 1]
    for part in range(1, parts):
        aim = whole * part / parts
        slack = 0.06 * whole / parts
        best, least, nearest = -1, np.inf, np.inf
        for j in range(cut[part - 1], m):
            miss = abs(start[j] - aim)
            if miss > slack or (j > 0 and circuit[j] == circuit[j - 1]):
                continue
            a, b, crossed = circuit[j], circuit[j - 1] if j > 0 else circuit[j], 0
            while a != b and a >= 0 and b >= 0:
                if a > b:
                    a = parent[a]
                else:
                    b = parent[b]
            while a >= 0 and b >= 0:
                crossed += 1
                a = parent[a]
            if crossed < least or (crossed == least and miss < nearest):
                best, least, nearest = j, crossed, miss
        if best < 0:
            best = np.searchsorted(start, aim)
        cut[part] = max(best, cut[part - 1])
    return cut


@njit(**JIT)
def slots_of(circuit, cut, parent, order):
    """One slot per part for each circuit that feeds a car there, in walking order."""
    circuits, parts, m = len(parent), len(cut) - 1, len(circuit)
    number = np.full((parts, circuits), -1, dtype=np.int64)
    present = np.zeros(circuits, dtype=np.int64)
    part_slots = np.zeros(parts + 1, dtype=np.int64)
    slots = 0
    for part in range(parts):
        for j in range(cut[part], cut[part + 1]):
            k = circuit[j]
            while k >= 0 and number[part, k] < 0:
                number[part, k] = 0
                k = parent[k]
        for k in order:
            if number[part, k] >= 0:
                number[part, k] = slots
                present[k] += 1
                slots += 1
        part_slots[part + 1] = slots
    home = np.zeros(m, dtype=np.int64)
    above = np.full(slots, -1, dtype=np.int64)
    of_circuit = np.zeros(slots, dtype=np.int64)
    shared = np.full(slots, -1, dtype=np.int64)
    meetings = 0
    for k in range(circuits):
        for part in range(parts):
            s = number[part, k]
            if s >= 0:
                of_circuit[s] = k
                if parent[k] >= 0:
                    above[s] = number[part, parent[k]]
                if present[k] > 1:
                    shared[s] = meetings
        if present[k] > 1:
            meetings += 1
    for part in range(parts):
        for j in range(cut[part], cut[part + 1]):
            home[j] = number[part, circuit[j]]
    return home, above, of_circuit, part_slots, shared, meetings


@njit(**JIT)
def binding_rows(
    capacity, step_h, parent, circuit, who, coupling, start, low, size, room, peak, width
):
    """Capacity of the rows that can bind, inf elsewhere, and how much coupling each carries.

    A row cannot bind when all that may come from below, each branch capped by its own row,
    fits. Dropping it loses nothing: its price is 0 in some optimal dual.
    """
    circuits, rows, steps = capacity.shape
    count = np.zeros((circuits, rows, width))
    most = np.zeros((circuits, rows, width))
    kept = np.full((circuits, rows, width), np.inf)
    for j in range(len(who)):
        k, shift = circuit[j], start[j] - low[j]
        for r in range(rows):
            weight = coupling[who[j], r]
            if weight > 0.0:
                for t in range(low[j], low[j] + size[j]):
                    most[k, r, t] += weight * room[shift + t]
                    if room[shift + t] > 0.0:
                        count[k, r, t] += weight * peak[j]
    for k in range(circuits - 1, -1, -1):
        up = parent[k]
        for r in range(rows):
            for t in range(steps):
                fits = capacity[k, r, t] * step_h[t]
                if most[k, r, t] > fits:
                    kept[k, r, t] = fits
                    most[k, r, t] = fits
            if up >= 0:
                for t in range(steps):
                    most[up, r, t] += most[k, r, t]
                    count[up, r, t] += count[k, r, t]
    return kept, count


@njit(**JIT)
def safe_paces(kept, count, weight, parent, circuit, coupling):
    """Step sizes σ = w/Σαs of rows and τ/s = 1/Σwα of groups, as of Pock and Chambolle.

    Cars are measured by their largest room s, so that a hundredfold one does not slow the others.
    `circuit` and `coupling` are those of the groups.
    """
    circuits, rows, width = kept.shape
    pace = np.zeros((circuits, rows, width))
    above = np.zeros((circuits, rows, width))
    for k in range(circuits):
        up = parent[k]
        for r in range(rows):
            for t in range(width):
                if kept[k, r, t] < np.inf:
                    pace[k, r, t] = SAFE * weight[r] / count[k, r, t]
                    above[k, r, t] = weight[r]
                if up >= 0:
                    above[k, r, t] += above[up, r, t]
    tempo = np.zeros((len(circuit), width))
    for g in range(len(circuit)):
        for r in range(rows):
            for t in range(width):
                tempo[g, t] += coupling[g, r] * above[circuit[g], r, t]
        for t in range(width):
            tempo[g, t] = 1.0 / max(tempo[g, t], LEAST)
    return pace, tempo
