"""The world as an engine hears it whose wall clock is set otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from loadmgr.ports import Emit, Kept


class Shifted:
    """A gateway or a source whose stamps are `off` from the world's."""

    def __init__(self, inner: Any, off: timedelta) -> None:
        self._inner, self._off = inner, off

    async def run(self, emit: Emit, *kept: Kept) -> None:
        off = self._off
        if not off:
            await self._inner.run(emit, *kept)
        else:
            await self._inner.run(lambda event: emit(replace(event, at=event.at + off)), *kept)

    async def execute(self, order: Any) -> Any:
        outcome = await self._inner.execute(order)
        return replace(outcome, at=outcome.at + self._off) if self._off else outcome

    async def close(self, station: str, reason: str) -> None:
        await self._inner.close(station, reason)
