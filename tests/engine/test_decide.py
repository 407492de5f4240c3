"""The solver is not trusted: whatever it does, a plan comes within about a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import solver
from loadmgr.engine.decide import Guarded
from solver import Problem, Solution
from tests.core.talk import Talk, bay, site_of


@pytest.fixture
def talk() -> Talk:
    talk = Talk(site_of(bay("A"), bay("B"), fuse_a=30.0))
    talk.ready("A", "B")
    return talk


def raises(problem: Problem) -> Solution:
    raise RuntimeError("out of memory")


def garbage(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Problem], Solution]:
    def solve(problem: Problem) -> Solution:
        answer = solver.solve(problem)
        return replace(answer, x=change(answer.x))

    return solve


async def ask(talk: Talk, solve: Callable[[Problem], Solution], guarded: Guarded | None = None):  # type: ignore[no-untyped-def]
    guarded = guarded or Guarded(lambda: solve)
    return await guarded(talk.site, talk.state, talk.now)


def shares(plan) -> list[float]:  # type: ignore[no-untyped-def]
    return [allocation.current_a for allocation in plan.allocations.values()]


async def test_a_solver_that_answers_is_heard(talk: Talk):
    plan = await ask(talk, solver.solve)
    assert plan.solve.status == "ok" and plan.forecast is not None
    assert shares(plan) == [15.0, 15.0]


async def test_a_solver_that_raises_leaves_it_to_the_rule(talk: Talk):
    plan = await ask(talk, raises)
    assert (plan.solve.method, shares(plan)) == ("rule", [15.0, 15.0])
    assert "out of memory" in plan.solve.status


@pytest.mark.parametrize(
    "change",
    [
        lambda x: np.full_like(x, np.nan),
        lambda x: np.full_like(x, np.inf),
        lambda x: x * 100.0 + 32.0,
        lambda x: -x - 6.0,
        lambda x: x[:, :1],
        lambda x: x[:1],
        lambda x: None,
    ],
    ids=["nan", "inf", "too much", "negative", "too short", "too few", "nothing"],
)
async def test_a_solver_that_answers_garbage_leaves_it_to_the_rule(talk: Talk, change):  # type: ignore[no-untyped-def]
    plan = await ask(talk, garbage(change))
    assert (plan.solve.method, shares(plan)) == ("rule", [15.0, 15.0])


async def test_a_solver_that_hangs_is_left_behind_within_about_a_second(talk: Talk):
    let_go = threading.Event()
    calls = []

    def hangs(problem: Problem) -> Solution:
        calls.append(problem)
        if len(calls) == 1:
            let_go.wait(30)
        return solver.solve(problem)

    solver.solve(Problem(**_tiny()))  # imported and warm: only the hanging is timed
    guarded = Guarded(lambda: hangs)
    started = time.monotonic()
    plan = await ask(talk, hangs, guarded)
    assert 0.9 < time.monotonic() - started < 2.5
    assert (plan.solve.method, shares(plan)) == ("rule", [15.0, 15.0])
    assert "no answer within 1 s" in plan.solve.status
    again = await ask(talk, hangs, guarded)
    let_go.set()
    assert again.solve.status == "ok", "the next tick has a solver again"


def _tiny() -> dict[str, object]:
    one = np.ones((1, 1))
    return {
        "step_h": np.ones(1),
        "parent": np.array([-1]),
        "capacity": np.ones((1, 1, 1)),
        "circuit": np.zeros(1, dtype=int),
        "coupling": one,
        "upper": one,
        "energy": np.ones(1),
        "value": one,
    }
