"""`loadmgr run` as a process of its own, and around it a simulated site that knows the truth."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from connectors.simulated import station
from connectors.simulated.site import SimulatedSite
from loadmgr.app.live import take_charge
from loadmgr.config import load
from loadmgr.model import Evse, MeterId, Site, StationId
from loadmgr.simulate.building import SteppedLoad
from loadmgr.simulate.car import CarSpec
from loadmgr.simulate.profiles import Profile, Purpose
from loadmgr.simulate.station import Station

ROOT = Path(__file__).parents[2]
METER = MeterId("main-meter")
MAIN = "main"

SITE = """\
site: {{name: Twelve Bays, timezone: Europe/Amsterdam, voltage: 230 V, interval: 2 s}}

circuits:
  main: {{label: Grid connection, fuse: 63 A, margin: 6 A, meter: main-meter, max_power: 42 kW}}
  north: {{label: North, feeds_from: main, fuse: 32 A}}
  south: {{label: South, feeds_from: main, fuse: 40 A}}

meters:
  main-meter:
    {meter}
    when_lost: {{after: 10 s, assume: 40 A}}

chargers:
  CP01: {{circuit: north, phases: L1 L2 L3, max: 16 A}}
  CP02: {{circuit: north, phases: L2 L3 L1, max: 16 A}}
  CP03: {{circuit: north, phases: L3 L1 L2, max: 16 A}}
  CP04: {{circuit: north, phases: L1, max: 32 A}}
  CP05: {{circuit: north, phases: L2, max: 32 A}}
  CP06: {{circuit: north, phases: L3, max: 32 A}}
  CP07: {{circuit: south, phases: L1 L2 L3, max: 16 A}}
  CP08: {{circuit: south, phases: L2 L3 L1, max: 16 A}}
  CP09: {{circuit: south, phases: L3 L1 L2, max: 32 A}}
  CP10: {{circuit: south, phases: L1 L2 L3, max: 32 A}}
  CP11: {{circuit: south, phases: L2, max: 32 A}}
  CP12: {{circuit: south, phases: L3, max: 32 A}}

offline: {{charger_fallback: 0 A, charger_lost_after: 10 s, limit_lasts: {limit_lasts}}}
policy: {{share: fair, rotate_every: {rotate_every}}}
ocpp: {{listen: "127.0.0.1:{ocpp}", security_profile: 1, passwords_file: passwords.yaml}}
dashboard: {{listen: "127.0.0.1:{page}"}}
"""

T = TypeVar("T")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def until(look: Callable[[], Awaitable[T]], within_s: float, what: str) -> T:
    """The first thing that `look` sees. Fails when that takes longer than `within_s`."""
    deadline = time.monotonic() + within_s
    while True:
        seen = await look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"{within_s:g} s passed, and still not: {what}"
        await asyncio.sleep(0.05)


# ── The product ───────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Product:
    """One site's folder, and the `loadmgr run` that is started in it again and again."""

    folder: Path
    ocpp: int = field(default_factory=free_port)
    page: int = field(default_factory=free_port)
    environment: Mapping[str, str] = field(default_factory=dict)
    rotate_every: str = "5 min"
    process: subprocess.Popen[bytes] | None = None

    @property
    def site_file(self) -> Path:
        return self.folder / "site.yaml"

    @property
    def journal(self) -> Path:
        return self.folder / ".loadmgr" / "journal.db"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.page}"

    def describe(self, meter: str, limit_lasts: str = "60 s") -> Site:
        """Write site.yaml and the passwords; the site as the product reads it."""
        text = SITE.format(
            meter=meter,
            ocpp=self.ocpp,
            page=self.page,
            limit_lasts=limit_lasts,
            rotate_every=self.rotate_every,
        )
        (self.folder / "passwords.yaml").write_text(
            "".join(f'CP{n:02}: "{password_of(f"CP{n:02}")}"\n' for n in range(1, 13))
        )
        self.site_file.write_text(text)
        return load(self.site_file).site

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        self.process = start(self.site_file, self.folder, *options, environment=self.environment)
        return self.process

    def kill(self) -> None:
        """As the power cut does it: no line of ours runs after this."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def end(self, within_s: float = 30.0) -> int:
        """Wait for its end; the exit code."""
        assert self.process is not None
        return self.process.wait(within_s)

    def output(self) -> str:
        """What all runs so far have said on both channels."""
        return (self.folder / "output").read_text()

    async def ask(self, path: str) -> Any:
        """The API's answer; None while nobody gives one."""
        async with httpx.AsyncClient(trust_env=False, timeout=5.0) as client:
            try:
                answer = await client.get(self.url + path)
            except httpx.TransportError:
                assert self.process is None or self.process.poll() is None, self.output()
                return None
        return answer.json() if answer.is_success else None

    async def chargers(self) -> dict[str, dict[str, Any]]:
        return {each["id"]: each for each in await self.ask("/api/v1/chargers") or ()}

    async def in_control(self, within_s: float = 30.0) -> float:
        """Wait until ticks come and every charger's fallback is proved on a connection. [s]"""
        since = time.monotonic()

        async def stands() -> bool:
            chargers = await self.chargers()
            away = {"offline", "never_seen", "unproven"}
            return bool(chargers) and not any(c["standing"] in away for c in chargers.values())

        await until(stands, within_s, "twelve chargers in control")
        return time.monotonic() - since


def start(
    site_file: Path, folder: Path, *options: str, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """`loadmgr run`, with both channels in the file `output`."""
    with (folder / "output").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "loadmgr.cli", "run", str(site_file), "--headless", *options],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "NO_COLOR": "1", **(environment or {})},
        )


