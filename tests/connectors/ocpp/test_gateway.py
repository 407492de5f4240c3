"""The gateway over real sockets."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from connectors.ocpp import gateway as module
from loadmgr.events import (
    Confirmed,
    EvseMeasured,
    Lost,
    ReadFallback,
    Refused,
    SessionEnded,
    SessionStarted,
    SetFallback,
    SetLimit,
    StationBooted,
    StationConnected,
    StationDisconnected,
    StatusChanged,
)
from loadmgr.model import ConnectorStatus, EvseId
from tests.connectors.ocpp.ground import NORTH, NORTH_1, SOUTH, SOUTH_1, Ground, running, until
from tests.connectors.ocpp.station import V16, V201, RawStation, station

AVAILABLE = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
ACCEPTED = {"status": "Accepted"}


def now() -> str:
    return datetime.now(UTC).isoformat()


def limit(
    connection: int, transaction: str, evse: EvseId = NORTH_1.id, serial: int = 1
) -> SetLimit:
    return SetLimit(
        serial=serial,
        evse=evse,
        connection=connection,
        current_a=10.0,
        lasts_s=300.0,
        transaction_id=transaction,
    )


async def start(raw: RawStation, **more: Any) -> int:
    said = {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": now(), **more}
    id = (await raw.ask("StartTransaction", said))["transactionId"]
    assert isinstance(id, int)
    return id


def measured(transaction: int) -> dict[str, Any]:
    sampled = [{"value": "9.5", "measurand": "Current.Import", "phase": "L1", "unit": "A"}]
    value = {"timestamp": now(), "sampledValue": sampled}
    return {"connectorId": 1, "transactionId": transaction, "meterValue": [value]}


async def test_a_1_6_station_charges_under_a_limit_from_boot_to_stop() -> None:
    async with running() as ground, station(ground.url, NORTH, V16) as raw:
        raw.answers["SetChargingProfile"] = ACCEPTED
        await raw.boot()
        connected = await ground.until(StationConnected)
        assert connected.protocol == V16
        assert (await ground.until(StationBooted)).connection == connected.connection
        await raw.ask("StatusNotification", AVAILABLE)
        assert (await ground.until(StatusChanged)).status is ConnectorStatus.AVAILABLE
        id = await start(raw)
        session = (await ground.until(SessionStarted)).session
        assert (session.evse, session.transaction_id) == (NORTH_1.id, str(id))
        outcome = await ground.gateway.execute(limit(connected.connection, str(id)))
        assert isinstance(outcome, Confirmed) and outcome.serial == 1
        (profile,) = raw.asked("SetChargingProfile")
        assert profile["csChargingProfiles"]["transactionId"] == id
        await raw.ask("MeterValues", measured(id))
        assert (await ground.until(EvseMeasured)).terminal_a == (9.5, 0, 0)
        said = {"transactionId": id, "meterStop": 700, "timestamp": now()}
        await raw.ask("StopTransaction", said)
        assert (await ground.until(SessionEnded)).energy_wh == 700
    assert (await ground.until(StationDisconnected)).connection == connected.connection


async def test_a_2_0_1_station_charges_under_a_limit() -> None:
    async with running() as ground, station(ground.url, SOUTH, V201) as raw:
        raw.answers["SetChargingProfile"] = ACCEPTED
        await raw.boot()
        connected = await ground.until(StationConnected)
        assert connected.protocol == V201
        event = {
            "eventType": "Started",
            "timestamp": now(),
            "triggerReason": "CablePluggedIn",
            "seqNo": 0,
            "transactionInfo": {"transactionId": "tx-1", "chargingState": "Charging"},
            "evse": {"id": 1},
        }
        await raw.ask("TransactionEvent", event)
        assert (await ground.until(SessionStarted)).session.transaction_id == "tx-1"
        order = limit(connected.connection, "tx-1", SOUTH_1.id)
        assert isinstance(await ground.gateway.execute(order), Confirmed)
        (profile,) = raw.asked("SetChargingProfile")
        assert profile["chargingProfile"]["transactionId"] == "tx-1"


async def test_a_fallback_is_set_and_read_back() -> None:
    async with running() as ground, station(ground.url, NORTH, V16) as raw:
        await raw.boot()
        raw.answers["SetChargingProfile"] = ACCEPTED
        schedule: dict[str, Any] = {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}],
        }
        raw.answers["GetCompositeSchedule"] = {**ACCEPTED, "chargingSchedule": schedule}
        number = (await ground.until(StationConnected)).connection
        common: dict[str, Any] = {"evse": NORTH_1.id, "connection": number}
        wrote = await ground.gateway.execute(SetFallback(serial=1, **common, current_a=6.0))
        assert isinstance(wrote, Confirmed)
        told = await ground.gateway.execute(ReadFallback(serial=2, **common, after_s=330.0))
        assert isinstance(told, Confirmed) and told.current_a == 6.0
        assert raw.asked("ClearChargingProfile") == []
        schedule["chargingSchedulePeriod"] = [{"startPeriod": 0, "limit": 32}]
        told = await ground.gateway.execute(ReadFallback(serial=3, **common, after_s=330.0))
        assert isinstance(told, Confirmed) and told.current_a == 32.0  # and it stayed so
        assert raw.asked("ClearChargingProfile") != []


@pytest.mark.parametrize(
    ("version", "name", "instructions"),
    [
        (V16, NORTH, ("GetConfiguration", "ChangeConfiguration", "TriggerMessage")),
        (V201, SOUTH, ("GetVariables", "SetVariables", "TriggerMessage")),
    ],
)
async def test_a_station_is_asked_and_instructed_after_its_boot(
    version: str, name: str, instructions: tuple[str, ...]
) -> None:
    async with running() as ground, station(ground.url, name, version) as raw:
        raw.answers = dict.fromkeys(instructions, ACCEPTED)
        await asyncio.sleep(0.05)
        assert raw.heard == []  # not before the boot
        await raw.boot()
        for action in instructions:
            await raw.until_asked(action)
        first = len(raw.asked(instructions[0]))
        await raw.boot()
        await until(lambda: len(raw.asked(instructions[0])) > first)


async def test_a_station_that_takes_only_watts_is_told_watts() -> None:
    key = "ChargingScheduleAllowedChargingRateUnit"
    learnt = {"configurationKey": [{"key": key, "readonly": True, "value": "Power"}]}
    async with running() as ground, station(ground.url, NORTH, V16) as raw:
        raw.answers = {"GetConfiguration": learnt, "SetChargingProfile": ACCEPTED}
        await raw.boot()
        await raw.until_asked("TriggerMessage")
        number = (await ground.until(StationConnected)).connection
        assert isinstance(await ground.gateway.execute(limit(number, "42")), Confirmed)
        profile = raw.asked("SetChargingProfile")[0]["csChargingProfiles"]
        schedule = profile["chargingSchedule"]
        assert schedule["chargingRateUnit"] == "W"
        assert schedule["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 2300.0}]


async def test_a_station_that_reconnects_without_a_boot_is_heard_and_told() -> None:
    async with running() as ground, station(ground.url, NORTH, V16) as raw:
        raw.answers["SetChargingProfile"] = ACCEPTED
        await raw.ask("MeterValues", measured(4711))
        assert (await ground.until(SessionStarted)).session.transaction_id == "4711"
        number = (await ground.until(StationConnected)).connection
        assert isinstance(await ground.gateway.execute(limit(number, "4711")), Confirmed)
        assert ground.of(StationBooted) == []


async def test_a_silent_station_is_told_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BOOT_GRACE_S", 0.05)
    async with running() as ground, station(ground.url, NORTH, V16) as raw:
        raw.answers["SetChargingProfile"] = ACCEPTED
        number = (await ground.until(StationConnected)).connection
        assert isinstance(await ground.gateway.execute(limit(number, "1")), Confirmed)


# ── One open CALL, and answers that do not come ───────────────────────────────────────────


async def test_there_is_never_more_than_one_open_call() -> None:
    open_calls, most = 0, 0
    answering: list[asyncio.Task[None]] = []

    async with running() as ground, station(ground.url, NORTH, V16) as raw:

        async def slowly(frame: list[Any]) -> None:
            nonlocal open_calls, most
            open_calls += 1
            most = max(most, open_calls)
            await asyncio.sleep(0.02)
            open_calls -= 1
            await raw.say([3, frame[1], ACCEPTED])

        async def hear_on(frame: list[Any]) -> None:
            answering.append(asyncio.create_task(slowly(frame)))

        raw._hear = hear_on  # type: ignore[method-assign]
        await raw.boot()
        number = (await ground.until(StationConnected)).connection
        outcomes = await asyncio.gather(
            *(ground.gateway.execute(limit(number, "1", serial=n)) for n in range(5))
        )
    assert all(isinstance(outcome, Confirmed) for outcome in outcomes)
    assert most == 1


async def test_an_order_waits_for_one_open_call_and_not_for_all_that_is_to_be_learnt() -> None:
    async with running() as ground, station(ground.url, NORTH, V16) as raw:
        raw.answers["GetConfiguration"] = None
        raw.answers["SetChargingProfile"] = ACCEPTED
        await raw.boot()
        await raw.until_asked("GetConfiguration")
        number = (await ground.until(StationConnected)).connection
        order = asyncio.create_task(ground.gateway.execute(limit(number, "1")))
        await asyncio.sleep(0)
        await raw.say([3, raw.heard[0][0], {}])
        assert isinstance(await order, Confirmed)
        assert [action for _, action, _ in raw.heard][:2] == [
            "GetConfiguration",
            "SetChargingProfile",
        ]


async def test_silence_is_lost_at_the_deadline_and_a_late_answer_changes_nothing() -> None:
    async with running({"answer_s": 0.2}) as ground, station(ground.url, NORTH, V16) as raw:
        raw.answers["SetChargingProfile"] = None
        await raw.boot()
        await raw.until_asked("TriggerMessage")
        number = (await ground.until(StationConnected)).connection
        sent = asyncio.get_running_loop().time()
        outcome = await ground.gateway.execute(limit(number, "1"))
        assert isinstance(outcome, Lost) and "no answer to SetChargingProfile" in outcome.reason
        assert 0.2 <= asyncio.get_running_loop().time() - sent < 2.0
        late = next(id for id, action, _ in raw.heard if action == "SetChargingProfile")
        await raw.say([3, late, ACCEPTED])
        await raw.say([3, "nobody asked", ACCEPTED])
        raw.answers["SetChargingProfile"] = {"status": "Rejected"}
        assert isinstance(await ground.gateway.execute(limit(number, "1", serial=2)), Refused)


async def test_an_answer_to_another_call_does_not_confirm_the_open_one() -> None:
    async with running({"answer_s": 0.3}) as ground, station(ground.url, NORTH, V16) as raw:
        raw.answers["SetChargingProfile"] = None
        await raw.boot()
        number = (await ground.until(StationConnected)).connection
        order = asyncio.create_task(ground.gateway.execute(limit(number, "1")))
        await raw.until_asked("SetChargingProfile")
        await raw.say([3, "another", ACCEPTED])
        assert isinstance(await order, Lost)


async def test_an_order_for_another_connection_is_lost_at_once() -> None:
    async with running() as ground:
        assert isinstance(await ground.gateway.execute(limit(1, "1")), Lost)
        async with station(ground.url, NORTH, V16) as raw:
            await raw.boot()
            number = (await ground.until(StationConnected)).connection
            for order in (limit(number - 1, "1"), limit(number, "1", EvseId("nowhere"))):
                outcome = await ground.gateway.execute(order)
                assert isinstance(outcome, Lost) and outcome.reason == "not connected"


async def test_an_order_on_a_connection_that_drops_is_lost_at_once() -> None:
    async with running({"answer_s": 60.0}) as ground, station(ground.url, NORTH, V16) as raw:
        raw.answers["SetChargingProfile"] = None
        await raw.boot()
        number = (await ground.until(StationConnected)).connection
        order = asyncio.create_task(ground.gateway.execute(limit(number, "1")))
        await raw.until_asked("SetChargingProfile")
        raw.socket.transport.abort()
        async with asyncio.timeout(2):
            assert isinstance(await order, Lost)


async def test_a_station_can_be_dropped() -> None:
    async with running() as ground, station(ground.url, NORTH, V16) as raw:
        await raw.boot()
        await ground.gateway.close(NORTH, "moved")
        gone = await ground.until(StationDisconnected)
        assert "moved" in gone.reason
        assert await raw.until_closed() == 1008


# ── Connections that are not what they seem ───────────────────────────────────────────────


async def test_the_newest_connection_wins_and_the_end_of_the_old_one_changes_nothing() -> None:
    async with running() as ground, station(ground.url, NORTH, V16) as old:
        await old.boot()
        first = await ground.until(StationConnected)
        async with station(ground.url, NORTH, V16) as new:
            new.answers["SetChargingProfile"] = ACCEPTED
            await new.boot()
            second = await ground.until(StationConnected, 2)
            assert second.connection > first.connection
            (gone,) = ground.of(StationDisconnected)
            assert gone.connection == first.connection
            assert ground.events.index(gone) < ground.events.index(second)
            await old.until_closed()
            await asyncio.sleep(0.05)
            assert ground.of(StationDisconnected) == [gone]
            order = limit(second.connection, "1")
            assert isinstance(await ground.gateway.execute(order), Confirmed)
            assert isinstance(await ground.gateway.execute(limit(first.connection, "1")), Lost)
            assert old.asked("SetChargingProfile") == []


async def test_what_an_old_connection_still_says_is_not_heard() -> None:
    async with running() as ground, station(ground.url, NORTH, V16) as old:
        await old.boot()
        async with station(ground.url, NORTH, V16) as new:
            await new.boot()
            before = len(ground.events)
            try:
                await old.say([2, "late", "StatusNotification", AVAILABLE])
                await old.until_closed()
            except ConnectionClosed:
                pass
            assert [e for e in ground.events[before:] if isinstance(e, StatusChanged)] == []


async def half_open(ground: Ground, name: str) -> asyncio.StreamWriter:
    """A station whose line goes dead right after the handshake: it acknowledges, and no more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", ground.gateway.port)
    writer.write(
        f"GET /{name} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
    )
    assert b"101" in await reader.readline()
    return writer


