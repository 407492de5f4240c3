"""The certificate on problems whose answer needs no computer, and against plain mathematics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from solver import Peak, Problem, Reward, Storage, compiled, solve
from solver.certify import FEASIBLE, SMALL, Certificate, certify, dual_bound, stakes, violation
from tests.solver.strategies import random_problem

INF = np.inf


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled is held against this one elsewhere; nothing is compiled here."""
    monkeypatch.setattr(compiled, "judge", lambda: None)
    monkeypatch.setattr(compiled, "prepare", lambda: None)


def one_car(**changed: Any) -> Problem:
    """Two half hours, up to 10 A; an ampere hour is worth 3 now and 1 later. One row of 6 A."""
    given: dict[str, Any] = {
        "step_h": [0.5, 0.5],
        "parent": [-1],
        "capacity": [[[6.0, 6.0]]],
        "circuit": [0],
        "coupling": [[1.0]],
        "upper": [[10.0, 10.0]],
        "energy": [INF],
        "value": [[3.0, 1.0]],
        **changed,
    }
    return Problem(**given)


def rewarding(width: tuple[float, ...], slope: tuple[float, ...]) -> Reward:
    return Reward(width=np.array([width]), slope=np.array([slope]))


def prices(*each: float) -> np.ndarray:
    return np.array(each).reshape(1, 1, -1)


FREE = prices(0.0, 0.0)


# ── The bound ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changed", "most"),
    [
        ({}, 20.0),  # 5 Ah at 3 and 5 Ah at 1
        ({"energy": [5.0]}, 15.0),
        ({"energy": [7.5]}, 17.5),
        ({"energy": [0.0]}, 0.0),
        ({"value": [[1.0, 3.0]], "energy": [7.5]}, 17.5),  # the dearer step comes first, wherever
        ({"value": [[3.0, -1.0]]}, 15.0),
        ({"value": [[-3.0, -1.0]]}, 0.0),
        ({"step_h": [0.5, 1.0]}, 25.0),
        ({"step_h": [0.5, 1.0], "value": [[3.0, 2.0]], "energy": [7.5]}, 20.0),
        ({"upper": [[10.0, 0.0]]}, 15.0),
    ],
)
def test_where_copper_costs_nothing_a_car_is_worth_its_best_hours(changed, most):
    assert dual_bound(one_car(**changed), FREE) == pytest.approx(most)


@pytest.mark.parametrize(
    ("price", "bound"),
    [
        (0.0, 20.0),
        (1.0, 16.0),  # copper 6, and the car has 10 A × (1.5 − 1) now
        (1.5, 14.0),  # the optimum: 6 A × 0.5 h × 3, and 5 later
        (2.0, 17.0),  # too dear: copper 12, nothing now
        (-4.0, 20.0),  # no price is below 0
    ],
)
def test_the_price_of_copper_is_paid_once_and_earned_once(price, bound):
    given = prices(price, 0.0)
    assert dual_bound(one_car(), given) == pytest.approx(bound)
    assert (given == prices(price, 0.0)).all(), "what was handed in is left as it was"


def test_a_price_on_a_row_without_a_limit_counts_for_nothing():
    problem = one_car(capacity=[[[INF, 6.0]]])
    assert dual_bound(problem, prices(100.0, 0.5)) == pytest.approx(15.0 + 3.0)


def test_a_car_pays_for_every_circuit_above_it_and_for_no_other():
    """A root, a branch below it and a twig below that, and another root."""
    many = one_car(
        parent=[-1, 0, 1, -1],
        capacity=np.full((4, 1, 2), 1.0),
        circuit=[1],
        value=[[20.0, 0.0]],
    )
    for circuit, pays in ((0, True), (1, True), (2, False), (3, False)):
        y = np.zeros((4, 1, 2))
        y[circuit, 0, 0] = 4.0
        assert dual_bound(many, y) == pytest.approx(4.0 + (60.0 if pays else 100.0))
    for circuit in (0, 1, 2):
        below = replace_problem(many, circuit=[circuit])
        y = np.zeros((4, 1, 2))
        y[:3, 0, 0] = 1.0
        assert dual_bound(below, y) == pytest.approx(3.0 + 100.0 - 10.0 * (circuit + 1))


