"""`loadmgr demo`, hurried: it ends by itself, and nothing was ever overloaded."""

from __future__ import annotations

import re
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from loadmgr.app import demo
from loadmgr.cli import app
from tests.core.talk import NOON

pytestmark = pytest.mark.timeout(180)


def test_a_headless_demo_ends_with_what_it_came_to_and_without_a_warning() -> None:
    wish = ["demo", "--headless", "--for", "40s", "--speed", "4", "--port", "0"]
    ended = CliRunner().invoke(app, wish)
    assert ended.exit_code == 0, ended.output
    assert re.search(r"overload seconds +0 \(", ended.output)
    assert "warning" not in ended.output
    assert re.search(r"ticks +\d+, p50 [\d.]+ ms, p99 [\d.]+ ms", ended.output)
    delivered = re.search(r"energy delivered +([\d.]+) kWh to (\d+) of", ended.output)
    assert delivered is not None
    assert int(delivered[2]) >= 1


@pytest.mark.parametrize(
    ("stood_s", "warned"), [(0.0, ()), (demo.A_WHILE_S - 2.0, ()), (demo.A_WHILE_S, ("too much",))]
)
def test_an_alarm_is_warned_of_that_stood_for_a_while_and_none_that_has_just_come(
    stood_s: float, warned: tuple[str, ...]
):
    """A limit of the utility may come in the last second, and what it finds is dealt with."""
    begins = NOON - timedelta(seconds=stood_s)

    def past(at) -> Any:
        return SimpleNamespace(alarms=("too much",) if at >= begins else ())

    desk = SimpleNamespace(snapshot=lambda: past(NOON), now=lambda: NOON, past=past)
    assert demo._alarms(SimpleNamespace(desk=desk)) == warned  # type: ignore[arg-type]


@pytest.mark.parametrize("lasts", ["soon", "-3s", "5 parsecs", "nan s", "1e9"])
def test_a_span_that_is_none_is_refused(lasts: str) -> None:
    ended = CliRunner().invoke(app, ["demo", "--headless", f"--for={lasts}"])
    assert ended.exit_code == 2
    assert "--for" in ended.output
    assert "Traceback" not in ended.output
