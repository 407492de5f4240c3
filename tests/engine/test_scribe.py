"""What is noted is written: while it runs, and when it is told to end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import pytest

from loadmgr.core.state import State
from loadmgr.engine.journal import JournalFailed
from loadmgr.engine.scribe import Scribe
from loadmgr.events import Event, LimitReleased

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Slow:
    """A journal whose every commit waits for `go`, and may fail."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Event()
        self.rows: list[Event] = []
        self.failure = ""

    def append(self, events: Sequence[Event]) -> None:
        self.begun.set()
        assert self.go.wait(10.0)
        if self.failure:
            raise JournalFailed(self.failure)
        self.rows += events

    def replay(self) -> tuple[State | None, Iterable[Event]]:
        return None, ()

    def checkpoint(self, state: State) -> None: ...


def event(name: str) -> Event:
    return LimitReleased(at=AT, name=name, source="test")


async def stopped(running: asyncio.Task[None]) -> None:
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_written_waits_for_the_disk():
    journal = Slow()
    scribe = Scribe(journal)
    running = asyncio.create_task(scribe.run())
    scribe.note(event("a"))
    written = asyncio.create_task(scribe.written())
    await asyncio.to_thread(journal.begun.wait, 5.0)
    assert not written.done()
    journal.go.set()
    assert await written
    assert [row.name for row in journal.rows] == ["a"]
    await stopped(running)


async def test_what_is_noted_while_a_commit_is_under_way_is_written_once_at_the_end():
    journal = Slow()
    scribe = Scribe(journal)
    running = asyncio.create_task(scribe.run())
    scribe.note(event("a"))
    await asyncio.to_thread(journal.begun.wait, 5.0)
    scribe.note(event("b"))
    await stopped(running)
    journal.go.set()
    await scribe.finish()
    assert [row.name for row in journal.rows] == ["a", "b"]


async def test_a_commit_that_fails_at_the_end_is_made_again():
    journal = Slow()
    journal.failure = "disk full"
    scribe = Scribe(journal)
    running = asyncio.create_task(scribe.run())
    scribe.note(event("a"))
    await asyncio.to_thread(journal.begun.wait, 5.0)
    await stopped(running)
    ending = asyncio.create_task(scribe.finish())
    journal.go.set()
    journal.failure = ""
    await ending
    assert [row.name for row in journal.rows] == ["a"]


async def test_without_a_disk_written_says_no_until_it_works_again():
    journal = Slow()
    journal.go.set()
    journal.failure = "disk full"
    scribe = Scribe(journal)
    running = asyncio.create_task(scribe.run())
    scribe.note(event("a"))
    assert not await scribe.written()
    assert not scribe.works
    journal.failure = ""
    assert await scribe.written()
    assert scribe.works
    assert [row.name for row in journal.rows] == ["a"]
    await stopped(running)