def test_a_car_pays_on_each_row_what_it_puts_there():
    problem = one_car(
        coupling=[[1.0, -2.0, 0.0]], capacity=np.full((1, 3, 2), 1.0), value=[[20.0, 0.0]]
    )
    for row, (price, earned) in enumerate([(1.0, 90.0), (1.0, 120.0), (1.0, 100.0)]):
        y = np.zeros((1, 3, 2))
        y[0, row, 0] = price
        assert dual_bound(problem, y) == pytest.approx(1.0 + earned)


@pytest.mark.parametrize(
    ("changed", "most"),
    [
        ({"value": [[-2.0, -2.0]]}, 6.0),  # 2 Ah at 5 − 2; the next are worth less than they cost
        ({"value": [[-0.5, -0.5]]}, 9.0 + 2.0),
        ({"value": [[0.0, 0.0]]}, 14.0),
        ({"value": [[0.0, 0.0]], "energy": [3.0]}, 11.0),
        ({"value": [[0.0, 0.0]], "upper": [[2.0, 0.0]]}, 5.0),
        ({"value": [[1.0, 1.0]], "upper": [[20.0, 0.0]]}, 24.0),  # beyond its end: 1 each
        ({"value": [[-6.0, -7.0]]}, 0.0),
        ({"value": [[-2.0, -2.0]], "reward": rewarding((0.5,), (5.0,))}, 1.5),
        ({"value": [[-0.5, -3.0]], "upper": [[2.0, 20.0]]}, 4.5 + 2.0),
    ],
)
def test_a_reward_ends_where_the_next_ampere_hour_costs_more(changed, most):
    """5 each for the first 2 Ah, 1 each for the next 4."""
    given = {"reward": rewarding((2.0, 4.0), (5.0, 1.0)), **changed}
    assert dual_bound(one_car(**given), FREE) == pytest.approx(most)


@pytest.mark.parametrize(("value", "most"), [(-2.0, 11.0 - 6.0), (-0.5, 14.0 - 3.0), (-6.0, -7.0)])
def test_what_must_be_taken_has_its_part_of_the_reward(value, most):
    """3 Ah in any case; the last of the reward is at 6 Ah."""
    reward = rewarding((2.0, 4.0), (5.0, 1.0))
    free = one_car(value=[[value, value]], min_now=[6.0], reward=reward)
    assert dual_bound(free.switched(np.array([True]), np.array([False])), FREE) == pytest.approx(
        most
    )


def test_above_what_must_be_taken_the_reward_is_sought_hour_by_hour():
    """An ampere hour is rewarded with 5 and costs 2 now and 9 later: all that fits in now."""
    free = one_car(value=[[-2.0, -9.0]], min_now=[6.0], reward=rewarding((20.0,), (5.0,)))
    on = free.switched(np.array([True]), np.array([False]))
    assert dual_bound(on, FREE) == pytest.approx(5.0 * (5.0 - 2.0))


def test_who_was_switched_on_takes_its_minimum_even_at_a_loss():
    on, off = np.array([True]), np.array([False])
    problem = one_car(value=[[-3.0, 1.0]], min_now=[6.0])
    assert dual_bound(problem.switched(on, off), FREE) == pytest.approx(5.0 - 9.0)
    assert dual_bound(problem.switched(off, on), FREE) == pytest.approx(5.0)
    willing = one_car(min_now=[6.0]).switched(on, off)
    assert dual_bound(willing, FREE) == pytest.approx(20.0), "the minimum is part of the whole"
    bounded = one_car(value=[[-3.0, 1.0]], min_now=[6.0], energy=[4.0]).switched(on, off)
    assert dual_bound(bounded, FREE) == pytest.approx(1.0 - 9.0), "3 Ah of its 4 are gone"


