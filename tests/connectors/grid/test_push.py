"""A pushed limit needs nothing but its name in site.yaml."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from connectors.grid.push import connect
from loadmgr.model import Site
from loadmgr.ports import BadOption, Context


class _Clock:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)


CONTEXT = Context(name="dso", site=Site(name="x", timezone="UTC", circuits=()), clock=_Clock())


async def test_it_waits_without_a_word() -> None:
    said: list[object] = []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await connect({"applies_to": "main"}, CONTEXT).run(said.append)
    assert not said


def test_settings_it_does_not_have_are_refused() -> None:
    with pytest.raises(BadOption):
        connect({"applies_to": "main", "url": "https://example.org"}, CONTEXT)