async def test_a_dead_line_is_noticed_within_the_time_the_site_allows() -> None:
    async with running(lost_after_s=1.0) as ground:
        writer = await half_open(ground, NORTH)
        connected = await ground.until(StationConnected)
        gone = await ground.until(StationDisconnected, timeout=2.0)
        assert (gone.at - connected.at).total_seconds() < 1.0
        writer.close()


async def test_a_half_open_line_does_not_keep_the_real_station_out() -> None:
    async with running() as ground:
        writer = await half_open(ground, NORTH)
        await ground.until(StationConnected)
        async with station(ground.url, NORTH, V16) as raw:
            await raw.boot()
            await ground.until(StationConnected, 2)
            assert len(ground.of(StationDisconnected)) == 1
        writer.close()


async def test_without_a_common_version_the_handshake_completes_and_the_socket_closes() -> None:
    async with running() as ground:
        for offered in (None, "ocpp1.5"):
            async with station(ground.url, NORTH, offered) as raw:
                assert await raw.until_closed() == 1002
                assert raw.socket.subprotocol is None
        assert ground.events == []


async def test_a_version_that_is_not_offered_is_not_spoken() -> None:
    async with running({"versions": ["1.6"]}) as ground:
        async with station(ground.url, NORTH, V201) as raw:
            assert await raw.until_closed() == 1002
        async with station(ground.url, NORTH, V16) as raw:
            assert raw.socket.subprotocol == V16


