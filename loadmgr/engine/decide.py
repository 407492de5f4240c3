"""How a tick is run: here and now, or in a thread that may be given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Protocol

import solver
from loadmgr.core.grounds import KEPT_OUT, Grounds, grounds, still_good, to_start
from loadmgr.core.state import State
from loadmgr.core.tick import Solve, tick
from loadmgr.engine.recent import Recent
from loadmgr.engine.sideline import Sideline
from loadmgr.model import EvseId, Plan, Site
from solver import Problem, Solution

SOLVER_MAY_TAKE_S = 1.0


class Decide(Protocol):
    async def __call__(self, site: Site, state: State, now: datetime) -> Plan: ...


def keep_alive() -> Solve:
    """A solver that keeps its models between ticks, and its last answer while that is good."""
    workspace = solver.Workspace()

    def solve(problem: Problem) -> Solution:
        return workspace.solve(problem, deadline_s=SOLVER_MAY_TAKE_S / 2)

    return Recent(solve)


class Attentive:
    """Decides anew when there is a reason to, and abides by the last plan while there is none."""

    def __init__(self, solve: Solve) -> None:
        self._solve = solve
        self._last: tuple[Site, Plan, Grounds] | None = None
        self._to_start: Mapping[EvseId, datetime] = {}

    def __call__(self, site: Site, state: State, now: datetime) -> Plan:
        seen = grounds(site, state, now)
        plan = self._still_good(site, seen)
        if plan is None:
            kept_out = any(now - since > KEPT_OUT for since in self._to_start.values())
            plan = tick(site, state, now, self._solve, seen, at_most=kept_out)
            self._last = site, plan, seen
        self._to_start = to_start(plan, seen, self._to_start)
        return plan

    def _still_good(self, site: Site, seen: Grounds) -> Plan | None:
        if self._last is None:
            return None
        known, plan, then = self._last
        if known is not site or not still_good(site, plan, then, seen):
            return None
        return replace(plan, at=seen.at)


class Inline:
    """Decide in the event loop. For simulations, where nothing hangs but by design."""

    def __init__(self, solve: Solve | None = None) -> None:
        self._decide = Attentive(solve or keep_alive())

    async def __call__(self, site: Site, state: State, now: datetime) -> Plan:
        return self._decide(site, state, now)


class Guarded:
    """Decide in a thread of its own; a solver that hangs is left behind.

    A plan always comes within about a second: from the solver, or from the rule.
    """

    def __init__(self, make_solve: Callable[[], Solve] = keep_alive) -> None:
        self._make_solve = make_solve
        self._start()

    def _start(self) -> None:
        self._decide = Attentive(self._make_solve())
        self._thread = Sideline("tick")

    async def __call__(self, site: Site, state: State, now: datetime) -> Plan:
        answer = self._thread.run(partial(self._decide, site, state, now))
        try:
            async with asyncio.timeout(SOLVER_MAY_TAKE_S):
                return await answer
        except TimeoutError:
            self._start()
            return tick(site, state, now, _too_late)


def _too_late(problem: Problem) -> Solution:
    raise TimeoutError(f"no answer within {SOLVER_MAY_TAKE_S:g} s")
