"""One site in virtual time, with everything going wrong that can: the real engine, and the truth.

The world (cars, chargers, buildings, links) is played apart from the engine and outlives it. What
flowed is judged by `simulate.truth`, which knows nothing of ledgers and plans.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np

from loadmgr.app.chaos_disk import Disk, DiskLoop
from loadmgr.app.chaos_observer import Observed, Observer
from loadmgr.app.chaos_shifted import Shifted
from loadmgr.app.chaos_solver import Solver, Trouble
from loadmgr.app.chaos_utility import Utility
from loadmgr.engine.clock import SteadyClock
from loadmgr.engine.decide import Inline
from loadmgr.engine.engine import Engine
from loadmgr.model import EvseId, MeterId, StationId
from loadmgr.simulate.chaos_faults import (
    CHARGER_METERS,
    DISOBEDIENCE,
    LINKS,
    LYING,
    METERS,
    ORDERS,
    Fault,
    Kind,
)
from loadmgr.simulate.chaos_gateway import ChaosGateway
from loadmgr.simulate.chaos_meter import ChaosMeter
from loadmgr.simulate.chaos_site import World
from loadmgr.simulate.clock import EPOCH
from loadmgr.simulate.plant import Plant, Summary
from loadmgr.simulate.temper import Temper, Zero
from loadmgr.simulate.truth import Cause, Spell, Vector
from loadmgr.simulate.visits import play
from loadmgr.units import NOTHING

BACK_S = 2.0  # what a service manager takes to start a process again
START_S = EPOCH.timestamp() + 6 * 3600.0
ANSWER_WITHIN_S = 10.0
FOLLOWS_S = 15.0  # who can be told again has to be told, and charger and car take their time


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """What one run came to."""

    summary: Summary
    struck: dict[Kind, int]  # faults that took effect
    seconds: dict[Cause, float]  # of overload, per row
    spells: tuple[Spell, ...]
    observed: Observed
    ticks: int
    orders: int


def live(
    world: World,
    faults: Sequence[Fault],
    *,
    seconds: float,
    make_engine: Callable[..., Any] = Engine,
) -> Lived:
    """Play a world to its end. The same arguments give the same answer."""
    start = EPOCH + timedelta(seconds=START_S - EPOCH.timestamp())
    with asyncio.Runner(loop_factory=lambda: DiskLoop(start)) as runner:
        return runner.run(_Life(world, faults, seconds, make_engine).live())


class _Life:
    def __init__(
        self,
        world: World,
        faults: Sequence[Fault],
        seconds: float,
        make_engine: Callable[..., Any],
    ) -> None:
        self.world, self.faults, self.seconds = world, faults, seconds
        self.site = world.site
        self._make_engine = make_engine
        self.struck: dict[Kind, int] = dict.fromkeys(Kind, 0)
        self.wall_off_s = 0.0
        self.down = False
        self._tampered: dict[StationId, int] = {}  # by which fault a station disobeys
        self._away_s: dict[StationId, float] = {}  # when it was last out of reach

    async def live(self) -> Lived:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, DiskLoop)
        self.loop = loop
        self.clock = SteadyClock(loop.start, loop.time)
        self.plant = Plant(
            self.site,
            start_s=START_S,
            building=self.world.buildings,
            tempers=self.world.tempers,
            wiring=self.world.wiring,
            grace_s=15.0 + self.world.meter_every_s,
        )
        self.plant.truth.out_of_reach = self._out_of_reach
        self.plant.truth.ignoring = self._ignoring
        self.plant.truth.misread = self._misread
        self.gateway = ChaosGateway(
            self.plant,
            clock=self.clock,
            seed=len(self.site.evses),
            meter_interval_s=self.world.charger_meter_every_s,
            deadline_s=ANSWER_WITHIN_S,
        )
        self.meters = {
            meter.id: ChaosMeter(
                meter, self.plant, self.clock, self.world.meter_every_s, seed=place
            )
            for place, meter in enumerate(self.site.meters)
        }
        self.disk = Disk(loop)
        self.solver = Solver()
        self.observer = Observer(self.site, self.plant, self._reachable, self._heard)
        self._broken: asyncio.Future[None] = loop.create_future()
        self.utility = Utility(self.site, loop, self.clock, self.observer)
        world = [self._begin(self.gateway.live()), self._begin(self.utility.live())]
        await asyncio.sleep(0)
        self._start()
        people = play(
            self.world.visits,
            clock=self.clock,
            plug=self.gateway.plug,
            unplug=self.gateway.unplug,
        )
        world += [self._begin(people), *(self._begin(self._happen(f)) for f in self.faults)]
        await asyncio.wait([self._broken], timeout=self.seconds)
        if self._broken.done():
            self._broken.result()
        self.plant.advance(self.clock.now().timestamp())
        self.plant.truth.close()
        await _end([self.running])  # before what carries its orders goes
        await _end(world)
        return self._lived()

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Something lives from now on; if it breaks, all of it does."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._note_end)
        return task

    def _note_end(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._broken.done():
            self._broken.set_exception(error)

    def _lived(self) -> Lived:
        truth = self.plant.truth
        return Lived(
            summary=self.plant.summary(),
            struck=self.struck | dict(self.gateway.struck),
            seconds=dict(truth.seconds),
            spells=tuple(truth.spells),
            observed=self.observer.observed(),
            ticks=self.observer.ticks,
            orders=self.observer.orders,
        )

    # ── The engine's lives ──

    def _start(self) -> None:
        off = timedelta(seconds=self.wall_off_s)
        clock = SteadyClock(self.clock.now() + off, self.loop.time)
        gateway = Shifted(self.gateway, off)
        self.engine = self._make_engine(
            self.site,
            gateway=gateway,
            sources=[Shifted(meter, off) for meter in self.meters.values()],
            journal=self.disk,
            clock=clock,
            decide=Inline(self.solver),
        )
        self.observer.attend(self.engine, self.loop.time, self.wall_off_s)
        self.utility.engine = self.engine
        self.running = self._begin(self.engine.run())
        self.down = False

    async def _kill(self, fault: Fault) -> None:
        """At any await: now, or in the loop's next round after something of interest."""
        if self.down:
            return
        self.down = True
        self.utility.engine = None
        rng = random.Random(f"kill:{fault.number}:{fault.chance}")
        if fault.chance > 0.3:
            await self._something(rng)
        self.disk.cut()
        await _end([self.running])
        away_s = rng.choice((0.5, 2.0, 8.0, 8.0, 60.0, 400.0)) * rng.uniform(0.5, 1.5)
        now_s = self.clock.now().timestamp()
        if any(station.is_at_large(now_s) for station in self.plant.stations.values()):
            away_s = min(away_s, BACK_S)  # nobody can help it, nor while nobody is in charge
        await asyncio.sleep(away_s)
        self._start()

    async def _something(self, rng: random.Random) -> None:
        """Wait for the next event that an order left or was answered, at most a minute."""
        reached = asyncio.Event()
        wanted = rng.choice(("Sent", "Sent", "Confirmed", "Lost", "SessionStarted"))

        def watch(event: Any, state: Any) -> None:
            if type(event).__name__ == wanted:
                self.loop.call_soon(reached.set)

        self.engine.on_event.append(watch)
        try:
            async with asyncio.timeout(60.0):
                await reached.wait()
        except TimeoutError:
            pass
        for _ in range(rng.randrange(4)):
            await asyncio.sleep(0)

    # ── Faults ──

    async def _happen(self, fault: Fault) -> None:
        await asyncio.sleep(max(0.0, fault.at_s - (self.loop.time())))
        now_s = self.clock.now().timestamp()
        self.plant.advance(now_s)
        station, kind = StationId(fault.station), fault.kind
        if kind in ORDERS:
            self.gateway.trip(station, kind, fault.chance)
            return
        if kind in DISOBEDIENCE:
            await self._disobey(fault, station)
            return
        if kind in LINKS and self.plant.stations[station].is_at_large(now_s):
            return  # nobody can help a charger that has no default and is not heard either
        self.struck[kind] += 1
        if kind in METERS:
            await self._blind(fault)
        elif kind in CHARGER_METERS:
            self.gateway.sicken(EvseId(fault.evse), kind, fault.chance)
            await asyncio.sleep(fault.lasts_s)
            self.gateway.heal(EvseId(fault.evse))
        else:
            await self._befall(fault, station, now_s)

    async def _befall(self, fault: Fault, station: StationId, now_s: float) -> None:
        match fault.kind:
            case Kind.DROP:
                self.gateway.drop(station, away_s=fault.lasts_s * fault.chance)
            case Kind.HALF_OPEN:
                self.gateway.half_open(station, 40.0 * fault.chance)
            case Kind.STORM:
                share = max(1, round(fault.chance * len(self.site.stations)))
                self.gateway.storm(list(self.site.stations)[:share], fault.chance)
            case Kind.REBOOT:
                self.gateway.reboot(station)
            case Kind.REBOOT_FORGETS:
                model = self.plant.stations[station]
                before = model.temper
                # While nobody is in charge nobody can help a charger that forgets everything.
                model.change_temper(replace(before, keeps_default=self.down), now_s)
                self.gateway.reboot(station)
                model.change_temper(before, now_s)
            case Kind.CHARGER_CLOCK:
                by_s = (-86_400.0, -3600.0, -30.0, 30.0, 3600.0, 86_400.0)[int(fault.chance * 6)]
                self.plant.stations[station].step_clock(by_s, now_s)
            case Kind.CAR_PHASES:
                self._change_phases(fault, now_s)
            case Kind.UNPLUG:
                await self.gateway.unplug(
                    next(v for v in self.world.visits if v.evse == fault.evse)
                ) if any(v.evse == fault.evse for v in self.world.visits) else None
            case Kind.LIMIT:
                self.utility.limit(fault)
            case Kind.UTILITY_SILENT:
                await self.utility.fall_silent(fault)
            case Kind.KILL:
                await self._kill(fault)
            case Kind.OUR_CLOCK:
                self.wall_off_s += 3600.0 if fault.chance < 0.5 else -3600.0
            case Kind.DISK_FULL:
                await self.disk.full(fault.lasts_s)
            case Kind.SLOW_DISK:
                await self.disk.slow(5.0 * fault.chance, fault.lasts_s)
            case Kind.SOLVER_GARBAGE | Kind.SOLVER_HANGS | Kind.SOLVER_RAISES:
                await self.solver.suffer(Trouble(fault.kind, fault.chance), fault.lasts_s)

    async def _disobey(self, fault: Fault, station: StationId) -> None:
        """Stop doing what it says, as long as somebody could see that: until its link goes, or
        its meter tells something else.
        """
        model = self.plant.stations[station]
        evses = [outlet.evse.id for outlet in model.outlets.values()]
        if station in self._tampered or not all(map(self._heard, evses)):
            return
        self.struck[fault.kind] += 1
        self._tampered[station] = fault.number
        before = model.temper
        model.change_temper(_manners(before, fault.kind), self.clock.now().timestamp())
        ends = self.loop.time() + fault.lasts_s
        while self.loop.time() < ends and all(map(self._heard, evses)):  # noqa: ASYNC110
            await asyncio.sleep(1.0)
        model.change_temper(before, self.clock.now().timestamp())
        await asyncio.sleep(0)
        del self._tampered[station]

    async def _blind(self, fault: Fault) -> None:
        meter = self.meters[MeterId(fault.meter)]
        now_s = self.clock.now().timestamp()
        if meter.ill:
            return
        self.observer.meter_ill(meter.meter.id, fault.kind, now_s)
        self.plant.truth.blind(meter.meter.circuit, now_s + 30.0)
        if fault.kind in LYING:
            self.plant.truth.lied_to(meter.meter.circuit, now_s + fault.lasts_s)
        meter.ill = fault.kind
        meter.chance = fault.chance
        await asyncio.sleep(fault.lasts_s)
        meter.ill = None
        self.observer.meter_well(meter.meter.id)

    def _change_phases(self, fault: Fault, now_s: float) -> None:
        outlet = self.plant.outlets[EvseId(fault.evse)]
        if outlet.car is None:
            return
        phases = 1 if outlet.car.spec.phases > 1 else 3
        outlet.advance(now_s)
        outlet.car.spec = replace(outlet.car.spec, phases=phases)
        outlet.disturb(now_s)

    def _reachable(self, station: StationId) -> bool:
        """It hears us, and does what it says."""
        away = self.gateway.unreachable(station, self.plant.now_s)
        return not (self.down or away or station in self._tampered)

    def _heard(self, evse: EvseId) -> bool:
        """It is connected, and what its charger says of its car is true."""
        station = self.site.evse[evse].station
        return evse not in self.gateway.sick and self.gateway.connection(station) is not None

    def _out_of_reach(self) -> Vector:
        """True currents of chargers that nobody can tell anything, or could a moment ago. [A]"""
        found: list[float] = []
        now_s = self.plant.now_s
        for evse in self.site.evses:
            if not self._reachable(evse.station):
                self._away_s[evse.station] = now_s
            away = now_s - self._away_s.get(evse.station, float("-inf")) <= FOLLOWS_S
            found += self.plant.evse_a(evse.id) if away else NOTHING
        return np.array(found)

    def _ignoring(self) -> Vector:
        """True currents of chargers that draw more than they were told last. [A]"""
        found: list[float] = []
        for evse in self.site.evses:
            drawn_a = self.plant.evse_a(evse.id)
            ignores = self.plant.outlets[evse.id].lawful.exceeds_now(max(drawn_a))
            found += drawn_a if ignores else NOTHING
        return np.array(found)

    def _misread(self) -> Vector:
        """True currents of chargers that cannot contradict what a meter above says: they say
        something else of their cars, or nothing, or it is not too little for them. [A]
        """
        unseen = {m.meter.circuit for m in self.meters.values() if m.lies_unseen}
        found = (
            NOTHING
            if self._heard(e.id) and not unseen.intersection(self.site.path[e.circuit])
            else self.plant.evse_a(e.id)
            for e in self.site.evses
        )
        return np.array([current_a for each in found for current_a in each])


def _manners(temper: Temper, kind: Kind) -> Temper:
    match kind:
        case Kind.IGNORES:
            return replace(temper, deaf=True)
        case Kind.ZERO_IGNORED:
            return replace(temper, zero=Zero.IGNORED)
        case Kind.ZERO_IS_MINIMUM:
            return replace(temper, zero=Zero.MINIMUM)
        case Kind.MINIMUM_REFUSED:
            return replace(temper, zero=Zero.REJECTED)
        case _:
            return replace(temper, ignores_limits=True)


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Stop them; what one of them broke on is raised."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result
