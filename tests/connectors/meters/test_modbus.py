from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from structlog.testing import capture_logs

from connectors.meters.modbus import connect, reading
from connectors.meters.reading import signed_a
from connectors.meters.registers import PROFILES
from loadmgr.ports import BadOption

SDM630 = PROFILES["eastron-sdm630"]

# ── Wire → domain ─────────────────────────────────────────────────────────────────────────

# Copied by hand from the makers' register lists, so that a slip in PROFILES shows:
# function, current of L1, power of L1, then the raw words of 10.5 A and of −2415 W.
FLOAT_10A5, FLOAT_M2415W = (0x4128, 0x0000), (0xC516, 0xF000)
LISTS = {
    "eastron-sdm630": (4, 0x0006, 0x000C, FLOAT_10A5, FLOAT_M2415W),
    "carlo-gavazzi-em340": (4, 0x000C, 0x0012, (0x2904, 0x0000), (0xA1AA, 0xFFFF)),
    "carlo-gavazzi-em24": (4, 0x000C, 0x0012, (0x2904, 0x0000), (0xA1AA, 0xFFFF)),
    "siemens-pac2200": (4, 13, 25, FLOAT_10A5, FLOAT_M2415W),
    "janitza-b23": (3, 19012, 19020, FLOAT_10A5, FLOAT_M2415W),
    "schneider-iem3000": (3, 2999, 3053, FLOAT_10A5, (0xC01A, 0x8F5C)),
}


def words_of(device: str) -> dict[int, int]:
    """A meter with 10.5 A fed in on L1, and nothing at all on L2 and L3."""
    _, current, power, amperes, watts = LISTS[device]
    words = {first + offset: 0 for first in (current, power) for offset in range(6)}
    return words | dict(enumerate(amperes, current)) | dict(enumerate(watts, power))


@pytest.mark.parametrize("device", PROFILES)
def test_every_profile_reads_the_words_of_its_register_list(device):
    measured = reading(PROFILES[device], words_of(device), voltage_v=230.0)
    assert measured.current_a == pytest.approx((-10.5, 0.0, 0.0), rel=1e-6)
    assert PROFILES[device].function == LISTS[device][0]


def test_no_read_crosses_a_gap_of_the_register_list():
    assert SDM630.blocks == ((0x06, 12),)
    assert PROFILES["siemens-pac2200"].blocks == ((13, 6), (25, 6))


def test_a_reversed_meter_draws_where_it_says_it_feeds_in():
    words = words_of("eastron-sdm630")
    measured = reading(SDM630, words, voltage_v=230.0, reverse=True)
    assert measured.current_a == (10.5, 0.0, 0.0)


def test_current_transformers_scale_current_and_power_alike():
    words = words_of("eastron-sdm630")
    measured = reading(SDM630, words, voltage_v=230.0, scale=40.0)
    assert measured.current_a == (-420.0, 0.0, 0.0)


@given(st.floats(0, 1e4), st.floats(-1e7, 1e7))
def test_feeding_in_never_counts_for_more_than_active_power_explains(current_a, power_w):
    signed = signed_a(current_a, power_w, 230.0)
    assert signed >= -current_a
    assert signed >= min(0.0, power_w / 230.0)
    if power_w >= 0:
        assert signed == current_a


def test_a_purely_reactive_current_is_not_lent_out():
    assert signed_a(8.0, -2.3, 230.0) == pytest.approx(-0.01)


@pytest.mark.parametrize(("current_a", "power_w"), [(math.nan, 1.0), (1.0, math.nan)])
def test_a_missing_current_or_power_stays_missing(current_a, power_w):
    assert math.isnan(signed_a(current_a, power_w, 230.0))


# ── Options ───────────────────────────────────────────────────────────────────────────────

