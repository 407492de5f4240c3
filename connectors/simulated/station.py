"""A charging station that speaks real OCPP over a real socket, and is a model behind it.

It keeps its profiles and its transaction while the link is down, reconnects with back-off, and
tells what happened meanwhile. Its manners are those of the model's temper.
"""

from __future__ import annotations

import asyncio
import base64
import random
import uuid
from collections import deque
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from connectors.simulated.clock import ModelClock
from connectors.simulated.dialect import Call, Dialect
from connectors.simulated.moments import Begun, Ended, Metered, Moment
from connectors.simulated.settings import Settings
from connectors.simulated.v16 import V16
from connectors.simulated.v201 import V201
from connectors.simulated.wire import CallFailed, Manners, Payload, Reply, Wire
from loadmgr.model import ConnectorStatus
from loadmgr.simulate.car import CarSpec
from loadmgr.simulate.outlet import Outlet, Transaction
from loadmgr.simulate.station import Station

DIALECTS: dict[str, Dialect] = {dialect.version: dialect for dialect in (V16, V201)}

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
"""Real seconds before it connects again; doubled each time it fails."""

SHORTEST_REST_S = 0.02
"""Real seconds between two looks at what there is to tell, however fast the model runs."""

_CHARGING_STATE = {
    ConnectorStatus.CHARGING: "Charging",
    ConnectorStatus.SUSPENDED_EV: "SuspendedEV",
    ConnectorStatus.SUSPENDED_EVSE: "SuspendedEVSE",
}


