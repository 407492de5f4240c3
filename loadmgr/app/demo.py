"""`loadmgr demo`: the whole product on a simulated site, over real sockets.

Six stations speak OCPP 1.6J and six 2.0.1, each with a password of its own; the
grid meter is read over Modbus TCP. Cars come and go, the building's load
moves, and a utility halves the site now and then.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import as_file, files
from typing import Any

import typer

from loadmgr.app import doors
from loadmgr.app.house import House, in_charge, until_told_to_stop
from loadmgr.config import Configuration, load
from loadmgr.engine.clock import SteadyClock
from loadmgr.engine.journal import Forgetful
from loadmgr.events import LimitReleased, LimitSet
from loadmgr.model import CircuitId, EvseId, Limit, MeterId, Site
from loadmgr.ports import Context, Gateway, Source
from loadmgr.simulate.arrivals import Visit
from loadmgr.simulate.building import Appliance, MovingLoad
from loadmgr.simulate.car import CarSpec
from loadmgr.simulate.haste import run_hurried
from loadmgr.simulate.plant import Summary
from loadmgr.snapshot import Pace

MAIN = CircuitId("main")
METER = MeterId("main-meter")

A_WHILE_S = 20

UTILITY_FIRST_S = 40.0  # the utility's limit comes, stays, and goes
UTILITY_STAYS_S = 45.0
UTILITY_EVERY_S = 150.0
UTILITY_A = 36.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How the demo is wanted."""

    headless: bool = False
    lasts_s: float | None = None  # model seconds; None: until told to stop
    speed: float = 1.0
    port: int = 8080
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the demo came to, by the truth of the simulated site."""

    summary: Summary
    pace: Pace
    warnings: tuple[str, ...]

    @property
    def overload_s(self) -> float:
        return self.summary.ours_s + self.summary.building_s

    @property
    def safe(self) -> bool:
        return self.summary.ours_s == 0 and not self.summary.tripped

    def text(self) -> str:
        s = self.summary
        fullest = max(s.rows, key=lambda row: row.max_a / row.rating_a)
        lines = [
            f"{s.seconds:.0f} s of the site, twelve chargers on 3×63 A",
            f"energy delivered  {s.energy_wh / 1000:.2f} kWh to {s.sessions_served} of "
            f"{s.sessions} cars",
            f"overload seconds  {self.overload_s:.0f} (true currents; highest "
            f"{fullest.max_a:.1f} A of {fullest.rating_a:g} A on {fullest.circuit} "
            f"L{int(fullest.phase) + 1})",
            f"ticks             {self.pace.ticks}, p50 {self.pace.p50_s * 1000:.1f} ms, "
            f"p99 {self.pace.p99_s * 1000:.1f} ms, {self.pace.late} late",
        ]
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])


def perform(wish: Wish) -> Outcome:
    """Run the demo to its end. Raises `OSError` when the page's port is taken."""
    return run_hurried(_Demo(wish).run(), wish.speed)


def configuration() -> Configuration:
    """The site of the demo, from the site.yaml that ships with the package."""
    with as_file(files("loadmgr.app").joinpath("demo.site.yaml")) as path:
        return load(path)


