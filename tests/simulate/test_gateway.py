"""Stations without a wire, played in virtual time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from loadmgr.events import (
    Confirmed,
    Event,
    EvseMeasured,
    Lost,
    Order,
    ReadFallback,
    Refused,
    SessionEnded,
    SessionStarted,
    SetAvailability,
    SetFallback,
    SetLimit,
    StationBooted,
    StationConnected,
    StationDisconnected,
    StatusChanged,
    StopTransaction,
)
from loadmgr.model import ConnectorStatus, EvseId, StationId
from loadmgr.simulate.arrivals import Visit
from loadmgr.simulate.car import CarSpec
from loadmgr.simulate.clock import EPOCH, VirtualClock, run_virtual, virtual_clock
from loadmgr.simulate.gateway import SimulatedGateway
from loadmgr.simulate.meter import Ailment, SimulatedMeter
from loadmgr.simulate.plant import Plant
from loadmgr.simulate.temper import Temper
from loadmgr.simulate.visits import play
from tests.simulate.sites import MAIN, small_site

A = EvseId("A")
T0 = EPOCH.timestamp()
VISIT = Visit(evse=A, arrives_s=T0 + 10, leaves_s=T0 + 3600, car=CarSpec(), token="TAG")


async def stored() -> bool:
    return True


class World:
    """A gateway running in virtual time, and all it said."""

    def __init__(self, temper: Temper) -> None:
        self.clock: VirtualClock = virtual_clock()
        self.plant = Plant(small_site(), start_s=T0, tempers={StationId("A"): temper})
        self.gateway = SimulatedGateway(self.plant, clock=self.clock, seed=1)
        self.events: list[Event] = []
        self._serial = itertools.count(1)

    def order(self, kind: type, **more) -> Order:
        connection = self.gateway.connection(StationId("A")) or 0
        return kind(serial=next(self._serial), evse=A, connection=connection, **more)

    def limit(self, current_a: float, transaction_id: str = "1") -> Order:
        return self.order(
            SetLimit, current_a=current_a, lasts_s=300.0, transaction_id=transaction_id
        )

    def current_a(self) -> float:
        self.plant.advance(self.clock.now().timestamp())
        return self.plant.circuit_a(MAIN)[0]

    def seen(self, kind: type) -> list:
        own = [event for event in self.events if isinstance(event, kind)]
        return [e for e in own if getattr(e, "station", "A") == "A" and getattr(e, "evse", A) == A]


def play_out(story: Callable[[World], Awaitable[None]], temper: Temper = Temper()) -> World:  # noqa: B008 - frozen
    """Run a story that begins with a car charging at A since about 12 s."""

    async def main() -> World:
        world = World(temper)
        running = asyncio.create_task(world.gateway.run(world.events.append, stored))
        await asyncio.sleep(10)
        await world.gateway.plug(VISIT)
        await asyncio.sleep(20)
        await story(world)
        running.cancel()
        return world

    return run_virtual(main())


async def nothing(world: World) -> None:
    await asyncio.sleep(60)


def test_stations_connect_boot_and_report_a_session():
    world = play_out(nothing)
    kinds = [type(event) for event in world.events if getattr(event, "station", "") == "A"]
    assert kinds == [StationConnected, StationBooted]
    (started,) = world.seen(SessionStarted)
    assert (started.session.transaction_id, started.session.token) == ("1", "TAG")
    assert [event.status for event in world.seen(StatusChanged)] == [
        ConnectorStatus.AVAILABLE,
        ConnectorStatus.SUSPENDED_EVSE,
        ConnectorStatus.CHARGING,
    ]
    assert world.seen(EvseMeasured)[-1].terminal_a == (16.0, 16.0, 16.0)


def test_the_same_seed_tells_the_same_story():
    rough = Temper(drops_link_every_s=20.0, away_s=5.0)
    assert play_out(nothing, rough).events == play_out(nothing, rough).events


def test_a_confirmed_limit_is_felt_and_ends_by_itself():
    async def story(world: World) -> None:
        fallback = await world.gateway.execute(world.order(SetFallback, current_a=6.0))
        limit = await world.gateway.execute(world.limit(10.0))
        assert isinstance(fallback, Confirmed) and isinstance(limit, Confirmed)
        await asyncio.sleep(12)
        assert world.current_a() == 10.0
        await asyncio.sleep(300)
        assert world.current_a() == 6.0

    play_out(story)


def test_the_fallback_is_read_back_as_it_is_stored():
    async def story(world: World) -> None:
        async def read() -> float | None:
            outcome = await world.gateway.execute(world.order(ReadFallback, after_s=600.0))
            assert isinstance(outcome, Confirmed)
            return outcome.current_a

        assert await read() == 16.0  # nothing stored: hardware maximum
        await world.gateway.execute(world.order(SetFallback, current_a=0.0))
        await world.gateway.execute(world.limit(10.0))
        assert await read() == 0.0

    play_out(story)


def test_a_wrong_transaction_is_refused_and_the_reason_said():
    async def story(world: World) -> None:
        outcome = await world.gateway.execute(world.limit(10.0, transaction_id="99"))
        assert isinstance(outcome, Refused) and "99" in outcome.reason

    play_out(story)


def test_an_order_on_an_old_connection_is_lost_at_once():
    async def story(world: World) -> None:
        order = world.limit(10.0)
        world.gateway.drop(StationId("A"), away_s=5.0)
        assert isinstance(await world.gateway.execute(order), Lost)
        await asyncio.sleep(6)
        assert isinstance(await world.gateway.execute(order), Lost)
        assert isinstance(await world.gateway.execute(world.limit(10.0)), Confirmed)

    world = play_out(story)
    assert len(world.seen(StationDisconnected)) == 1
    first, second = world.seen(StationConnected)
    assert first.connection < second.connection


def test_a_lost_answer_leaves_the_limit_in_force_and_a_lost_order_does_not():
    async def felt(world: World) -> float:
        asked_s = asyncio.get_running_loop().time()
        assert isinstance(await world.gateway.execute(world.limit(8.0)), Lost)
        assert asyncio.get_running_loop().time() - asked_s == pytest.approx(10.0)
        await asyncio.sleep(12)
        return world.current_a()

    async def answer(world: World) -> None:
        assert await felt(world) == 8.0

    async def order(world: World) -> None:
        assert await felt(world) == 16.0

    play_out(answer, Temper(loses_answers=1.0))
    play_out(order, Temper(loses_orders=1.0))


def test_a_very_late_station_acts_after_we_gave_up():
    async def story(world: World) -> None:
        assert isinstance(await world.gateway.execute(world.limit(8.0)), Lost)
        assert world.current_a() == 16.0
        await asyncio.sleep(40)
        assert world.current_a() == 8.0

    play_out(story, Temper(answer_s=30.0))


def test_a_stopped_transaction_ends_the_session_and_the_current():
    async def story(world: World) -> None:
        stop = world.order(StopTransaction, transaction_id="1")
        assert isinstance(await world.gateway.execute(stop), Confirmed)
        await asyncio.sleep(2)
        assert world.current_a() == 0.0

    (ended,) = play_out(story).seen(SessionEnded)
    assert ended.transaction_id == "1" and ended.energy_wh > 0


def test_a_session_that_ends_offline_is_told_on_return():
    async def story(world: World) -> None:
        world.gateway.drop(StationId("A"), away_s=60.0)
        await asyncio.sleep(5)
        await world.gateway.unplug(VISIT)
        assert not world.seen(SessionEnded)
        await asyncio.sleep(60)
        (ended,) = world.seen(SessionEnded)
        assert ended.at == world.seen(StationConnected)[-1].at

    play_out(story)


def test_a_reboot_comes_back_without_its_limit():
    async def story(world: World) -> None:
        await world.gateway.execute(world.limit(8.0))
        await asyncio.sleep(12)
        world.gateway.reboot(StationId("A"))
        await asyncio.sleep(60)
        assert world.current_a() == 16.0
        assert len(world.seen(StationBooted)) == 2

    play_out(story)


def test_an_inoperative_outlet_says_so_once_it_is_free():
    async def story(world: World) -> None:
        await world.gateway.execute(world.order(SetAvailability, operative=False))
        await world.gateway.unplug(VISIT)

    assert play_out(story).seen(StatusChanged)[-1].status is ConnectorStatus.UNAVAILABLE


def test_visits_are_played_in_their_order_and_a_taken_bay_is_left_alone():
    early = replace(VISIT, arrives_s=T0 + 100, leaves_s=T0 + 200)
    late = replace(VISIT, arrives_s=T0 + 200, leaves_s=T0 + 300)

    async def main() -> list[tuple[str, float]]:
        clock, seen = virtual_clock(), []

        async def note(what: str, visit: Visit) -> None:
            seen.append((what, round(clock.now().timestamp() - T0)))

        await play(
            [late, early],
            clock=clock,
            plug=lambda visit: note("plug", visit),
            unplug=lambda visit: note("unplug", visit),
        )
        return seen

    assert run_virtual(main()) == [("plug", 100), ("unplug", 200), ("plug", 200), ("unplug", 300)]


@pytest.mark.parametrize(
    ("ailment", "expected"),
    [
        (Ailment.NONE, [0.0, 16.0, 16.0]),
        (Ailment.FROZEN, [0.0, 0.0, 0.0]),
        (Ailment.NEGATIVE, [0.0, -16.0, -16.0]),
        (Ailment.SCALED, [0.0, 16_000.0, 16_000.0]),
        (Ailment.SILENT, [0.0]),
    ],
)
def test_a_meter_shows_the_truth_or_its_ailment(ailment, expected):
    async def main() -> list[float]:
        plant, clock, told = Plant(small_site(), start_s=T0), virtual_clock(), []
        meter = SimulatedMeter(
            meter=plant.site.meters[0], plant=plant, clock=clock, interval_s=10.0
        )
        running = asyncio.create_task(meter.run(told.append))
        await asyncio.sleep(11)
        plant.advance(clock.now().timestamp())
        station = plant.stations[StationId("A")]
        station.plug(1, CarSpec(), plant.now_s)
        station.begin(1, plant.now_s, id="1", token="")
        meter.ailment = ailment
        await asyncio.sleep(20)
        running.cancel()
        return [event.current_a[0] for event in told]

    assert run_virtual(main()) == pytest.approx(expected)
