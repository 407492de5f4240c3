"""Puts one site under control: engine, desk, page, table; and takes it down in good order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from loadmgr.engine import rehearsal
from loadmgr.engine.clock import SteadyClock
from loadmgr.engine.decide import Decide, Guarded
from loadmgr.engine.desk import EngineDesk
from loadmgr.engine.engine import Engine
from loadmgr.engine.journal import Journal
from loadmgr.engine.watchdog import watchdog
from loadmgr.model import Site
from loadmgr.ports import Gateway, Source
from loadmgr.web.app import create_app
from loadmgr.web.server import serve

log = structlog.get_logger("loadmgr")

STOP_S = 1.5
"""A library that swallows its cancellation must not keep the program from ending."""

OVERDUE = 4  # beats without a tick before the watchdog speaks


@dataclass(frozen=True, slots=True)
class House:
    """An engine at work and its desk."""

    engine: Engine
    desk: EngineDesk


@asynccontextmanager
async def in_charge(
    site: Site,
    *,
    gateway: Gateway,
    sources: Sequence[Source],
    journal: Journal,
    clock: SteadyClock,
    decide: Decide | None = None,
    dry_run: bool = False,
    page: tuple[str, int] | None = None,
) -> AsyncIterator[House]:
    """The site is under control inside the block. `page` is where the dashboard listens."""
    if dry_run:
        gateway = rehearsal.Pretending(gateway, site, clock)
    engine = Engine(
        site,
        gateway=gateway,
        sources=sources,
        journal=journal,
        clock=clock,
        decide=decide or Guarded(),
        **({"observe": rehearsal.observe} if dry_run else {}),
    )
    desk = EngineDesk(engine, dry_run=dry_run)
    work = [asyncio.create_task(engine.run(), name="engine")]
    if page is not None:
        web = create_app(desk, stale_after_s=max(15.0, 3 * site.interval_s))
        work.append(asyncio.create_task(serve(web, *page), name="page"))
    caller = asyncio.current_task()
    broken: list[BaseException] = []

    def ended(task: asyncio.Task[None]) -> None:
        # Without its engine or its page the house is not in charge: whoever waits inside must know.
        if not task.cancelled() and task.exception() is not None and caller is not None:
            broken.append(task.exception() or RuntimeError())
            caller.cancel()

    for task in work:
        task.add_done_callback(ended)
    try:
        with watchdog(engine.age_s, OVERDUE * site.interval_s):
            yield House(engine, desk)
    except asyncio.CancelledError:
        if broken:
            raise broken[0] from None
        raise
    finally:
        for task in reversed(work):
            task.cancel()
        _, staying = await asyncio.wait(work, timeout=STOP_S)
        for task in staying:
            log.warning("does not stop and is left", part=task.get_name())
        await engine.finish()


async def until_told_to_stop() -> None:
    """Returns on SIGINT or SIGTERM."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, told.set)
    try:
        await told.wait()
    finally:
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(name)
