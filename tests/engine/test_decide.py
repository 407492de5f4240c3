"""The solver is not trusted: whatever it does, a plan comes within about a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import solver
from loadmgr.core.dispatch import due
from loadmgr.core.grounds import grounds, to_start
from loadmgr.engine.decide import Attentive, Guarded
from loadmgr.model import Policy, Wiring
from solver import Problem, Solution
from tests.core.talk import L1, L2, L3, Talk, bay, metered, no_answer, site_of


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


# ── Who is kept out by the gate ───────────────────────────────────────────────────────────


def beside_a_car_on_a_phase_nobody_knows() -> Talk:
    """The plan takes its 9 A off the meter and the gate does not: there they count twice."""
    unknown = Wiring((L1, L2, L3), known=False)
    policy = Policy(rotate_every_s=300.0)
    talk = Talk(metered(bay("A", wiring=unknown), bay("B"), fuse_a=24.0, policy=policy))
    talk.ready("A", "B", plugged=False)
    talk.building(4.0, 4.0, 6.0)
    talk.plugs("A", "t-A")
    return talk


def charge(talk: Talk, decide: Attentive, seconds: int) -> int | None:
    """After how many seconds the second car has started."""
    for second in range(seconds):
        plan = decide(talk.site, talk.state, talk.now)
        for order in due(talk.site, talk.state, plan, talk.now):
            talk.confirms(talk.sends(order))
        one, all_three = min(9.0, talk.of("A").proved_a), talk.of("B").proved_a
        if all_three:
            return second
        if second % 5 == 0:
            talk.draws("A", one, 0.0, 0.0)
        talk.after(1).meter(4.0, 4.0, 6.0 + one)
    return None


def test_who_is_kept_out_gets_its_turn_all_the_same():
    talk, decide = beside_a_car_on_a_phase_nobody_knows(), Attentive(no_answer)
    charge(talk, decide, 120)
    talk.plugs("B", "t-B")
    started = charge(talk, decide, 900)
    assert started is not None and 300 - 120 < started < 300 + 120


def test_who_does_not_take_what_it_is_told_is_kept_out_by_nobody():
    talk = beside_a_car_on_a_phase_nobody_knows()
    talk.plugs("B", "t-B")
    seen = grounds(talk.site, talk.state, talk.now)
    plan = talk.plan()
    assert to_start(plan, seen, {}) == {"A": talk.now, "B": talk.now}
    talk.refuses(talk.orders("B", 6.0))
    talk.holds("A", 6.0)
    assert to_start(plan, grounds(talk.site, talk.state, talk.now), {}) == {}


def test_since_when_somebody_is_to_start_is_remembered_until_it_has():
    talk = beside_a_car_on_a_phase_nobody_knows()
    since = to_start(talk.plan(), grounds(talk.site, talk.state, talk.now), {})
    plan = talk.after(5).plan()
    assert to_start(plan, grounds(talk.site, talk.state, talk.now), since) == since
