"""One OCPP-J connection seen from the station: calls out, calls in, one open call at a time.

OCPP-J 1.6 section 4. What comes in is held against the schemas of the standard.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ocpp.messages import MessageType, get_validator
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

Payload = dict[str, Any]

CALL, CALLRESULT, CALLERROR = 2, 3, 4

_WITH_DECIMALS = {("1.6", "SetChargingProfile"), ("1.6", "RemoteStartTransaction")}
"""Their schemas ask for multiples of 0.1, which binary fractions miss."""


class CallFailed(Exception):
    """A CALLERROR, ours or theirs."""

    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a call, and what the station does once it is on its way."""

    payload: Payload
    then: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How one incoming call is treated."""

    delay_s: float = 0.0  # real seconds
    unheard: bool = False
    unanswered: bool = False


class Wire:
    """Frames and matching. Knows no action by name."""

    def __init__(
        self,
        socket: ClientConnection,
        *,
        version: str,
        handle: Callable[[str, Payload], Reply],
        manners: Callable[[], Manners],
        deadline_s: float = 30.0,
    ) -> None:
        self._socket = socket
        self._version = version
        self._handle = handle
        self._manners = manners
        self._deadline_s = deadline_s
        self._serials = itertools.count(1)
        self._open: dict[str, asyncio.Future[Payload]] = {}
        self._one_at_a_time = asyncio.Lock()

    async def call(self, action: str, payload: Payload) -> Payload:
        """Ask the back end and wait for its answer.

        Raises
        ------
        CallFailed
            It answered with a CALLERROR.
        TimeoutError, ConnectionClosed
            It did not answer.
        """
        async with self._one_at_a_time:
            serial = str(next(self._serials))
            answer: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
            self._open[serial] = answer
            try:
                await self._socket.send(json.dumps([CALL, serial, action, payload]))
                # Not wait_for: in Python 3.11 it swallows a cancellation that meets the answer.
                async with asyncio.timeout(self._deadline_s):
                    return await answer
            finally:
                self._open.pop(serial, None)

    async def listen(self) -> None:
        """Take what comes in until the connection closes."""
        async with asyncio.TaskGroup() as answering:
            async for frame in _until_closed(self._socket):
                match _parsed(frame):
                    case [2, str(serial), str(action), dict(payload)]:
                        answering.create_task(self._answer(serial, action, payload))
                    case [3, str(serial), dict(payload)]:
                        self._settle(serial, payload)
                    case [4, str(serial), str(code), *rest]:
                        self._settle(serial, CallFailed(code, str(rest[0]) if rest else ""))
                    case _:
                        pass  # nobody to tell: it carries no id that could be answered

    def _settle(self, serial: str, outcome: Payload | CallFailed) -> None:
        waiting = self._open.get(serial)
        if waiting is None or waiting.done():
            return
        if isinstance(outcome, CallFailed):
            waiting.set_exception(outcome)
        else:
            waiting.set_result(outcome)

    async def _answer(self, serial: str, action: str, payload: Payload) -> None:
        manners = self._manners()
        if manners.unheard:
            return
        await asyncio.sleep(manners.delay_s)
        then = None
        frame: list[Any]
        try:
            check(self._version, action, payload)
            reply = self._handle(action, payload)
            frame, then = [CALLRESULT, serial, reply.payload], reply.then
        except CallFailed as refusal:
            frame = [CALLERROR, serial, refusal.code, refusal.description[:255], {}]
        if not manners.unanswered:
            with contextlib.suppress(ConnectionClosed):  # the answer is lost, the deed is done
                await self._socket.send(json.dumps(frame))
        if then is not None:
            await then()


def check(version: str, action: str, payload: Payload) -> None:
    """Hold a call against the standard's schema.

    Raises
    ------
    CallFailed
        With the code OCPP-J has for it.
    """
    parse = Decimal if (version, action) in _WITH_DECIMALS else float
    try:
        validator = get_validator(MessageType.Call, action, version, parse_float=parse)
    except OSError:
        raise CallFailed("NotImplemented", f"{action} is not known") from None
    told = json.loads(json.dumps(payload), parse_float=parse)
    fault = next(validator.iter_errors(told), None)
    if fault is not None:
        code = "FormationViolation" if version == "1.6" else "FormatViolation"
        raise CallFailed(code, fault.message)


async def _until_closed(socket: ClientConnection) -> AsyncIterator[str | bytes]:
    with contextlib.suppress(ConnectionClosed):
        async for frame in socket:
            yield frame


def _parsed(frame: str | bytes) -> Any:
    try:
        return json.loads(frame)
    except ValueError:
        return None
