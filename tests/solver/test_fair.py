import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.fair import max_min


def fill_slowly(load, capacity, upper, weight, floor):
    """Progressive filling as it is told, one row at a time, by bisection."""
    n = len(upper)
    low, high = np.minimum(floor, upper).copy(), upper.copy()
    bottleneck = np.full(n, -1)
    free = high > low
    while free.any():

        def at(level):
            return np.clip(level * weight, low, high)

        top = float((high / weight).max())
        if np.all(load @ at(top) <= capacity * (1 + 1e-12) + 1e-12):
            return at(top), bottleneck
        a, b = 0.0, top
        for _ in range(200):
            mid = (a + b) / 2
            a, b = (mid, b) if np.all(load @ at(mid) <= capacity) else (a, mid)
        x = at(a)
        full = load @ at(a + 1e-7 * (1 + a)) > capacity
        stuck = free & (load[full].sum(axis=0) > 0) & (x < high - 1e-9)
        if not stuck.any():
            free &= x < high - 1e-9
            if not free.any():
                return x, bottleneck
            raise AssertionError("nobody stuck")
        for i in np.flatnonzero(stuck):
            bottleneck[i] = np.flatnonzero(full & (load[:, i] > 0))[0]
        low[stuck] = high[stuck] = x[stuck]
        free &= ~stuck
    return np.clip(0.0, low, high), bottleneck


@st.composite
def contests(draw):
    n, m = draw(st.integers(1, 7)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    load = rng.choice([0.0, 1.0, 1.0, 0.5], size=(m, n))
    upper = rng.uniform(0, 32, n) * rng.integers(0, 2, n).clip(draw(st.integers(0, 1)))
    weight = rng.choice([0.5, 1.0, 1.0, 2.0, 3.7], n)
    floor = np.minimum(upper, rng.choice([0.0, 6.0, 3.0], n)) * draw(st.booleans())
    capacity = load @ floor + rng.uniform(0, 60, m)
    return load, capacity, upper, weight, floor


@given(contests())
@settings(max_examples=300, deadline=None)
def test_sharing_agrees_with_slow_progressive_filling(contest):
    load, capacity, upper, weight, floor = contest
    share = max_min(load, capacity, upper, weight, floor)
    slow, _ = fill_slowly(load, capacity, upper, weight, floor)
    np.testing.assert_allclose(share.x, slow, atol=1e-5)


@given(contests())
@settings(max_examples=200, deadline=None)
def test_who_is_stopped_by_a_row_finds_it_full_and_nobody_there_richer(contest):
    load, capacity, upper, weight, floor = contest
    share = max_min(load, capacity, upper, weight, floor)
    used = load @ share.x
    assert np.all(used <= capacity + 1e-9)
    assert np.all(share.x <= upper) and np.all(share.x >= floor - 1e-12)
    for i, row in enumerate(share.bottleneck):
        if row < 0:
            assert share.x[i] == upper[i]
            continue
        assert used[row] == pytest.approx(capacity[row], abs=1e-7)
        others = (load[row] > 0) & (share.x > floor + 1e-9)
        level = share.x[i] / weight[i]
        assert np.all(share.x[others] / weight[others] <= level + 1e-7)


def test_twelve_cars_on_one_fuse_share_it_equally():
    share = max_min(np.ones((1, 12)), np.array([63.0]), np.full(12, 16.0), np.ones(12))
    np.testing.assert_allclose(share.x, 63 / 12)
    assert np.all(share.bottleneck == 0)


def test_what_a_small_car_leaves_goes_to_the_others():
    share = max_min(np.ones((1, 3)), np.array([40.0]), np.array([4.0, 32, 32]), np.ones(3))
    np.testing.assert_allclose(share.x, [4, 18, 18])
    assert share.bottleneck.tolist() == [-1, 0, 0]


def test_the_inner_fuse_binds_first_and_the_outer_one_shares_the_rest():
    load = np.array([[1.0, 1, 1, 1], [1, 1, 0, 0]])
    share = max_min(load, np.array([50.0, 10.0]), np.full(4, 32.0), np.ones(4))
    np.testing.assert_allclose(share.x, [5, 5, 20, 20])
    assert share.bottleneck.tolist() == [1, 1, 0, 0]


def test_weights_are_claims():
    share = max_min(np.ones((1, 2)), np.array([30.0]), np.full(2, 32.0), np.array([1.0, 2.0]))
    np.testing.assert_allclose(share.x, [10, 20])


def test_a_floor_is_kept_and_the_rest_is_shared():
    share = max_min(
        np.ones((1, 3)), np.array([20.0]), np.full(3, 32.0), np.ones(3), np.array([12.0, 0, 0])
    )
    np.testing.assert_allclose(share.x, [12, 4, 4])


def test_floors_that_overload_a_row_are_an_error_that_names_it():
    with pytest.raises(ValueError, match="row 1"):
        max_min(
            np.array([[1.0, 1], [1, 0]]),
            np.array([90.0, 5]),
            np.full(2, 32.0),
            np.ones(2),
            np.array([6.0, 6]),
        )


def test_rows_without_a_limit_and_empty_sites_are_no_obstacle():
    share = max_min(np.ones((1, 2)), np.array([np.inf]), np.array([7.0, 9.0]), np.ones(2))
    assert share.x.tolist() == [7, 9] and share.bottleneck.tolist() == [-1, -1]
    assert len(max_min(np.ones((1, 0)), np.array([5.0]), np.empty(0), np.empty(0)).x) == 0


def test_a_dead_row_gives_nothing():
    share = max_min(np.ones((1, 2)), np.array([0.0]), np.full(2, 9.0), np.ones(2))
    assert share.x.tolist() == [0, 0] and share.bottleneck.tolist() == [0, 0]


def test_sparse_and_dense_loads_give_the_same_share():
    rng = np.random.default_rng(5)
    load = (rng.random((30, 80)) < 0.2) * 1.0
    capacity, upper = rng.uniform(5, 60, 30), rng.uniform(6, 32, 80)
    dense = max_min(load, capacity, upper, np.ones(80))
    sparse = max_min(sp.csr_array(load), capacity, upper, np.ones(80))
    np.testing.assert_array_equal(dense.x, sparse.x)
