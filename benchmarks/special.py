"""Two questions that are not about one problem: a fleet of sites, and who is on now."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.subjects import Dials, site
from solver import Problem, Workspace, compiled
from solver.fleet import Fleet
from solver.minimum import oracle


def fleet(sites: int, threads: int, seed: int, cars: int = 60, ticks: int = 3) -> dict[str, Any]:
    """Many sites in one call, first from nothing, then from tick to tick."""
    compiled.wait()
    made = [site(Dials(cars=cars), seed + s).ticks(1 + ticks) for s in range(sites)]
    planner = Fleet(threads)
    seconds, status = [], set()
    for problems in zip(*made, strict=True):
        begin = time.perf_counter()
        answers = planner.solve(problems)
        seconds.append(round(time.perf_counter() - begin, 4))
        status |= {str(answer.status) for answer in answers}
    return {
        "kind": "fleet", "sites": sites, "cars": cars, "threads": threads,
        "cold_s": seconds[0], "ticks_s": seconds[1:], "status": sorted(status),
    }  # fmt: skip


def minimum(sites: int, seed: int) -> dict[str, Any]:
    """What the fast choice of who is on loses against the exact one, and how long both take."""
    compiled.wait()
    loss, fast, exact = [], [], []
    workspace = Workspace()
    for s in range(sites):
        rng = np.random.default_rng(seed + s)
        problem = _site_with_minima(rng)
        begin = time.perf_counter()
        answer = workspace.solve(problem)
        fast.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        best = oracle(problem)
        exact.append(time.perf_counter() - begin)
        if best is not None:
            worth = problem.worth(best)
            loss.append((worth - answer.objective) / max(abs(worth), 1e-9))
    return {
        "kind": "minimum", "sites": sites, "compared": len(loss),
        "loss_median": float(np.median(loss)), "loss_p99": float(np.quantile(loss, 0.99)),
        "loss_worst": float(np.max(loss)),
        "fast_median_s": float(np.median(fast)), "fast_p99_s": float(np.quantile(fast, 0.99)),
        "mip_median_s": float(np.median(exact)), "mip_p99_s": float(np.quantile(exact, 0.99)),
    }  # fmt: skip


def _site_with_minima(rng: np.random.Generator) -> Problem:
    """5 to 40 cars that cannot all have their 6 A, over few or many steps."""
    cars = int(rng.integers(5, 41))
    dials = Dials(
        cars=cars, panel=int(rng.integers(4, 12)), feeder=3, depth=int(rng.integers(1, 5)),
        steps=int(rng.choice([1, 4, 24, 96])), hunger=float(rng.uniform(0.2, 1.0)), present=0.8,
    )  # fmt: skip
    made = site(dials, int(rng.integers(1 << 31)))
    base = made.problem()
    return Problem(
        step_h=base.step_h, parent=base.parent,
        capacity=base.capacity * rng.uniform(0.2, 1.0), circuit=base.circuit,
        coupling=base.coupling, upper=base.upper, energy=base.energy, value=base.value,
        min_now=np.full(cars, 6.0), rank=base.rank,
    )  # fmt: skip
