from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from connectors.meters.csv import BadTable, Player, Replay, connect, frames
from connectors.meters.reading import NoReading
from loadmgr.ports import BadOption

AMPERES = "seconds,l1_a,l2_a,l3_a\n0,1,2,3\n10,4,5,6\n15,7,8,9\n"


@pytest.fixture
def table(tmp_path):
    def write(text: str) -> Path:
        file = tmp_path / "load.csv"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def replay_of(file: Path) -> Replay:
    return Replay(file, voltage_v=230.0)


def test_the_last_row_holds_as_long_as_the_one_before_it(table):
    assert replay_of(table(AMPERES)).survey() == 20.0


def test_rows_come_round_after_round(table):
    replay = replay_of(table(AMPERES))
    starts = [start for start, _ in islice(frames(replay, replay.survey()), 7)]
    assert starts == [0, 10, 15, 20, 30, 35, 40]


async def test_a_row_holds_until_the_next_one_is_due(table, clock):
    replay = replay_of(table(AMPERES))
    async with Player(replay, replay.survey(), clock).open() as ask:
        seen = []
        for _ in range(9):
            seen.append((await ask()).current_a[0])
            clock.step(5.0)
    assert seen == [1, 1, 4, 7, 1, 1, 4, 7, 1]


async def test_a_clock_that_leaps_skips_rows_and_rounds(table, clock):
    replay = replay_of(table(AMPERES))
    async with Player(replay, replay.survey(), clock).open() as ask:
        await ask()
        clock.step(20.0 * 100 + 12.0)
        assert (await ask()).current_a == (4.0, 5.0, 6.0)


def test_a_power_is_shared_by_three_phases(table):
    replay = replay_of(table("time,kW\n2026-01-01T00:00,6.9\n2026-01-01T00:15,0\n"))
    assert replay.survey() == 1800.0
    assert next(frames(replay, 1800.0)) == (0.0, (10.0, 10.0, 10.0))


def test_time_zones_and_a_spreadsheets_byte_order_mark_are_understood(table):
    file = table(
        "\ufefftime,l1_a,l2_a,l3_a\n2026-10-25T02:30+02:00,1,1,1\n2026-10-25T02:30+01:00,2,2,2\n"
    )
    assert replay_of(file).survey() == 7200.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no column for time"),
        ("seconds,l1_a,l2_a,l3_a\n", "no rows"),
        ("seconds;l1_a;l2_a;l3_a\n0;1;2;3\n", "with commas between"),
        ("seconds,l1_a,l2_a\n0,1,2\n", "no column for the load"),
        (AMPERES + "20,1,x,3\n", "load.csv:5: l2_a: 'x' is no number"),
        (AMPERES + "20,1,nan,3\n", "load.csv:5: l2_a: 'nan' is not finite"),
        (AMPERES + "20,1,2\n", "load.csv:5: l3_a: '' is no number"),
        (AMPERES + "15,1,2,3\n", "load.csv:5: not later than line 4"),
        ("time,kW\nyesterday,1\n", "load.csv:2: time: 'yesterday' is no ISO 8601 time"),
    ],
)
def test_a_bad_table_is_refused_at_once_with_the_line(table, context, text, says):
    with pytest.raises(BadOption) as caught:
        connect({"type": "csv", "file": str(table(text))}, context)
    assert caught.value.path == ("file",)
    assert says in str(caught.value)


def test_several_bad_rows_are_told_at_once_but_not_all_of_a_long_file(table):
    with pytest.raises(BadTable) as caught:
        replay_of(table("seconds,kW\n" + "x,1\n" * 1000)).survey()
    assert str(caught.value).count("'x' is no number") == 5


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_file_that_is_not_there_is_a_bad_option(tmp_path, context, name):
    with pytest.raises(BadOption, match=r"No such file|Is a directory"):
        connect({"type": "csv", "file": str(tmp_path / name)}, context)


def test_a_file_that_is_no_text_is_a_bad_option(tmp_path, context):
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadOption, match=r"x\.csv"):
        connect({"type": "csv", "file": str(tmp_path / "x.csv")}, context)


async def test_a_file_spoilt_under_way_is_no_reading_until_it_is_mended(table, clock):
    file = table(AMPERES)
    async with Player(replay_of(file), 20.0, clock).open() as ask:
        await ask()
        file.write_text("seconds,l1_a,l2_a,l3_a\n0,x,2,3\n")
        clock.step(20.0)
        with pytest.raises(NoReading, match=r"load\.csv:2"):
            await ask()
        file.write_text(AMPERES)
        assert (await ask()).current_a == (1.0, 2.0, 3.0)


async def test_it_is_a_meter_like_any_other(table, context, clock, listen):
    options = {"type": "csv", "file": str(table(AMPERES)), "poll": "200 ms"}
    with capture_logs() as logs:
        async with listen(connect(options, context)) as ear:
            assert (await ear.next()).current_a == (1.0, 2.0, 3.0)
            clock.step(10.0)
            await ear.until(lambda measured: measured.current_a == (4.0, 5.0, 6.0))
    assert not logs
