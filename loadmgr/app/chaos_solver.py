"""A solver that can be made to answer garbage, to hang, or to break."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import numpy as np

from loadmgr.engine.recent import Recent
from loadmgr.simulate.chaos_faults import Kind
from solver import Problem, Solution, Status
from solver.certify import certify
from solver.highs import Highs
from solver.ties import decided


@dataclass(frozen=True, slots=True)
class Trouble:
    kind: Kind
    chance: float


class Solver:
    """HiGHS, kept alive, and the last answer while it is good: the same on every machine.

    No deadline, and no method that becomes ready half-way: what happens must hang on the seed
    alone.
    """

    def __init__(self) -> None:
        self._highs = Highs()
        self._solve = Recent(self._exactly)
        self._trouble: list[Trouble] = []

    def _exactly(self, problem: Problem) -> Solution:
        raw = self._highs.solve(problem, decided(problem))
        judged = certify(problem, raw.x, raw.row_dual, raw.energy_dual)
        return Solution(
            x=raw.x,
            energy_dual=raw.energy_dual,
            row_dual=raw.row_dual,
            objective=judged.objective,
            status=Status.OPTIMAL if judged.holds(1e-6) else Status.NEAR,
            method="highs",
            gap=judged.gap,
            infeasibility=judged.infeasibility,
            seconds=0.0,
        )

    async def suffer(self, trouble: Trouble, seconds: float) -> None:
        self._trouble.append(trouble)
        await asyncio.sleep(seconds)
        self._trouble.remove(trouble)

    def __call__(self, problem: Problem) -> Solution:
        trouble = self._trouble[-1] if self._trouble else None
        if trouble is None:
            return self._solve(problem)
        if trouble.kind is Kind.SOLVER_HANGS:
            raise TimeoutError("no answer within 1 s")
        if trouble.kind is Kind.SOLVER_RAISES:
            raise RuntimeError("the solver broke")
        return _garbage(self._solve(problem), trouble.chance)


def _garbage(answer: Solution, chance: float) -> Solution:
    """An answer that calls itself optimal."""
    if chance < 0.3:
        return replace(answer, x=np.full_like(answer.x, np.nan))
    if chance < 0.6:
        return replace(answer, x=answer.x * 10.0 + 32.0)
    if chance < 0.8:
        return replace(answer, x=-answer.x - 6.0)
    return replace(answer, x=answer.x[:, :1])