@pytest.mark.parametrize(
    ("level", "price", "given", "bound"),
    [
        # A peak above 2 A costs 2 per ampere: of the price 1.5 now all is the peak's.
        (2.0, 2.0, (1.5, 0.0), 2.0 * 1.5 + 0.0 + 5.0),
        # It may be 0.5 only: the rest is the copper's own, 6 A of it.
        (2.0, 0.5, (1.5, 0.0), 2.0 * 0.5 + 6.0 * 1.0 + 5.0),
        # In two steps it is shared, 1.5 and 0.1.
        (2.0, 1.6, (1.5, 0.5), 2.0 * 1.6 + 6.0 * 0.4),
        # Above the fuse no peak can be reached, and nothing is saved by it.
        (8.0, 2.0, (1.5, 0.0), 6.0 * 1.5 + 5.0),
        (6.0, 2.0, (1.5, 0.0), 6.0 * 1.5 + 5.0),
        (5.5, 2.0, (1.5, 0.0), 5.5 * 1.5 + 5.0),
        (2.0, 0.0, (1.5, 0.0), 6.0 * 1.5 + 5.0),
    ],
)
def test_a_peak_takes_over_what_it_can_of_the_price_of_its_row(level, price, given, bound):
    problem = one_car(peak=Peak(price=price, level=level, row=0))
    assert dual_bound(problem, prices(*given)) == pytest.approx(bound)


def test_a_peak_serves_the_steps_first_in_which_its_row_is_widest():
    problem = one_car(capacity=[[[4.0, 9.0]]], peak=Peak(price=0.5, level=3.0, row=0))
    bound = dual_bound(problem, prices(1.5, 0.5))
    assert bound == pytest.approx(4.0 * 1.5 + 3.0 * 0.5)


def test_on_a_row_without_a_limit_only_the_peak_has_a_price():
    problem = one_car(capacity=[[[INF, 6.0]]], peak=Peak(price=1.0, level=2.0, row=0))
    assert dual_bound(problem, prices(1.5, 0.0)) == pytest.approx(2.0 * 1.0 + 10.0 * 0.5 + 5.0)


def test_a_peak_is_of_its_own_circuit_and_row_only():
    problem = one_car(
        parent=[-1, 0], capacity=np.full((2, 2, 2), 6.0), circuit=[1], coupling=[[1.0, 1.0]],
        peak=Peak(price=9.0, level=2.0, row=1, circuit=1),
    )  # fmt: skip
    for circuit, row in ((0, 0), (0, 1), (1, 0), (1, 1)):
        y = np.zeros((2, 2, 2))
        y[circuit, row, 0] = 1.5
        carries = 2.0 if (circuit, row) == (1, 1) else 6.0
        assert dual_bound(problem, y) == pytest.approx(carries * 1.5 + 5.0)


# ── A battery ─────────────────────────────────────────────────────────────────────────────


def battery(
    stored: float = 0.0,
    low: tuple[float, float] = (0.0, 0.0),
    high: tuple[float, float] = (4.0, 4.0),
    **changed: Any,
) -> Problem:
    """Two hours, 2 A either way. An ampere hour costs 1 now and 3 later, and earns that too."""
    storage = Storage(
        participant=np.array([0]), discharge=np.array([[2.0, 2.0]]), stored=np.array([stored]),
        low=np.array([low]), high=np.array([high]),
    )  # fmt: skip
    given: dict[str, Any] = {
        "step_h": [1.0, 1.0], "upper": [[2.0, 2.0]], "value": [[-1.0, -3.0]], "storage": storage,
        **changed,
    }  # fmt: skip
    return one_car(**given)


@pytest.mark.parametrize(
    ("problem", "most"),
    [
        (battery(), 4.0),  # takes 2 at 1 and gives them at 3
        (battery(high=(1.0, 4.0)), 2.0),
        (battery(stored=2.0), 6.0),
        (battery(stored=3.0), 7.0),  # one more now, at 1
        (battery(stored=2.0, low=(0.0, 1.0)), 5.0),  # takes 1 now, to keep it
        (battery(stored=2.0, low=(1.5, 0.0), value=[[-3.0, -1.0]]), 3.0),
        (battery(stored=2.0, value=[[-3.0, -1.0]]), 6.0),
        (battery(value=[[5.0, 5.0]]), 20.0),
        (battery(value=[[5.0, 5.0]], energy=[3.0]), 15.0),
        (battery(value=[[5.0, 5.0]], high=(4.0, 2.5)), 12.5),
        (battery(value=[[5.0, 2.0]], energy=[1.0]), 8.0),  # takes 2, gives one back
        (battery(step_h=[0.5, 2.0]), 2.0),  # one ampere hour
        (battery(upper=[[1.0, 2.0]]), 2.0),
        (battery(value=[[-1.0, -1.0]]), 0.0),
    ],
)
def test_a_battery_buys_cheap_and_sells_dear_between_its_bounds(problem, most):
    assert dual_bound(problem, FREE) == pytest.approx(most)