@asynccontextmanager
async def inside(product: Product, *, dry_run: bool = False) -> AsyncIterator[asyncio.Task[None]]:
    """The same in this very process and loop: for what has to be broken from within."""
    running = asyncio.create_task(take_charge(product.site_file, dry_run=dry_run, headless=True))
    try:
        yield running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def password_of(station: str) -> str:
    return f"password-of-{station}-0"


@contextmanager
def ended(product: Product) -> Iterator[Product]:
    """Whatever happens, no process is left behind."""
    try:
        yield product
    finally:
        if product.process is not None and product.process.poll() is None:
            product.process.send_signal(signal.SIGCONT)
            product.kill()


# ── The site around it ────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Received:
    """A profile that a station took up."""

    at_s: float  # monotonic
    station: str
    profile: Profile

    @property
    def limit_a(self) -> float:
        return self.profile.periods[0].limit_a

    @property
    def is_limit(self) -> bool:
        return self.profile.purpose is Purpose.TX


class World:
    """Twelve stations with a car each, the building, the grid meter and the truth about them."""

    def __init__(self, site: Site, simulated: SimulatedSite) -> None:
        self.site = site
        self.simulated = simulated
        self.received: list[Received] = []
        for model in simulated.plant.stations.values():
            self._listen(model)

    def _listen(self, model: Station) -> None:
        take_up = model.set_profile

        def heard(number: int, profile: Profile, now_s: float) -> None:
            take_up(number, profile, now_s)
            self.received.append(Received(time.monotonic(), str(model.id), profile))

        model.set_profile = heard  # type: ignore[method-assign]

    def plug(self) -> None:
        """A hungry car at every bay, which stays.

        Only for stations that have their fallback: before anybody has told it
        anything, an OCPP station lets a car have all it wants.
        """
        chance = random.Random(7)
        for evse in self.site.evses:
            self.plug_at(evse, chance.uniform(1.0, 4.0))

    def plug_at(self, evse: Evse, reaction_s: float = 2.0) -> None:
        car = CarSpec(
            phases=len(evse.wiring.terminals),
            max_a=evse.max_a,
            capacity_wh=900_000.0,
            wanted_wh=800_000.0,
            reaction_s=reaction_s,
        )
        self.simulated.stations[evse.station].plug(evse.number, car, f"{evse.id}-0")

    async def leaves(self, evse: Evse) -> str:
        """A car goes, and its station gets an answer to that: the transaction that is over."""
        outlet = self.simulated.plant.outlets[evse.id]
        assert outlet.transaction is not None
        id, station = outlet.transaction.id, self.simulated.stations[evse.station]
        station.unplug(evse.number)
        async with asyncio.timeout(10.0):
            while not station.told:  # noqa: ASYNC110 - a plain property has no Event
                await asyncio.sleep(0.001)
        return id

    def limits(self) -> list[Received]:
        return [one for one in self.received if one.is_limit]

    def held_a(self) -> dict[str, float]:
        """What every station offers its car now."""
        now_s = self.simulated.clock.now_s()
        return {str(n): o.commanded_a(now_s) for n, o in self.simulated.plant.outlets.items()}

    def energy_wh(self) -> float:
        return self.simulated.summary().energy_wh

    def current_a(self, circuit: str = MAIN) -> tuple[float, float, float]:
        self.simulated.summary()
        return self.simulated.plant.circuit_a(circuit)  # type: ignore[arg-type]

    def transactions(self) -> dict[str, str]:
        """As the stations have them."""
        return {
            str(evse): outlet.transaction.id
            for evse, outlet in self.simulated.plant.outlets.items()
            if outlet.transaction is not None
        }

    def assert_safe(self) -> None:
        """No fuse carried more than its rating in any second so far."""
        summary = self.simulated.summary()
        over = [row for row in summary.rows if row.ours_s or row.building_s]
        assert not over, over
        assert not summary.tripped


@asynccontextmanager
async def world(
    product: Product, *, limit_lasts: str = "60 s", dial: str = ""
) -> AsyncIterator[World]:
    """The site around a product; site.yaml is written, the product is not yet started."""
    # The meter's port is only known once it is served: a first text of the site describes copper.
    site = product.describe("type: simulated", limit_lasts)
    names = list(site.stations)
    simulated = SimulatedSite(
        site,
        building={site.circuits[0].id: SteppedLoad([(0.0, (10.0, 8.0, 6.0))])},
        protocols={name: "1.6" if i % 2 == 0 else "2.0.1" for i, name in enumerate(names)},
        passwords={StationId(name): password_of(name) for name in names},
    )
    async with simulated:
        port = simulated.meters[METER].modbus_port
        product.describe(_modbus(port), limit_lasts)
        around = World(site, simulated)
        simulated.dial(dial or f"ws://127.0.0.1:{product.ocpp}")
        living = asyncio.create_task(simulated.run())
        try:
            with _impatient():
                yield around
            if living.done():
                living.result()
        finally:
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)


@contextmanager
def _impatient() -> Iterator[None]:
    """Stations that wait half a minute before they call again would be most of a test."""
    before = station.FIRST_PAUSE_S, station.LONGEST_PAUSE_S
    station.FIRST_PAUSE_S, station.LONGEST_PAUSE_S = 0.1, 0.5
    try:
        yield
    finally:
        station.FIRST_PAUSE_S, station.LONGEST_PAUSE_S = before


def _modbus(port: int) -> str:
    return (
        "type: modbus\n    device: eastron-sdm630\n    host: 127.0.0.1\n"
        f"    port: {port}\n    poll: 1 s"
    )