# ── Poison ────────────────────────────────────────────────────────────────────────────────

POISON: list[str | bytes] = [
    "",
    "{",
    "[]",
    "[2]",
    '[2,"p","StatusNotification"]',
    '[3,"p"]',
    '[9,"p",{}]',
    b"[2]",
    "[" * 60_000,
    '[2,"p","Heartbeat",{"a":' + "9" * 5000 + "}]",
    '[2,"p","StatusNotification",{"connectorId":-1,"errorCode":"NoError","status":"Available"}]',
    '[2,"p","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Dancing"}]',
    '[2,"p","StartTransaction",{"connectorId":1,"idTag":"<script>","meterStart":'
    '9000000000000000000,"timestamp":"+222222017-01-01T00:00:00Z"}]',
    '[2,"p","StopTransaction",{"transactionId":9000000000000000000,"meterStop":-9000000000000000000,'
    '"timestamp":"x"}]',
    '[2,"p","MeterValues",{"connectorId":1,"transactionId":2147483648,"meterValue":'
    '[{"timestamp":"0001-01-01T00:00:00+14:00","sampledValue":[{"value":"NaN"}]}]}]',
    '[2,"p","__class__",{}]',
    '[2,"p","../../schemas/Heartbeat",{}]',
]


@pytest.mark.parametrize(("version", "name"), [(V16, NORTH), (V201, SOUTH)])
async def test_no_poison_ends_the_conversation(version: str, name: str) -> None:
    async with running() as ground, station(ground.url, name, version) as raw:
        await raw.boot()
        for frame in POISON:
            await raw.say(frame)
        async with asyncio.timeout(5):
            await raw.say([2, "alive", "Heartbeat", {}])
            while (reply := await raw.reply())[1] != "alive":
                pass
        assert "currentTime" in reply[2]
        assert ground.of(StationDisconnected) == []