GOOD = {"type": "modbus", "device": "eastron-sdm630", "host": "127.0.0.1"}


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        ({"device": "eastron-sdm63"}, ("device",), "Did you mean 'eastron-sdm630'"),
        ({"hots": "x"}, ("hots",), "Did you mean 'host'"),
        ({"poll": 1}, ("poll",), "write it like '1 s'"),
        ({"poll": "1 A"}, ("poll",), "write it like '1 s'"),
        ({"poll": "10 ms"}, ("poll",), "too often"),
        ({"poll": "1 min"}, ("poll",), "lost after 15 s"),
        ({"port": 0}, ("port",), "greater than or equal to 1"),
        ({"unit": "1"}, ("unit",), "valid integer"),
        ({"scale": 0.0}, ("scale",), "greater than 0"),
        ({"reverse": "yes"}, ("reverse",), "valid boolean"),
    ],
)
def test_a_bad_option_is_named_with_what_to_do(context, change, path, says):
    with pytest.raises(BadOption, match=says) as caught:
        connect(GOOD | change, context)
    assert caught.value.path == path


def test_all_bad_options_are_told_at_once(context):
    with pytest.raises(BadOption) as caught:
        connect({"type": "modbus", "poll": "fast", "port": -1}, context)
    told = str(caught.value) + str(caught.value.path)
    assert all(setting in told for setting in ("device", "host", "poll", "port"))


def test_what_others_read_in_the_block_is_left_to_them(context):
    others = {"when_lost": {"after": "15 s", "assume": "50 A"}, "feeds_in": False}
    connect(GOOD | others, context)


# ── Over a socket ─────────────────────────────────────────────────────────────────────────


class Sdm630:
    """A meter on loopback that has the registers 0x00–0x11 and refuses all others."""

    def __init__(self) -> None:
        self.current_a = [10.5, 11.0, 0.25]
        self.power_w = [2415.0, -2530.0, 57.5]
        self.refuses: ExcCodes | None = None
        self.port = 0

    async def _answer(self, function, start, address, count, registers, values):
        values_now = [230.0] * 3 + self.current_a + self.power_w
        registers[0 - start : 18 - start] = struct.unpack(">18H", struct.pack(">9f", *values_now))
        return self.refuses

    async def start(self) -> None:
        bits = [SimData(0, values=[True] * 16, datatype=DataType.BITS)]
        holding = [SimData(0xF000, values=0, datatype=DataType.UINT16)]
        inputs = [SimData(0, values=[0.0] * 9, datatype=DataType.FLOAT32)]
        device = SimDevice(1, (bits, bits, holding, inputs), action=self._answer)
        self.server = ModbusTcpServer(device, address=("127.0.0.1", self.port))
        await self.server.serve_forever(background=True)
        self.port = self.server.transport.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        await self.server.shutdown()


@pytest.fixture
async def sdm630() -> AsyncIterator[Sdm630]:
    meter = Sdm630()
    await meter.start()
    yield meter
    await meter.stop()


def at(port: int, **more: object) -> dict[str, object]:
    return {**GOOD, "port": port, "poll": "200 ms", "timeout": "300 ms", **more}


async def test_it_reads_currents_with_the_direction_of_the_power(sdm630, context, listen):
    async with listen(connect(at(sdm630.port), context)) as ear:
        measured = await ear.next()
    assert measured.current_a == (10.5, -11.0, 0.25)
    assert measured.meter == "main-meter"
    assert measured.at == context.clock.now()


async def test_it_follows_the_meter(sdm630, context, listen):
    async with listen(connect(at(sdm630.port), context)) as ear:
        await ear.next()
        sdm630.current_a = [20.0, 0.0, 0.0]
        await ear.until(lambda measured: measured.current_a == (20.0, 0.0, 0.0))


async def test_a_meter_that_goes_and_comes_back_is_reported_once_each_way(
    sdm630, context, listen, report
):
    with capture_logs() as logs:
        async with listen(connect(at(sdm630.port), context)) as ear:
            await ear.next()
            await sdm630.stop()
            await report(logs, "meter fails")
            silent_from = len(ear.heard)
            await asyncio.sleep(1.0)  # some polls more: they are to say nothing
            assert len(ear.heard) == silent_from
            await sdm630.start()
            await ear.next()
            await report(logs, "meter is back")
    assert [entry["event"] for entry in logs] == ["meter fails", "meter is back"]


