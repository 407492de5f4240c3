"""The stream: one server-sent event per tick, and a heartbeat between them.

A page that hears nothing for two beats knows that nobody is there. A reader
that is slow misses ticks and always gets the latest one; nothing queues up.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from loadmgr.ports import Desk
from loadmgr.snapshot import Snapshot
from loadmgr.web import present

BEAT_S = 1.0
RETRY_MS = 1000
MOST_READERS = 64


class Feed:
    """All open streams of one app."""

    def __init__(self, desk: Desk, stale_after_s: float) -> None:
        self._desk = desk
        self._stale_after_s = stale_after_s
        self._closing = asyncio.Event()
        self._last: tuple[Snapshot, str] | None = None
        self._readers = 0

    @property
    def full(self) -> bool:
        return self._readers >= MOST_READERS

    def close(self) -> None:
        """End every stream now, so that shutting down waits for no open page."""
        self._closing.set()

    async def stream(self) -> AsyncIterator[str]:
        """Events for one reader, until it leaves or the feed closes."""
        self._readers += 1
        try:
            yield f"retry: {RETRY_MS}\n\n"
            snapshot = self._desk.snapshot()
            shown = -1
            while not self._closing.is_set():
                if snapshot is not None and snapshot.number != shown:
                    shown = snapshot.number
                    yield f"id: {shown}\nevent: tick\ndata: {self._text(snapshot)}\n\n"
                yield f"event: beat\ndata: {self._beat()}\n\n"
                snapshot = await self._newer_than(shown)
        finally:
            self._readers -= 1

    async def _newer_than(self, number: int) -> Snapshot | None:
        """The next tick; None when a beat is due or the feed closes."""
        newer = asyncio.ensure_future(self._desk.newer_than(number))
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait(
                {newer, closing}, timeout=BEAT_S, return_when=asyncio.FIRST_COMPLETED
            )
            return newer.result() if newer.done() else None
        finally:
            newer.cancel()
            closing.cancel()

    def _beat(self) -> str:
        age_s = self._desk.age_s()
        stale = not age_s <= self._stale_after_s
        return json.dumps({"age_s": None if stale else round(age_s, 1), "stale": stale})

    def _text(self, snapshot: Snapshot) -> str:
        """The tick as JSON, made once however many read it."""
        if self._last is None or self._last[0] is not snapshot:
            self._last = (snapshot, present.tick(snapshot).model_dump_json())
        return self._last[1]
