"""Restarted Halpern PDHG with reflection over the parts of a layout, on one or more threads.

Every thread runs this loop over its own parts and takes every decision from the same sums,
so the answer does not depend on how many there are. They meet at a spinning barrier once
a sweep: the loads of the circuits they share are all they must tell each other.
"""

# numba infers the types of what it compiles.
# mypy: allow-untyped-defs

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from solver.jit import FAST, INNER
from solver.lanes import give_way, observe, pointer, publish
from solver.pdhg_certificate import fit, price_energy, prove, refill
from solver.pdhg_kernel import meet, sweep
from solver.pdhg_pace import count_loose, go_back, repace, restart

CHECK = 10  # sweeps between looks at the residual
PROVE = 50.0  # most sweeps between certificates
# The gap falls about as sweeps^(−1/FALLS): of the way that is left by that, HASTE is gone at once.
HASTE, FALLS = 0.3, 0.4

# Restart when the residual fell to ENOUGH of the epoch's first, or to SOME of it and rose
# again, or when the epoch has taken TOO_LONG of all sweeps (Applegate et al. 2021, sec. 5).
ENOUGH, SOME, TOO_LONG = 0.3, 0.8, 0.15

# What rests counts by SHARE in the step sizes, times FALL from restart to restart; what has
# moved is remembered by MEMORY. Residuals beyond UNSTABLE are no norm: step too long.
SHARE, FALL, MEMORY, UNSTABLE = 0.4, 0.7, 0.7, 1.0

# The primal weight stays within a factor of its first guess, for unclamped it drifts; the
# factor grows beyond PATIENT sweeps, when the guess was probably bad (cars of very unlike size).
CLAMP, PATIENT = 5.0, 1_000.0

PATIENCE = 2000  # turns at the barrier before the processor is offered to others

STOP = 128  # place of the flag that ends the loop, beyond those of the barrier
FLAGS = STOP + 8


class Outcome(NamedTuple):
    """How it went."""

    objective: float
    bound: float
    sweeps: int
    omega: float
    converged: bool


@njit(**INNER)
def _barrier(flags, me, threads, epoch):
    if threads > 1:
        publish(flags, 8 * me, epoch)
        for other in range(threads):
            turns = 0
            while observe(flags, 8 * other) < epoch:
                turns += 1
                if turns > PATIENCE:
                    give_way()
                if observe(flags, STOP) > 1:
                    return


@njit(**INNER)
def _certificate(cells, cars, tree, state, begin, end, flags, me, threads, epoch):
    for part in range(begin, end):
        prove(cells, cars, tree, state, part)
    _barrier(flags, me, threads, epoch + 1)
    for part in range(begin, end):
        fit(cells, cars, tree, state, part)
    _barrier(flags, me, threads, epoch + 2)
    for part in range(begin, end):
        refill(cells, cars, tree, state, part)
    _barrier(flags, me, threads, epoch + 3)
    worth, bound = 0.0, 0.0
    for part in range(len(state.scratch)):
        bound += state.sums[0, part, 3]
        worth += state.sums[0, part, 4]
    return worth, bound


@njit(**INNER)
def _wait(excess, done):
    """Sweeps until the next certificate, by how many times the gap exceeds what is allowed."""
    further = HASTE * done * (excess**FALLS - 1.0)
    return min(max(further, 2.0 * CHECK), PROVE)


@njit(**INNER)
def _new_pace(cells, cars, tree, state, begin, end, flags, me, threads, epoch, share, memory):
    for part in range(begin, end):
        count_loose(cells, cars, tree, state, part, share, memory)
    _barrier(flags, me, threads, epoch + 1)
    for part in range(begin, end):
        repace(cells, cars, tree, state, part, share, memory)
    _barrier(flags, me, threads, epoch + 2)


@njit(**INNER)
def _keep_plan(cars, tree, state, part):
    first, last = tree.part_cars[part], tree.part_cars[part + 1]
    if first < last:
        for i in range(cars.start[first], cars.start[last - 1] + cars.size[last - 1]):
            state.best_plan[i] = state.plan[i]


@njit(**INNER)
def _keep_prices(tree, state, part):
    per_slot = tree.capacity.shape[1] * tree.capacity.shape[2]
    for i in range(tree.part_slots[part] * per_slot, tree.part_slots[part + 1] * per_slot):
        state.best_y[i] = state.next_y[i]