def test_what_a_battery_keeps_is_rewarded_and_what_it_gave_is_missed():
    """4 for the first ampere hour above what it held, 2 for the next; 4 for each below."""
    reward = Reward(width=np.array([[1.0, 1.0]]), slope=np.array([[4.0, 2.0]]))
    assert dual_bound(battery(reward=reward), FREE) == pytest.approx(-2.0 + 4.0 + 3.0)
    assert dual_bound(battery(stored=2.0, reward=reward), FREE) == pytest.approx(-2.0 + 4.0 + 3.0)
    none = battery(stored=2.0, value=[[-9.0, -9.0]], reward=reward)
    assert dual_bound(none, FREE) == pytest.approx(2.0 * (9.0 - 4.0))


def test_a_battery_beside_a_car_is_counted_once():
    storage = Storage(
        participant=np.array([1]), discharge=np.array([[2.0, 2.0]]), stored=np.array([0.0]),
        low=np.zeros((1, 2)), high=np.full((1, 2), 4.0),
    )  # fmt: skip
    problem = one_car(
        step_h=[1.0, 1.0], circuit=[0, 0, 0], coupling=[[1.0]] * 3, energy=[INF] * 3,
        upper=[[1.0, 0.0], [2.0, 2.0], [0.0, 1.0]],
        value=[[7.0, 0.0], [-1.0, -3.0], [0.0, 11.0]], storage=storage,
    )  # fmt: skip
    assert dual_bound(problem, FREE) == pytest.approx(7.0 + 4.0 + 11.0)
    # Copper at 1 now: the car earns 6, the battery pays twice as much for what it takes.
    assert dual_bound(problem, prices(1.0, 0.0)) == pytest.approx(6.0 + 6.0 + 2.0 + 11.0)


# ── Against plain mathematics ─────────────────────────────────────────────────────────────

KINDS = [
    {"reward": bool(k & 1), "peak": bool(k & 2), "storage": bool(k & 4), "steps": 3 + k % 4}
    for k in range(8)
]


def replace_problem(problem: Problem, **changed: Any) -> Problem:
    names = ("step_h", "parent", "capacity", "circuit", "coupling", "upper", "energy", "value",
             "reward", "peak", "storage")  # fmt: skip
    return Problem(**{**{name: getattr(problem, name) for name in names}, **changed})


