import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver import Problem, Status, solve
from solver.wiring import (
    line_currents,
    phasors,
    polygon_capacity,
    polygon_coupling,
    through_delta,
)

WIRINGS = ("L1", "L2", "L3", "L1-L2", "L2-L3", "L3-L1", "L2-L1", "L1-L2-L3")


def site(connections, capacity, upper=32.0, value=None, sides=24):
    n = len(connections)
    return Problem(
        step_h=np.ones(1), parent=np.array([-1]),
        capacity=polygon_capacity(np.full((1, 3, 1), float(capacity)), sides),
        circuit=np.zeros(n, dtype=int),
        coupling=polygon_coupling(phasors(connections), sides),
        upper=np.full((n, 1), upper), energy=np.full(n, np.inf),
        value=np.ones((n, 1)) if value is None else value,
    )  # fmt: skip


def test_a_delta_of_three_loads_each_line_by_the_root_of_three():
    currents = line_currents(phasors(["L1-L2", "L2-L3", "L3-L1"]), np.full((3, 1), 10.0))
    np.testing.assert_allclose(currents, 10 * np.sqrt(3))


def test_a_wye_of_three_loads_each_line_by_its_own():
    currents = line_currents(phasors(["L1", "L2", "L3"]), np.array([[10.0], [12.0], [14.0]]))
    np.testing.assert_allclose(currents[:, 0], [10, 12, 14])


def test_the_order_of_two_lines_does_not_matter():
    np.testing.assert_allclose(phasors(["L1-L2"]), phasors(["L2-L1"]), atol=1e-12)


def test_a_balanced_wye_load_behind_a_transformer_is_balanced_before_it():
    primary = through_delta(phasors(["L1-L2-L3"]), 120 / 480)
    # The same power at four times the voltage across, per line: 10 A · √3 / 4.
    np.testing.assert_allclose(np.abs(primary) * 10.0, 10.0 * np.sqrt(3) / 4)


def test_one_line_to_line_charger_loads_two_windings_of_the_transformer():
    primary = through_delta(phasors(["L1-L2"]), 120 / 480)
    np.testing.assert_allclose(np.sort(np.abs(primary[0])), [0.25, 0.25, 0.5])


@pytest.mark.parametrize("pure", [["L1"] * 4, ["L1-L2"] * 4, ["L1-L2-L3"] * 4])
def test_a_site_wired_in_one_way_gives_nothing_away(pure):
    answer = solve(site(pure, 60.0))
    np.testing.assert_allclose(answer.x.sum(), 60.0, rtol=1e-9)


def test_a_full_delta_gives_nothing_away_either():
    answer = solve(site(["L1-L2", "L2-L3", "L3-L1"], 40.0))
    np.testing.assert_allclose(line_currents(phasors(["L1-L2", "L2-L3", "L3-L1"]), answer.x), 40)


@given(st.lists(st.sampled_from(WIRINGS), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_no_line_ever_carries_more_than_its_fuse(connections, seed):
    rng = np.random.default_rng(seed)
    value = rng.uniform(0.1, 2.0, (len(connections), 1))
    answer = solve(site(connections, 50.0, value=value))
    assert answer.status is Status.OPTIMAL
    assert line_currents(phasors(connections), answer.x).max() <= 50.0 * (1 + 1e-6)


@given(st.lists(st.sampled_from(WIRINGS), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_the_polygon_gives_away_no_more_than_its_apothem(connections, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 32, (len(connections), 1))
    currents = phasors(connections)
    true = line_currents(currents, x)
    sides = (polygon_coupling(currents).T @ x).reshape(3, -1).max(axis=1)
    assert np.all(sides <= true[:, 0] + 1e-9)
    assert np.all(sides >= true[:, 0] * np.cos(np.pi / 24) - 1e-9)


@pytest.mark.parametrize("bad", ["", "L4", "L1-L1", "N-L1", "L1-L2-L3-L1"])
def test_a_connection_that_is_none_is_named(bad):
    with pytest.raises(ValueError, match=r"connections\[1\]"):
        phasors(["L1", bad])
