"""Meters that speak Modbus TCP."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException, ModbusIOException
from pymodbus.framer.socket import FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU

from connectors.meters.polled import (
    READ_BY_OTHERS,
    Ask,
    PolledMeter,
    bounds_here,
    check_rhythm,
)
from connectors.meters.reading import NoReading, Reading, signed_a
from connectors.meters.registers import PROFILES, Addresses, Profile
from connectors.options import OptionsModel, Seconds, checked, suggestion
from loadmgr.model import MeterId
from loadmgr.ports import BadOption, Context, Options, Source
from loadmgr.units import PerPhase

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address: is this the right device?",
    3: "illegal data value",
    4: "device failure",
    6: "device busy",
    10: "gateway path unavailable",
    11: "gateway got no answer: is the unit right?",
}
"""Modbus Application Protocol V1.1b3, section 7."""


class ModbusOptions(OptionsModel):
    """The block of a `type: modbus` meter."""

    device: str
    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] = 502
    unit: Annotated[int, Field(ge=0, le=255)] = 1
    poll: Seconds = 1.0
    timeout: Annotated[Seconds, Field(gt=0)] = 3.0
    reverse: bool = False  # the meter stands the other way round
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0  # of current transformers
    frozen_after: Annotated[int, Field(ge=0)] = 60  # equal readings in a row; 0: never


def connect(options: Options, context: Context) -> Source:
    """A Modbus TCP meter.

    Raises
    ------
    BadOption
    """
    chosen = checked(ModbusOptions, options, read_by_others=READ_BY_OTHERS)
    profile = PROFILES.get(chosen.device)
    if profile is None:
        raise BadOption(
            ("device",), f"no meter {chosen.device!r}. {suggestion(chosen.device, PROFILES)}"
        )
    check_rhythm(context, chosen.poll)
    _leave_reporting_to_us()
    return PolledMeter(
        meter=MeterId(context.name),
        link=ModbusLink(chosen, profile, context.site.voltage_v).open,
        every_s=chosen.poll,
        timeout_s=chosen.timeout,
        bounds=bounds_here(context, chosen.frozen_after),
        clock=context.clock,
    )


# ── Wire → domain ─────────────────────────────────────────────────────────────────────────


def reading(
    profile: Profile,
    registers: Mapping[int, int],
    *,
    voltage_v: float,
    reverse: bool = False,
    scale: float = 1.0,
) -> Reading:
    """Currents with their direction, from raw 16-bit registers by address."""
    towards = -scale if reverse else scale
    current_a = _values(profile, registers, profile.current, profile.ampere * scale)
    power_w = _values(profile, registers, profile.power, profile.watt * towards)
    l1, l2, l3 = (signed_a(i, p, voltage_v) for i, p in zip(current_a, power_w, strict=True))
    return Reading((l1, l2, l3))


def _values(
    profile: Profile, registers: Mapping[int, int], addresses: Addresses, unit: float
) -> PerPhase:
    words = [registers[address + offset] for address in addresses for offset in (0, 1)]
    numbers = AsyncModbusTcpClient.convert_from_registers(
        words, AsyncModbusTcpClient.DATATYPE[profile.encoding], profile.word_order
    )
    l1, l2, l3 = (float(number) * unit for number in numbers)  # type: ignore[union-attr]  # three of them
    return (l1, l2, l3)


# ── The connection ────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class ModbusLink:
    """One TCP connection, made when needed and dropped at the first doubt about it."""

    options: ModbusOptions
    profile: Profile
    voltage_v: float
    _client: AsyncModbusTcpClient | None = field(default=None, init=False)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Ask]:
        try:
            yield self.ask
        finally:
            self._drop()

    async def ask(self) -> Reading:
        try:
            answers = [await self._read(*block) for block in self.profile.blocks]
        except NoReading:
            raise  # a plain answer, or no connection at all: nothing can be left over
        except ModbusException as error:
            self._drop()
            raise NoReading(f"the connection broke: {error}") from None
        except BaseException:
            # Cancelled by the time-out: the late answer must not be taken for one to the next poll.
            self._drop()
            raise
        return reading(
            self.profile,
            {address: word for answer in answers for address, word in answer.items()},
            voltage_v=self.voltage_v,
            reverse=self.options.reverse,
            scale=self.options.scale,
        )

    async def _read(self, first: int, count: int) -> dict[int, int]:
        client = await self._connected()
        read = client.read_input_registers
        if self.profile.function == 3:
            read = client.read_holding_registers
        answer = await read(first, count=count, device_id=self.options.unit)
        return dict(enumerate(_checked_words(answer, self.profile.function, count), start=first))

    async def _connected(self) -> AsyncModbusTcpClient:
        if self._client is not None and self._client.connected:
            return self._client
        self._drop()
        options = self.options
        # One rhythm and one time-out for every kind of meter: those of `PolledMeter`. So no
        # reconnecting or retrying here, and a time-out that never comes first.
        client = AsyncModbusTcpClient(
            options.host,
            port=options.port,
            timeout=2 * options.timeout,
            retries=0,
            reconnect_delay=0,
        )
        client.ctx.framer = _SilentFramer(DecodePDU(False))
        self._client = client
        if not await client.connect():
            raise NoReading(f"no connection to {options.host}:{options.port}")
        return client

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def _checked_words(answer: ModbusPDU, function: int, count: int) -> list[int]:
    if answer.isError():
        meaning = EXCEPTIONS.get(answer.exception_code, "a code without a name")
        raise NoReading(f"the device refused: exception {answer.exception_code}, {meaning}")
    if answer.function_code != function or len(answer.registers) != count:
        raise NoReading(
            f"asked for {count} registers by function {function}, got {len(answer.registers)} "
            f"by function {answer.function_code}"
        )
    return list(answer.registers)


class _SilentFramer(FramerSocket):
    """Takes a frame that cannot be decoded for silence, which then runs into the time-out.

    pymodbus raises inside the event loop's callback instead, where nobody can catch it and
    asyncio prints a traceback.
    """

    def handleFrame(
        self, data: bytes, exp_devid: int, exp_tid: int
    ) -> tuple[int, ModbusPDU | None]:
        try:
            return super().handleFrame(data, exp_devid, exp_tid)
        except ModbusIOException:
            return len(data), None


def _leave_reporting_to_us() -> None:
    """pymodbus complains at every attempt; we report once. Whoever set a level keeps it."""
    theirs = logging.getLogger("pymodbus.logging")
    if theirs.level == logging.NOTSET:
        theirs.setLevel(logging.CRITICAL)
