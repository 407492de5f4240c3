import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import solver.workspace
from solver import Peak, Problem, Reward, Status, Storage, Workspace, solve
from solver.certify import certify
from solver.raw import Raw
from solver.reference import solve_reference
from tests.solver.strategies import problems, random_problem


def one_fuse(upper, capacity=30.0, steps=1, hours=1.0, **changed):
    """Cars on one row of one circuit."""
    upper = np.atleast_2d(np.asarray(upper, dtype=float))
    n = len(upper)
    given = {
        "step_h": np.full(upper.shape[1], hours),
        "parent": np.array([-1]),
        "capacity": np.full((1, 1, upper.shape[1]), capacity),
        "circuit": np.zeros(n, dtype=int),
        "coupling": np.ones((n, 1)),
        "upper": upper,
        "energy": np.full(n, np.inf),
        "value": np.ones(upper.shape),
    }
    return Problem(**(given | changed))


# ── Cases whose answer needs no computer ──────────────────────────────────────────────────


def test_with_room_for_all_everybody_gets_everything():
    answer = solve(one_fuse([[6.0], [9.0]]))
    assert answer.status is Status.OPTIMAL
    np.testing.assert_allclose(answer.x, [[6], [9]])
    assert not answer.row_dual.any()


def test_the_dearer_car_goes_first_and_the_price_of_the_fuse_is_the_other_one():
    answer = solve(one_fuse([[20.0], [20.0]], value=np.array([[2.0], [1.0]])))
    np.testing.assert_allclose(answer.x, [[20], [10]], atol=1e-6)
    assert answer.row_dual[0, 0, 0] == pytest.approx(1.0, rel=1e-4)
    assert answer.objective == pytest.approx(50.0)


def test_a_full_car_takes_no_more_and_takes_it_when_it_is_cheap():
    problem = one_fuse([[20.0, 20.0]], energy=np.array([15.0]), value=np.array([[1.0, 3.0]]))
    answer = solve(problem)
    np.testing.assert_allclose(answer.x, [[0, 15]], atol=1e-6)
    assert answer.energy_dual[0] == pytest.approx(3.0, rel=1e-4)


def test_nobody_charges_at_a_loss():
    assert not solve(one_fuse([[20.0]], value=np.array([[-0.1]]))).x.any()


def test_equal_worth_goes_to_the_earlier_departure_and_the_earlier_step():
    problem = one_fuse([[30.0, 30, 30], [30, 30, 0]], energy=np.array([30.0, 30.0]))
    np.testing.assert_allclose(solve(problem).x, [[0, 30, 0], [30, 0, 0]], atol=1e-6)


def test_a_concave_reward_shares_where_a_sum_would_not():
    reward = Reward(width=np.full((2, 2), 10.0), slope=np.array([[2.0, 1.0], [1.9, 1.0]]))
    problem = one_fuse([[30.0], [30.0]], 20.0, value=np.zeros((2, 1)), reward=reward)
    np.testing.assert_allclose(solve(problem).x, [[10], [10]], atol=1e-6)


def test_a_peak_is_paid_only_where_it_is_worth_it():
    problem = one_fuse(
        [[20.0, 20.0]], value=np.array([[1.0, 5.0]]), peak=Peak(price=2.0, level=8.0, row=0)
    )
    answer = solve(problem)
    # Going above 8 A earns 1 + 5 for each ampere in both steps, and costs 2 once.
    np.testing.assert_allclose(answer.x, [[20, 20]], atol=1e-6)
    assert answer.objective == pytest.approx(120 - 24)
    dearer = one_fuse(
        [[20.0, 20.0]], value=np.array([[1.0, 5.0]]), peak=Peak(price=7.0, level=8.0, row=0)
    )
    np.testing.assert_allclose(solve(dearer).x, [[8, 8]], atol=1e-6)


def test_a_battery_buys_low_gives_high_and_stays_between_its_bounds():
    storage = Storage(
        participant=np.array([0]), discharge=np.full((1, 2), 10.0), stored=np.array([5.0]),
        low=np.full((1, 2), 2.0), high=np.full((1, 2), 12.0),
    )  # fmt: skip
    problem = one_fuse([[10.0, 10.0]], value=np.array([[-1.0, -3.0]]), storage=storage)
    answer = solve(problem)
    np.testing.assert_allclose(answer.x, [[7, -10]], atol=1e-6)


def test_what_a_battery_gives_another_car_may_take():
    storage = Storage(
        participant=np.array([0]), discharge=np.full((1, 1), 10.0), stored=np.array([50.0]),
        low=np.zeros((1, 1)), high=np.full((1, 1), 90.0),
    )  # fmt: skip
    problem = one_fuse([[0.0], [60.0]], value=np.array([[0.1], [1.0]]), storage=storage)
    np.testing.assert_allclose(solve(problem).x, [[-10], [40]], atol=1e-6)


