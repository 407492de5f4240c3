"""One way in: choose a method, certify its answer, replace it if it fails or is late."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from solver import compiled
from solver.certify import FEASIBLE, Certificate, certify
from solver.floors import has_floors, without_floors
from solver.highs import Highs
from solver.minimum import Bools, Plan, between, switch
from solver.problem import Floats, Problem
from solver.raw import Raw
from solver.rule import rule, scaled_down
from solver.solution import Solution, Status
from solver.ties import alike, decided

# Who is on now is searched no further when the plan is this near to the relaxed optimum.
CLOSE = 1e-4

# Up to so many cars the simplex method is the faster one; up to so many it is if it has a basis
# from the last tick and needs no more pivots than PIVOTS_EACH a car. Between equals the two choose
# otherwise, so that a site with equals stays with one of them.
SIMPLEX_CARS = 500
SIMPLEX_TICK_CARS = 1500
PIVOTS_EACH = 2.5

# Ticks for which a basis is not tried again where it was given up: with many ties it always is.
REST = 20

# What a certificate takes, and what HiGHS needs before it looks at its clock, for each cell
# and row (measured on one busy core). [s]
AFTERWARDS_S = 5e-8
HIGHS_BEGINS_S = 3e-7

# More threads bring nothing: the structured method works in two halves.
MOST_THREADS = 2

METHODS = ("auto", *compiled.KERNELS, "highs", "highs-simplex", "highs-ipm", "reference")


def solve(
    problem: Problem,
    method: str = "auto",
    tol: float = 1e-6,
    warm: object = None,
    deadline_s: float | None = None,
) -> Solution:
    """Solve one problem.

    Parameters
    ----------
    method : str
        "auto", or one of `METHODS` to be tried first.
    tol : float
        Relative gap to be certified. [-]
    warm : Solution or its `warm`, optional
        A hint, whatever it was made for. It changes the time, not the answer.
    deadline_s : float, optional
        Answer by then with the best there is. [s]

    Returns
    -------
    Solution
        Feasible in every case. `status` says how far it is certified.
    """
    if isinstance(warm, Solution):
        warm = warm.warm
    workspace = warm if isinstance(warm, Workspace) else Workspace()
    return workspace.solve(problem, method, tol, deadline_s)


@dataclass(frozen=True, slots=True)
class _Judged:
    """An answer and what the certificate says of it."""

    method: str
    raw: Raw
    certificate: Certificate


class Workspace:
    """Models and buffers that live from tick to tick."""

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or min(MOST_THREADS, len(os.sched_getaffinity(0)))
        self._warm: dict[str, Any] = {}
        self._seen: tuple[Problem, Floats, Floats] | None = None  # without a basis: x, prices
        self._rest = 0  # ticks until a basis is tried again
        self._highs: Highs | None = None
        compiled.prepare()

    def solve(
        self,
        problem: Problem,
        method: str = "auto",
        tol: float = 1e-6,
        deadline_s: float | None = None,
    ) -> Solution:
        """Solve, starting from what the last call left. See `solve`."""
        if method not in METHODS:
            raise ValueError(f"method {method!r}: must be one of {', '.join(METHODS)}")
        clock = _Clock(deadline_s, problem.n * problem.steps * problem.coupling.shape[1])
        if problem.min_now is None or not (problem.min_now > 0).any():
            best = self._relaxed(problem, method, tol, clock)
        else:
            best = self._switched(problem, method, tol, clock)
        certificate = best.certificate
        if best.method == "rule":
            status = Status.RULE
        else:
            status = Status.OPTIMAL if certificate.holds(tol) else Status.NEAR
        return Solution(
            x=best.raw.x,
            energy_dual=best.raw.energy_dual,
            row_dual=best.raw.row_dual,
            objective=certificate.objective,
            status=status,
            method=best.method,
            gap=certificate.gap,
            infeasibility=certificate.infeasibility,
            seconds=clock.elapsed(),
            warm=self,
        )

    def _relaxed(self, problem: Problem, method: str, tol: float, clock: _Clock) -> _Judged:
        """The best feasible answer of the methods, in their order, until one is certified."""
        best: _Judged | None = None
        failed: list[str] = []
        for name, attempt in self._attempts(problem, method):
            if clock.late(HIGHS_BEGINS_S if name == "highs" else 0.0):
                break
            try:
                raw = attempt(tol, clock)
            except Exception:  # whatever goes wrong in a method, the next one answers
                failed.append(name)
                continue
            judged = _judge(problem, name, raw)
            if judged.certificate.holds(tol):
                return _named_after(judged, failed)
            failed.append(name)
            best = _better(best, judged)
        # A rule is worth its time where there is nothing else, or time.
        if best is None or best.certificate.infeasibility > FEASIBLE or not clock.late():
            best = _better(best, _judge(problem, "rule", self._rule(problem, best)))
        return best if best.method == "rule" else _named_after(best, failed[:-1])

    def _attempts(
        self, problem: Problem, method: str
    ) -> Iterator[tuple[str, Callable[[float, _Clock], Raw]]]:
        if method == "reference":
            yield "reference", partial(_reference, problem)
        for name in self._structured(problem, method):
            yield name, partial(self._with_kernel, name, problem)
        solver = method.removeprefix("highs-") if method.startswith("highs-") else None
        yield "highs", partial(self._with_highs, problem, decided, solver)
        # With worths of many decades, what decides between equals may cost more than tol.
        yield "highs", partial(self._with_highs, problem, _undecided, solver)

    def _structured(self, problem: Problem, method: str) -> Iterator[str]:
        """The compiled methods to try, in their order; none that would have to be waited for."""
        if method in compiled.KERNELS:
            compiled.wait()
            names: tuple[str, ...] = (method,)
        elif method == "auto":
            names = ("simplex", "pdhg") if self._begins_with(problem) else ("pdhg", "simplex")
        else:
            names = ()
        for name in names:
            kernel = compiled.kernel(name)
            if kernel is not None and kernel.supports(problem):
                yield name

    def _begins_with(self, problem: Problem) -> bool:
        """Whether the simplex method is worth trying first."""
        if problem.n <= SIMPLEX_CARS or problem.n > SIMPLEX_TICK_CARS:
            return problem.n <= SIMPLEX_CARS
        if alike(problem):
            return False
        self._rest = max(0, self._rest - 1)
        simplex = compiled.kernel("simplex")
        if simplex is None or self._rest > 0:
            return False
        if self._seen is not None:
            self._warm["simplex"] = simplex.basis_of(*self._seen)
            self._seen = None
        basis = self._warm.get("simplex")
        return basis is not None and basis.fits(problem)

    def _with_kernel(self, name: str, problem: Problem, tol: float, clock: _Clock) -> Raw:
        kernel = compiled.kernel(name)
        assert kernel is not None
        floors = has_floors(problem)
        asked = without_floors(problem) if floors else problem
        warm = self._warm.get(name)
        middle = SIMPLEX_CARS < problem.n <= SIMPLEX_TICK_CARS
        short = {"most": int(PIVOTS_EACH * problem.n)} if middle and name == "simplex" else {}
        found = kernel.solve_kernel(
            asked, warm=warm, tol=tol, deadline_s=clock.left(), threads=self.threads,
            **(short if warm is not None else {}),
        )  # fmt: skip
        self._warm[name] = found.warm
        if middle:
            self._seen = None
            if name == "pdhg" and found.converged:
                self._seen = (asked, found.x, found.row_dual)
            elif name == "simplex" and not found.converged:
                self._warm[name] = None
                self._rest = REST
        return Raw(
            x=found.x + np.maximum(problem.lower, 0.0) if floors else found.x,
            row_dual=found.row_dual,
            energy_dual=found.energy_dual,
            optimal=found.converged,
        )

    def _with_highs(
        self,
        problem: Problem,
        worths: Callable[[Problem], Floats],
        solver: str | None,
        tol: float,
        clock: _Clock,
    ) -> Raw:
        if self._highs is None:
            self._highs = Highs()
        return self._highs.solve(problem, worths(problem), deadline_s=clock.left(), solver=solver)

    def _rule(self, problem: Problem, best: _Judged | None) -> Raw:
        """A feasible plan; prices of a failed method still bound what is lost."""
        prices = best.raw if best is not None else None
        return Raw(
            x=np.maximum(rule(problem), problem.lower),
            row_dual=prices.row_dual if prices else np.zeros_like(problem.capacity),
            energy_dual=prices.energy_dual if prices else np.zeros_like(problem.energy),
            optimal=False,
        )

    def _switched(self, problem: Problem, method: str, tol: float, clock: _Clock) -> _Judged:
        """Decide who is on, then share what there is among those."""
        relaxed = self._relaxed(problem.relaxed(), method, tol, clock)
        used = relaxed.method

        def around(on: Bools, off: Bools) -> Plan | None:
            nonlocal used
            if clock.late():
                return None
            judged = self._relaxed(problem.switched(on, off), method, tol, clock)
            if judged.certificate.infeasibility > FEASIBLE:
                return None
            used = judged.method
            return Plan(judged.raw.x, judged.certificate.objective)

        enough = relaxed.certificate.objective - CLOSE * abs(relaxed.certificate.objective)
        plan = switch(problem, Plan(relaxed.raw.x, relaxed.certificate.objective), around, enough)
        x = relaxed.raw.x if plan is None else plan.x
        # The prices of the relaxed problem bound every choice of who is on.
        judged = _judge(problem, used, replace(relaxed.raw, x=_snapped(problem, x)))
        if judged.certificate.infeasibility <= FEASIBLE:
            return judged
        shed = replace(relaxed.raw, x=_shed(problem, x))
        return _judge(problem, "rule", shed)


class _Clock:
    """What is left of a deadline, less what the certificate and the rule will still need."""

    def __init__(self, deadline_s: float | None, size: int) -> None:
        self._start = perf_counter()
        self._deadline_s = deadline_s
        self._size = size

    def elapsed(self) -> float:
        return perf_counter() - self._start

    def left(self) -> float | None:
        """For a method. [s]"""
        if self._deadline_s is None:
            return None
        return self._deadline_s - self.elapsed() - AFTERWARDS_S * self._size

    def late(self, needed_s: float = 0.0) -> bool:
        """Whether a method that needs so much to begin with had better not begin."""
        left = self.left()
        return left is not None and left <= needed_s * self._size


def _snapped(problem: Problem, x: Floats) -> Floats:
    """Nothing between 0 and the minimum by a rounding error."""
    assert problem.min_now is not None
    x = x.copy()
    x[:, 0] = np.where(x[:, 0] < problem.min_now / 2, np.minimum(x[:, 0], 0.0), x[:, 0])
    return x


def _undecided(problem: Problem) -> Floats:
    return problem.value


def _shed(problem: Problem, x: Floats) -> Floats:
    """Nobody between 0 and the minimum: whoever is, waits. Less for one is safe for all."""
    x = x.copy()
    x[between(problem, x), 0] = 0.0
    return _snapped(problem, x)


def _judge(problem: Problem, name: str, raw: Raw) -> _Judged:
    certificate = certify(problem, raw.x, raw.row_dual, raw.energy_dual)
    if FEASIBLE < certificate.infeasibility < np.inf:
        x = _repaired(problem, raw.x)
        mended = certify(problem, x, raw.row_dual, raw.energy_dual)
        if mended.infeasibility < certificate.infeasibility:
            return _Judged(name, replace(raw, x=x), mended)
    return _Judged(name, raw, certificate)


def _repaired(problem: Problem, x: Floats) -> Floats:
    """Into the bounds, then under the energies, then under the rows."""
    x = np.clip(x, problem.lower, problem.upper)
    charge = problem.charge(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = x * np.where(charge > problem.energy, problem.energy / charge, 1.0)[:, None]
    return scaled_down(problem, x)


def _better(one: _Judged | None, other: _Judged) -> _Judged:
    """The feasible one; of two the one worth more."""
    if one is None:
        return other
    good = [j for j in (one, other) if j.certificate.infeasibility <= FEASIBLE]
    if len(good) == 1:
        return good[0]
    return max((one, other), key=lambda j: j.certificate.objective)


def _named_after(judged: _Judged, failed: list[str]) -> _Judged:
    others = [name for name in failed if name != judged.method]
    return replace(judged, method=f"{judged.method} after {others[0]}") if others else judged


def _reference(problem: Problem, tol: float, clock: _Clock) -> Raw:
    from solver.reference import solve_reference

    return solve_reference(problem, deadline_s=clock.left())
