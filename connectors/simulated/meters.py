"""A grid meter on loopback with two faces: an Eastron SDM630 on Modbus TCP, a Shelly on HTTP."""

from __future__ import annotations

import json
import struct
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from loadmgr.simulate.meter import Ailment, ailing
from loadmgr.units import NOTHING, PerPhase

LOOPBACK = "127.0.0.1"
FREQUENCY_HZ = 50.0

# Eastron SDM630 Modbus protocol, input registers: two per float32, high word first.
VOLTAGE, CURRENT, POWER = 0x00, 0x06, 0x0C
TOTAL_POWER, FREQUENCY, IMPORTED, EXPORTED = 0x34, 0x46, 0x48, 0x4A
REGISTERS = EXPORTED + 2


@dataclass(slots=True)
class Display:
    """What the meter shows. Replaced as a whole by who measures, read by who serves."""

    voltage_v: float = 230.0
    current_a: PerPhase = NOTHING  # drawing from the grid is positive
    imported_wh: float = 0.0
    exported_wh: float = 0.0
    ailment: Ailment = Ailment.NONE
    well_a: PerPhase | None = None  # the last that was shown without an ailment

    def measure(self, current_a: PerPhase, seconds: float) -> None:
        energy_wh = sum(current_a) * self.voltage_v * seconds / 3600.0
        self.imported_wh += max(0.0, energy_wh)
        self.exported_wh += max(0.0, -energy_wh)
        self.current_a = current_a
        if self.ailment is Ailment.NONE:
            self.well_a = current_a

    def shown_a(self) -> PerPhase | None:
        """None: the meter does not answer."""
        return ailing(self.ailment, self.current_a, self.well_a)


def sdm630_registers(display: Display, shown_a: PerPhase) -> dict[int, float]:
    """Address → value. The current register has no sign, the power register has."""
    power_w = [current * display.voltage_v for current in shown_a]
    told = {TOTAL_POWER: sum(power_w), FREQUENCY: FREQUENCY_HZ}
    told |= {IMPORTED: display.imported_wh / 1000, EXPORTED: display.exported_wh / 1000}
    for phase in range(3):
        told[VOLTAGE + 2 * phase] = display.voltage_v
        told[CURRENT + 2 * phase] = abs(shown_a[phase])
        told[POWER + 2 * phase] = power_w[phase]
    return told


def shelly_status(display: Display, shown_a: PerPhase) -> dict[str, float]:
    """`EM.GetStatus` of a Shelly Pro 3EM: apparent values without a sign, active power with it."""
    told: dict[str, float] = {"id": 0}
    for letter, current_a in zip("abc", shown_a, strict=True):
        told[f"{letter}_current"] = round(abs(current_a), 3)
        told[f"{letter}_voltage"] = display.voltage_v
        told[f"{letter}_act_power"] = round(current_a * display.voltage_v, 1)
        told[f"{letter}_aprt_power"] = round(abs(current_a) * display.voltage_v, 1)
        told[f"{letter}_pf"] = 1.0
        told[f"{letter}_freq"] = FREQUENCY_HZ
    told["total_current"] = round(sum(abs(current_a) for current_a in shown_a), 3)
    told["total_act_power"] = round(sum(shown_a) * display.voltage_v, 1)
    return told


class ServedMeter:
    """Serves one display on both faces, each on a free port of loopback."""

    def __init__(self, display: Display) -> None:
        self.display = display
        self.modbus_port = 0
        self.http_url = ""
        self._modbus: ModbusTcpServer | None = None
        self._http: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    async def open(self) -> None:
        bits = [SimData(0, values=[True] * 16, datatype=DataType.BITS)]
        holding = [SimData(0xF000, values=0, datatype=DataType.UINT16)]
        inputs = [SimData(0, values=[0.0] * (REGISTERS // 2), datatype=DataType.FLOAT32)]
        device = SimDevice(1, (bits, bits, holding, inputs), action=self._fill)
        self._modbus = ModbusTcpServer(device, address=(LOOPBACK, 0))
        await self._modbus.serve_forever(background=True)
        listener = self._modbus.transport
        self.modbus_port = listener.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # a Server
        self._open_http()

    async def close(self) -> None:
        if self._modbus is not None:
            await self._modbus.shutdown()  # type: ignore[no-untyped-call]  # theirs has no types
        if self._http is not None and self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._http.server_close()

    async def _fill(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Bring the registers up to date before they are read."""
        shown_a = self.display.shown_a()
        if shown_a is None:
            return ExcCodes.DEVICE_BUSY
        for place, value in sdm630_registers(self.display, shown_a).items():
            words = struct.unpack(">2H", struct.pack(">f", value))
            registers[place - start : place - start + 2] = words
        return None

    def _open_http(self) -> None:
        display = self.display

        class Face(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shown_a = display.shown_a()
                if self.path.partition("?")[0] != "/rpc/EM.GetStatus":
                    self.send_error(404)
                elif shown_a is None:
                    self.send_error(503)
                else:
                    body = json.dumps(shelly_status(display, shown_a)).encode()
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer((LOOPBACK, 0), Face)
        self.http_url = f"http://{LOOPBACK}:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
