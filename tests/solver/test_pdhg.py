"""The structured method: equal to HiGHS where both can answer, and the same whoever asks."""

import time
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from benchmarks.subjects import Dials, site
from solver import Peak, Problem, Reward
from solver.certify import certify
from solver.highs import Highs
from solver.pdhg import solve_kernel, supports
from tests.solver.strategies import problems, random_problem


def certified(problem, result, tol=1e-6):
    found = certify(problem, result.x, result.row_dual, result.energy_dual)
    assert found.holds(tol), found
    assert found.objective == pytest.approx(result.objective, rel=1e-9, abs=1e-9)
    return found


def optimum(problem):
    x = Highs().solve(problem, problem.value).x
    return problem.worth(x)


def given_again(problem, **changes):
    """The same problem with some arrays changed, checked anew."""
    now = {f.name: getattr(problem, f.name) for f in fields(Problem) if f.init}
    return Problem(**{**now, **changes})


def one_circuit(upper, energy, capacity, value=None, coupling=None, **more):
    upper = np.asarray(upper, dtype=float)
    n, steps = upper.shape
    capacity = np.asarray(capacity, dtype=float).reshape(1, -1, steps)
    return Problem(
        step_h=np.ones(steps),
        parent=np.array([-1]),
        capacity=capacity,
        circuit=np.zeros(n, dtype=int),
        coupling=np.ones((n, capacity.shape[1])) if coupling is None else coupling,
        upper=upper,
        energy=np.asarray(energy, dtype=float),
        value=np.ones((n, steps)) if value is None else np.asarray(value, dtype=float),
        **more,
    )


def test_two_cars_share_a_fuse_and_the_dearer_goes_first():
    problem = one_circuit([[10.0], [10.0]], [9, 9], [12.0], value=[[2.0], [1.0]])
    result = solve_kernel(problem)
    assert result.x[:, 0] == pytest.approx([9, 3], abs=1e-4)
    assert result.row_dual[0, 0, 0] == pytest.approx(1.0, abs=1e-4)
    assert result.energy_dual[0] == pytest.approx(1.0, abs=1e-4)
    certified(problem, result)


def test_a_step_that_costs_more_than_it_is_worth_stays_empty():
    problem = one_circuit([[10.0, 10.0]], [np.inf], [np.inf, np.inf], value=[[1.0, -0.1]])
    result = solve_kernel(problem)
    assert result.x.tolist() == [[10.0, 0.0]]
    certified(problem, result)


@pytest.mark.parametrize("cars", [0, 3])
def test_nobody_to_charge_is_answered_at_once(cars):
    problem = one_circuit(np.zeros((cars, 2)), np.ones(cars), [5.0, 5.0])
    result = solve_kernel(problem)
    assert result.converged
    assert result.objective == result.bound == 0.0
    assert not result.x.any()


def test_a_circuit_of_no_amperes_gives_none():
    problem = one_circuit([[16.0, 16.0]], [20.0], [0.0, 16.0])
    result = solve_kernel(problem)
    assert result.x[0] == pytest.approx([0, 16], abs=1e-6)
    certified(problem, result)


def test_a_reward_bends_the_claim_of_each_car():
    # First 5 Ah are worth 3, the rest 1: both get their first five before either gets more.
    reward = Reward(width=np.array([[5.0, 20.0]] * 2), slope=np.array([[3.0, 1.0]] * 2))
    problem = one_circuit(
        [[20.0], [20.0]], [np.inf, np.inf], [12.0], value=[[0.0], [-0.5]], reward=reward
    )
    result = solve_kernel(problem)
    assert result.x[:, 0] == pytest.approx([7, 5], abs=1e-4)
    certified(problem, result)


