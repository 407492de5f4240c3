"""`loadmgr demo`, hurried: it ends by itself, and nothing was ever overloaded."""

from __future__ import annotations

import re
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from loadmgr.app import demo
from loadmgr.cli import app
from tests.core.talk import NOON

pytestmark = pytest.mark.timeout(180)


def test_a_headless_demo_ends_with_what_it_came_to_and_without_a_warning() -> None:
    wish = ["demo", "--headless", "--for", "100s", "--speed", "4", "--port", "0"]
    ended = CliRunner().invoke(app, wish)
    assert ended.exit_code == 0, ended.output
    assert re.search(r"overload seconds +0 \(", ended.output)
    assert "warning" not in ended.output
    assert re.search(r"ticks +\d+, p50 [\d.]+ ms, p99 [\d.]+ ms", ended.output)
    delivered = re.search(r"energy delivered +([\d.]+) kWh to (\d+) of", ended.output)
    assert delivered is not None
    assert int(delivered[2]) >= 1


THROUGHOUT = set(range(demo.A_WHILE_S + 1))


@pytest.mark.parametrize(
    ("stood_s", "warned"),
    [
        (set(), ()),
        ({demo.A_WHILE_S, demo.A_WHILE_S - 1}, ()),
        (THROUGHOUT - {10}, ()),
        (THROUGHOUT, ("too much",)),
    ],
    ids=["just come", "another one before", "with a pause", "all the while"],
)
def test_an_alarm_is_warned_of_that_stood_for_a_while_and_none_that_has_just_come(
    stood_s: set[int], warned: tuple[str, ...]
):
    """A limit of the utility may come in the last second, and what it finds is dealt with."""

    def past(at: datetime) -> Any:
        ago_s = round((NOON - at).total_seconds())
        return SimpleNamespace(alarms=("something",) if ago_s in stood_s else ())

    now = SimpleNamespace(alarms=("too much",))
    desk = SimpleNamespace(snapshot=lambda: now, now=lambda: NOON, past=past)
    assert demo._alarms(SimpleNamespace(desk=desk)) == warned  # type: ignore[arg-type]


@pytest.mark.parametrize("lasts", ["soon", "-3s", "5 parsecs", "nan s", "1e9"])
def test_a_span_that_is_none_is_refused(lasts: str) -> None:
    ended = CliRunner().invoke(app, ["demo", "--headless", f"--for={lasts}"])
    assert ended.exit_code == 2
    assert "--for" in ended.output
    assert "Traceback" not in ended.output
