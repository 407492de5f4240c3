"""The names of `ties`, compiled: from tick to tick a small site is solved in less than a
millisecond."""

from __future__ import annotations

import numpy as np

from solver.problem import Floats, Ints, Problem
from solver.simplex_layout import mix
from solver.simplex_memory import entry
from solver.ties import ODD, Words, told_apart


def name_by_claim(problem: Problem) -> tuple[Words, Ints | None]:
    """A name for each participant; for each row the first that asks for the same, if any."""
    name = claims(problem.circuit, problem.coupling, problem.upper, problem.value)
    return told_apart(name, problem.energy)


@entry
def claims(circuit: Ints, coupling: Floats, upper: Floats, value: Floats) -> Words:
    """See `ties.claims`."""
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
