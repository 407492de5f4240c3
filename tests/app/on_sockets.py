"""Plays a story over real sockets in hurried time: OCPP clients, a Modbus meter, the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadmgr.app import doors
from loadmgr.app.stage import broken, buildings, limit, temper, visitors
from loadmgr.app.story import Happening, Story, tell
from loadmgr.config import load
from loadmgr.engine.clock import SteadyClock
from loadmgr.engine.decide import Guarded
from loadmgr.engine.engine import Engine
from loadmgr.events import LimitSet
from loadmgr.model import MeterId, Site, StationId
from loadmgr.ports import Context
from loadmgr.simulate.haste import run_hurried
from loadmgr.simulate.plant import Summary
from loadmgr.simulate.temper import GOOD
from loadmgr.store.journal import SqliteJournal

METER = MeterId("main-meter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    summary: Summary
    broken: tuple[str, ...]
    transactions_before_kill: dict[str, str]
    transactions_after_kill: dict[str, str]
    felt_s: float  # from the utility's limit to currents at or below it, on every phase
    protocols: frozenset[str]


def play(
    path: Path, folder: Path, *, speed: float, make_engine: Callable[..., Engine] = Engine
) -> Played:
    story = tell(path)
    site = load(path.parent / story.site).site
    return run_hurried(_Stage(story, site, folder, make_engine).play(), speed)


class _Stage:
    def __init__(
        self, story: Story, site: Site, folder: Path, make_engine: Callable[..., Engine]
    ) -> None:
        self.story, self.site, self.folder = story, site, folder
        self._make_engine = make_engine
        self.passwords = {name: f"password-of-{name}-0" for name in site.stations}
        self.port = 0
        self.before: dict[str, str] = {}
        self.after: dict[str, str] = {}
        self.felt_s = 0.0

    async def play(self) -> Played:
        loop = asyncio.get_running_loop()
        self.clock = SteadyClock(monotonic=loop.time)
        names = list(self.site.stations)
        start_s = self.clock.now().timestamp()
        self.simulated: Any = doors.find("site", "simulated")(
            self.site,
            building=buildings(self.story, start_s),
            visits=visitors(self.story, self.site, start_s),
            protocols={name: "1.6" if i % 2 == 0 else "2.0.1" for i, name in enumerate(names)},
            tempers={StationId(n): temper(GOOD, t) for n, t in self.story.tempers.items()},
            passwords=self.passwords,
            start=self.clock.now(),
            seed=self.story.seed,
            monotonic=loop.time,
        )
        async with self.simulated:
            await self._start_engine()
            self.simulated.dial(self.url)
            world = [asyncio.create_task(self.simulated.run())]
            world += [asyncio.create_task(self._happen(what)) for what in self.story.happens]
            await asyncio.sleep(self.story.lasts)
            for task in world:
                if task.done():
                    task.result()
            summary = self.simulated.summary()
            self.after = self._transactions()
            protocols = frozenset(self._protocols)
            for task in (*world, *self._running):
                task.cancel()
            await asyncio.gather(*world, *self._running, return_exceptions=True)
            self._journal.close()
        return Played(
            summary=summary,
            broken=tuple(broken(self.story, summary, self._served(), self.felt_s)),
            transactions_before_kill=self.before,
            transactions_after_kill=self.after,
            felt_s=self.felt_s,
            protocols=protocols,
        )

    async def _start_engine(self) -> None:
        options = {
            "listen": f"127.0.0.1:{self.port}",
            "security_profile": 1,
            "passwords": self.passwords,
        }
        context = Context(name="gateway", site=self.site, clock=self.clock)
        gateway = doors.find("gateway", "ocpp")(options, context)
        served = self.simulated.meters[METER]
        meter = doors.find("meter", "modbus")(
            {"device": "eastron-sdm630", "host": "127.0.0.1", "port": served.modbus_port},
            Context(name=METER, site=self.site, clock=self.clock),
        )
        self._journal = SqliteJournal(self.folder / "journal.db")
        self.engine = self._make_engine(
            self.site,
            gateway=gateway,
            sources=[meter],
            journal=self._journal,
            clock=self.clock,
            decide=Guarded(),
        )
        self._protocols: set[str] = set()
        self.engine.on_event.append(
            lambda event, _: self._protocols.add(getattr(event, "protocol", "")) or None
        )
        self._running = [asyncio.create_task(self.engine.run())]
        self.url = await gateway.listening()
        self.port = gateway.port

    async def _happen(self, what: Happening) -> None:
        await asyncio.sleep(what.at)
        match what.verb:
            case "limit":
                asked = limit(what, self.clock)
                self.engine.emit(LimitSet(at=self.clock.now(), limit=asked))
                await self._until_felt(max(asked.current_a))
            case "drop":
                self.simulated.stations[StationId(str(what.drop))].drop(what.lasts)
            case "temper":
                station = self.simulated.plant.stations[StationId(str(what.temper))]
                changed = temper(station.temper, what.becomes)
                station.change_temper(changed, self.clock.now().timestamp())
            case "kill":
                await self._kill(what.lasts)
            case verb:
                raise ValueError(f"{verb}: not played over sockets")

    async def _until_felt(self, limit_a: float) -> None:
        asked = self.clock.now()
        main = self.site.circuits[0].id
        while max(self.simulated.plant.circuit_a(main)) > limit_a:  # noqa: ASYNC110 # nobody is told
            await asyncio.sleep(0.5)
        self.felt_s = (self.clock.now() - asked).total_seconds()

    async def _kill(self, away_s: float) -> None:
        """As a crash: nothing is said good-bye to, and the journal is what it is."""
        self.before = self._transactions()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._journal.close()
        await asyncio.sleep(away_s)
        await self._start_engine()

    def _transactions(self) -> dict[str, str]:
        return {
            name: belief.session.transaction_id
            for name, belief in self.engine.state.evses.items()
            if belief.session is not None
        }

    def _served(self) -> dict[str, float]:
        served: dict[str, float] = {}
        for station in self.simulated.plant.stations.values():
            for outlet in station.outlets.values():
                if outlet.transaction is not None:
                    token = outlet.transaction.token
                    served[token] = outlet.transaction.energy_wh(outlet.register_wh)
            for _, transaction in station.finished:
                served[transaction.token] = transaction.energy_wh(0.0)
        return served