class SimulatedStation:
    """One station. `run` it, and plug cars in."""

    def __init__(
        self,
        model: Station,
        *,
        protocol: str,
        url: str,
        clock: ModelClock,
        password: str | None = None,
        advance: Callable[[float], None] | None = None,
        seed: int = 0,
    ) -> None:
        """
        Parameters
        ----------
        protocol : "1.6" or "2.0.1"
        url : of the back end; the identity is appended to its path
        advance : brings the physics up to a POSIX time; by default the model's own.
            Under a plant it is the plant's, which accounts for what flows.
        """
        self.model = model
        self.settings = Settings(len(model.outlets))
        self._dialect = DIALECTS[protocol]
        self._url = f"{url.rstrip('/')}/{model.id}"
        self._password = password
        self._clock = clock
        self._advance = advance or model.advance
        self._chance = random.Random(f"{seed}:{model.id}")
        self._wire: Wire | None = None
        self._socket: ClientConnection | None = None
        self._booted = False
        self._away_until_s = float("-inf")
        self._wake = asyncio.Event()
        self._presented: dict[int, str] = {}  # tokens waiting to be authorised
        self._asked: deque[tuple[str, int | None]] = deque()
        self._untold: deque[Moment] = deque()
        self._told_in_vain = 0  # the first of them
        self._tells_again_s = float("-inf")
        self._serials: dict[int, int] = {}  # next seqNo, by EVSE number
        self._said: dict[int, Payload] = {}  # last status told, by EVSE number
        self._state: dict[int, str] = {}  # last chargingState told
        self._sampled_s: dict[int, float] = {}

    # ── The world's side ──

    @property
    def identity(self) -> str:
        return self.model.id

    @property
    def online(self) -> bool:
        """Connected, and its BootNotification was accepted."""
        return self._wire is not None and self._booted

    @property
    def told(self) -> bool:
        """Of all that happened to its transactions nothing is left to tell, or to be answered."""
        return not self._untold

    def now_s(self) -> float:
        now_s = self._clock.now_s()
        self._advance(now_s)
        return now_s

    def plug(self, number: int, car: CarSpec, token: str = "DEMO") -> None:
        """A car arrives and its driver presents a token. Offline, everybody may charge."""
        self.model.plug(number, car, self.now_s())
        self._presented[number] = token
        if not self.online:
            self._begin(number)
        self._wake.set()

    def unplug(self, number: int) -> None:
        self._presented.pop(number, None)
        transaction = self.model.unplug(number, self.now_s())
        if transaction is not None:
            self._note_end(number, transaction, "EVDisconnected")

    def drop(self, away_s: float | None = None) -> None:
        """The link breaks without a word, and comes back after a while. [model s]"""
        away_s = self.model.temper.away_s if away_s is None else away_s
        self._away_until_s = self._clock.now_s() + away_s
        if self._socket is not None:
            self._socket.transport.abort()

    def reboot(self) -> None:
        """A power cycle: current and link go, and what the station does not keep is forgotten."""
        self.model.reboot(self.now_s())
        self._booted = False
        self.drop(self.model.temper.boot_s)

    async def run(self) -> None:
        """Stay connected until cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            await self._clock.sleep(self._away_until_s - self._clock.now_s())
            try:
                async with self._connected() as socket:
                    pause_s = FIRST_PAUSE_S
                    await self._converse(socket)
            except (OSError, WebSocketException):
                pass  # nobody there, or not admitted: the same as a link that is down
            await asyncio.sleep(pause_s * self._chance.uniform(0.5, 1.0))
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    def _connected(self) -> connect:
        headers = {}
        if self._password is not None:
            pair = f"{self.identity}:{self._password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        return connect(
            self._url,
            subprotocols=[Subprotocol(self._dialect.subprotocol)],
            additional_headers=headers,
            compression=None,
            proxy=None,
            close_timeout=1.0,
        )

    async def _converse(self, socket: ClientConnection) -> None:
        """Talk and listen until the link breaks."""
        wire = Wire(
            socket, version=self._dialect.version, handle=self._handle, manners=self._manners
        )
        self._socket, self._wire = socket, wire
        both = [asyncio.create_task(wire.listen()), asyncio.create_task(self._talk(wire))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._socket = self._wire = None
            for task in both:
                task.cancel()
            ends = await asyncio.gather(*both, return_exceptions=True)
            for number in tuple(self._presented):
                self._begin(number)
        for end in ends:
            # A broken or silent link is part of the world; anything else is a defect of ours.
            if isinstance(end, Exception) and not isinstance(end, (ConnectionClosed, TimeoutError)):
                raise end

    # ── What it says ──

    async def _talk(self, wire: Wire) -> None:
        while not self._booted:
            await self._boot(wire)
        self._said.clear()
        beat_s = self._clock.now_s() + self.settings.heartbeat_s
        drops_s = self._next_drop_s()
        while True:
            await self._tell_status(wire)
            await self._authorize(wire)
            await self._answer_triggers(wire)
            self._sample()
            await self._tell_moments(wire)
            now_s = self.now_s()
            if now_s >= beat_s > 0:
                await self._say(wire, self._dialect.heartbeat())
                beat_s = now_s + max(1.0, self.settings.heartbeat_s)
            if now_s >= drops_s:
                self.drop()
                return
            await self._rest()

    async def _boot(self, wire: Wire) -> None:
        answer = await self._say(wire, self._dialect.boot()) or {}
        interval_s = answer.get("interval") or 10
        if answer.get("status") == "Accepted":
            self.settings.write("HeartbeatInterval", str(interval_s))
            self._booted = True
        else:
            await self._clock.sleep(interval_s)

    async def _say(self, wire: Wire, call: Call) -> Payload | None:
        """The answer, or None if the back end would not have it."""
        try:
            return await wire.call(*call)
        except CallFailed:
            return None

    async def _rest(self) -> None:
        """A model second, or until something happens."""
        try:
            async with asyncio.timeout(max(SHORTEST_REST_S, 1.0 / self._clock.speed)):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _tell_status(self, wire: Wire) -> None:
        now_s = self.now_s()
        for number, outlet in self.model.outlets.items():
            action, payload = self._dialect.status(number, outlet.status, now_s)
            news = {name: value for name, value in payload.items() if name != "timestamp"}
            if self._said.get(number) != news:
                self._said[number] = news
                await self._say(wire, (action, payload))

    async def _authorize(self, wire: Wire) -> None:
        for number, token in tuple(self._presented.items()):
            answer = await self._say(wire, self._dialect.authorize(token))
            accepted = answer is not None and self._dialect.heard(answer)[1]
            if accepted and self._presented.get(number) == token:
                self._begin(number)
            else:
                self._presented.pop(number, None)

    async def _answer_triggers(self, wire: Wire) -> None:
        while self._asked:
            message, number = self._asked.popleft()
            numbers = tuple(self.model.outlets) if not number else (number,)
            match message:
                case "BootNotification":
                    await self._say(wire, self._dialect.boot())
                case "Heartbeat":
                    await self._say(wire, self._dialect.heartbeat())
                case "StatusNotification":
                    for each in numbers:
                        self._said.pop(each, None)
                    await self._tell_status(wire)
                case _:
                    for each in numbers:
                        self._note_meter(each, "Trigger")

    def _sample(self) -> None:
        """Note the samples that are due, and changes that 2.0.1 tells like samples."""
        now_s, sample_s = self.now_s(), self.settings.sample_s
        for number, outlet in self.model.outlets.items():
            if outlet.transaction is None:
                continue
            state = _charging_state(outlet)
            if not self._dialect.named_by_back_end and self._state.get(number) != state:
                self._note_meter(number, "ChargingStateChanged")
            elif sample_s and now_s - self._sampled_s.get(number, now_s - sample_s) >= sample_s:
                self._sampled_s[number] = now_s
                self._note_meter(number, "MeterValuePeriodic")

    async def _tell_moments(self, wire: Wire) -> None:
        """In their order; what the link swallowed is told again on the next one, and what the
        back end would not have some times (1.6 sections 3.7 and 9.1, 2.0.1 E13).
        """
        while self._untold and self._clock.now_s() >= self._tells_again_s:
            moment = self._untold[0]
            transaction = moment.transaction
            if transaction is None or transaction.id or isinstance(moment, Begun):
                terminals = len(self.model.outlets[moment.number].wiring.terminals)
                call = self._dialect.moment(moment, self.settings, terminals)
                answer = await self._say(wire, call)
                if answer is None and self._told_in_vain + 1 < self.settings.attempts:
                    self._told_in_vain += 1
                    pause_s = self.settings.retry_s * self._told_in_vain
                    self._tells_again_s = self._clock.now_s() + pause_s
                    return
                if answer is not None and isinstance(moment, Begun):
                    self._take_name(moment, answer)
            self._told_in_vain = 0
            self._untold.popleft()

    def _take_name(self, begun: Begun, answer: Payload) -> None:
        """What the back end says of a transaction that began: its id, and whether it may go on."""
        id, accepted = self._dialect.heard(answer)
        if self._dialect.named_by_back_end and id is not None:
            begun.transaction.id = id
        running = self.model.outlets[begun.number].transaction is begun.transaction
        if not accepted and running:
            self._end(begun.number, "DeAuthorized")

    # ── What happens to it ──

    def _begin(self, number: int, *, remote: bool = False) -> None:
        token = self._presented.pop(number, "")
        outlet = self.model.outlets[number]
        if outlet.car is None or outlet.transaction is not None or not outlet.operative:
            return
        now_s = self.now_s()
        own_id = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        id = "" if self._dialect.named_by_back_end else own_id
        transaction = self.model.begin(number, now_s, id=id, token=token)
        self._serials[number] = 0
        self._state.pop(number, None)
        self._sampled_s[number] = now_s
        self._untold.append(
            Begun(
                number=number,
                transaction=transaction,
                at_s=now_s,
                serial=self._next_serial(number),
                offline=not self.online,
                remote=remote,
            )
        )
        self._wake.set()

    def _end(self, number: int, reason: str) -> None:
        transaction = self.model.end(number, self.now_s())
        if transaction is not None:
            self._note_end(number, transaction, reason)

    def _note_end(self, number: int, transaction: Transaction, reason: str) -> None:
        self._untold.append(
            Ended(
                number=number,
                transaction=transaction,
                at_s=self._clock.now_s(),
                serial=self._next_serial(number),
                offline=not self.online,
                reason=reason,
            )
        )
        self._wake.set()

    def _note_meter(self, number: int, cause: str) -> None:
        now_s, outlet = self.now_s(), self.model.outlets[number]
        state = self._state[number] = _charging_state(outlet)
        self._untold.append(
            Metered(
                number=number,
                transaction=outlet.transaction,
                at_s=now_s,
                serial=self._next_serial(number) if outlet.transaction else 0,
                offline=False,
                reading=outlet.reading(now_s),
                state=state,
                cause=cause,
            )
        )

    def _next_serial(self, number: int) -> int:
        serial = self._serials.get(number, 0)
        self._serials[number] = serial + 1
        return serial

    def _next_drop_s(self) -> float:
        every_s = self.model.temper.drops_link_every_s
        if every_s is None:
            return float("inf")
        return self._clock.now_s() + self._chance.expovariate(1 / every_s)

    # ── What it is told ──

    def _manners(self) -> Manners:
        temper = self.model.temper
        return Manners(
            delay_s=temper.answer_s / self._clock.speed,
            unheard=self._chance.random() < temper.loses_orders,
            unanswered=self._chance.random() < temper.loses_answers,
        )

    def _handle(self, action: str, payload: Payload) -> Reply:
        rule = self._dialect.rules.get(action)
        if rule is None:
            raise CallFailed("NotSupported", f"{action} is not supported here")
        self._wake.set()
        return rule(self, payload)

    def start_remotely(self, number: int | None, token: str) -> int | None:
        """The EVSE with a waiting car that this start is for, None if there is none."""
        return next(
            (
                each
                for each, outlet in self.model.outlets.items()
                if number in (None, each)
                and outlet.car is not None
                and outlet.transaction is None
                and outlet.operative
            ),
            None,
        )

    async def begin_remotely(self, number: int, token: str) -> None:
        self._presented[number] = token
        self._begin(number, remote=True)

    async def stop_remotely(self, number: int) -> None:
        self._end(number, "Remote")

    async def report(self, message: str, number: int | None) -> None:
        self._asked.append((message, number))
        self._wake.set()

    async def restart(self) -> None:
        self.reboot()


def _charging_state(outlet: Outlet) -> str:
    return _CHARGING_STATE.get(outlet.status, "EVConnected")
