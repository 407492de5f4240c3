import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver import Problem, Status, Workspace, solve
from solver.minimum import oracle
from solver.reference import solve_reference
from tests.solver.strategies import problems, random_problem


@given(problems(min_now=True, storage=False))
@settings(max_examples=100, deadline=None)
def test_nobody_is_told_something_between_0_and_the_minimum(problem):
    answer = solve(problem)
    now = answer.x[:, 0]
    assert answer.infeasibility <= 1e-6
    assert np.all((now <= 1e-5) | (now >= problem.min_now * (1 - 1e-5)))


@pytest.mark.parametrize("seed", range(25))
def test_the_oracle_means_what_the_reference_means(seed):
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, n=6, steps=3, min_now=True, reward=seed % 2 == 0)
    meant = problem.worth(solve_reference(problem).x)
    assert problem.worth(oracle(problem)) == pytest.approx(meant, rel=1e-6, abs=1e-6)


def test_the_fast_choice_loses_next_to_nothing_against_the_exact_one():
    loss = []
    workspace = Workspace()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        problem = random_problem(
            rng, n=int(rng.integers(5, 41)), steps=int(rng.choice([1, 2, 8])), min_now=True,
            circuits=int(rng.integers(1, 8)), reward=seed % 2 == 0,
        )  # fmt: skip
        best = problem.worth(oracle(problem))
        loss.append((best - workspace.solve(problem).objective) / best)
    assert np.median(loss) <= 0.001
    assert max(loss) <= 0.02
    assert min(loss) >= -1e-6


def test_who_cannot_take_its_minimum_waits():
    problem = Problem(
        step_h=np.ones(1), parent=np.array([-1]), capacity=np.full((1, 1, 1), 40.0),
        circuit=np.zeros(3, dtype=int), coupling=np.ones((3, 1)),
        upper=np.array([[4.0], [16.0], [16.0]]), energy=np.array([9.0, 3.0, 50.0]),
        value=np.ones((3, 1)), min_now=np.full(3, 6.0),
    )  # fmt: skip
    np.testing.assert_allclose(solve(problem).x[:, 0], [0, 0, 16], atol=1e-6)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_a_late_choice_is_feasible_all_the_same(seed):
    problem = random_problem(np.random.default_rng(seed), n=30, min_now=True)
    answer = solve(problem, deadline_s=0.002)
    assert answer.infeasibility <= 1e-6
    assert answer.status in set(Status)
