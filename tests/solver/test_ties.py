"""One point among equals, whoever looks for it."""

import numpy as np
import pytest

from benchmarks.subjects import Dials, site
from solver import Problem, compiled, solve
from solver.simplex_name import name_by_claim
from solver.ties import claims, decided, told_apart
from tests.solver.strategies import random_problem

# On a fresh machine the first test waits for the compiler.
pytestmark = pytest.mark.timeout(1500)


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    assert compiled.wait(1400), compiled.failures()


@pytest.mark.parametrize("ties", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_highs_and_the_simplex_command_the_same(ties, seed):
    problem = site(Dials(cars=60, ties=ties, present=0.6), seed).problem()
    one, other = solve(problem, "simplex"), solve(problem, "highs-simplex")
    assert (one.method, other.method) == ("simplex", "highs")
    np.testing.assert_allclose(one.x[:, 0], other.x[:, 0], atol=0.1)


def test_names_are_the_same_compiled_or_not():
    for seed in range(20):
        problem = random_problem(np.random.default_rng(seed), n=12)
        np.testing.assert_array_equal(
            name_by_claim(problem)[0], told_apart(claims(problem), problem.energy)[0]
        )


def test_who_asks_alike_is_told_apart_by_need_and_not_by_row():
    def asked(energy):
        return Problem(
            step_h=np.ones(2), parent=np.array([-1]), capacity=np.full((1, 1, 2), 9.0),
            circuit=np.zeros(3, int), coupling=np.ones((3, 1)), upper=np.full((3, 2), 8.0),
            energy=np.array(energy), value=np.ones((3, 2)),
        )  # fmt: skip

    one, other = decided(asked([3.0, 5.0, 4.0])), decided(asked([5.0, 4.0, 3.0]))
    np.testing.assert_array_equal(one[[1, 2, 0]], other)
    assert len(np.unique(one[:, 0])) == 3


def test_what_decides_is_far_below_the_tolerance():
    problem = site(Dials(cars=40)).problem()
    moved = np.abs(decided(problem) - problem.value)[problem.upper > 0]
    assert 0 < moved.min() and moved.max() <= 1e-6 * np.abs(problem.value).mean()
