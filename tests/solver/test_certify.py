import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver import compiled, solve
from solver.certify import certify
from tests.solver.strategies import problems


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    # The methods are not needed here, and take minutes to compile on a fresh machine.
    if compiled.judge() is None:
        compiled._certificate()


@given(problems(peak=False, storage=False, min_now=True), st.integers(0, 2**32 - 1))
@settings(max_examples=300, deadline=None)
def test_the_compiled_certificate_says_what_the_plain_one_says(problem, seed):
    rng = np.random.default_rng(seed)
    if rng.random() < 0.3:
        least = problem.min_now
        can = (problem.upper[:, 0] >= least) & (problem.energy >= least * problem.step_h[0])
        on = can & (rng.random(problem.n) < 0.5)
        problem = problem.switched(on, ~on)
    x = problem.upper * rng.choice([0.0, 0.5, 1.0, 1.2], problem.upper.shape)
    y = rng.exponential(size=problem.capacity.shape) * rng.integers(-1, 3, problem.capacity.shape)
    mu = rng.exponential(size=problem.n)
    fast = certify(problem, x, y, mu)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "judge", lambda: None)
        plain = certify(problem, x, y, mu)
    assert fast.objective == pytest.approx(plain.objective, rel=1e-9, abs=1e-9)
    assert fast.bound == pytest.approx(plain.bound, rel=1e-9, abs=1e-9)
    assert fast.gap == pytest.approx(plain.gap, rel=1e-6, abs=1e-9)
    assert fast.infeasibility == pytest.approx(plain.infeasibility, rel=1e-9, abs=1e-12)
    assert fast.worst == plain.worst or fast.infeasibility < 1e-12


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", ["x", "row_dual", "energy_dual"])
@pytest.mark.parametrize("plain", [True, False])
def test_what_is_not_a_number_proves_nothing(monkeypatch, broken, which, plain):
    from tests.solver.strategies import random_problem

    problem = random_problem(np.random.default_rng(7))
    answer = solve(problem)
    arrays = {
        "x": answer.x.copy(),
        "row_dual": answer.row_dual.copy(),
        "energy_dual": answer.energy_dual.copy(),
    }
    arrays[which].flat[0] = broken
    if plain:
        monkeypatch.setattr(compiled, "judge", lambda: None)
    certificate = certify(problem, **arrays)
    # A price that is no number may count as 0, which proves less but nothing wrong.
    assert not certificate.holds(1e-6) or which != "x"
    assert certificate.bound >= answer.objective - 1e-9 * abs(answer.objective)


def test_wrong_shapes_prove_nothing():
    from tests.solver.strategies import random_problem

    problem = random_problem(np.random.default_rng(7))
    certificate = certify(problem, problem.upper[:, 1:], problem.capacity, problem.energy)
    assert not certificate.holds(1.0)
