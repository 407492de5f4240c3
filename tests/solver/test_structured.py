"""The compiled methods through the front door: the same answers, whatever the method."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.subjects import Dials, site
from solver import Problem, Status, Workspace, compiled, solve
from solver.fleet import Fleet
from solver.floors import without_floors
from tests.solver.strategies import problems, random_problem

# On a fresh machine the first test waits for the compiler.
pytestmark = pytest.mark.timeout(1500)


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    assert compiled.wait(1400), compiled.failures()


@pytest.mark.parametrize("method", compiled.KERNELS)
@pytest.mark.parametrize("seed", range(40))
def test_structured_methods_find_what_highs_finds(method, seed):
    rng = np.random.default_rng(seed)
    problem = random_problem(
        rng, n=int(rng.integers(1, 40)), steps=int(rng.integers(1, 30)),
        circuits=int(rng.integers(1, 9)), depth=1 + seed % 5, reward=seed % 2 == 1,
    )  # fmt: skip
    answer, meant = solve(problem, method), solve(problem, "highs")
    assert answer.status is Status.OPTIMAL
    assert answer.method == method
    assert answer.objective == pytest.approx(meant.objective, rel=2e-6, abs=1e-9)


@pytest.mark.parametrize("method", compiled.KERNELS)
@given(problems(peak=False, storage=False, min_now=True), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_floors_are_taken_out_and_put_back(method, problem, seed):
    rng = np.random.default_rng(seed)
    least = problem.min_now
    can = (problem.upper[:, 0] >= least) & (problem.energy >= least * problem.step_h[0])
    room = problem.capacity[:, :, 0] - problem.load(np.where(can, least, 0)[:, None] * (
        np.arange(problem.steps) == 0
    ))[:, :, 0]  # fmt: skip
    on = can & (rng.random(problem.n) < 0.5) & bool(np.all(room >= 0))
    decided = problem.switched(on, ~on & (least > 0))
    answer, meant = solve(decided, method), solve(decided, "highs")
    assert np.all(answer.x[on, 0] >= least[on] * (1 - 1e-6))
    assert answer.objective == pytest.approx(meant.objective, rel=2e-6, abs=1e-6)
    assert not without_floors(decided).lower.any()


@pytest.mark.parametrize("cars", [50, 200])
def test_auto_takes_a_structured_method_and_is_certified(cars):
    workspace = Workspace()
    for problem in site(Dials(cars=cars)).ticks(5):
        answer = workspace.solve(problem)
        assert answer.status is Status.OPTIMAL and answer.method in compiled.KERNELS


@pytest.mark.parametrize("extra", ["peak", "storage"])
def test_auto_leaves_to_highs_what_the_structured_methods_cannot(extra):
    problem = random_problem(np.random.default_rng(1), **{extra: True})
    answer = solve(problem)
    assert answer.status is Status.OPTIMAL and answer.method == "highs"


def test_a_fleet_is_solved_site_by_site():
    sites = [site(Dials(cars=12), seed).problem() for seed in range(7)]
    answers = Fleet(threads=2).solve(sites)
    for problem, answer in zip(sites, answers, strict=True):
        assert answer.status is Status.OPTIMAL
        assert answer.objective == pytest.approx(solve(problem, "highs").objective, rel=2e-6)


def test_a_deadline_brings_the_best_there_is_in_time():
    problem = site(Dials(cars=2000)).problem()
    begin = time.perf_counter()
    answer = solve(problem, deadline_s=0.2)
    assert time.perf_counter() - begin < 2.0  # generous: test machines are busy
    assert answer.infeasibility <= 1e-6
    assert answer.gap < 0.2


def test_from_tick_to_tick_a_middle_site_goes_on_from_a_basis():
    workspace, methods = Workspace(), []
    for problem in site(Dials(cars=600, steps=24), 2).ticks(4):
        answer = workspace.solve(problem)
        methods.append(answer.method)
        assert answer.status is Status.OPTIMAL
        assert answer.objective == pytest.approx(solve(problem, "highs").objective, rel=2e-6)
    assert methods == ["pdhg", "simplex", "simplex", "simplex"]


@pytest.mark.parametrize("cars", [450, 600])
def test_among_equals_a_tick_commands_what_a_fresh_start_would(cars):
    workspace = Workspace()
    for problem in site(Dials(cars=cars, steps=24, ties=0.5, present=0.6), 1).ticks(3):
        goes_on, afresh = workspace.solve(problem), solve(problem)
        assert np.abs(goes_on.x[:, 0] - afresh.x[:, 0]).max() < 0.1


def test_where_everything_changed_a_basis_is_given_up_for_a_while(monkeypatch):
    monkeypatch.setattr("solver.workspace.PIVOTS_EACH", 0.0)
    monkeypatch.setattr("solver.workspace.REST", 2)
    workspace, methods = Workspace(), []
    for problem in site(Dials(cars=600, steps=24), 3).ticks(4):
        answer = workspace.solve(problem)
        methods.append(answer.method)
        assert answer.status is Status.OPTIMAL
    assert methods == ["pdhg", "pdhg after simplex", "pdhg", "pdhg after simplex"]


@pytest.mark.parametrize("decades", [9, 15])
def test_worths_of_many_decades_are_certified_all_the_same(decades):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        base = random_problem(rng, n=10, steps=8)
        value = base.value * 10.0 ** rng.uniform(-decades / 2, decades / 2, (10, 1))
        problem = Problem(
            step_h=base.step_h, parent=base.parent, capacity=base.capacity, circuit=base.circuit,
            coupling=base.coupling, upper=base.upper, energy=base.energy, value=value,
        )  # fmt: skip
        assert solve(problem).status is Status.OPTIMAL
