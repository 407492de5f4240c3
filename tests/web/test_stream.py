"""The stream over a real socket: ticks as they come, a heartbeat, and an end within two seconds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from loadmgr.web import answers, create_app, serve
from loadmgr.web import feed as feed_module
from tests.web.snapshots import FakeDesk, car_park


@dataclass
class Served:
    desk: FakeDesk
    url: str
    task: asyncio.Task[None]


@contextlib.asynccontextmanager
async def _serving(desk: FakeDesk) -> AsyncIterator[Served]:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(create_app(desk), "127.0.0.1", 0, ready=port.set_result))
    try:
        number = await asyncio.wait_for(port, 10)
        yield Served(desk, f"http://127.0.0.1:{number}", task)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def served(desk: FakeDesk) -> AsyncIterator[Served]:
    async with _serving(desk) as found:
        yield found


async def _events(answer: httpx.Response) -> AsyncIterator[dict[str, str]]:
    """Events of a stream, each as its fields."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield fields
            fields = {}


@contextlib.asynccontextmanager
async def _stream(url: str) -> AsyncIterator[AsyncIterator[dict[str, str]]]:
    async with (
        asyncio.timeout(20),
        httpx.AsyncClient(timeout=10) as client,
        client.stream("GET", f"{url}/api/v1/stream") as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer)


async def _next(events: AsyncIterator[dict[str, str]], kind: str) -> Any:
    async for event in events:
        if event.get("event") == kind:
            return event
    raise AssertionError(f"the stream ended without {kind!r}")


async def test_a_page_gets_the_last_tick_at_once_and_each_new_one_as_it_comes(
    served: Served,
) -> None:
    async with _stream(served.url) as events:
        assert (await anext(events)) == {"retry": "1000"}
        first = await _next(events, "tick")
        assert first["id"] == "1"
        tick = answers.Tick.model_validate_json(first["data"])
        assert tick.site.name == "Acme Car Park" and len(tick.chargers) == 7
        assert tick.chargers[0].brief.startswith("North is full on L1")
        served.desk.show(replace(car_park(), number=2, dry_run=True))
        second = await _next(events, "tick")
        assert second["id"] == "2" and json.loads(second["data"])["site"]["dry_run"]


async def test_a_posted_limit_reaches_the_page(served: Served) -> None:
    async with _stream(served.url) as events, httpx.AsyncClient() as client:
        await _next(events, "tick")
        body = {"circuit": "north", "current": 10, "reason": "roof works"}
        answer = await client.put(f"{served.url}/api/v1/limits/roof", json=body)
        assert answer.status_code == 201
        tick = json.loads((await _next(events, "tick"))["data"])
        assert [limit["name"] for limit in tick["site"]["limits"]] == ["dso", "roof"]


async def test_beats_tell_the_age_of_the_last_tick_and_when_it_is_stale(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "BEAT_S", 0.05)
    async with _stream(served.url) as events:
        beat = json.loads((await _next(events, "beat"))["data"])
        assert beat == {"age_s": 0.4, "stale": False}
        served.desk.age = 16.0
        for _ in range(3):
            beat = json.loads((await _next(events, "beat"))["data"])
        assert beat == {"age_s": None, "stale": True}


async def test_before_the_first_tick_the_stream_beats_and_then_shows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed_module, "BEAT_S", 0.05)
    async with _serving(FakeDesk()) as served, _stream(served.url) as events:
        assert json.loads((await _next(events, "beat"))["data"])["stale"]
        served.desk.show(car_park())
        assert (await _next(events, "tick"))["id"] == "1"


async def test_a_slow_reader_skips_ticks_and_gets_the_latest(served: Served) -> None:
    async with _stream(served.url) as events:
        await _next(events, "tick")
        for number in range(2, 50):
            served.desk.show(replace(car_park(), number=number))
        assert (await _next(events, "tick"))["id"] == "49"


async def test_too_many_pages_are_turned_away(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "MOST_READERS", 1)
    async with _stream(served.url) as events, httpx.AsyncClient() as client:
        await _next(events, "tick")
        answer = await client.get(f"{served.url}/api/v1/stream")
        assert answer.status_code == 503 and answer.headers["retry-after"] == "10"


async def test_a_page_that_leaves_makes_room(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "MOST_READERS", 1)
    for _ in range(3):
        async with asyncio.timeout(10):
            while True:  # the server learns of a closed socket a moment later
                with contextlib.suppress(AssertionError):
                    async with _stream(served.url) as events:
                        assert (await _next(events, "tick"))["id"] == "1"
                    break
                await asyncio.sleep(0.02)


async def test_stopping_with_an_open_page_takes_less_than_two_seconds_and_ends_the_stream(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with _stream(served.url) as events:
        await _next(events, "tick")
        started = time.monotonic()
        served.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await served.task
        assert time.monotonic() - started < 2.0
        rest = [event async for event in events]  # ended by the server, not broken off
        assert all(event["event"] == "beat" for event in rest)
    assert not caplog.records


async def test_an_address_in_use_is_an_error_and_nothing_is_started(desk: FakeDesk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(OSError, match="in use"):
            await serve(create_app(desk), "127.0.0.1", taken.getsockname()[1])


async def test_signals_stay_with_whoever_runs_the_loop(served: Served) -> None:
    import signal

    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert (await _get(f"{served.url}/healthz")).status_code == 200


async def _get(url: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(url)
