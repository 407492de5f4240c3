"""A raw station for tests: a WebSocket client that says exactly what it is told to."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

V16, V201 = "ocpp1.6", "ocpp2.0.1"

Answer = dict[str, Any] | Callable[[dict[str, Any]], dict[str, Any] | None] | None


class RawStation:
    """Answers CALLs from a table (`None`: silence) and records all it hears."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.answers: dict[str, Answer] = {}
        self.heard: list[tuple[str, str, dict[str, Any]]] = []  # id, action, payload
        self._replies: asyncio.Queue[list[Any]] = asyncio.Queue()
        self._ids = 0
        self._news = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def call(self, action: str, payload: dict[str, Any]) -> list[Any]:
        """The whole reply frame to a CALL of ours."""
        self._ids += 1
        await self.say([2, f"s{self._ids}", action, payload])
        return await self.reply()

    async def ask(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The payload of the reply, which must be a CALLRESULT."""
        reply = await self.call(action, payload)
        assert reply[0] == 3, reply
        payload = reply[2]
        assert isinstance(payload, dict)
        return payload

    async def say(self, frame: object) -> None:
        await self.socket.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    async def reply(self, timeout: float = 3.0) -> list[Any]:
        async with asyncio.timeout(timeout):
            return await self._replies.get()

    async def until_asked(self, action: str, timeout: float = 5.0) -> dict[str, Any]:
        """The payload of the latest CALL of that action, waiting for the first."""
        async with asyncio.timeout(timeout):
            while not self.asked(action):
                self._news.clear()
                await self._news.wait()
        return self.asked(action)[-1]

    def asked(self, action: str) -> list[dict[str, Any]]:
        return [payload for _, name, payload in self.heard if name == action]

    async def boot(self) -> None:
        if self.socket.subprotocol == V16:
            boot: dict[str, Any] = {"chargePointVendor": "Acme", "chargePointModel": "One"}
        else:
            boot = {
                "reason": "PowerUp",
                "chargingStation": {"vendorName": "Acme", "model": "Two"},
            }
        assert (await self.ask("BootNotification", boot))["status"] == "Accepted"

    async def until_closed(self, timeout: float = 5.0) -> int | None:
        """The close code."""
        async with asyncio.timeout(timeout):
            await self.socket.wait_closed()
        return self.socket.close_code

    async def close(self) -> None:
        self._reader.cancel()
        await self.socket.close()

    async def _read(self) -> None:
        try:
            async for text in self.socket:
                frame = json.loads(text)
                if frame[0] == 2:
                    await self._hear(frame)
                else:
                    self._replies.put_nowait(frame)
        except ConnectionClosed:
            pass

    async def _hear(self, frame: list[Any]) -> None:
        _, id, action, payload = frame
        self.heard.append((id, action, payload))
        self._news.set()
        answer = self.answers.get(action, {"status": "Rejected"})
        if callable(answer):
            answer = answer(payload)
        if answer is not None:
            await self.say([3, id, answer])


def basic(user: str, password: str | bytes) -> dict[str, str]:
    raw = password.encode() if isinstance(password, str) else password
    return {"Authorization": "Basic " + base64.b64encode(user.encode() + b":" + raw).decode()}


@asynccontextmanager
async def station(
    url: str,
    identity: str,
    version: str | None,
    headers: dict[str, str] | None = None,
    **options: Any,
) -> AsyncIterator[RawStation]:
    async with connect(
        f"{url}/{identity}",
        subprotocols=None if version is None else [Subprotocol(version)],
        additional_headers=headers,
        proxy=None,
        compression=None,
        **options,
    ) as socket:
        raw = RawStation(socket)
        try:
            yield raw
        finally:
            await raw.close()
