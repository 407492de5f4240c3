import subprocess
import sys

import numpy as np
import pytest

from solver import Peak, Problem, ProblemError, Reward, Storage


def arrays(n=2, steps=3, **changed):
    given = {
        "step_h": np.full(steps, 0.25),
        "parent": np.array([-1, 0]),
        "capacity": np.full((2, 3, steps), 63.0),
        "circuit": np.ones(n, dtype=int),
        "coupling": np.ones((n, 3)),
        "upper": np.full((n, steps), 16.0),
        "energy": np.full(n, 10.0),
        "value": np.ones((n, steps)),
    }
    return given | changed


def complaints(**changed):
    with pytest.raises(ProblemError) as error:
        Problem(**arrays(**changed))
    return error.value.complaints


def with_entry(name, where, value):
    array = np.asarray(arrays()[name], dtype=float).copy()
    array[where] = value
    return {name: array}


@pytest.mark.parametrize(
    ("name", "where", "value", "said"),
    [
        ("step_h", 1, 0.0, "step_h[1] = 0: must be finite and > 0"),
        ("step_h", 1, np.inf, "step_h[1] = inf: must be finite and > 0"),
        ("parent", 1, 1, "parent[1] = 1: must be −1 or a circuit with a smaller number"),
        ("parent", 0, 1, "parent[0] = 1: must be −1 or a circuit with a smaller number"),
        ("circuit", 0, 2, "circuit[0] = 2: must be 0 … 1"),
        ("circuit", 0, 0.5, "circuit[0] = 0.5: must be a whole number"),
        ("capacity", (1, 2, 0), np.nan, "capacity[1, 2, 0] = nan: is not a number"),
        ("capacity", (1, 2, 0), -np.inf, "capacity[1, 2, 0] = -inf: must be a number or inf"),
        ("coupling", (0, 0), np.inf, "coupling[0, 0] = inf: must be finite"),
        ("upper", (1, 0), -1.0, "upper[1, 0] = -1: must be finite and ≥ 0"),
        ("upper", (1, 0), np.inf, "upper[1, 0] = inf: must be finite and ≥ 0"),
        ("energy", 0, -2.0, "energy[0] = -2: must be ≥ 0 (inf is allowed)"),
        ("value", (0, 1), np.inf, "value[0, 1] = inf: must be finite"),
    ],
)
def test_a_wrong_number_is_named_with_its_place(name, where, value, said):
    assert complaints(**with_entry(name, where, value)) == (said,)


def test_everything_wrong_is_said_at_once():
    said = complaints(step_h=np.array([0.25, -1, 0.25]), energy=np.array([-1.0, -2.0]))
    assert said == (
        "step_h[1] = -1: must be finite and > 0",
        "energy[0] = -1: must be ≥ 0 (inf is allowed) (and 1 more)",
    )


def test_wrong_shapes_are_named():
    assert complaints(value=np.ones((3, 3)), upper=np.ones(3)) == (
        "upper: 2 dimension(s) needed, it has 1",
    )
    assert complaints(value=np.ones((3, 3))) == ("value: shape (2, 3) needed, it has (3, 3)",)
    assert "not an array of numbers" in complaints(energy=["many", "few"])[0]


def test_wrong_extras_are_named():
    assert complaints(min_now=np.array([6.0, -1.0])) == ("min_now[1] = -1: must be finite and ≥ 0",)
    assert complaints(rank=np.array([3, 3])) == ("rank[1] = 3: stands there twice",)
    rising = Reward(width=np.ones((2, 2)), slope=np.array([[1.0, 2], [2, 1]]))
    assert complaints(reward=rising) == (
        "reward.slope[0, 1] = 2: must not exceed the slope before it",
    )
    assert complaints(peak=Peak(price=-1.0, level=0.0, row=7)) == (
        "peak.price = -1: must be finite and ≥ 0",
        "peak.row = 7: must be 0 … 2",
    )
    empty = Storage(
        participant=np.array([5]), discharge=np.zeros((1, 3)), stored=np.array([2.0]),
        low=np.full((1, 3), 4.0), high=np.full((1, 3), 9.0),
    )  # fmt: skip
    assert complaints(storage=empty) == (
        "storage.participant[0] = 5: must be 0 … 1",
        "storage.low[0, 0] = 4: must not exceed what is stored (and 2 more)",
    )


def test_a_negative_capacity_counts_as_0_and_its_row_is_named():
    given = arrays()
    given["capacity"][1, 2, 1] = -4.0
    problem = Problem(**given)
    assert problem.capacity[1, 2, 1] == 0
    assert problem.notes == ("capacity[1, 2] is negative in 1 step(s), lowest -4: counted as 0",)
    assert given["capacity"][1, 2, 1] == -4.0


def test_the_problem_keeps_its_own_read_only_arrays():
    given = arrays()
    problem = Problem(**given)
    given["upper"][:] = 0
    assert problem.upper[0, 0] == 16
    with pytest.raises(ValueError, match="read-only"):
        problem.upper[0, 0] = 1


def test_loads_add_up_along_the_tree():
    problem = Problem(
        **arrays(circuit=np.array([0, 1]), coupling=np.array([[1.0, 0, 0], [1, 1, 1]]))
    )
    load = problem.load(np.array([[1.0, 2, 3], [10, 20, 30]]))
    np.testing.assert_allclose(load[1, 0], [10, 20, 30])
    np.testing.assert_allclose(load[0, 0], [11, 22, 33])
    np.testing.assert_allclose(load[0, 1], [10, 20, 30])


def test_importing_the_solver_brings_no_heavy_library():
    code = (
        "import solver, sys; print([m for m in ('numba', 'pulp', 'highspy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