def paid(problem: Problem, y: np.ndarray) -> np.ndarray:
    """(n, T) What an ampere pays, circuit by circuit up to the root."""
    found = np.zeros(problem.upper.shape)
    for i, circuit in enumerate(problem.circuit.tolist()):
        for k in problem.path[circuit]:
            found[i] += problem.coupling[i] @ y[k]
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind["peak"]])
def test_at_any_prices_the_bound_is_what_everybody_would_earn_at_them(kind, seed):
    """Weak duality's own words: what the rows cost, and the best that each does by itself."""
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, n=5, **kind)
    y = rng.exponential(0.4, problem.capacity.shape) * (rng.random(problem.capacity.shape) < 0.5)
    y[np.isinf(problem.capacity)] = 0.0
    alone = replace_problem(
        problem,
        capacity=np.full_like(problem.capacity, INF),
        value=problem.value - paid(problem, y) / problem.step_h,
    )
    cost = sum(c * p for c, p in zip(problem.capacity.flat, y.flat, strict=True) if p > 0)
    earned = solve(alone, "highs").objective
    assert dual_bound(problem, y) == pytest.approx(cost + earned, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", KINDS)
def test_at_the_best_prices_the_bound_is_the_optimum_and_at_others_no_less(kind, seed):
    rng = np.random.default_rng(100 + seed)
    problem = random_problem(rng, n=5, **kind)
    answer = solve(problem, "highs")
    certificate = certify(problem, answer.x, answer.row_dual, answer.energy_dual)
    assert certificate.holds(1e-6)
    assert certificate.objective == pytest.approx(problem.worth(answer.x))
    for wrong in (0.5, 2.0):
        assert dual_bound(problem, answer.row_dual * wrong) >= certificate.objective - 1e-6


# ── Violations ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("x", "changed", "amount", "where"),
    [
        ([6.0, 6.0], {}, 0.0, "nothing"),
        ([5.0, 11.0], {"capacity": [[[INF, INF]]]}, 0.1, "x[0, 1]"),
        ([-1.0, 5.0], {}, 0.1, "x[0, 0]"),
        ([6.0, 6.0], {"energy": [5.0]}, 0.2, "energy[0]"),
        ([6.0, 6.0], {"energy": [6.0]}, 0.0, "nothing"),
        ([5.0, 9.0], {}, 0.5, "row[0, 0, 1]"),
        ([5.0, 9.0], {"capacity": [[[6.0, INF]]]}, 0.0, "nothing"),
        # Beside a row of 0 A, and a car that may have nothing: a thousandth of the largest.
        ([0.001, 0.0], {"capacity": [[[0.0, 6.0]]]}, 0.1, "row[0, 0, 0]"),
        ([0.0, 0.001], {"energy": [0.0]}, 0.0005 / 0.01, "energy[0]"),
        ([0.0, 0.001], {"energy": [0.0], "step_h": [1.0, 1.0]}, 0.001 / 0.02, "energy[0]"),
        ([3.0, 0.0], {"min_now": [6.0]}, 0.5, "min_now[0]"),
        ([1.5, 0.0], {"min_now": [6.0]}, 0.25, "min_now[0]"),
        ([4.5, 0.0], {"min_now": [6.0]}, 0.25, "min_now[0]"),
        ([0.0, 3.0], {"min_now": [6.0]}, 0.0, "nothing"),
        ([6.0, 3.0], {"min_now": [6.0]}, 0.0, "nothing"),
        ([3.0, 3.0], {"min_now": [0.0]}, 0.0, "nothing"),
        ([0.5, 0.0], {"min_now": [0.5]}, 0.0, "nothing"),
        ([0.25, 0.0], {"min_now": [0.5]}, 0.5, "min_now[0]"),
        ([2.0, 0.0], {"upper": [[0.0, 0.0]]}, 2.0, "x[0, 0]"),
    ],
)
def test_a_violation_is_relative_and_says_where_it_is(x, changed, amount, where):
    found, worst = violation(one_car(**changed), np.array([x]))
    assert found == pytest.approx(amount) and worst == where


def test_the_largest_of_all_violations_is_named():
    problem = one_car(
        circuit=[0, 0], coupling=[[1.0, 2.0], [0.0, 1.0]], capacity=[[[INF] * 2, [4.0, 50.0]]],
        upper=[[10.0, 10.0], [20.0, 20.0]], energy=[INF, 4.0], value=np.ones((2, 2)),
    )  # fmt: skip
    assert violation(problem, np.array([[3.0, 0.0], [0.0, 0.0]])) == (0.5, "row[0, 1, 0]")
    assert violation(problem, np.array([[0.0, 0.0], [0.0, 16.0]])) == (1.0, "energy[1]")
    assert violation(problem, np.array([[0.0, 0.0], [-30.0, 0.0]])) == (1.5, "x[1, 0]")


def test_a_row_of_0_a_is_measured_by_the_heaviest_car_whatever_its_sign():
    problem = one_car(
        circuit=[0, 0], coupling=[[1.0], [-3.0]], capacity=[[[0.0, 6.0]]],
        upper=[[10.0, 10.0], [20.0, 20.0]], energy=[INF] * 2, value=np.ones((2, 2)),
    )  # fmt: skip
    amount, where = violation(problem, np.array([[0.006, 0.0], [0.0, 0.0]]))
    assert amount == pytest.approx(0.1) and where == "row[0, 0, 0]"


def test_a_row_that_nobody_touches_is_never_overloaded():
    problem = one_car(coupling=[[1.0, 0.0]], capacity=[[[9.0, 9.0], [0.0, 0.0]]])
    assert violation(problem, np.array([[5.0, 5.0]])) == (0.0, "nothing")
    assert violation(problem, np.array([[0.0, 13.5]])) == (0.5, "row[0, 0, 1]")


