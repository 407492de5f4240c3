"""Plays a story in virtual time: the real engine, played stations, and the truth beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from loadmgr.app.comfort import Comfort
from loadmgr.app.story import Building, Happening, Story
from loadmgr.config import Configuration
from loadmgr.engine.clock import SteadyClock
from loadmgr.engine.decide import Decide, Inline
from loadmgr.engine.engine import Engine
from loadmgr.engine.journal import Forgetful, Journal
from loadmgr.events import LimitReleased, LimitSet
from loadmgr.model import UNLIMITED, CircuitId, EvseId, Limit, Site, StationId
from loadmgr.simulate.arrivals import Crowd, Visit, synthetic
from loadmgr.simulate.building import BuildingLoad, MovingLoad, SteppedLoad
from loadmgr.simulate.car import CarSpec
from loadmgr.simulate.clock import run_virtual, virtual_clock
from loadmgr.simulate.gateway import SimulatedGateway
from loadmgr.simulate.meter import Ailment, SimulatedMeter
from loadmgr.simulate.plant import Plant, Summary
from loadmgr.simulate.temper import GOOD, Temper, Zero
from loadmgr.simulate.visits import play
from loadmgr.snapshot import Pace
from loadmgr.units import PHASES, power_w

METER_EVERY_S = 1.0
CHARGER_METERS_EVERY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a story came to."""

    story: Story
    summary: Summary
    pace: Pace
    orders: int
    served: Mapping[str, float]  # token of each car → what it got [Wh]
    stops_an_hour: int  # the most times one car was paused within an hour
    felt_s: float  # the longest from a limit to true currents below it
    broken: tuple[str, ...]  # what had to be true and is not


def perform(
    story: Story, configuration: Configuration, *, make_engine: Callable[..., Engine] = Engine
) -> Outcome:
    """Play the story to its end, as fast as the computer can."""
    return run_virtual(_Stage(story, configuration.site, make_engine).play())


class _Stage:
    """Everything that is on it while the story is played."""

    def __init__(self, story: Story, site: Site, make_engine: Callable[..., Engine]) -> None:
        loop_clock = virtual_clock
        self.story = story
        self.site = site
        self._make_engine = make_engine
        self._journal: Journal = Forgetful()
        self._decide: Decide = Inline()
        self._loop_clock = loop_clock
        self.felt_s: list[float] = []
        self.comfort = Comfort()

    async def play(self) -> Outcome:
        loop = asyncio.get_running_loop()
        self.clock = SteadyClock(self._loop_clock().now(), loop.time)
        self.start_s = self.clock.now().timestamp()
        self.plant = Plant(
            self.site,
            start_s=self.start_s,
            building=buildings(self.story, self.start_s),
            tempers={StationId(n): temper(GOOD, t) for n, t in self.story.tempers.items()},
        )
        self.gateway = SimulatedGateway(
            self.plant,
            clock=self.clock,
            seed=self.story.seed,
            meter_interval_s=CHARGER_METERS_EVERY_S,
        )
        self.meters = {
            str(meter.id): SimulatedMeter(
                meter=meter, plant=self.plant, clock=self.clock, interval_s=METER_EVERY_S
            )
            for meter in self.site.meters
        }
        visits = visitors(self.story, self.site, self.start_s)
        self._start_engine()
        actors = [
            asyncio.create_task(
                play(visits, clock=self.clock, plug=self.gateway.plug, unplug=self.gateway.unplug)
            ),
            *(asyncio.create_task(self._happen(h)) for h in self.story.happens),
        ]
        await asyncio.sleep(self.story.lasts)
        self.plant.advance(self.clock.now().timestamp())
        engine, summary = self.engine, self.plant.summary()
        await _end([self._running, *actors])
        served = _served(self.plant, visits)
        return Outcome(
            story=self.story,
            summary=summary,
            pace=engine.pace.pace(),
            orders=engine.state.last_serial,
            served=served,
            felt_s=max(self.felt_s, default=0.0),
            stops_an_hour=self.comfort.stops_an_hour(),
            broken=tuple(
                broken(
                    self.story,
                    summary,
                    served,
                    max(self.felt_s, default=0.0),
                    self.comfort.stops_an_hour(),
                )
            ),
        )

    def _start_engine(self) -> None:
        self.engine = self._make_engine(
            self.site,
            gateway=self.gateway,
            sources=list(self.meters.values()),
            journal=self._journal,
            clock=self.clock,
            decide=self._decide,
        )
        self.engine.on_event.append(self.comfort.watch)
        self._running = asyncio.create_task(self.engine.run())

    async def _happen(self, what: Happening) -> None:
        await asyncio.sleep(what.at)
        match what.verb:
            case "limit":
                asked = limit(what, self.clock)
                self.engine.emit(LimitSet(at=self.clock.now(), limit=asked))
                await self._until_felt(asked)
            case "release":
                self.engine.emit(
                    LimitReleased(at=self.clock.now(), name=f"story-{what.release}", source="story")
                )
            case "drop":
                self.gateway.drop(StationId(str(what.drop)), away_s=what.lasts)
            case "reboot":
                self.gateway.reboot(StationId(str(what.reboot)))
            case "temper":
                station = self.plant.stations[StationId(str(what.temper))]
                assert what.becomes is not None
                changed = temper(station.temper, what.becomes)
                station.change_temper(changed, self.clock.now().timestamp())
            case "silence":
                await self._silence(str(what.silence), what.lasts)
            case "kill":
                await _end([self._running])
                await asyncio.sleep(what.lasts)
                self._start_engine()

    async def _until_felt(self, asked: Limit) -> None:
        """Note how long it takes until the true currents are below a limit."""
        since = self.clock.now()
        self.felt_s.append(float("inf"))
        while not self._is_felt(asked):  # noqa: ASYNC110 # a current tells nobody that it fell
            await asyncio.sleep(0.5)
        self.felt_s[-1] = (self.clock.now() - since).total_seconds()

    def _is_felt(self, asked: Limit) -> bool:
        self.plant.advance(self.clock.now().timestamp())
        current_a = self.plant.circuit_a(asked.circuit)
        below = all(current_a[p] <= asked.current_a[p] for p in PHASES)
        power = power_w(current_a, self.site.voltage_v)
        return below and (asked.power_w is None or power <= asked.power_w)

    async def _silence(self, meter: str, seconds: float) -> None:
        self.meters[meter].ailment = Ailment.SILENT
        await asyncio.sleep(seconds)
        self.meters[meter].ailment = Ailment.NONE


