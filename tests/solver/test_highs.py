"""HiGHS answers, and says nothing beside it."""

import numpy as np

from solver import solve
from solver.minimum import oracle
from tests.solver.strategies import random_problem


def test_nothing_is_written_beside_the_answer(capfd):
    problem = random_problem(np.random.default_rng(3), n=6, steps=2, min_now=True)
    solve(problem, "highs")
    oracle(problem)
    assert capfd.readouterr() == ("", "")
