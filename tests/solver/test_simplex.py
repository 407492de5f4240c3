"""The dual simplex against what it must mean: exact, and the same however it is started."""

from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest

from benchmarks.subjects import Dials, site
from solver import Peak, Problem, Reward
from solver.certify import certify
from solver.highs import Highs
from solver.simplex import basis_of, solve_fleet, solve_kernel, supports
from solver.simplex_drive import drive
from tests.solver.strategies import random_problem


def judged(problem, result, gap=1e-6):
    """The result, after the judge has seen it."""
    assert result.converged
    certificate = certify(problem, result.x, result.row_dual, result.energy_dual)
    assert certificate.infeasibility <= 1e-9, certificate
    assert certificate.gap <= gap, certificate
    return result


def one_car(**changes):
    arrays = {
        "step_h": np.ones(3),
        "parent": np.array([-1]),
        "capacity": np.full((1, 1, 3), 20.0),
        "circuit": np.array([0]),
        "coupling": np.ones((1, 1)),
        "upper": np.full((1, 3), 16.0),
        "energy": np.array([24.0]),
        "value": np.array([[1.0, 3.0, 2.0]]),
    }
    return Problem(**(arrays | changes))


def permuted(problem, order):
    names = ("circuit", "coupling", "upper", "energy", "value", "rank")
    changes = {name: getattr(problem, name)[order] for name in names}
    fields = ("step_h", "parent", "capacity")
    return Problem(**{name: getattr(problem, name) for name in fields}, **changes)


def test_one_car_takes_its_best_hours_first():
    result = judged(one_car(), solve_kernel(one_car()))
    np.testing.assert_allclose(result.x, [[0.0, 16.0, 8.0]])
    assert result.energy_dual == pytest.approx([2.0])
    assert not result.row_dual.any()


def test_a_fuse_moves_a_car_to_its_next_best_hour_and_gets_a_price():
    problem = one_car(capacity=np.array([[[20.0, 10.0, 20.0]]]))
    result = judged(problem, solve_kernel(problem))
    np.testing.assert_allclose(result.x, [[0.0, 10.0, 14.0]])
    assert result.row_dual[0, 0] == pytest.approx([0.0, 1.0, 0.0])


def test_nothing_to_decide_is_decided_at_once():
    for problem in (
        one_car(upper=np.zeros((1, 3))),
        one_car(energy=np.zeros(1)),
        one_car(capacity=np.zeros((1, 1, 3))),
        one_car(value=np.full((1, 3), -1.0)),
        Problem(
            step_h=np.ones(2), parent=np.array([-1]), capacity=np.ones((1, 1, 2)),
            circuit=np.zeros(0, int), coupling=np.ones((0, 1)), upper=np.ones((0, 2)),
            energy=np.zeros(0), value=np.ones((0, 2)),
        ),
    ):  # fmt: skip
        result = judged(problem, solve_kernel(problem))
        assert not result.x.any()


def test_endless_energy_and_endless_copper_are_taken_as_such():
    problem = one_car(energy=np.array([np.inf]), capacity=np.full((1, 1, 3), np.inf))
    np.testing.assert_allclose(judged(problem, solve_kernel(problem)).x, [[16.0] * 3])


@pytest.mark.parametrize("reward", [False, True])
def test_it_finds_what_highs_finds_on_trees_to_depth_five(reward):
    for seed in range(60):
        rng = np.random.default_rng(seed)
        problem = random_problem(
            rng, n=int(rng.integers(1, 20)), steps=int(rng.integers(1, 12)),
            circuits=int(rng.integers(1, 8)), rows=int(rng.integers(1, 5)), reward=reward,
            scale=10.0 ** int(rng.integers(-6, 7)),
        )  # fmt: skip
        result = judged(problem, solve_kernel(problem))
        best = problem.worth(Highs().solve(problem, problem.value, solver="simplex").x)
        assert problem.worth(result.x) == pytest.approx(best, rel=2e-6)


def test_sides_of_a_polygon_may_load_a_row_backwards():
    angles = np.arange(8) * np.pi / 4
    sides = np.stack([np.cos(angles), np.cos(angles - 2.1), np.cos(angles + 2.1)])
    for seed in range(20):
        rng = np.random.default_rng(seed)
        base = random_problem(rng, n=12, rows=1)
        problem = Problem(
            step_h=base.step_h, parent=base.parent, circuit=base.circuit, upper=base.upper,
            energy=base.energy, value=base.value, coupling=sides[rng.integers(0, 3, 12)],
            capacity=np.repeat(0.6 * base.most, 8, axis=1),
        )  # fmt: skip
        judged(problem, solve_kernel(problem))