async def test_what_cannot_be_read_is_answered_as_each_version_asks() -> None:
    async with running() as ground:
        async with station(ground.url, SOUTH, V201) as raw:
            await raw.say("no JSON")
            assert (await raw.reply())[:3] == [4, "-1", "RpcFrameworkError"]
            await raw.say('[6,"7","NotifyPeriodicEventStream",{}]')
            assert (await raw.reply())[:3] == [4, "7", "MessageTypeNotSupported"]
        async with station(ground.url, NORTH, V16) as raw:
            await raw.say("no JSON")  # silence
            await raw.say('[2,"8"]')
            assert (await raw.reply())[:3] == [4, "8", "FormationViolation"]


async def test_a_station_that_talks_nonsense_for_long_is_dropped() -> None:
    async with running() as ground, station(ground.url, NORTH, V16) as raw:
        for _ in range(20):
            await raw.say("nonsense")
        await raw.ask("Heartbeat", {})
        await raw.say("nonsense")
        assert await raw.until_closed() == 1008
        await ground.until(StationDisconnected)


async def test_a_message_that_is_too_long_ends_the_connection() -> None:
    async with running() as ground, station(ground.url, NORTH, V16) as raw:
        await raw.say('[2,"1","DataTransfer",{"vendorId":"' + "x" * 70_000 + '"}]')
        assert await raw.until_closed() == 1009
        await ground.until(StationDisconnected)