@njit(**FAST)
def run(cells, cars, tree, state, flag, trace, me, threads, warm, home, omega, tol, most):
    """The loop of thread `me`. Returns best worth, bound, sweeps, primal weight, success.

    `flag` is (FLAGS,) int64 zeros shared by the threads; writing 1 at STOP ends the loop at
    the next check with what there is, 2 ends it at once. `trace` is (rows, 4): sweeps, worth,
    bound and residual at each certificate, while rows last. `warm` says that `state` is not
    all zero. The primal weight starts at `omega` and stays near `home`.
    """
    flags = pointer(flag)
    parts = len(state.scratch)
    begin, end = parts * me // threads, parts * (me + 1) // threads
    omega = min(max(omega, home / CLAMP), home * CLAMP)
    share, epoch, done, age, proofs = SHARE, 0, 0, 0, 0
    best, bound, converged = -np.inf, np.inf, False
    first, before, next_proof = 0.0, 0.0, PROVE
    if warm:  # what rests and what moves is known already
        _new_pace(cells, cars, tree, state, begin, end, flags, me, threads, epoch, share, 0.0)
        epoch += 2
    while done < most:
        done += 1
        fresh, old = (age + 1.0) / (age + 2.0), 1.0 / (age + 2.0)
        check = age == 0 or done % CHECK == 0 or done == most or age == 5
        parity = done & 1
        for part in range(begin, end):
            sweep(cells, cars, tree, state, part, parity, omega, fresh, old, check)
        epoch += 1
        _barrier(flags, me, threads, epoch)
        for part in range(begin, end):
            meet(tree, state, part, parity, omega, fresh, old, check)
        age += 1
        if not check:
            continue
        if me == 0:
            state.sums[parity, 0, 7] = observe(flags, STOP)
        epoch += 1
        _barrier(flags, me, threads, epoch)
        stop = state.sums[parity, 0, 7] > 0.0
        moved, crossed = 0.0, 0.0
        for part in range(parts):
            moved += state.sums[parity, part, 0] + state.sums[parity, part, 1]
            crossed += 2.0 * state.sums[parity, part, 2]
        residual = np.sqrt(max(moved - crossed, 0.0))
        if age == 1:
            first = before = residual
        if done >= next_proof or done == most or stop or moved <= 0.0:
            worth, proven = _certificate(
                cells, cars, tree, state, begin, end, flags, me, threads, epoch
            )
            epoch += 3
            if worth > best:
                best = worth
                for part in range(begin, end):
                    _keep_plan(cars, tree, state, part)
            if proven < bound:
                bound = proven
                for part in range(begin, end):
                    _keep_prices(tree, state, part)
            if me == 0 and proofs < len(trace):
                trace[proofs, 0], trace[proofs, 1] = done, worth
                trace[proofs, 2], trace[proofs, 3] = proven, residual
                proofs += 1
            allowed = tol * max(abs(best), abs(bound))
            converged = bound - best <= allowed
            next_proof = done + _wait((bound - best) / max(allowed, 1e-300), done)
            if converged or stop or moved <= 0.0:
                break
        if crossed > UNSTABLE * moved and share < 1.0:
            share = min(1.0, 2.0 * share)
            _new_pace(cells, cars, tree, state, begin, end, flags, me, threads, epoch, share, 1.0)
            epoch += 2
            for part in range(begin, end):
                go_back(cars, tree, state, part)
            age = 0
        elif age > 1 and (
            residual <= ENOUGH * first
            or (residual <= SOME * first and residual > before)
            or (age >= TOO_LONG * done and done > 40)
        ):
            for part in range(begin, end):
                restart(cars, tree, state, part)
            epoch += 1
            _barrier(flags, me, threads, epoch)
            x_far, y_far = 0.0, 0.0
            for part in range(parts):
                x_far += state.sums[0, part, 5]
                y_far += state.sums[0, part, 6]
            if x_far > 0.0 and y_far > 0.0:
                omega = np.sqrt(omega * np.sqrt(y_far / x_far))
                loose = CLAMP * max(1.0, done / PATIENT)
                omega = min(max(omega, home / loose), home * loose)
            share *= FALL
            _new_pace(
                cells, cars, tree, state, begin, end, flags, me, threads, epoch, share, MEMORY
            )
            epoch += 2
            age = 0
        before = residual
    for part in range(begin, end):
        price_energy(cells, cars, tree, state, part)
    return best, bound, done, omega, converged