def test_below_the_minimum_one_car_waits():
    problem = one_fuse([[8.0], [8.0], [8.0]], 13.0, min_now=np.full(3, 6.0))
    answer = solve(problem)
    assert sorted(np.round(answer.x[:, 0], 6) > 0) == [False, True, True]
    assert answer.x.sum() == pytest.approx(13.0)


@pytest.mark.parametrize("n", [0, 3])
def test_empty_sites_and_stays_of_no_length_have_an_answer(n):
    answer = solve(one_fuse(np.zeros((n, 2))))
    assert answer.status is Status.OPTIMAL and answer.objective == 0
    assert answer.x.shape == (n, 2)


# ── One meaning ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(300))
def test_highs_reference_and_certificate_agree(seed):
    rng = np.random.default_rng(seed)
    problem = random_problem(
        rng, n=int(rng.integers(1, 15)), steps=int(rng.integers(1, 12)),
        circuits=int(rng.integers(1, 10)), rows=int(rng.integers(1, 4)), depth=1 + seed % 5,
        reward=seed % 3 == 1, peak=seed % 4 == 2, storage=seed % 5 == 3,
    )  # fmt: skip
    answer = solve(problem, "highs")
    meant = solve_reference(problem)
    judged = certify(problem, meant.x, meant.row_dual, meant.energy_dual)
    assert answer.status is Status.OPTIMAL and answer.method == "highs"
    assert answer.gap <= 1e-6 and answer.infeasibility <= 1e-6
    assert judged.gap <= 1e-6 and judged.infeasibility <= 1e-6
    assert answer.objective == pytest.approx(judged.objective, rel=1e-6, abs=1e-6)


def test_the_reference_means_the_same_with_cbc():
    problem = random_problem(np.random.default_rng(3), reward=True, peak=True, storage=True)
    by_cbc = solve_reference(problem, "CBC")
    judged = certify(problem, by_cbc.x, by_cbc.row_dual, by_cbc.energy_dual)
    assert judged.holds(1e-6)


# ── What must hold ────────────────────────────────────────────────────────────────────────


@given(problems())
@settings(max_examples=150, deadline=None)
def test_every_answer_is_certified_and_feasible(problem):
    answer = solve(problem)
    again = certify(problem, answer.x, answer.row_dual, answer.energy_dual)
    assert answer.status is Status.OPTIMAL
    assert again.holds(1e-6)