async def test_a_mistake_of_ours_costs_one_answer_and_not_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("connectors.ocpp.v16._RULES", {"Heartbeat": broken})
    async with running() as ground, station(ground.url, NORTH, V16) as raw:
        assert (await raw.call("Heartbeat", {}))[2] == "InternalError"
        assert (await raw.call("Heartbeat", {}))[2] == "InternalError"
        assert ground.of(StationDisconnected) == []


async def test_a_flood_is_read_slowly() -> None:
    loop = asyncio.get_running_loop()
    async with running() as ground, station(ground.url, NORTH, V16) as raw:
        began = loop.time()
        for n in range(75):
            await raw.say([2, f"f{n}", "Heartbeat", {}])
        for _ in range(75):
            await raw.reply()
        assert loop.time() - began > 0.6  # 15 beyond the burst, at 20 a second


async def test_stopping_closes_every_connection_and_says_so() -> None:
    async with running() as ground:
        async with station(ground.url, NORTH, V16) as raw:
            await raw.boot()
            ground.task.cancel()
            assert await raw.until_closed() == 1001
            await ground.until(StationDisconnected)


@pytest.mark.parametrize("turns", range(7))
async def test_who_comes_in_as_the_door_shuts_is_not_forgotten(turns: int) -> None:
    async with running() as ground:
        with socket.create_connection(("127.0.0.1", ground.gateway.port)) as late:
            late.setblocking(False)
            for _ in range(turns):
                await asyncio.sleep(0)
            ground.task.cancel()
            await asyncio.gather(ground.task, return_exceptions=True)
            async with asyncio.timeout(2.0):
                assert await said_to(late) == b""


async def said_to(late: socket.socket) -> bytes:
    """Nothing, once the other side has closed."""
    try:
        return await asyncio.get_running_loop().sock_recv(late, 100)
    except ConnectionResetError:
        return b""
