"""Short forms of the faults that are played on real processes; each file is a longer one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import blocked_loop, disk_full, kill_loop, links, stepped_clock

pytestmark = pytest.mark.timeout(280)


async def test_kill_nine_again_and_again_loses_nothing(tmp_path: Path) -> None:
    tally = await kill_loop.play(tmp_path, times=6, seed=11)
    print(tally.text())
    assert tally.rounds == 6
    assert tally.good, tally.text()
    assert tally.acknowledged > 0 and tally.ends > 0 and tally.rows > 100 and tally.limits > 0


async def test_a_full_disk_lets_limits_fall_and_never_rise(tmp_path: Path) -> None:
    print(await disk_full.play(tmp_path))


async def test_links_that_drop_delay_and_half_open_overload_nothing(tmp_path: Path) -> None:
    print(await links.play(tmp_path, seconds=25.0, seed=3))


async def test_a_wall_clock_that_steps_changes_no_reserve(tmp_path: Path) -> None:
    print(await stepped_clock.play(tmp_path, steps_h=(1.0, -24.0)))


async def test_a_blocked_loop_is_reported_and_limits_end_by_themselves(tmp_path: Path) -> None:
    print(await blocked_loop.play(tmp_path))