def test_what_it_cannot_take_it_says():
    problem = one_circuit([[1.0]], [1.0], [1.0])
    assert supports(problem)
    assert not supports(replace(problem, coupling=np.array([[-1.0]])))
    assert not supports(replace(problem, peak=Peak(price=1.0, level=0.0, row=0)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(problems(peak=False, storage=False))
def test_random_problems_are_certified_and_worth_what_highs_finds(problem):
    result = solve_kernel(problem, threads=1, deadline_s=20)
    found = certified(problem, result)
    assert found.objective == pytest.approx(optimum(problem), rel=2e-6, abs=2e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_site_of_two_hundred_agrees_with_highs(seed):
    problem = site(Dials(cars=200), seed).problem()
    result = solve_kernel(problem)
    found = certified(problem, result)
    assert found.objective == pytest.approx(optimum(problem), rel=2e-6)


@pytest.mark.parametrize(("cars", "depth"), [(260, 1), (290, 3), (350, 5)])
def test_the_number_of_threads_changes_nothing(cars, depth):
    problem = site(Dials(cars=cars, depth=depth, panel=7, feeder=3), 4).problem()
    one, two = solve_kernel(problem, threads=1), solve_kernel(problem, threads=2)
    assert np.array_equal(one.x, two.x)
    assert np.array_equal(one.row_dual, two.row_dual)


def test_rows_in_another_unit_change_nothing():
    # Amperes of one phase are read and loaded in place; anything else is gathered and spread.
    problem = site(Dials(cars=60, three_phase=0.3), 3).problem()
    halves = given_again(problem, coupling=problem.coupling / 2, capacity=problem.capacity / 2)
    first, second = solve_kernel(problem), solve_kernel(halves)
    certified(halves, second)
    assert second.objective == pytest.approx(first.objective, rel=2e-6)


def test_the_order_of_the_cars_changes_nothing():
    problem = site(Dials(cars=120), 7).problem()
    order = np.random.default_rng(0).permutation(problem.n)
    per_car = ("circuit", "coupling", "upper", "energy", "value", "rank")
    shuffled = given_again(problem, **{name: getattr(problem, name)[order] for name in per_car})
    first, second = solve_kernel(problem), solve_kernel(shuffled)
    assert second.x == pytest.approx(first.x[order], abs=1e-9)


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e9])
def test_another_unit_of_current_scales_the_answer(scale):
    rng = np.random.default_rng(3)
    plain = random_problem(rng, n=10, steps=8)
    rng = np.random.default_rng(3)
    scaled = random_problem(rng, n=10, steps=8, scale=scale)
    first, second = solve_kernel(plain), solve_kernel(scaled)
    assert second.objective == pytest.approx(scale * first.objective, rel=2e-6)
    certified(scaled, second)


def test_a_late_answer_is_feasible_and_says_how_far_it_got():
    problem = site(Dials(cars=1000), 1).problem()
    solve_kernel(site(Dials(cars=20), 1).problem())  # compiled before the clock starts
    begin = time.perf_counter()
    result = solve_kernel(problem, tol=1e-12, deadline_s=0.1)
    assert time.perf_counter() - begin < 2.0
    assert not result.converged
    assert np.isfinite(result.bound)
    found = certify(problem, result.x, result.row_dual, result.energy_dual)
    assert found.infeasibility <= 1e-9


def test_up_to_a_thousand_cars_a_warm_start_changes_nothing():
    first = None
    for problem in site(Dials(cars=100), 2).ticks(3):
        cold, warm = solve_kernel(problem), solve_kernel(problem, warm=first)
        first = warm.warm
        assert np.array_equal(cold.x, warm.x)


def test_a_warm_start_changes_the_worth_by_less_than_the_tolerance():
    first = None
    for problem in site(Dials(cars=1020, steps=24), 2).ticks(3):
        cold, warm = solve_kernel(problem), solve_kernel(problem, warm=first)
        first = warm.warm
        certified(problem, warm)
        assert warm.objective == pytest.approx(cold.objective, rel=2e-6)


def test_a_warm_start_from_another_site_is_left_aside():
    many = site(Dials(cars=1020, steps=24), 2).problem()
    other = solve_kernel(site(Dials(cars=30), 2).problem()).warm
    assert np.array_equal(solve_kernel(many, warm=other).x, solve_kernel(many).x)


@pytest.mark.parametrize("seed", [187, 515, 767])
def test_cars_of_very_unlike_size_are_certified(seed):
    rng = np.random.default_rng(seed)
    plain = random_problem(rng, n=12, steps=10)
    size = 10 ** rng.uniform(-2, 2, plain.n)
    problem = given_again(plain, upper=plain.upper * size[:, None], energy=plain.energy * size)
    certified(problem, solve_kernel(problem, deadline_s=20))


def test_a_worth_that_is_small_beside_the_reward_is_certified():
    plain = random_problem(np.random.default_rng(5), n=20, steps=12, reward=True)
    problem = given_again(plain, value=plain.value * 1e-6)
    certified(problem, solve_kernel(problem, deadline_s=20))
