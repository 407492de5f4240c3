"""The building: the same for the same seed, and constant between its changes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadmgr.simulate.building import (
    ConstantLoad,
    HourlyLoad,
    MovingLoad,
    SteppedLoad,
    read_hourly,
)

instants = st.floats(0.0, 4e9)


@given(instants, st.integers(0, 2**32))
def test_a_moving_load_is_the_same_for_the_same_seed_and_never_feeds_back(now_s, seed):
    assert MovingLoad(seed=seed).at(now_s) == MovingLoad(seed=seed).at(now_s)
    assert min(MovingLoad(seed=seed).at(now_s)) >= 0.0


def test_another_seed_is_another_building():
    assert MovingLoad(seed=1).at(1e9) != MovingLoad(seed=2).at(1e9)


@given(
    instants.map(math.floor),
    st.sampled_from(
        [
            MovingLoad(seed=3),
            HourlyLoad([1000.0, 2000.0, 500.0]),
            SteppedLoad([(0.0, (1.0, 0, 0)), (1e9, (2.0, 0, 0))]),
            ConstantLoad((1.0, 2.0, 3.0)),
        ]
    ),
)
def test_a_load_is_constant_until_it_says_it_changes(now_s, load):
    until_s = load.changes_after_s(now_s)
    assert until_s > now_s
    for second in range(now_s, math.ceil(min(until_s, now_s + 100))):
        assert load.at(second) == load.at(now_s)


def test_it_moves_by_steps_that_a_fuse_would_notice():
    load, biggest = MovingLoad(seed=1), 0.0
    for second in range(0, 7200, 5):
        before, after = load.at(second), load.at(second + 5)
        biggest = max(biggest, *(b - a for a, b in zip(before, after, strict=True)))
    assert biggest > 5.0


def test_hourly_power_is_split_on_the_phases():
    load = HourlyLoad([6900.0, 0.0], start_s=0.0)
    assert load.at(10.0) == pytest.approx((10.0, 10.0, 10.0))
    assert load.at(3600.0) == (0.0, 0.0, 0.0)
    assert load.at(7200.0) == pytest.approx((10.0, 10.0, 10.0))  # told over again


def test_a_csv_column_becomes_watts(tmp_path):
    path = tmp_path / "load.csv"
    path.write_text("hour,kw\n0,1.5\n1,2\n")
    assert read_hourly(path, "kw") == (1500.0, 2000.0)
    with pytest.raises(ValueError, match="no column 'mw'"):
        read_hourly(path, "mw")
    path.write_text("hour,kw\n0,1.5\n1,two\n")
    with pytest.raises(ValueError, match=r"load\.csv:3: 'two' is no number"):
        read_hourly(path, "kw")
