"""What every meter's test needs: a site, a steady clock, and an ear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest

from loadmgr.events import CircuitMeasured, Event
from loadmgr.model import Circuit, CircuitId, Meter, MeterId, Site
from loadmgr.ports import Context, Source
from loadmgr.units import PerPhase


class SteppedClock:
    """Stands where it is put."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.instant

    def step(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)


class Ear:
    """Hears what a source emits, and can wait for more of it."""

    def __init__(self) -> None:
        self.heard: list[CircuitMeasured] = []
        self._more = asyncio.Event()

    def __call__(self, event: Event) -> None:
        assert isinstance(event, CircuitMeasured)
        self.heard.append(event)
        self._more.set()

    async def next(self, within_s: float = 15.0) -> CircuitMeasured:
        """The next reading from now on."""
        self._more.clear()
        async with asyncio.timeout(within_s):
            await self._more.wait()
        return self.heard[-1]

    async def until(
        self, wanted: Callable[[CircuitMeasured], bool], within_s: float = 15.0
    ) -> CircuitMeasured:
        async with asyncio.timeout(within_s):
            while not (self.heard and wanted(self.heard[-1])):
                await self.next(within_s)
        return self.heard[-1]


@asynccontextmanager
async def running(source: Source) -> AsyncIterator[Ear]:
    ear = Ear()
    task = asyncio.create_task(source.run(ear))
    try:
        yield ear
        assert not task.done(), f"the source ended by itself: {task}"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def site_of(rating_a: PerPhase) -> Site:
    main = CircuitId("main")
    return Site(
        name="Test",
        timezone="Europe/Amsterdam",
        voltage_v=230.0,
        circuits=(
            Circuit(
                id=main, label="", feeds_from=None, rating_a=rating_a, meter=MeterId("main-meter")
            ),
        ),
        meters=(
            Meter(
                id=MeterId("main-meter"), circuit=main, lost_after_s=15.0, worst_building_a=rating_a
            ),
        ),
    )


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def context(clock: SteppedClock) -> Context:
    return Context(name="main-meter", site=site_of((63.0, 63.0, 63.0)), clock=clock)


@pytest.fixture
def one_phase_context(clock: SteppedClock) -> Context:
    return Context(name="main-meter", site=site_of((40.0, 0.0, 0.0)), clock=clock)


@pytest.fixture
def listen() -> Callable[[Source], object]:
    """`async with listen(source) as ear` runs a source for as long as the block lasts."""
    return running


class Stranger(asyncio.Protocol):
    """Answers whatever comes with what `answer` makes of it; `None` hangs up."""

    def __init__(self, answer: Callable[[bytes], bytes | None], late_s: float) -> None:
        self.answer, self.late_s = answer, late_s
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        said = self.answer(data)
        if said is None:
            self.transport.close()
        elif self.late_s:
            asyncio.get_running_loop().call_later(self.late_s, self.transport.write, said)
        else:
            self.transport.write(said)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()


@asynccontextmanager
async def stranger(
    answer: Callable[[bytes], bytes | None], late_s: Callable[[int], float] = lambda nth: 0.0
) -> AsyncIterator[int]:
    """A TCP server on loopback; the nth connection answers `late_s(nth)` seconds late. Its port."""
    peers: list[Stranger] = []

    def welcome() -> Stranger:
        peers.append(Stranger(answer, late_s(len(peers))))
        return peers[-1]

    server = await asyncio.get_running_loop().create_server(welcome, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for peer in peers:
            peer.transport.close()
            await asyncio.wait_for(peer.gone.wait(), 5)


@pytest.fixture
def strange_server() -> Callable[..., object]:
    return stranger


async def reported(logs: list, event: str, within_s: float = 15.0) -> None:
    """Wait until structlog has seen `event`."""
    async with asyncio.timeout(within_s):
        while not any(entry["event"] == event for entry in logs):  # noqa: ASYNC110 - a list cannot wake us
            await asyncio.sleep(0.02)


@pytest.fixture
def report() -> Callable[..., object]:
    return reported
