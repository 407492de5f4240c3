"""A back end of a hundred lines: it accepts everything, remembers it, and can call."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from ocpp.messages import MessageType, get_validator
from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from connectors.simulated.clock import ModelClock
from connectors.simulated.station import SimulatedStation
from loadmgr.model import CircuitId, Evse, EvseId, StationId, Wiring
from loadmgr.simulate.station import Station
from loadmgr.simulate.temper import GOOD, Temper
from loadmgr.units import Phase

NOW = "2026-01-01T00:00:00Z"


class Backend:
    """Every call of a station is held against the standard's schema."""

    def __init__(self, version: str, password: str | None = None) -> None:
        self.version = version
        self.password = password
        self.port = 0
        self.patience_s = 5.0
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, dict[str, Any]] = {
            "BootNotification": {"status": "Accepted", "currentTime": NOW, "interval": 300},
            "Heartbeat": {"currentTime": NOW},
            "Authorize": self._token(),
            "StartTransaction": {"transactionId": 41} | self._token(),
        }
        self.refused: list[bool] = []  # whether each next end of a transaction is
        self.connections = 0
        self.socket: ServerConnection | None = None
        self._serials = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[list[Any]]] = {}

    def _token(self) -> dict[str, Any]:
        return {"idTagInfo" if self.version == "1.6" else "idTokenInfo": {"status": "Accepted"}}

    def admit(self, socket: ServerConnection, request: Request) -> Response | None:
        expected = base64.b64encode(f"CP1:{self.password}".encode()).decode()
        if self.password and request.headers.get("Authorization") != f"Basic {expected}":
            return socket.respond(HTTPStatus.UNAUTHORIZED, "no\n")
        return None

    async def attend(self, socket: ServerConnection) -> None:
        self.connections += 1
        self.socket = socket
        try:
            async for frame in socket:
                match json.loads(frame):
                    case [2, serial, action, payload]:
                        validator = get_validator(MessageType.Call, action, self.version)
                        validator.validate(payload)
                        self.said.append((action, payload))
                        if _ends(action, payload) and self.refused and self.refused.pop(0):
                            await socket.send(json.dumps([4, serial, "InternalError", "", {}]))
                            continue
                        answer = self.answers.get(action, {})
                        await socket.send(json.dumps([3, serial, answer]))
                    case [3 | 4, serial, *_] as reply:
                        self._waiting.pop(serial).set_result(reply)
        except ConnectionClosed:
            pass

    async def call(self, action: str, payload: dict[str, Any]) -> list[Any]:
        """The whole reply frame."""
        assert self.socket is not None
        serial = f"b{next(self._serials)}"
        answer = self._waiting[serial] = asyncio.get_running_loop().create_future()
        await self.socket.send(json.dumps([2, serial, action, payload]))
        async with asyncio.timeout(self.patience_s):
            return await answer

    async def ask(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        reply = await self.call(action, payload)
        assert reply[0] == 3, reply
        if action not in ("SetChargingProfile", "GetCompositeSchedule") or self.version != "1.6":
            get_validator(MessageType.CallResult, action, self.version).validate(reply[2])
        return reply[2]

    def ends(self) -> list[dict[str, Any]]:
        """What it was told of transactions that are over, each time."""
        return [payload for action, payload in self.said if _ends(action, payload)]

    def heard(self, action: str) -> list[dict[str, Any]]:
        return [payload for said, payload in self.said if said == action]


def _ends(action: str, payload: dict[str, Any]) -> bool:
    return action == "StopTransaction" or payload.get("eventType") == "Ended"


@asynccontextmanager
async def backend(version: str, password: str | None = None) -> AsyncIterator[Backend]:
    back = Backend(version, password)
    async with serving(back):
        yield back


@asynccontextmanager
async def serving(back: Backend) -> AsyncIterator[None]:
    """On the port it had before, if it had one."""
    subprotocol = f"ocpp{back.version}"
    async with serve(
        back.attend,
        "127.0.0.1",
        back.port,
        subprotocols=[subprotocol],  # type: ignore[list-item]
        process_request=back.admit,
        close_timeout=0.5,
    ) as server:
        back.port = server.sockets[0].getsockname()[1]
        yield


@asynccontextmanager
async def charging_station(
    back: Backend, *, temper: Temper = GOOD, password: str | None = None, speed: float = 20.0
) -> AsyncIterator[SimulatedStation]:
    """CP1 with one rotated EVSE, at twenty times the speed of life."""
    clock = ModelClock(speed=speed)
    evse = Evse(
        id=EvseId("CP1"),
        station=StationId("CP1"),
        circuit=CircuitId("main"),
        wiring=Wiring((Phase.L2, Phase.L3, Phase.L1)),
        max_a=16.0,
    )
    model = Station(
        StationId("CP1"),
        [evse],
        now_s=clock.now_s() // 1,
        temper=temper,
        strict_profiles=back.version != "1.6",
    )
    station = SimulatedStation(
        model,
        protocol=back.version,
        url=f"ws://127.0.0.1:{back.port}/ocpp",
        clock=clock,
        password=password,
    )
    running = asyncio.create_task(station.run())
    try:
        yield station
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(true: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Poll until it is true, and hand back what it was."""
    async with asyncio.timeout(seconds):
        while not (found := true()):  # noqa: ASYNC110 - a plain predicate has no Event
            await asyncio.sleep(0.01)
    return found