def test_a_small_car_beside_a_large_one_is_measured_by_a_thousandth_of_that():
    problem = one_car(
        circuit=[0, 0], coupling=[[0.0], [0.0]], upper=[[100.0, 100.0], [0.0, 0.0]],
        energy=[INF] * 2, value=np.ones((2, 2)),
    )  # fmt: skip
    amount, where = violation(problem, np.array([[0.0, 0.0], [0.05, 0.0]]))
    assert amount == pytest.approx(0.5) and where == "x[1, 0]"


@pytest.mark.parametrize(
    ("x", "amount", "where"),
    [
        ([2.0, 2.0], 0.0, "nothing"),
        ([-2.0, 0.0], 0.5, "storage[0, 0]"),
        ([2.0, 1.0], 0.0, "nothing"),
        ([-1.0, 2.0], 0.25, "storage[0, 0]"),
        ([1.0, 2.0], 0.125, "storage[0, 1]"),
        ([-3.0, 0.0], 0.75, "storage[0, 0]"),
    ],
)
def test_a_battery_is_neither_emptied_nor_filled_beyond_its_bounds(x, amount, where):
    """1 Ah is in it, between 1 and 5 now, and between 0 and 3.5 later; 2 A for 2 h are all."""
    high = (5.0, 5.0) if amount == 0.0 else (5.0, 3.5)
    problem = battery(stored=1.0, low=(1.0, 0.0), high=high)
    found, worst = violation(problem, np.array([x]))
    assert found == pytest.approx(amount) and worst == where


def test_everybody_is_measured_by_the_most_it_can_take_or_give():
    storage = Storage(
        participant=np.array([0]),
        discharge=np.array([[4.0, 2.0]]),
        stored=np.array([50.0]),
        low=np.zeros((1, 2)),
        high=np.full((1, 2), 100.0),
    )
    problem = one_car(
        circuit=[0, 0],
        coupling=[[0.0], [0.0]],
        upper=[[1.0, 1.0], [2.0, 2.0]],
        energy=[INF] * 2,
        value=np.ones((2, 2)),
        storage=storage,
    )
    assert violation(problem, np.array([[-5.0, 0.0], [0.0, 0.0]])) == (0.25, "x[0, 0]")
    assert violation(problem, np.array([[0.0, 0.0], [3.0, 0.0]])) == (0.5, "x[1, 0]")


def test_a_site_whose_batteries_are_none_is_judged_like_one_without():
    nobody = Storage(
        participant=np.zeros(0, dtype=int),
        discharge=np.zeros((0, 2)),
        stored=np.zeros(0),
        low=np.zeros((0, 2)),
        high=np.zeros((0, 2)),
    )
    assert violation(one_car(storage=nobody), np.array([[6.0, 6.0]])) == (0.0, "nothing")
    assert dual_bound(one_car(storage=nobody), FREE) == pytest.approx(20.0)


def test_a_battery_may_give_what_a_car_may_not():
    assert violation(battery(stored=4.0), np.array([[-2.0, -2.0]])) == (0.0, "nothing")
    amount, where = violation(battery(stored=4.0), np.array([[-2.5, 0.0]]))
    assert amount == pytest.approx(0.25) and where == "x[0, 0]"


@pytest.mark.parametrize("changed", [
    {"circuit": [], "coupling": np.zeros((0, 1)), "upper": np.zeros((0, 2)), "energy": [],
     "value": np.zeros((0, 2))},
    {"step_h": [], "capacity": np.zeros((1, 1, 0)), "upper": np.zeros((1, 0)),
     "value": np.zeros((1, 0))},
])  # fmt: skip
def test_without_cars_or_without_time_nothing_can_be_wrong_and_nothing_is_at_stake(changed):
    problem = one_car(**changed)
    assert violation(problem, problem.upper) == (0.0, "nothing")
    assert stakes(problem) == 0.0


def test_a_site_without_circuits_rows_is_judged_by_its_cars():
    problem = one_car(coupling=np.zeros((1, 0)), capacity=np.zeros((1, 0, 2)))
    assert violation(problem, np.array([[11.0, 0.0]]))[1] == "x[0, 0]"
    assert dual_bound(problem, np.zeros((1, 0, 2))) == pytest.approx(20.0)


