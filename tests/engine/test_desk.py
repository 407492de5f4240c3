"""What the desk promises to whoever asks."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime

from loadmgr.config import load
from loadmgr.engine.clock import SteadyClock
from loadmgr.engine.decide import Inline
from loadmgr.engine.desk import EngineDesk
from loadmgr.engine.engine import Engine
from loadmgr.engine.journal import Forgetful
from loadmgr.events import LimitSet
from loadmgr.model import CircuitId, Limit
from tests.app.test_story_on_sockets import STORY


class Nobody:
    """A gateway to no station."""

    async def run(self, emit: object, kept: object) -> None:
        await asyncio.get_running_loop().create_future()


async def test_a_limit_that_is_kept_is_in_the_journal() -> None:
    site = load(STORY.parent / "twelve-chargers.site.yaml").site
    journal, clock = Forgetful(), SteadyClock()
    engine = Engine(
        site,
        gateway=Nobody(),  # type: ignore[arg-type]  # nothing is ever sent
        sources=(),
        journal=journal,
        clock=clock,
        decide=Inline(),
    )
    desk = EngineDesk(engine)
    running = asyncio.create_task(engine.run())
    await desk.newer_than(0)
    limit = Limit(
        name="dso",
        circuit=CircuitId("main"),
        current_a=(40.0, 40.0, 40.0),
        source="dso",
        valid_from=datetime.now(UTC),
        valid_until=None,
    )
    desk.set_limit(limit)
    assert await desk.kept()
    _, events = journal.replay()
    assert [event.limit for event in events if isinstance(event, LimitSet)] == [limit]
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