class _Demo:
    """Everything the demo is made of."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.site: Site = configuration().site

    async def run(self) -> Outcome:
        loop = asyncio.get_running_loop()
        clock = SteadyClock(monotonic=loop.time)
        passwords = {station: secrets.token_urlsafe(18) for station in self.site.stations}
        simulated = self._simulated(clock, passwords)
        async with simulated:
            gateway = self._gateway(clock, passwords)
            meter = self._meter(clock, simulated.meters[METER].modbus_port)
            async with in_charge(
                self.site,
                gateway=gateway,
                sources=[meter],
                journal=Forgetful(),
                clock=clock,
                page=("127.0.0.1", self.wish.port),
            ) as house:
                simulated.dial(await gateway.listening())  # type: ignore[attr-defined]
                with _beside(simulated.run(), self._utility(house, clock)):
                    await self._watch(house)
                pace, alarms = house.engine.pace.pace(), _alarms(house)
                return Outcome(summary=simulated.summary(), pace=pace, warnings=alarms)

    async def _watch(self, house: House) -> None:
        if not self.wish.headless:
            typer.echo(f"The page is at http://127.0.0.1:{self.wish.port} — Ctrl-C ends the demo.")
        shown = [] if self.wish.headless else [_table(house)]
        with _beside(*shown):
            try:
                async with asyncio.timeout(self.wish.lasts_s):
                    await until_told_to_stop()
            except TimeoutError:
                return

    def _simulated(self, clock: SteadyClock, passwords: dict[Any, str]) -> Any:
        names = list(self.site.stations)
        return doors.find("site", "simulated")(
            self.site,  # type: ignore[arg-type]
            building={MAIN: _building(self.wish.seed)},  # type: ignore[call-arg]
            visits=_visits(self.site, clock.now().timestamp(), self.wish.seed),
            protocols={name: "1.6" if i % 2 == 0 else "2.0.1" for i, name in enumerate(names)},
            passwords=passwords,
            start=clock.now(),
            seed=self.wish.seed,
            monotonic=clock.monotonic,
        )

    def _gateway(self, clock: SteadyClock, passwords: dict[Any, str]) -> Gateway:
        options = {"listen": "127.0.0.1:0", "security_profile": 1, "passwords": passwords}
        context = Context(name="gateway", site=self.site, clock=clock)
        gateway: Gateway = doors.find("gateway", "ocpp")(options, context)
        return gateway

    def _meter(self, clock: SteadyClock, port: int) -> Source:
        options = {"device": "eastron-sdm630", "host": "127.0.0.1", "port": port, "poll": "1 s"}
        context = Context(name=METER, site=self.site, clock=clock)
        meter: Source = doors.find("meter", "modbus")(options, context)
        return meter

    async def _utility(self, house: House, clock: SteadyClock) -> None:
        """A limit on the grid connection that comes and goes."""
        await asyncio.sleep(UTILITY_FIRST_S)
        while True:
            now = clock.now()
            limit = Limit(
                name="utility",
                circuit=MAIN,
                current_a=(UTILITY_A,) * 3,
                source="utility",
                reason="demo",
                valid_from=now,
                valid_until=now + timedelta(seconds=UTILITY_STAYS_S),
            )
            house.engine.emit(LimitSet(at=now, limit=limit))
            await asyncio.sleep(UTILITY_STAYS_S)
            house.engine.emit(LimitReleased(at=clock.now(), name="utility", source="utility"))
            await asyncio.sleep(UTILITY_EVERY_S - UTILITY_STAYS_S)


async def _table(house: House) -> None:
    from rich.console import Console  # not loaded for a headless run

    from loadmgr.show.table import watch

    await watch(house.desk, Console())


@contextmanager
def _beside(*work: Any) -> Iterator[None]:
    """Let coroutines run beside the block; they end with it."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


def _alarms(house: House) -> tuple[str, ...]:
    """What is wrong at the end, where something was wrong all the while before that.

    A limit that has just come is dealt with: its alarm stands for as long as the cars react.
    """
    now, ends = house.desk.snapshot(), house.desk.now()
    if now is None:
        return ("no tick was decided",)
    before = (house.desk.past(ends - timedelta(seconds=s)) for s in range(1, A_WHILE_S + 1))
    return now.alarms if all(one is not None and one.alarms for one in before) else ()


# ── Who comes, and what the building does ─────────────────────────────────────────────────


def _building(seed: int) -> MovingLoad:
    kitchen = Appliance(name="kitchen", current_a=(4.0, 0.0, 0.0), on_s=40.0, period_s=120.0)
    lift = Appliance(name="lift", current_a=(2.5, 2.5, 2.5), on_s=20.0, period_s=90.0)
    return MovingLoad(
        seed=seed,
        base_a=(8.0, 6.0, 7.0),
        day_a=(0.0, 0.0, 0.0),
        noise_a=1.0,
        slot_s=20.0,
        appliances=(kitchen, lift),
    )


def _visits(site: Site, start_s: float, seed: int) -> tuple[Visit, ...]:
    """A car at every bay within the first minute; some leave early, and others come."""
    chance = random.Random(seed)
    visits: list[Visit] = []
    for place, evse in enumerate(site.evses):
        arrives_s = start_s + 3.0 + place * 4.0 + chance.uniform(0.0, 3.0)
        for turn in range(40):
            leaves_s = arrives_s + (chance.uniform(240.0, 900.0) if turn or place % 3 else 100.0)
            car = _car(chance, len(evse.wiring.terminals))
            visits.append(_visit(evse.id, arrives_s, leaves_s, car, turn))
            arrives_s = leaves_s + chance.uniform(15.0, 60.0)
    return tuple(visits)


def _visit(evse: EvseId, arrives_s: float, leaves_s: float, car: CarSpec, turn: int) -> Visit:
    token = f"{evse}-{turn}"
    return Visit(evse=evse, arrives_s=arrives_s, leaves_s=leaves_s, car=car, token=token)


def _car(chance: random.Random, terminals: int) -> CarSpec:
    one_phase = terminals == 1 or chance.random() < 0.2
    return CarSpec(
        phases=1 if one_phase else 3,
        max_a=32.0 if one_phase else chance.choice((16.0, 16.0, 32.0)),
        wanted_wh=chance.uniform(4_000.0, 30_000.0),
        reaction_s=chance.uniform(1.0, 5.0),
    )
