"""The structured method for small and middle sizes, and from tick to tick.

A bounded dual simplex whose energy rows are generalised upper bounds, so that its working
matrix holds nothing but the tight rows of circuits. Exact: what it answers is a vertex, the
one optimum of the problem with its ties broken (earlier departure, earlier step, identifier).

    supports(problem)      → whether it can
    solve_kernel(problem)  → plan, prices, bound, and a basis to start from next time
    solve_fleet(problems)  → the same for many sites at once, in threads

The loop is in `simplex_kernel`, what it pivots on in `simplex_basis`, `simplex_start` and
`simplex_layout`; `simplex_drive` holds it together. The mathematics is in README.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from solver.problem import Floats, Ints, Problem
from solver.simplex_drive import Kept, drive
from solver.simplex_guess import guess
from solver.simplex_layout import Asked
from solver.simplex_name import name_by_claim

# Pivots before a method that has not ended is given up, per cell and row that could be basic.
# Ten times what was seen on any subject.
PIVOTS_EACH = 4

# Pivots until the clock is looked at first; afterwards the pace is known.
FIRST_LOOK = 32


class Warm:
    """The basis of an earlier answer. Means nothing to others.

    Its inverse is worked on in place by the first call that takes it; later calls with the
    same object build it anew from the lists of who is basic, and answer the same.
    """

    __slots__ = ("_kept", "_shape", "_tree")

    def __init__(self, kept: Kept, problem: Problem) -> None:
        self._kept = kept
        self._shape = _shape(problem)
        self._tree = problem.parent

    def fits(self, problem: Problem) -> bool:
        """Whether it can be a basis of this problem."""
        return self._shape == _shape(problem) and np.array_equal(self._tree, problem.parent)

    def take(self, problem: Problem) -> Kept:
        """The basis, if it can be one of this problem."""
        if not self.fits(problem):
            return _NOTHING
        kept = self._kept
        self._kept = kept._replace(inverse=_NO_MATRIX, turned=_NO_MATRIX)
        return kept


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KernelResult:
    """What the method claims; the certificate decides what it is worth.

    Attributes
    ----------
    x : (n, T) array
        The plan. Feasible only if `converged`. [A]
    row_dual : (K, R, T) array, ≥ 0
        Worth of one more ampere on the row during the step. [1/A]
    energy_dual : (n,) array, ≥ 0
        Worth of one more ampere hour a participant could take. [1/Ah]
    iterations : int
        Pivots.
    converged : bool
        Whether it ended by itself.
    warm : Warm
        For the next call.
    """

    x: Floats
    row_dual: Floats
    energy_dual: Floats
    iterations: int
    converged: bool
    warm: Warm


def supports(problem: Problem) -> bool:
    """Anything but storage, a peak price and an undecided `min_now`."""
    undecided = problem.min_now is not None and bool((problem.min_now > 0).any())
    return problem.storage is None and problem.peak is None and not undecided


def basis_of(problem: Problem, x: Floats, row_dual: Floats) -> Warm | None:
    """A basis to start from, guessed from what another method found; None if that is no use."""
    if not supports(problem) or problem.reward is not None or problem.n == 0:
        return None
    return Warm(guess(problem, _ask(problem)[0].name, x, row_dual), problem)


def solve_kernel(
    problem: Problem,
    *,
    warm: Any = None,
    tol: float = 1e-6,
    deadline_s: float | None = None,
    threads: int = 1,
    most: int | None = None,
) -> KernelResult:
    """Solve one problem exactly, whatever `tol` allows; one thread works, `threads` or not.

    Late, lost or after `most` pivots, it returns what it has with `converged` false.
    """
    began = perf_counter()
    asked, twin = _ask(problem)
    kept = warm.take(problem) if isinstance(warm, Warm) else _NOTHING
    cap = PIVOTS_EACH * (problem.n * (problem.steps + 1) + problem.capacity.size) + 1000
    cap = cap if most is None else min(cap, most)
    limit = cap if deadline_s is None else min(cap, FIRST_LOOK)
    pivots = 0
    while True:
        found = drive(asked, kept, limit)
        pivots += found.pivots
        if found.converged or found.pivots < limit or pivots >= cap or deadline_s is None:
            break
        spent = perf_counter() - began
        left = deadline_s - spent
        if left <= 0.05 * deadline_s:
            break
        limit = min(max(FIRST_LOOK, int(0.5 * left / spent * pivots)), cap - pivots)
        kept = found.kept
    x = found.x if twin is None else _shared(found.x, twin)
    return KernelResult(
        x=x,
        row_dual=found.row_dual,
        energy_dual=found.energy_dual,
        iterations=pivots,
        converged=found.converged,
        warm=Warm(found.kept, problem),
    )


def solve_fleet(
    problems: Sequence[Problem],
    *,
    warm: Sequence[Any] | None = None,
    threads: int = 2,
    deadline_s: float | None = None,
) -> list[KernelResult]:
    """Solve many problems, each as `solve_kernel` does; the deadline is that of each."""

    def one(at: int) -> KernelResult:
        return solve_kernel(
            problems[at], warm=None if warm is None else warm[at], deadline_s=deadline_s
        )

    if threads <= 1:
        return [one(at) for at in range(len(problems))]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(len(problems)), chunksize=16))


def _shape(problem: Problem) -> tuple[int, ...]:
    slopes = 0 if problem.reward is None else problem.reward.slope.shape[1]
    return (*problem.capacity.shape, problem.n, slopes)


def _ask(problem: Problem) -> tuple[Asked, Ints | None]:
    """The problem as plain arrays; and for each row the first that asks the same, if any."""
    twin = None
    if problem.rank is not None:
        name = problem.rank.view(np.uint64)
    else:
        name, twin = name_by_claim(problem)
    if problem.reward is None:
        width = slope = np.empty((problem.n, 0))
    else:
        width, slope = problem.reward.width, problem.reward.slope
    arrays = (
        problem.step_h, problem.parent, problem.capacity, problem.circuit, problem.coupling,
        problem.upper, problem.energy, problem.value, width, slope, name,
    )  # fmt: skip
    return Asked(*map(_frozen, arrays)), twin


def _frozen(array: Any) -> Any:
    """Read-only: whether an array may be written to is part of numba's types."""
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


def _shared(x: Floats, twin: Ints) -> Floats:
    """Those who ask exactly the same get the same: the mean of their plans, equally good."""
    total = np.zeros_like(x)
    np.add.at(total, twin, x)
    many = np.bincount(twin, minlength=len(x))
    shared: Floats = total[twin] / many[twin, None]
    return shared


_NO_MATRIX = np.empty((0, 0))
_NO_INTS = np.empty(0, np.int64)
_NO_FLOATS = np.empty(0)
_NOTHING = Kept(
    key_step=_NO_INTS,
    key_worth=_NO_FLOATS,
    name=_frozen(np.empty(0, np.uint64)),
    circuit=_frozen(_NO_INTS),
    coupling=_frozen(_NO_MATRIX),
    column_car=_NO_INTS,
    column_step=_NO_INTS,
    column_worth=_NO_FLOATS,
    tight=_NO_INTS,
    price=_NO_FLOATS,
    inverse=_NO_MATRIX,
    turned=_NO_MATRIX,
    updates=0,
)