# ── The judgement ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changed", "at_stake"),
    [
        ({}, 10.0 * 3.0),
        ({"energy": [4.0]}, 4.0 * 3.0),
        ({"value": [[-3.0, 1.0]]}, 30.0),
        ({"upper": [[0.0, 10.0]]}, 5.0 * 1.0),
        ({"upper": [[0.5, 10.0]]}, 5.25 * 3.0),
        ({"upper": [[0.0, 10.0]], "value": [[3.0, 0.5]]}, 5.0 * 0.5),
        ({"upper": [[0.0, 0.0]]}, 0.0),
        ({"reward": Reward(width=np.array([[2.0]]), slope=np.array([[4.0]]))}, 10.0 * 7.0),
        ({"reward": Reward(width=np.zeros((1, 0)), slope=np.zeros((1, 0)))}, 30.0),
        ({"reward": Reward(width=np.ones((1, 2)), slope=np.array([[4.0, 1.0]]))}, 70.0),
    ],
)
def test_at_stake_is_everybody_full_at_the_best_price_of_the_stay(changed, at_stake):
    assert stakes(one_car(**changed)) == pytest.approx(at_stake)


def test_what_may_only_give_has_a_stake_in_its_price():
    problem = battery(stored=4.0, upper=[[2.0, 0.0]], value=[[-1.0, -3.0]])
    assert stakes(problem) == pytest.approx(2.0 * 3.0)


def judged(x: list[float], y: np.ndarray = FREE, **changed: Any) -> Certificate:
    return certify(one_car(**changed), np.array([x]), y, np.zeros(1))


def test_a_plan_at_its_bound_is_proved_and_any_other_has_its_distance_as_gap():
    best = judged([6.0, 6.0], prices(1.5, 0.5))
    assert (best.objective, best.bound, best.gap) == pytest.approx((12.0, 12.0, 0.0))
    assert best.holds(1e-9) and (best.infeasibility, best.worst) == (0.0, "nothing")
    half = judged([3.0, 3.0], prices(1.5, 0.5))
    assert half.gap == pytest.approx((12.0 - 6.0) / 12.0)
    assert half.holds(0.5) and not half.holds(0.499)


def test_a_plan_beyond_its_bound_has_no_gap_but_is_not_feasible():
    beyond = judged([10.0, 10.0], prices(1.5, 0.5))
    assert beyond.objective == pytest.approx(20.0) and beyond.gap == 0.0
    assert beyond.worst == "row[0, 0, 0]" and not beyond.holds(1.0)


def test_a_loss_is_measured_by_what_is_lost():
    loss = judged([4.0, 0.0], value=[[-3.0, -1.0]])
    assert (loss.objective, loss.bound, loss.gap) == pytest.approx((-6.0, 0.0, 1.0))


def test_a_gap_is_never_measured_by_less_than_a_thousandth_of_what_is_at_stake():
    tiny = judged([0.0, 0.0], prices(3.0, 1.0), capacity=[[[1e-3, 1e-3]]])
    assert tiny.bound == pytest.approx(4e-3)
    assert tiny.gap == pytest.approx(4e-3 / (SMALL * 30.0))
    larger = judged([0.0, 0.0], prices(3.0, 1.0), capacity=[[[1.0, 1.0]]])
    assert larger.gap == pytest.approx(1.0)


def test_where_nothing_is_at_stake_there_is_no_gap():
    assert judged([0.0, 0.0], upper=[[0.0, 0.0]]).gap == 0.0


@pytest.mark.parametrize("gap", [0.0, 1e-6, 2e-6])
@pytest.mark.parametrize("infeasibility", [0.0, FEASIBLE, 2 * FEASIBLE])
def test_a_certificate_holds_when_both_feasible_and_optimal_to_the_last_digit(gap, infeasibility):
    certificate = Certificate(
        objective=1.0, bound=1.0, gap=gap, infeasibility=infeasibility, worst="nothing"
    )
    assert certificate.holds(1e-6) is (gap <= 1e-6 and infeasibility <= 1e-6)


def test_what_cannot_be_judged_is_as_bad_as_it_can_be_and_says_why():
    broken = judged([np.nan, 0.0])
    worthless = Certificate(
        objective=-INF, bound=INF, gap=INF, infeasibility=INF, worst="not a number"
    )
    assert broken == worthless
    assert judged([1.0, 0.0], prices(np.inf, 0.0)) == worthless
    short = certify(one_car(), np.zeros((1, 1)), FREE, np.zeros(1))
    assert short == replace(worthless, worst="wrong shapes")
    for y, mu in ((np.zeros((1, 1, 1)), np.zeros(1)), (FREE, np.zeros(2))):
        assert certify(one_car(), np.zeros((1, 2)), y, mu).worst == "wrong shapes"
    nan = certify(one_car(), np.zeros((1, 2)), FREE, np.array([np.nan]))
    assert nan == worthless