@given(problems(storage=False), st.floats(0, 1), st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_no_feasible_plan_beats_the_certified_bound(problem, shrink, seed):
    answer = solve(problem)
    certificate = certify(problem, answer.x, answer.row_dual, answer.energy_dual)
    rng = np.random.default_rng(seed)
    x = solver.workspace._repaired(problem, problem.upper * rng.random(problem.upper.shape))
    assert problem.worth(x) <= certificate.bound + 1e-9 * max(1.0, abs(certificate.bound))
    anything = rng.exponential(size=answer.row_dual.shape)
    other = certify(problem, answer.x, anything, rng.exponential(size=problem.n))
    assert answer.objective <= other.bound + 1e-6 * max(1.0, abs(other.bound))


@given(problems(), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_the_certificate_sees_every_broken_bound(problem, seed):
    answer = solve(problem)
    rng = np.random.default_rng(seed)
    i, t = int(rng.integers(problem.n)), int(rng.integers(problem.steps))
    x = answer.x.copy()
    x[i, t] = problem.upper[i, t] + 1e-3 * max(1.0, problem.upper.max())
    judged = certify(problem, x, answer.row_dual, answer.energy_dual)
    assert judged.infeasibility > 1e-6 and not judged.holds(1e-6)


@given(problems(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_the_cars_changes_neither_worth_nor_command(problem, random):
    order = list(range(problem.n))
    random.shuffle(order)
    one, other = solve(problem), solve(permuted(problem, np.array(order)))
    assert other.objective == pytest.approx(one.objective, rel=1e-6, abs=1e-9)
    np.testing.assert_allclose(other.x[:, 0], one.x[order, 0], atol=0.1)


def permuted(problem, order):
    back = np.argsort(order)
    storage, reward = problem.storage, problem.reward
    rank = np.arange(problem.n) if problem.rank is None else problem.rank
    return Problem(
        step_h=problem.step_h, parent=problem.parent, capacity=problem.capacity,
        circuit=problem.circuit[order], coupling=problem.coupling[order],
        upper=problem.upper[order], energy=problem.energy[order], value=problem.value[order],
        peak=problem.peak, rank=rank[order] if problem.rank is not None else None,
        reward=reward and Reward(width=reward.width[order], slope=reward.slope[order]),
        storage=storage and Storage(
            participant=back[storage.participant], discharge=storage.discharge,
            stored=storage.stored, low=storage.low, high=storage.high,
        ),
    )  # fmt: skip


@given(problems(peak=False, reward=False), st.sampled_from([1e-6, 1e-3, 1e3, 1e9]))
@settings(max_examples=100, deadline=None)
def test_the_unit_of_current_changes_only_the_unit_of_the_answer(problem, scale):
    storage = problem.storage
    scaled = Problem(
        step_h=problem.step_h, parent=problem.parent, capacity=problem.capacity * scale,
        circuit=problem.circuit, coupling=problem.coupling, upper=problem.upper * scale,
        energy=problem.energy * scale, value=problem.value,
        storage=storage and Storage(
            participant=storage.participant, discharge=storage.discharge * scale,
            stored=storage.stored * scale, low=storage.low * scale, high=storage.high * scale,
        ),
    )  # fmt: skip
    one, other = solve(problem), solve(scaled)
    assert other.status is Status.OPTIMAL
    assert other.objective == pytest.approx(scale * one.objective, rel=2e-6, abs=1e-9 * scale)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_a_warm_start_changes_neither_worth_nor_command(seed):
    rng = np.random.default_rng(seed)
    workspace = Workspace()
    for tick in range(4):
        n = 8 + tick % 2
        problem = random_problem(np.random.default_rng(seed), n=n, steps=6)
        noisy = Problem(
            step_h=problem.step_h, parent=problem.parent,
            capacity=problem.capacity * rng.uniform(0.98, 1.02, problem.capacity.shape),
            circuit=problem.circuit, coupling=problem.coupling, upper=problem.upper,
            energy=problem.energy * rng.uniform(0.9, 1.0, n), value=problem.value,
        )  # fmt: skip
        warm, cold = workspace.solve(noisy), solve(noisy)
        assert warm.status is Status.OPTIMAL
        assert warm.objective == pytest.approx(cold.objective, rel=1e-6)
        np.testing.assert_allclose(warm.x[:, 0], cold.x[:, 0], atol=0.1)


@given(problems(storage=False, peak=False), st.floats(1.0, 2.0))
@settings(max_examples=100, deadline=None)
def test_more_copper_never_lowers_the_total_worth(problem, more):
    wider = Problem(
        step_h=problem.step_h, parent=problem.parent, capacity=problem.capacity * more,
        circuit=problem.circuit, coupling=problem.coupling, upper=problem.upper,
        energy=problem.energy, value=problem.value, reward=problem.reward,
    )  # fmt: skip
    before = solve(problem).objective
    assert solve(wider).objective >= before - 1e-6 * max(1.0, abs(before))


# ── Failing methods ───────────────────────────────────────────────────────────────────────


def test_a_method_that_lies_is_replaced(monkeypatch):
    class Liar:
        def solve(self, problem, value, **_):
            return Raw(
                x=problem.upper * 2, row_dual=np.zeros_like(problem.capacity),
                energy_dual=np.zeros(problem.n), optimal=True,
            )  # fmt: skip

    monkeypatch.setattr(solver.workspace, "Highs", Liar)
    problem = random_problem(np.random.default_rng(1))
    answer = solve(problem, "highs")
    assert answer.status is not Status.OPTIMAL
    assert answer.infeasibility <= 1e-6


def test_a_method_that_raises_is_replaced(monkeypatch):
    class Broken:
        def solve(self, problem, value, **_):
            raise RuntimeError("out of luck")

    monkeypatch.setattr(solver.workspace, "Highs", Broken)
    answer = solve(random_problem(np.random.default_rng(1)), "highs")
    assert answer.status is Status.RULE and answer.infeasibility <= 1e-6
    assert np.isfinite(answer.gap) and answer.x.any()


def test_a_deadline_already_over_still_brings_a_feasible_plan():
    problem = random_problem(np.random.default_rng(2), n=40, steps=24)
    answer = solve(problem, deadline_s=0.0)
    assert answer.status is Status.RULE
    assert answer.infeasibility <= 1e-6 and answer.x.any()


def test_an_unknown_method_is_a_loud_mistake():
    with pytest.raises(ValueError, match="method 'magic'"):
        solve(one_fuse([[1.0]]), method="magic")


def test_the_rule_is_quick_on_a_large_site():
    problem = random_problem(np.random.default_rng(4), n=1000, steps=96, circuits=60)
    begin = time.perf_counter()
    answer = solve(problem, deadline_s=0.0)
    assert answer.infeasibility <= 1e-6
    assert time.perf_counter() - begin < 2.0
