"""A meter that is asked in a rhythm: when to ask, what to believe, what to report."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

import structlog

from connectors.meters.plausible import Bounds, Track, judge
from connectors.meters.reading import NoReading, Reading
from loadmgr.events import CircuitMeasured
from loadmgr.model import Circuit, MeterId
from loadmgr.ports import BadOption, Clock, Context, Emit

log = structlog.get_logger("loadmgr.meter")

READ_BY_OTHERS = frozenset({"type", "when_lost", "feeds_in"})
"""Settings in a meter's block that are not its connector's."""

LONGEST_WAIT_S = 10.0
"""Between two polls of a meter that fails: a meter that is back must be seen soon, or cars
stand still for its sake long after the fault."""

SHORTEST_POLL_S = 0.2

Ask = Callable[[], Awaitable[Reading]]
"""Reads the meter once; raises `NoReading` when the world does not let it."""


Link = Callable[[], AbstractAsyncContextManager[Ask]]
"""Opens what a meter is asked through, and closes it in the end."""


def unlinked(ask: Ask) -> Link:
    """The link of a meter that has nothing to close."""
    return lambda: nullcontext(ask)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolledMeter:
    """A `Source` that asks a meter every `every_s` seconds.

    A poll that fails or is not believed emits nothing: how long silence may last is for the
    core to judge. From the second failure in a row on, it asks less and less often.
    """

    meter: MeterId
    link: Link
    every_s: float
    timeout_s: float
    bounds: Bounds
    clock: Clock

    async def run(self, emit: Emit) -> None:
        track, failures = Track(), 0
        time = asyncio.get_running_loop().time
        async with self.link() as ask:
            due = time()
            while True:
                track, trouble = await self._poll(ask, track, emit)
                self._report(trouble, before=failures)
                failures = failures + 1 if trouble else 0
                due = next_poll(due, time(), wait_s(self.every_s, failures))
                await asyncio.sleep(due - time())

    async def _poll(self, ask: Ask, track: Track, emit: Emit) -> tuple[Track, str]:
        """Ask once. Returns what went wrong, "" if nothing did."""
        try:
            async with asyncio.timeout(self.timeout_s):
                reading = await ask()
        except TimeoutError:
            return track, f"no answer within {self.timeout_s:g} s"
        except NoReading as failure:
            return track, str(failure)
        track, verdict = judge(track, reading, self.bounds)
        if verdict.good:
            emit(
                CircuitMeasured(
                    at=self.clock.now(),
                    meter=self.meter,
                    current_a=reading.current_a,
                    sampled_at=reading.sampled_at,
                )
            )
        return track, verdict.doubt

    def _report(self, trouble: str, *, before: int) -> None:
        if trouble and not before:
            log.warning("meter fails", meter=self.meter, reason=trouble)
        elif before and not trouble:
            log.info("meter is back", meter=self.meter, failed_polls=before)


def wait_s(every_s: float, failures: int) -> float:
    """Seconds from one poll to the next after so many failures in a row."""
    backed_off = every_s * 2.0 ** min(max(0, failures - 1), 10)
    return max(every_s, min(backed_off, LONGEST_WAIT_S))


def next_poll(due: float, now: float, wait: float) -> float:
    """The next instant of the rhythm that is still ahead. Those missed are skipped. [s]"""
    return due + wait * max(1, int((now - due) // wait) + 1)


def metered_circuit(context: Context) -> Circuit:
    """The circuit that this meter measures; the grid connection, if it is told of none."""
    site, name = context.site, MeterId(context.name)
    return site.circuit[site.meter[name].circuit] if name in site.meter else site.circuits[0]


def bounds_here(context: Context, frozen_after: int) -> Bounds:
    return Bounds(rating_a=max(metered_circuit(context).rating_a), frozen_after=frozen_after)


def check_rhythm(context: Context, every_s: float) -> None:
    """A poll must be possible for the device, and in time for the core.

    Raises
    ------
    BadOption
    """
    if every_s < SHORTEST_POLL_S:
        raise BadOption(("poll",), f"{every_s:g} s is too often; {SHORTEST_POLL_S:g} s at least")
    meter = context.site.meter.get(MeterId(context.name))
    if meter is not None and every_s >= meter.lost_after_s:
        raise BadOption(
            ("poll",),
            f"this meter counts as lost after {meter.lost_after_s:g} s without a reading; "
            f"poll more often than every {every_s:g} s, or raise when_lost.after",
        )
