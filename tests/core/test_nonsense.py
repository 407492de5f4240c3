"""The solver is not trusted: what it says that cannot be true leaves the decision to the rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import solver
from loadmgr.core.tick import tick
from solver import Problem, Solution
from tests.core.talk import Talk, bay, metered


def charging() -> Talk:
    talk = Talk(metered(bay("A"), bay("B")))
    talk.ready("A", "B")
    talk.building(10.0)
    return talk


@pytest.mark.parametrize(
    "falsify",
    [
        lambda x: np.full_like(x, np.nan),
        lambda x: x * 10 + 40,
        lambda x: -x - 6,
        lambda x: x[:, :1],
    ],
    ids=["nan", "too much", "negative", "wrong shape"],
)
def test_an_infeasible_answer_is_not_used(falsify: Any) -> None:
    def lies(problem: Problem) -> Solution:
        answer = solver.solve(problem)
        return replace(answer, x=falsify(answer.x))

    talk = charging()
    plan = tick(talk.site, talk.state, talk.now, lies)
    assert plan.solve.method == "rule" and "nonsense" in plan.solve.status
    honest = tick(talk.site, talk.state, talk.now)
    assert {e: a.current_a for e, a in plan.allocations.items()} == {
        e: a.current_a for e, a in honest.allocations.items()
    }
