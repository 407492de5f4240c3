from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.meters.simulated import building, connect
from loadmgr.ports import BadOption

DAY_S = 86_400


@given(st.integers(), st.floats(0, 1e3), st.floats(0, 1e10), st.floats(0, DAY_S))
def test_the_load_stays_between_nothing_and_the_peak(seed, peak_a, seconds, local_s):
    load_a = building(seed, peak_a).current_a(seconds, local_s)
    assert all(0.0 <= current_a <= peak_a + 1e-9 for current_a in load_a)


def test_the_same_seed_is_the_same_building():
    assert building(7, 20.0) == building(7, 20.0)
    assert building(7, 20.0) != building(8, 20.0)


def test_it_steps_up_and_down_on_every_phase():
    house = building(1, 20.0)
    minutes = [house.current_a(second, second) for second in range(0, 3600, 5)]
    for phase in range(3):
        steps = [after[phase] - before[phase] for before, after in pairwise(minutes)]
        assert max(steps) > 1.0 and min(steps) < -1.0


def test_afternoons_are_busier_than_nights():
    house = building(1, 20.0)
    night = sum(sum(house.current_a(s, 3 * 3600)) for s in range(0, 7200, 10))
    afternoon = sum(sum(house.current_a(s, 15 * 3600)) for s in range(0, 7200, 10))
    assert afternoon > 1.2 * night


async def test_it_is_a_meter_like_any_other(context, clock, listen):
    source = connect({"type": "simulated", "peak": "30 A", "poll": "200 ms"}, context)
    async with listen(source) as ear:
        first = await ear.next()
        clock.step(120.0)
        await ear.until(lambda measured: measured.current_a != first.current_a)
    assert max(first.current_a) <= 30.0


def test_a_peak_without_a_unit_is_refused(context):
    with pytest.raises(BadOption, match="write it like '50 A'"):
        connect({"type": "simulated", "peak": 30}, context)