async def _end(tasks: list[asyncio.Task[Any]]) -> None:
    """Stop them; what one of them broke on is raised."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


# ── From the words of a story to the things of the simulation ─────────────────────────────


def buildings(story: Story, start_s: float) -> Mapping[CircuitId, BuildingLoad]:
    return {CircuitId(n): _load(b, story.seed, start_s) for n, b in story.building.items()}


def _load(building: Building, seed: int, start_s: float) -> BuildingLoad:
    if building.steps:
        return SteppedLoad(
            [(start_s + at, a.per_phase) for at, a in sorted(building.steps.items())]
        )
    return MovingLoad(
        seed=seed,
        base_a=building.base.per_phase,
        day_a=building.swing.per_phase,
        noise_a=building.noise,
        appliances=(),
    )


def temper(before: Temper, change: Any) -> Temper:
    """Manners after a change; what the change does not name stays."""
    named = {
        "reaction_s": change.reaction,
        "answer_s": change.answers_after,
        "zero": Zero(change.zero) if change.zero is not None else None,
        **{
            name: getattr(change, name)
            for name in (
                "ignores_limits",
                "deaf",
                "stores_profiles",
                "rejects_profiles",
                "keeps_default",
                "loses_orders",
                "loses_answers",
            )
        },
    }
    return replace(before, **{n: v for n, v in named.items() if v is not None})


def visitors(story: Story, site: Site, start_s: float) -> tuple[Visit, ...]:
    """The cars that are named, and those that come by chance."""
    named = tuple(
        Visit(
            evse=EvseId(car.bay),
            arrives_s=start_s + car.at,
            leaves_s=start_s + car.at + car.stays,
            car=CarSpec(
                phases=int(car.phases),
                max_a=max(6.0, car.max),
                capacity_wh=max(60_000.0, 2 * car.wants),
                wanted_wh=car.wants,
                reaction_s=car.reaction,
            ),
            token=f"{car.bay}-{place}",
        )
        for place, car in enumerate(story.cars)
    )
    if story.crowd is None:
        return named
    crowd = Crowd(
        visits_per_evse_day=story.crowd.visits_per_bay_and_day,
        stay_h=(story.crowd.shortest_stay / 3600, story.crowd.longest_stay / 3600),
        wanted_wh=(story.crowd.least, story.crowd.most),
        one_phase_share=story.crowd.one_phase_share,
    )
    chance = synthetic(
        site.evses, seed=story.seed, start_s=start_s, seconds=story.lasts, crowd=crowd
    )
    return (*named, *chance)


def limit(what: Happening, clock: SteadyClock) -> Limit:
    now = clock.now()
    return Limit(
        name=f"story-{what.limit}",
        circuit=CircuitId(str(what.limit)),
        current_a=UNLIMITED if what.current is None else (what.current,) * 3,
        power_w=what.power,
        source="story",
        valid_from=now,
        valid_until=now + timedelta(seconds=what.lasts),
    )


# ── What it came to ───────────────────────────────────────────────────────────────────────


def _served(plant: Plant, visits: tuple[Visit, ...]) -> Mapping[str, float]:
    """What every car got that came. [Wh]"""
    served = {visit.token: 0.0 for visit in visits if visit.arrives_s < plant.now_s}
    for station in plant.stations.values():
        for outlet in station.outlets.values():
            if outlet.transaction is not None:
                served[outlet.transaction.token] = outlet.transaction.energy_wh(outlet.register_wh)
        for _, transaction in station.finished:
            served[transaction.token] = transaction.energy_wh(0.0)
    return served


def broken(
    story: Story,
    summary: Summary,
    served: Mapping[str, float],
    felt_s: float,
    stops_an_hour: int = 0,
) -> list[str]:
    """What had to be true and is not, in sentences."""
    found: list[str] = []
    allowed = 0.0 if story.must.overload == "none" else story.must.overload
    if summary.ours_s > allowed:
        found.append(f"{summary.ours_s:.0f} s of overload, {allowed:.0f} s allowed")
    if summary.tripped:
        found.append("a breaker tripped: " + ", ".join(row.circuit for row in summary.tripped))
    if summary.energy_wh < story.must.energy_at_least:
        found.append(
            f"{summary.energy_wh / 1000:.1f} kWh delivered, "
            f"{story.must.energy_at_least / 1000:.1f} kWh expected"
        )
    within_s = story.must.decreases_felt_within
    if within_s is not None and felt_s > within_s:
        found.append(f"a limit was felt after {felt_s:.1f} s, {within_s:.0f} s allowed")
    most = story.must.stops_per_car_and_hour
    if most is not None and stops_an_hour > most:
        found.append(f"a car was stopped {stops_an_hour} times within an hour, {most} allowed")
    if story.must.everybody_charged:
        hungry = sorted(token for token, energy_wh in served.items() if energy_wh < 1.0)
        if hungry:
            found.append(f"no energy at all for {', '.join(hungry)}")
    return found
