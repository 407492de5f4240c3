"""Lets visitors come and go on whatever clock runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from loadmgr.ports import Clock
from loadmgr.simulate.arrivals import Visit

Plug = Callable[[Visit], Awaitable[None]]


async def play(
    visits: Iterable[Visit], *, clock: Clock, plug: Plug, unplug: Plug, speed: float = 1.0
) -> None:
    """Call `plug` and `unplug` for every visit in time; returns after the last one left.

    `clock` runs `speed` times as fast as the event loop. What lies before now happens at once.
    """
    moments = sorted(
        [(visit.arrives_s, 1, number, visit) for number, visit in enumerate(visits)]
        + [(visit.leaves_s, 0, number, visit) for number, visit in enumerate(visits)],
        key=lambda moment: moment[:3],
    )
    for at_s, arrives, _, visit in moments:
        await asyncio.sleep(max(0.0, at_s - clock.now().timestamp()) / speed)
        await (plug(visit) if arrives else unplug(visit))
