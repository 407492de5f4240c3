"""One socket of one station: frames in and out, one open CALL, deadlines on monotonic time."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol
from uuid import uuid4

from websockets.exceptions import ConnectionClosed

from connectors.ocpp import schema
from connectors.ocpp.dialect import Heard, Request, Wrong
from connectors.ocpp.frames import Call, CallError, CallResult, Frame, Malformed, read, write
from connectors.ocpp.orders import Answer, NoAnswer
from loadmgr.ports import Emit, Kept

MALFORMED_PER_MINUTE = 20
MESSAGES_PER_S = 20.0
BURST = 60.0
"""What a station may say at once after a reconnect, before it is read more slowly."""

PROTOCOL_ERROR, POLICY_VIOLATION = 1002, 1008  # RFC 6455 section 7.4.1

Hear = Callable[[Call], Heard]
"""Translates a CALL. Raises Wrong for one that is to be answered with a CALLERROR."""

_log = logging.getLogger(__name__)


class Socket(Protocol):
    """What is used of a WebSocket. Closed ones raise `ConnectionClosed`."""

    async def recv(self) -> str | bytes: ...
    async def send(self, message: str) -> None: ...
    async def close(self, code: int = 1000, reason: str = "") -> None: ...


class Bucket:
    """A token bucket that tells how long to wait instead of refusing."""

    def __init__(self, rate_per_s: float, burst: float, now_s: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._left = burst
        self._at_s = now_s

    def wait_s(self, now_s: float) -> float:
        """Take one token; wait this long before using it. [s]"""
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._rate_per_s) - 1.0
        self._at_s = now_s
        return max(0.0, -self._left / self._rate_per_s)


class Connection:
    """Reads until the socket ends, answers what is asked, and asks one thing at a time."""

    def __init__(
        self,
        socket: Socket,
        subprotocol: str,
        hear: Hear,
        emit: Emit,
        kept: Kept,
        *,
        answer_s: float,
        grace_s: float,
    ) -> None:
        self._socket = socket
        self._subprotocol = subprotocol
        self._hear = hear
        self._emit = emit
        self._kept = kept
        self._answer_s = answer_s
        self._loop = asyncio.get_running_loop()
        self._ready_at_s = self._loop.time() + grace_s
        self._spoken = asyncio.Event()
        self._one_open = asyncio.Lock()  # first come, first served: an order waits for one CALL
        self._open: tuple[str, asyncio.Future[Answer | None]] | None = None
        self._over: str | None = None  # why, once it is
        self._last_words: set[asyncio.Task[None]] = set()  # that wait to be answered
        self._malformed: deque[float] = deque(maxlen=MALFORMED_PER_MINUTE + 1)

    # ── Asking ────────────────────────────────────────────────────────────────────────────

    async def ready(self) -> None:
        """Until the station has been answered once: some fail on a CALL before their Boot.

        One that reconnects and keeps silent has nothing to boot; it is waited for only shortly.
        """
        try:
            async with asyncio.timeout_at(self._ready_at_s):
                await self._spoken.wait()
        except TimeoutError:
            pass

    async def ask(self, request: Request) -> Answer:
        """The answer to a CALL of ours.

        Raises
        ------
        NoAnswer
            None in time, or no connection. What comes later is ignored.
        """
        await self.ready()
        async with self._one_open:
            self._refuse_if_over()
            call = Call(str(uuid4()), request.action, request.payload)
            future: asyncio.Future[Answer | None] = self._loop.create_future()
            self._open = (call.id, future)
            try:
                async with asyncio.timeout(self._answer_s):
                    await self._socket.send(write(call))
                    answer = await future
            except TimeoutError:
                why = f"no answer to {request.action} in {self._answer_s:g} s"
                raise NoAnswer(why) from None
            except ConnectionClosed:
                raise NoAnswer("the connection is closed") from None
            finally:
                self._open = None
        if answer is None:
            self._refuse_if_over()
            raise NoAnswer("the connection is over")
        return answer

    def _refuse_if_over(self) -> None:
        if self._over is not None:
            raise NoAnswer(self._over)

    # ── Ending ────────────────────────────────────────────────────────────────────────────

    def abandon(self, reason: str) -> None:
        """Nothing is asked or heard any more; an open CALL is lost now."""
        if self._over is None:
            self._over = reason
        self._spoken.set()
        if self._open is not None and not self._open[1].done():
            self._open[1].set_result(None)

    async def close(self, code: int, reason: str) -> None:
        self.abandon(reason)
        await self._socket.close(code, reason.encode()[:120].decode(errors="ignore"))

    # ── Listening ─────────────────────────────────────────────────────────────────────────

    async def listen(self) -> str:
        """Answer the station until the socket ends; returns why it did."""
        bucket = Bucket(MESSAGES_PER_S, BURST, self._loop.time())
        try:
            while self._over is None:
                message = await self._socket.recv()
                wait_s = bucket.wait_s(self._loop.time())
                if wait_s > 0:
                    await asyncio.sleep(wait_s)  # what is not read holds the sender back
                await self._take(message)
        except ConnectionClosed as closed:
            self.abandon(_why(closed))
        finally:
            self.abandon("stopped")
            for waiting in self._last_words:
                waiting.cancel()  # it is told again
        return self._over or ""

    async def _take(self, message: str | bytes) -> None:
        if self._over is not None:
            return
        try:
            if isinstance(message, bytes):
                raise Malformed("a binary message")
            frame = read(message)
        except Malformed as fault:
            await self._reject(fault)
            return
        if isinstance(frame, Call):
            await self._answer(frame)
        else:
            self._settle(frame)

    async def _answer(self, call: Call) -> None:
        reply: Frame
        heard = Heard({})
        try:
            heard = self._hear(call)
            reply = CallResult(call.id, heard.reply)
        except Wrong as wrong:
            reply = CallError(call.id, wrong.code, str(wrong))
        except Exception:
            # A mistake of ours must not cost the station its connection.
            _log.exception("no sense could be made of %s", call.action)
            reply = CallError(call.id, "InternalError", "")
        if heard.final:
            self._take_last_word(call, heard)
            return
        try:
            await self._socket.send(write(reply))
        finally:
            # After the reply, so that no order overtakes it; and even if the reply is lost.
            for event in heard.events:
                self._emit(event)
            self._spoken.set()

    def _take_last_word(self, call: Call, heard: Heard) -> None:
        """The other way round, and beside all else: a disk may take its time."""
        for event in heard.events:
            self._emit(event)
        self._spoken.set()
        waiting = self._loop.create_task(self._answer_when_kept(call, heard))
        self._last_words.add(waiting)
        waiting.add_done_callback(self._last_words.discard)

    async def _answer_when_kept(self, call: Call, heard: Heard) -> None:
        reply: Frame = CallResult(call.id, heard.reply)
        if not await self._kept():
            reply = CallError(call.id, "InternalError", "it cannot be stored now: tell it again")
        with suppress(ConnectionClosed):
            await self._socket.send(write(reply))

    def _settle(self, answer: Answer) -> None:
        if self._open is None or self._open[0] != answer.id or self._open[1].done():
            _log.debug("an answer that nobody waits for is ignored")
            return
        self._open[1].set_result(answer)

    async def _reject(self, fault: Malformed) -> None:
        now_s = self._loop.time()
        self._malformed.append(now_s)
        if len(self._malformed) > MALFORMED_PER_MINUTE and now_s - self._malformed[0] < 60:
            await self.close(POLICY_VIOLATION, "too many malformed messages")
            return
        reply = _complaint(fault, self._subprotocol)
        if reply is not None:
            await self._socket.send(write(reply))


def _complaint(fault: Malformed, subprotocol: str) -> CallError | None:
    """1.6 has no id for what was not readable, and ignores unknown types (OCPP-J section 4.1.3)."""
    if not fault.answerable:
        return None
    if subprotocol == "ocpp1.6":
        if fault.id is None or fault.kind_unknown:
            return None
        return CallError(fault.id, schema.MALFORMED[subprotocol], str(fault))
    if fault.kind_unknown:
        return CallError(fault.id or "-1", "MessageTypeNotSupported", str(fault))
    return CallError(fault.id or "-1", "RpcFrameworkError", str(fault))


def _why(closed: ConnectionClosed) -> str:
    ours, theirs = closed.sent, closed.rcvd
    if theirs is not None and closed.rcvd_then_sent:
        return f"closed by the station: {theirs.code} {theirs.reason}".strip()
    if ours is not None:
        return f"closed here: {ours.code} {ours.reason}".strip()
    return "the connection broke"
