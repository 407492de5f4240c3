"""Work that follows the calendar, by APScheduler. The tick is none of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from loadmgr.engine.engine import Engine


@contextmanager
def calendar(engine: Engine) -> Iterator[None]:
    """Nightly: shorten the journal to what a restart needs."""
    scheduler = AsyncIOScheduler(
        event_loop=asyncio.get_running_loop(),
        timezone=engine.site.timezone,
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 3600},
    )
    scheduler.add_job(engine.shorten_journal, "cron", hour=3, minute=17)
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)
