"""A solver that can be made to answer garbage, to hang, or to break."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import numpy as np

import solver
from loadmgr.engine.recent import Recent
from loadmgr.simulate.chaos_faults import Kind
from solver import Problem, Solution


@dataclass(frozen=True, slots=True)
class Trouble:
    kind: Kind
    chance: float


class Solver:
    """A kept-alive workspace. Without a deadline: a slow machine must not change what happens."""

    def __init__(self) -> None:
        from solver import compiled

        compiled.wait(120.0)  # a method that becomes ready half-way would change it as well
        self._solve = Recent(solver.Workspace().solve)
        self._trouble: list[Trouble] = []

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
