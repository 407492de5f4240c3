"""`loadmgr run` and `loadmgr check`: a site.yaml, put in charge or looked through."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog
from rich.console import Console

from loadmgr.app import doors
from loadmgr.app.calendar import calendar
from loadmgr.app.house import House, in_charge, until_told_to_stop
from loadmgr.config import Configuration, Consequences, consequences, load, render
from loadmgr.engine.clock import SteadyClock
from loadmgr.show.table import watch
from loadmgr.store.journal import SqliteJournal

log = structlog.get_logger("loadmgr")

JOURNAL = "journal.db"


def inspect(path: Path) -> tuple[Configuration, Consequences]:
    """What a site.yaml comes to; its connectors check their options too."""
    configuration = load(path)
    clock = SteadyClock()
    doors.check(configuration, clock)
    return configuration, consequences(configuration)


async def take_charge(path: Path, *, dry_run: bool, headless: bool) -> None:
    """Control the site until told to stop. The limits that were sent outlive us, and then end."""
    configuration = load(path)
    if configuration.warnings:
        log.warning("check", text="\n" + render(configuration.warnings))
    clock = SteadyClock()
    doors.check(configuration, clock)  # every complaint at once, and before anything is opened
    gateway = doors.gateway(configuration, clock)
    sources = doors.sources(configuration, clock)
    journal = SqliteJournal(_store(configuration) / JOURNAL)
    try:
        async with in_charge(
            configuration.site,
            gateway=gateway,
            sources=sources,
            journal=journal,
            clock=clock,
            dry_run=dry_run,
            page=configuration.dashboard_listen,
        ) as house:
            with calendar(house.engine):
                await _until_stopped(house, headless, configuration.dashboard_listen)
    finally:
        journal.close()


async def _until_stopped(house: House, headless: bool, page: tuple[str, int]) -> None:
    beside = [asyncio.create_task(_announce(house, page))]
    if not headless:
        beside.append(asyncio.create_task(watch(house.desk, Console())))
    try:
        await until_told_to_stop()
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def _announce(house: House, page: tuple[str, int]) -> None:
    """In charge is who has decided once, not who is still opening sockets."""
    first = await house.desk.newer_than(0)
    what = "dry run: computes and shows, sends nothing" if first.dry_run else "in charge"
    log.info(what, site=first.name, page=f"http://{page[0]}:{page[1]}")


def _store(configuration: Configuration) -> Path:
    """The folder of the journal: as written, else beside site.yaml."""
    folder = configuration.store
    return folder if folder is not None else configuration.path.parent / ".loadmgr"