def test_a_bound_without_end_proves_nothing_about_a_plan_that_is_well():
    endless = judged([6.0, 6.0], prices(1e308, 1e308), coupling=[[0.0]])
    assert (endless.bound, endless.gap) == (INF, INF) and not endless.holds(1e300)


# ── With what is compiled ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "where", "name"),
    [(0, 3, "x[1, 1]"), (1, 1, "energy[1]"), (2, 5, "row[1, 0, 1]"), (3, 1, "min_now[1]")],
)
@pytest.mark.parametrize("reward", [True, False])
@pytest.mark.parametrize("least", [True, False])
def test_the_compiled_judge_is_handed_all_there_is_and_its_verdict_is_named(
    monkeypatch, kind, where, name, reward, least
):
    extra: dict[str, Any] = {"min_now": [6.0, 0.0]} if least else {}
    if reward:
        extra["reward"] = Reward(width=np.ones((2, 3)), slope=np.ones((2, 3)))
    problem = one_car(
        parent=[-1, 0], capacity=np.full((2, 2, 2), 6.0), circuit=[0, 1], coupling=np.ones((2, 2)),
        upper=np.full((2, 2), 10.0), energy=[5.0, 7.0], value=np.ones((2, 2)), **extra,
    )  # fmt: skip
    heard: list[Any] = []

    def judge(*given: Any) -> tuple[float, float, float, float, int, int]:
        heard.extend(given)
        return 8.0, 10.0, 0.0, 0.5, kind, where

    monkeypatch.setattr(compiled, "judge", lambda: judge)
    x, y, mu = np.ones((2, 2)).T, np.ones((2, 2, 2)).T, np.array([1.0, 2.0])
    certificate = certify(problem, x, y, mu)
    assert certificate == Certificate(
        objective=8.0, bound=10.0, gap=0.2, infeasibility=0.5, worst=name
    )
    p, none = problem, np.zeros((2, 0))
    width = problem.reward.width if problem.reward is not None else none
    slope = problem.reward.slope if problem.reward is not None else none
    needed = problem.min_now if problem.min_now is not None else np.zeros(0)
    wanted = (
        p.step_h, p.parent, p.capacity, p.circuit, p.coupling, p.upper, p.lower, p.energy, p.value,
        width, slope, needed, x, y, mu, SMALL,
    )  # fmt: skip
    for got, want in zip(heard, wanted, strict=True):
        assert np.shape(got) == np.shape(want) and np.array_equal(got, want)
    assert heard[12].flags.c_contiguous and heard[13].flags.c_contiguous


@pytest.mark.parametrize(
    ("objective", "bound"), [(np.nan, 10.0), (INF, 10.0), (-INF, 10.0), (8.0, np.nan)]
)
def test_a_verdict_that_is_no_number_is_worth_nothing(monkeypatch, objective, bound):
    verdict = (objective, bound, 0.0, 0.0, 0, 0)
    monkeypatch.setattr(compiled, "judge", lambda: lambda *given: verdict)
    certificate = judged([1.0, 1.0])
    assert (certificate.worst, certificate.infeasibility) == ("not a number", INF)


def test_where_the_compiled_judge_finds_nothing_wrong_it_says_nothing(monkeypatch):
    monkeypatch.setattr(compiled, "judge", lambda: lambda *given: (8.0, 10.0, 0.0, 0.0, 0, 0))
    assert judged([1.0, 1.0]).worst == "nothing"


@pytest.mark.parametrize("feature", ["peak", "storage"])
def test_a_peak_or_a_battery_is_never_left_to_the_compiled_judge(monkeypatch, feature):
    monkeypatch.setattr(compiled, "judge", lambda: pytest.fail)
    problem = battery() if feature == "storage" else one_car(peak=Peak(price=1.0, level=2.0, row=0))
    assert certify(problem, np.zeros((1, 2)), FREE, np.zeros(1)).infeasibility == 0.0
