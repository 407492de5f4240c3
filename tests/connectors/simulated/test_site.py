"""A whole simulated site: meters over real protocols, and the truth behind them."""

from __future__ import annotations

import asyncio
import math

import httpx
import pytest
from pymodbus.client import AsyncModbusTcpClient

from connectors.simulated.meters import CURRENT, EXPORTED, POWER, Display, sdm630_registers
from connectors.simulated.site import SimulatedSite
from loadmgr.model import CircuitId, EvseId, MeterId
from loadmgr.simulate.arrivals import Visit
from loadmgr.simulate.building import ConstantLoad
from loadmgr.simulate.car import CarSpec
from loadmgr.simulate.clock import EPOCH
from loadmgr.simulate.meter import Ailment
from tests.connectors.simulated.backend import backend, until
from tests.simulate.sites import small_site

MAIN, GRID = CircuitId("main"), MeterId("grid")


def solar_site(**more) -> SimulatedSite:
    """Four amperes drawn on L1, two fed back on L2."""
    load = ConstantLoad((4.0, -2.0, 0.0))
    return SimulatedSite(small_site(), building={MAIN: load}, speed=20.0, **more)


async def floats(port: int, address: int, count: int) -> list[float]:
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    try:
        answer = await client.read_input_registers(address, count=2 * count, device_id=1)
        assert not answer.isError()
        told = client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32)
        return told if isinstance(told, list) else [told]
    finally:
        client.close()


async def shelly(url: str, path: str = "/rpc/EM.GetStatus?id=0") -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(url + path)


async def test_both_faces_show_the_current_of_the_grid_connection():
    async with solar_site() as simulated:
        running = asyncio.create_task(simulated.run())
        meter = simulated.meters[GRID]
        await until(lambda: meter.display.imported_wh > 0)
        assert await floats(meter.modbus_port, 0x00, 9) == pytest.approx(
            [230.0] * 3 + [4.0, 2.0, 0.0] + [920.0, -460.0, 0.0]
        )
        assert await floats(meter.modbus_port, 0x34, 1) == pytest.approx([460.0])
        assert await floats(meter.modbus_port, 0x46, 1) == [50.0]
        assert (await floats(meter.modbus_port, 0x48, 1))[0] > 0
        told = (await shelly(meter.http_url)).json()
        assert (told["a_current"], told["b_current"], told["b_act_power"]) == (4.0, 2.0, -460.0)
        assert (await shelly(meter.http_url, "/nothing")).status_code == 404
        running.cancel()


async def test_a_silent_meter_answers_on_no_face_and_a_frozen_one_with_old_numbers():
    async with solar_site() as simulated:
        meter = simulated.meters[GRID]
        meter.display.measure((10.0, 10.0, 10.0), 1.0)
        meter.display.ailment = Ailment.FROZEN
        meter.display.measure((20.0, 20.0, 20.0), 1.0)
        assert await floats(meter.modbus_port, CURRENT, 1) == [10.0]
        meter.display.ailment = Ailment.NAN
        assert math.isnan((await floats(meter.modbus_port, CURRENT, 1))[0])
        meter.display.ailment = Ailment.SILENT
        assert (await shelly(meter.http_url)).status_code == 503


def test_the_registers_of_an_sdm630_stand_where_its_manual_has_them():
    display = Display(voltage_v=230.0, exported_wh=1500.0)
    told = sdm630_registers(display, (1.0, -2.0, 3.0))
    assert [told[CURRENT + 2 * phase] for phase in range(3)] == [1.0, 2.0, 3.0]
    assert [told[POWER + 2 * phase] for phase in range(3)] == [230.0, -460.0, 690.0]
    assert told[EXPORTED] == 1.5


async def test_visitors_charge_and_the_summary_tells_the_truth():
    start_s = EPOCH.timestamp()
    visits = [
        Visit(
            evse=EvseId(name),
            arrives_s=start_s + 20.0,
            leaves_s=start_s + 100.0,
            car=CarSpec(),
            token=f"TAG{name}",
        )
        for name in "AB"
    ]
    async with (
        backend("1.6") as back,
        SimulatedSite(small_site(), visits=visits, start=EPOCH, speed=30.0) as simulated,
    ):
        simulated.dial(f"ws://127.0.0.1:{back.port}")
        running = asyncio.create_task(simulated.run())
        await until(lambda: len(back.heard("StopTransaction")) == 2)
        running.cancel()
        summary = simulated.summary()
    assert (summary.sessions, summary.sessions_served) == (2, 2)
    assert summary.energy_wh == pytest.approx(2 * 3 * 16 * 230 * 75 / 3600, rel=0.2)
    # Nobody steered: 32 A through a fuse of 20 A, and it was not the building.
    assert summary.ours_s > 100 and summary.building_s == 0
    north = next(row for row in summary.rows if row.circuit == "north")
    assert north.max_a == 32.0
