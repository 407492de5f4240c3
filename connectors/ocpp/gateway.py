"""Accepts charging stations on one port and routes the engine's orders to them."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response
from websockets.typing import Subprotocol

from connectors.ocpp import learning, options, schema, security, v16, v201
from connectors.ocpp.connection import POLICY_VIOLATION, PROTOCOL_ERROR, Connection
from connectors.ocpp.dialect import Ability, Dialect, Heard, Speaker
from connectors.ocpp.frames import Call
from connectors.ocpp.orders import Respondent, carry_out, lost
from connectors.ocpp.schedule import rate_units
from connectors.ocpp.security import Credentials
from connectors.ocpp.transactions import Transactions
from loadmgr.events import (
    Confirmed,
    Order,
    Outcome,
    ReadFallback,
    SetFallback,
    StationBooted,
    StationConnected,
    StationDisconnected,
)
from loadmgr.model import EvseId, StationId
from loadmgr.ports import Context, Emit, Kept, Options

LONGEST_MESSAGE = 64 * 1024
HANDSHAKE_S = 10.0
BOOT_GRACE_S = 2.0

_DIALECTS: dict[str, Dialect] = {v201.SUBPROTOCOL: v201, v16.SUBPROTOCOL: v16}

_log = logging.getLogger(__name__)


def connect(opts: Options, context: Context) -> OcppGateway:
    """The entry point `gateway.ocpp`.

    Raises
    ------
    BadOption
    """
    parsed = options.parse(opts, context.site)
    return OcppGateway(
        parsed, context, options.credentials(parsed, context.site), options.tls(parsed)
    )


@dataclass(slots=True, kw_only=True)
class Link:
    """One station on one connection."""

    station: StationId
    number: int
    dialect: Dialect
    connection: Connection
    to_learn: asyncio.Event = field(default_factory=asyncio.Event)


class OcppGateway:
    """A central system (CSMS) for OCPP 1.6J and 2.0.1. Implements `Gateway`."""

    def __init__(
        self,
        opts: options.OcppOptions,
        context: Context,
        credentials: Credentials | None,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._options = opts
        self._site = context.site
        self._clock = context.clock
        self._credentials = credentials
        self._tls = tls
        self._known = Transactions(context.clock.now())
        # Milliseconds keep the numbers of two runs of the process apart.
        self._numbers = itertools.count(int(context.clock.now().timestamp() * 1000))
        self._present: dict[StationId, Link] = {}
        self._abilities: dict[StationId, Ability] = {}
        self._fallback_a: dict[EvseId, float] = {}  # last accepted
        self._units = {
            evse.id: rate_units(evse, self._site.voltage_v, evse.station in opts.balanced_stations)
            for evse in self._site.evses
        }
        self._closing: set[asyncio.Task[None]] = set()
        self._emit: Emit = lambda event: None
        self._kept: Kept = _unkept
        self._port: int | None = None
        self._listening = asyncio.Event()
        self._dialects = {f"ocpp{v}": _DIALECTS[f"ocpp{v}"] for v in opts.versions}
        for dialect in self._dialects.values():
            schema.load(dialect.SUBPROTOCOL, dialect.HEARD)

    # ── The port ──────────────────────────────────────────────────────────────────────────

    @property
    def port(self) -> int:
        """The port it listens on; before that, the one it was told to."""
        return self._options.port if self._port is None else self._port

    @property
    def url(self) -> str:
        """Where stations connect to; each adds `/` and its identity."""
        host = self._options.host
        host = f"[{host}]" if ":" in host else host
        return f"{'ws' if self._tls is None else 'wss'}://{host}:{self.port}"

    async def listening(self) -> str:
        """Waits until stations can connect; returns `url`."""
        await self._listening.wait()
        return self.url

    async def run(self, emit: Emit, kept: Kept) -> None:
        """Accept stations and report what they say until cancelled.

        Raises
        ------
        OSError
            The port cannot be had.
        """
        self._emit, self._kept = emit, kept
        try:
            server = await self._open(self._site.offline.lost_after_s)
        except OSError as error:
            where = f"{self._options.host}:{self._options.port}"
            said = f"chargers cannot be listened to on {where}: {os.strerror(error.errno or 0)}"
            raise OSError(error.errno, said) from error
        self._port = server.sockets[0].getsockname()[1]
        self._listening.set()
        _log.info("charging stations connect to %s/<identity>", self.url)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._listening.clear()
            await _close(server)

    async def _open(self, lost_after_s: float) -> Server:
        return await serve(
            self._attend,
            self._options.host,
            self._options.port,
            ssl=self._tls,
            process_request=self._admit,
            select_subprotocol=self._common_version,
            compression=None,
            max_size=LONGEST_MESSAGE,
            open_timeout=HANDSHAKE_S,
            # A dead link is found after both of these and the closing: 0.9 of what is allowed.
            ping_interval=0.4 * lost_after_s,
            ping_timeout=0.4 * lost_after_s,
            close_timeout=min(2.0, 0.1 * lost_after_s),
            server_header=None,
        )

    def _admit(self, socket: ServerConnection, request: HttpRequest) -> Response | None:
        """Before the 101. An unknown station and a wrong password look the same."""
        name = security.identity(request.path)
        if self._credentials is None:
            admitted = name in self._site.stations
        else:
            headers = request.headers.get_all("Authorization")
            admitted = self._credentials.admit(name, headers[0] if len(headers) == 1 else None)
        if admitted:
            return None
        _log.info("a connection as %.48r was refused", name)
        return _unauthorized()

    def _common_version(
        self, socket: ServerConnection, offered: Sequence[Subprotocol]
    ) -> Subprotocol | None:
        """The first a station offers that is spoken here; None keeps the header away."""
        return next((version for version in offered if version in self._dialects), None)

    # ── Stations coming and going ─────────────────────────────────────────────────────────

    async def _attend(self, socket: ServerConnection) -> None:
        dialect = self._dialects.get(socket.subprotocol or "")
        if dialect is None or socket.request is None:
            # OCPP-J section 3.1.2: the handshake completes without the header, then we close.
            await socket.close(PROTOCOL_ERROR, "no version of OCPP in common")
            return
        link = self._link(StationId(security.identity(socket.request.path)), dialect, socket)
        self._arrive(link)
        learner = asyncio.create_task(self._learn(link))
        reason = "stopped"
        try:
            reason = await link.connection.listen()
        finally:
            learner.cancel()
            self._leave(link, reason)

    def _link(self, station: StationId, dialect: Dialect, socket: ServerConnection) -> Link:
        number = next(self._numbers)
        evses = {evse.number: evse for evse in self._site.stations[station]}

        def hear(call: Call) -> Heard:
            who = Speaker(
                station=station,
                connection=number,
                evses=evses,
                at=self._clock.now(),
                heartbeat_s=self._options.heartbeat_s,
            )
            heard = dialect.hear(call.action, call.payload, who, self._known)
            if any(isinstance(event, StationBooted) for event in heard.events):
                link.to_learn.set()
            return heard

        connection = Connection(
            socket,
            dialect.SUBPROTOCOL,
            hear,
            self._emit,
            self._kept,
            answer_s=self._options.answer_s,
            grace_s=BOOT_GRACE_S,
        )
        link = Link(station=station, number=number, dialect=dialect, connection=connection)
        return link

    def _arrive(self, link: Link) -> None:
        """The newest connection of a station is the station; the one before it is history."""
        older = self._present.get(link.station)
        if older is not None:
            reason = "replaced by a newer connection"
            _log.warning("%s: connected again while connected", link.station)
            older.connection.abandon(reason)
            self._leave(older, reason)
            self._close_soon(older, reason)
        self._present[link.station] = link
        self._emit(
            StationConnected(
                at=self._clock.now(),
                station=link.station,
                connection=link.number,
                protocol=link.dialect.SUBPROTOCOL,
            )
        )

    def _leave(self, link: Link, reason: str) -> None:
        """Only the present connection of a station can take the station away."""
        if self._present.get(link.station) is not link:
            return
        del self._present[link.station]
        self._emit(
            StationDisconnected(
                at=self._clock.now(), station=link.station, connection=link.number, reason=reason
            )
        )

    def _close_soon(self, link: Link, reason: str) -> None:
        """Closing waits for the other side, which may be gone."""
        task = asyncio.create_task(link.connection.close(POLICY_VIOLATION, reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _learn(self, link: Link) -> None:
        """Once for each connection, and again whenever the station has booted on it."""
        evses = {evse.number: evse for evse in self._site.stations[link.station]}
        ask = link.connection.ask
        link.to_learn.set()
        await link.connection.ready()
        while True:
            await link.to_learn.wait()
            link.to_learn.clear()
            ability = await learning.ask_about(link.dialect, ask, self._ability(link.station))
            self._abilities[link.station] = ability
            await learning.instruct(link.dialect, ask, evses, self._options.sample_every_s)

    def _ability(self, station: StationId) -> Ability:
        return self._abilities.get(station, Ability())

    # ── Orders ────────────────────────────────────────────────────────────────────────────

    async def execute(self, order: Order) -> Outcome:
        """Carry out one order and say how it went; never raises for the station's sake."""
        evse = self._site.evse.get(order.evse)
        link = None if evse is None else self._present.get(evse.station)
        if evse is None or link is None or link.number != order.connection:
            return lost(order, "not connected", self._clock)
        outcome = await carry_out(
            order,
            evse,
            self._units[evse.id],
            Respondent(
                dialect=link.dialect,
                ask=link.connection.ask,
                ability=self._ability(evse.station),
                clock=self._clock,
                written_a=self._fallback_a.get(evse.id),
            ),
        )
        if isinstance(order, SetFallback) and isinstance(outcome, Confirmed):
            self._fallback_a[evse.id] = order.current_a
        if _cannot_say(order, outcome):
            # Some tell what a profile comes to only when it has a fixed start.
            ability = replace(self._ability(evse.station), relative_default=False)
            self._abilities[evse.station] = ability
        return outcome

    async def close(self, station: str, reason: str) -> None:
        """Drop the connection of a station; its orders are lost from now on."""
        link = self._present.get(StationId(station))
        if link is not None:
            await link.connection.close(POLICY_VIOLATION, reason)


async def _unkept() -> bool:
    """Before it runs, nobody listens."""
    return False


async def _close(server: Server) -> None:
    """Let nobody in any more, and close who is.

    What asyncio accepts in the moment in which its server closes, nobody closes (CPython
    gh-109564, open). So the door is shut first, and who stands in it comes in.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    for _ in range(3):  # accepted, connected, heard of
        await asyncio.sleep(0)
    server.close()
    await server.wait_closed()


def _cannot_say(order: Order, outcome: Outcome) -> bool:
    return (
        isinstance(order, ReadFallback)
        and isinstance(outcome, Confirmed)
        and outcome.current_a is None
    )


def _unauthorized() -> Response:
    body = b"Unauthorized\n"
    headers = Headers(
        {
            "WWW-Authenticate": 'Basic realm="ocpp", charset="UTF-8"',
            "Connection": "close",
            "Content-Length": str(len(body)),
            "Content-Type": "text/plain",
        }
    )
    return Response(401, "Unauthorized", headers, body)
