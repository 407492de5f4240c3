"""Writes the journal beside the event loop: what is noted together is committed together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import structlog

from loadmgr.core.state import State
from loadmgr.engine.journal import Journal, JournalFailed
from loadmgr.events import Event

log = structlog.get_logger("loadmgr.journal")

RETRY_S = 1.0


class Scribe:
    """Takes notes at once and writes them in batches, one durable commit each.

    While the journal cannot be written, notes are kept in memory and tried again;
    `works` is False, and nothing that raises a charger may leave.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._pending: list[Event] = []
        self._waiting: list[asyncio.Future[bool]] = []
        self._noted = asyncio.Event()
        self._shorten_to: Callable[[], State] | None = None
        self._under_way: tuple[asyncio.Future[None], int] | None = None
        self.works = True

    def note(self, event: Event) -> None:
        self._pending.append(event)
        self._noted.set()

    async def written(self) -> bool:
        """Wait until all that was noted so far is durable. False: it could not be written."""
        if not self._pending and self.works:
            return True
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._noted.set()
        return await future

    async def run(self) -> None:
        """Write until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._noted.wait()
            self._noted.clear()
            batch, waiting = tuple(self._pending), self._waiting
            self._waiting = []
            writing = loop.run_in_executor(None, self._journal.append, batch)
            self._under_way = writing, len(batch)
            try:
                await asyncio.shield(writing)
            except JournalFailed as error:
                self._under_way = None
                self._failed(error, waiting)
                await asyncio.sleep(RETRY_S)
                self._noted.set()
                continue
            self._under_way = None
            self._succeeded(len(batch), waiting)
            if self._shorten_to is not None and not self._pending:
                state, self._shorten_to = self._shorten_to(), None
                await loop.run_in_executor(None, self.checkpoint, state)

    async def finish(self) -> None:
        """Write what is left after `run` was cancelled, so that a good end loses nothing."""
        if self._under_way is not None:
            writing, count = self._under_way
            await asyncio.wait({writing})  # a commit cannot be taken back, nor made twice
            if writing.exception() is None:
                del self._pending[:count]
        rest, self._pending = tuple(self._pending), []
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._journal.append, rest)
        except JournalFailed as error:
            log.error("journal failed at the end", reason=str(error), lost=len(rest))

    def _failed(self, error: JournalFailed, waiting: list[asyncio.Future[bool]]) -> None:
        if self.works:
            log.error("journal failed: decreases only until it works again", reason=str(error))
        self.works = False
        _answer(waiting, False)

    def _succeeded(self, count: int, waiting: list[asyncio.Future[bool]]) -> None:
        if not self.works:
            log.info("journal works again")
        self.works = True
        del self._pending[:count]
        _answer(waiting, True)

    # ── Before and between ──

    def replay(self) -> tuple[State | None, Iterable[Event]]:
        return self._journal.replay()

    def shorten(self, belief: Callable[[], State]) -> None:
        """Checkpoint in the writer's next quiet moment.

        The belief is read then: all that made it is on disk, and what comes
        later is written after it.
        """
        self._shorten_to = belief
        self._noted.set()

    def checkpoint(self, state: State) -> None:
        """Shorten the journal; where that fails the long one is as good."""
        try:
            self._journal.checkpoint(state)
        except JournalFailed as error:
            log.warning("journal not shortened", reason=str(error))


def _answer(waiting: list[asyncio.Future[bool]], written: bool) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(written)
