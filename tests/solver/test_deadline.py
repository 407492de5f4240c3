"""A deadline is kept within a fifth, and what is answered by then is feasible and certified."""

import math
import time

import pytest

from benchmarks.subjects import Dials, site
from solver import Status, Workspace, compiled
from solver.workspace import METHODS

# On a fresh machine the first test waits for the compiler.
pytestmark = pytest.mark.timeout(1500)

# Not even an empty answer is instant on a machine that does something else just then. [s]
SLACK_S = 0.02


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    assert compiled.wait(1400), compiled.failures()


TRIES = 25
"""A deadline is about the solver, not about its neighbours on the machine: the best time counts."""


def answered(problem, method, deadline_s):
    """The answer, and the time it took: the first that was in time, or the best of all tries."""
    best_s = math.inf
    for _ in range(TRIES):
        workspace = Workspace()
        begin = time.perf_counter()
        answer = workspace.solve(problem, method, deadline_s=deadline_s)
        best_s = min(best_s, time.perf_counter() - begin)
        if best_s <= in_time(deadline_s):
            break
    return answer, best_s


def in_time(deadline_s):
    return 1.2 * deadline_s + SLACK_S


@pytest.mark.parametrize("method", [m for m in METHODS if m != "reference"])
@pytest.mark.parametrize(
    ("cars", "deadline_s"), [(20, 0.01), (200, 0.01), (1000, 0.05), (3000, 0.15)]
)
def test_a_deadline_is_kept_within_a_fifth_whatever_the_size_and_method(cars, deadline_s, method):
    answer, seconds = answered(site(Dials(cars=cars)).problem(), method, deadline_s)
    assert seconds <= in_time(deadline_s)
    assert answer.infeasibility <= 1e-6
    assert answer.status is Status.OPTIMAL or answer.gap > 1e-6


def test_an_answer_cut_short_says_how_near_it_is():
    answer, _ = answered(site(Dials(cars=1000)).problem(), "pdhg", 0.03)
    assert answer.status in (Status.NEAR, Status.OPTIMAL)
    assert answer.gap < 0.2


def test_where_there_is_no_time_at_all_a_rule_answers():
    answer, _ = answered(site(Dials(cars=200)).problem(), "auto", 1e-6)
    assert answer.status is Status.RULE and answer.method == "rule"
    assert answer.infeasibility <= 1e-6 and 0 < answer.gap < 1


def test_with_time_enough_a_deadline_changes_nothing():
    problem = site(Dials(cars=50)).problem()
    answer, _ = answered(problem, "auto", 60.0)
    assert answer.status is Status.OPTIMAL
    assert answer.objective == pytest.approx(Workspace().solve(problem).objective, rel=2e-6)