async def test_a_refusal_is_no_reading_and_says_the_exception(sdm630, context, listen, report):
    sdm630.refuses = ExcCodes.ILLEGAL_ADDRESS
    with capture_logs() as logs:
        async with listen(connect(at(sdm630.port), context)) as ear:
            await report(logs, "meter fails")
            assert not ear.heard
            assert "exception 2" in logs[0]["reason"]
            sdm630.refuses = None
            await ear.next()


async def test_a_wrong_unit_is_no_reading(sdm630, context, listen, report):
    with capture_logs() as logs:
        async with listen(connect(at(sdm630.port, unit=7), context)) as ear:
            await report(logs, "meter fails")
    assert not ear.heard


async def test_a_meter_that_measures_nan_is_not_believed(sdm630, context, listen, report):
    sdm630.current_a[1] = math.nan
    with capture_logs() as logs:
        async with listen(connect(at(sdm630.port), context)) as ear:
            await report(logs, "meter fails")
    assert not ear.heard
    assert "L2 is no number" in logs[0]["reason"]


async def test_a_frozen_meter_falls_silent_and_returns_when_it_moves(
    sdm630, context, listen, report
):
    with capture_logs() as logs:
        async with listen(connect(at(sdm630.port, frozen_after=3), context)) as ear:
            await report(logs, "meter fails")
            assert len(ear.heard) == 2
            assert "frozen" in logs[0]["reason"]
            sdm630.current_a[0] += 0.1
            await ear.next()


# ── Peers that are no meters ──────────────────────────────────────────────────────────────


def _frame(request: bytes, pdu: bytes, *, tid: int | None = None) -> bytes:
    transaction = request[0:2] if tid is None else tid.to_bytes(2, "big")
    return transaction + b"\0\0" + (len(pdu) + 1).to_bytes(2, "big") + request[6:7] + pdu


STRANGERS = {
    "silence": lambda request: b"",
    "text": lambda request: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "noise": lambda request: bytes(range(256)) * 8,
    "an unknown function": lambda request: _frame(request, b"\x63\x02\x00"),
    "an empty answer": lambda request: _frame(request, b"\x04"),
    "too few registers": lambda request: _frame(request, b"\x04\x02\x41\x28"),
    "too short for its count": lambda request: _frame(request, b"\x04\x18\x41\x28"),
    "another function": lambda request: _frame(request, b"\x03\x18" + b"\x41\x28" * 12),
    "an answer to somebody else": lambda request: _frame(
        request, b"\x04\x18" + b"\x41\x28" * 12, tid=999
    ),
}


@pytest.mark.parametrize("kind", STRANGERS)
async def test_a_stranger_on_the_port_is_no_reading_and_no_traceback(
    kind, context, listen, report, strange_server, caplog
):
    with capture_logs() as logs:
        async with strange_server(STRANGERS[kind]) as port:
            async with listen(connect(at(port), context)) as ear:
                await report(logs, "meter fails")
                await asyncio.sleep(0.5)
                assert not ear.heard
    assert len(logs) == 1
    assert not [record for record in caplog.records if record.name == "asyncio"]


async def test_a_late_answer_is_not_taken_for_one_to_the_next_poll(context, listen, strange_server):
    """The first connection answers each request too late: always with the past."""
    answers = iter([99.0, 5.0, 6.0, 7.0, 8.0, 9.0])

    def answer(request: bytes) -> bytes:
        current = next(answers)
        return _frame(request, b"\x04\x18" + struct.pack(">6f", *[current] * 6))

    async with strange_server(answer, late_s=lambda nth: 0.35 if nth == 0 else 0.0) as port:
        async with listen(connect(at(port), context)) as ear:
            first = await ear.next()
    assert first.current_a == (5.0, 5.0, 5.0)
