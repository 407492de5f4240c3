"""A number for each participant that follows it wherever its row stands."""

from __future__ import annotations

import numpy as np

from solver.problem import Floats, Ints, Problem
from solver.simplex_layout import Words, mix
from solver.simplex_memory import entry

ODD = 0x9E3779B97F4A7C15


def name_by_claim(problem: Problem) -> tuple[Words, Ints | None]:
    """Names made of what each asks for except its energy, which moves from tick to tick.

    Among those that ask alike, the one that needs more comes first. The second array, if
    there is one, gives for each row the first one that asks for exactly the same.
    """
    name = claims(problem.circuit, problem.coupling, problem.upper, problem.value)
    order = np.lexsort((-problem.energy, name))
    again = name[order[1:]] == name[order[:-1]]
    if not again.any():
        return name, None
    equal = again & (problem.energy[order[1:]] == problem.energy[order[:-1]])
    twin = np.arange(problem.n)
    place = 0
    for a in np.flatnonzero(again):
        place = place + 1 if a > 0 and again[a - 1] else 1
        one, other = order[a], order[a + 1]
        if equal[a]:
            twin[other] = twin[one]
        name[other] = (int(name[other]) + place * ODD) % 2**64
    return name, twin


@entry
def claims(circuit: Ints, coupling: Floats, upper: Floats, value: Floats) -> Words:
    """Those names, before equal ones are told apart."""
    n, steps = upper.shape
    name = np.empty(n, np.uint64)
    bits_c, bits_u, bits_v = coupling.view(np.uint64), upper.view(np.uint64), value.view(np.uint64)
    odd = np.uint64(ODD)
    for i in range(n):
        word = mix(np.uint64(circuit[i]))
        for r in range(coupling.shape[1]):
            word = mix(word ^ bits_c[i, r])
        low = np.uint64(0)
        for t in range(steps):
            # One multiplication a cell: this loop runs over the whole table.
            low = (low ^ bits_u[i, t]) * odd + (bits_v[i, t] ^ (low >> np.uint64(29)))
        name[i] = mix(word ^ low)
    return name