def test_a_basis_from_the_last_tick_changes_the_time_and_not_the_answer():
    day = site(Dials(cars=40, ties=0.2), 5)
    warm = judged(day.problem(), solve_kernel(day.problem())).warm
    shorter = 0
    for problem in day.ticks(12, replaced=0.05):
        result = judged(problem, solve_kernel(problem, warm=warm))
        warm = result.warm
        cold = judged(problem, solve_kernel(problem))
        assert problem.worth(result.x) == pytest.approx(problem.worth(cold.x), rel=1e-9)
        np.testing.assert_allclose(result.x[:, 0], cold.x[:, 0], atol=1e-6)
        shorter += result.iterations < cold.iterations
    assert shorter >= 10


def test_a_basis_may_be_used_twice():
    day = site(Dials(cars=30), 2)
    warm = solve_kernel(day.problem()).warm
    problem = next(day.ticks(1))
    first, second = (judged(problem, solve_kernel(problem, warm=warm)) for _ in range(2))
    np.testing.assert_allclose(first.x, second.x, atol=1e-9)


def test_a_basis_of_other_prices_another_site_or_another_kind_does_no_harm():
    problem = site(Dials(cars=30), 1).problem()
    result = solve_kernel(problem)
    rng = np.random.default_rng(0)
    dearer = site(Dials(cars=30), 1)
    dearer = replace(dearer, price=rng.uniform(0.0, 1.5, len(dearer.step_h))).problem()
    other = site(Dials(cars=31), 3).problem()
    for asked, warm in ((dearer, result.warm), (other, result.warm), (problem, "nonsense")):
        cold = judged(asked, solve_kernel(asked))
        again = judged(asked, solve_kernel(asked, warm=warm))
        assert asked.worth(again.x) == pytest.approx(asked.worth(cold.x), rel=1e-9)


def test_the_order_of_the_cars_never_changes_what_is_commanded():
    rng = np.random.default_rng(0)
    for ties in (0.0, 0.7):
        problem = site(Dials(cars=60, ties=ties), 3).problem()
        result = judged(problem, solve_kernel(problem))
        order = rng.permutation(60)
        other = solve_kernel(permuted(problem, order))
        np.testing.assert_allclose(other.x[:, 0], result.x[order, 0], atol=1e-6)


def test_cars_that_ask_for_the_same_get_the_same():
    n = 4
    problem = Problem(
        step_h=np.ones(3), parent=np.array([-1]), capacity=np.full((1, 1, 3), 30.0),
        circuit=np.zeros(n, int), coupling=np.ones((n, 1)), upper=np.full((n, 3), 16.0),
        energy=np.full(n, 20.0), value=np.tile([3.0, 2.0, 1.0], (n, 1)),
    )  # fmt: skip
    result = judged(problem, solve_kernel(problem))
    np.testing.assert_allclose(result.x, np.tile(result.x[0], (n, 1)))


def test_a_deadline_is_kept_and_an_answer_cut_short_says_so():
    problem = site(Dials(cars=300), 0).problem()
    solve_kernel(problem)
    began = perf_counter()
    result = solve_kernel(problem, deadline_s=0.005)
    assert perf_counter() - began < 0.5
    assert not result.converged or perf_counter() - began < 0.1


def test_a_fleet_gets_what_each_site_would_get():
    problems = [site(Dials(cars=12, steps=24), seed).problem() for seed in range(8)]
    for problem, result in zip(problems, solve_fleet(problems, threads=2), strict=True):
        np.testing.assert_array_equal(judged(problem, result).x, solve_kernel(problem).x)


def test_what_it_cannot_do_it_declines():
    assert supports(one_car())
    assert supports(one_car(reward=Reward(width=np.ones((1, 1)), slope=np.ones((1, 1)))))
    assert supports(one_car(min_now=np.zeros(1)))
    assert not supports(one_car(min_now=np.full(1, 6.0)))
    assert not supports(one_car(peak=Peak(price=1.0, level=0.0, row=0)))


def test_a_basis_can_be_guessed_from_a_plan_and_prices_of_another_method():
    day = site(Dials(cars=60), 4)
    problem = day.problem()
    raw = Highs().solve(problem, problem.value, solver="ipm")
    cold, warm = solve_kernel(problem), basis_of(problem, raw.x, raw.row_dual)
    result = judged(problem, solve_kernel(problem, warm=warm))
    np.testing.assert_allclose(result.x[:, 0], cold.x[:, 0], atol=1e-6)
    assert result.iterations < cold.iterations
    assert basis_of(one_car(peak=Peak(price=1.0, level=0.0, row=0)), raw.x, raw.row_dual) is None


def test_it_is_compiled_for_one_kind_of_arrays_only():
    reward = Reward(width=np.ones((1, 1)), slope=np.ones((1, 1)))
    for problem in (one_car(), one_car(rank=np.array([7])), one_car(reward=reward)):
        first = judged(problem, solve_kernel(problem))
        judged(problem, solve_kernel(problem, warm=first.warm))
    assert len(drive.signatures) == 1
