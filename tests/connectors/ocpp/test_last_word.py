"""What a station forgets once it is answered is answered when it outlives a crash of ours."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from loadmgr.events import SessionEnded, SessionStarted
from tests.connectors.ocpp.ground import NORTH, SOUTH, Ground, running, until
from tests.connectors.ocpp.station import V16, V201, RawStation, station
from tests.connectors.ocpp.test_gateway import now, start


class Disk:
    """A journal that takes its time, until it is told how that went."""

    def __init__(self) -> None:
        self.asked = 0
        self.outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def kept(self) -> bool:
        self.asked += 1
        return await asyncio.shield(self.outcome)


def event(kind: str, number: int) -> dict[str, Any]:
    return {
        "eventType": kind,
        "timestamp": now(),
        "triggerReason": "EVDeparted" if kind == "Ended" else "CablePluggedIn",
        "seqNo": number,
        "transactionInfo": {"transactionId": "tx-1"},
        "evse": {"id": 1},
    }


async def begin(raw: RawStation) -> tuple[str, dict[str, Any]]:
    """A transaction that runs; how its station says that it is over."""
    await raw.boot()
    if raw.socket.subprotocol == V16:
        id = await start(raw)
        return "StopTransaction", {"transactionId": id, "meterStop": 700, "timestamp": now()}
    await raw.ask("TransactionEvent", event("Started", 0))
    return "TransactionEvent", event("Ended", 1)


@pytest.mark.parametrize(("version", "who"), [(V16, NORTH), (V201, SOUTH)])
async def test_an_end_is_answered_when_it_is_stored_and_all_else_goes_on(
    version: str, who: str
) -> None:
    disk = Disk()
    async with running(kept=disk.kept) as ground, station(ground.url, who, version) as raw:
        action, end = await begin(raw)
        assert disk.asked == 0, "a beginning is told again by every reading"
        await raw.say([2, "end", action, end])
        await ground.until(SessionEnded)
        beat = await raw.call("Heartbeat", {})
        assert beat[0] == 3 and beat[1] != "end", "the end is not answered yet"
        disk.outcome.set_result(True)
        assert (await raw.reply())[:2] == [3, "end"]


@pytest.mark.parametrize(("version", "who"), [(V16, NORTH), (V201, SOUTH)])
async def test_an_end_that_cannot_be_stored_is_refused_each_time_and_happens_once(
    version: str, who: str
) -> None:
    disk = Disk()
    async with running(kept=disk.kept) as ground, station(ground.url, who, version) as raw:
        action, end = await begin(raw)
        disk.outcome.set_result(False)
        for _ in range(2):
            reply = await raw.call(action, end)
            assert (reply[0], reply[2]) == (4, "InternalError")
        disk.outcome = asyncio.get_running_loop().create_future()
        disk.outcome.set_result(True)
        assert (await raw.call(action, end))[0] == 3
        assert disk.asked == 3 and len(ground.of(SessionEnded)) == 1


async def test_an_end_of_before_this_process_is_stored_too_before_it_is_answered() -> None:
    disk = Disk()
    async with running(kept=disk.kept) as ground, station(ground.url, NORTH, V16) as raw:
        await raw.boot()
        said = {"transactionId": 41, "meterStop": 700, "timestamp": now()}
        await raw.say([2, "end", "StopTransaction", said])
        await ground.until(SessionEnded)
        assert disk.asked == 1 and not ground.of(SessionStarted)
        disk.outcome.set_result(True)
        assert (await raw.reply())[:2] == [3, "end"]


async def test_a_link_that_breaks_meanwhile_leaves_nothing_behind() -> None:
    disk = Disk()
    async with running(kept=disk.kept) as ground:
        async with station(ground.url, NORTH, V16) as raw:
            action, end = await begin(raw)
            await raw.say([2, "end", action, end])
            await until(lambda: disk.asked == 1)
        await until(lambda: not _answering(ground))


def _answering(ground: Ground) -> bool:
    return any("_answer_when_kept" in repr(task) for task in asyncio.all_tasks())
