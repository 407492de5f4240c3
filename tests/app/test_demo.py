"""`loadmgr demo`, hurried: it ends by itself, and nothing was ever overloaded."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from loadmgr.cli import app

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


@pytest.mark.parametrize("lasts", ["soon", "-3s", "5 parsecs", "nan s", "1e9"])
def test_a_span_that_is_none_is_refused(lasts: str) -> None:
    ended = CliRunner().invoke(app, ["demo", "--headless", f"--for={lasts}"])
    assert ended.exit_code == 2
    assert "--for" in ended.output
    assert "Traceback" not in ended.output
