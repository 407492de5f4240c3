"""A journal that cannot be written, or takes its time: what may leave all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from loadmgr.events import Confirmed, LimitSet, Order, ReadFallback, SetFallback
from loadmgr.model import CircuitId, EvseId, Limit
from tests.core.talk import bay, fuse, site_of
from tests.engine.rig import Rig, in_virtual_time
from tests.engine.test_engine import Failing


def two_outlets() -> Rig:
    """One station, with a fuse for each of its outlets."""
    fuses = (fuse("main", 100.0), fuse("north", 32.0), fuse("south", 32.0))
    a1, a2 = bay("A1", "north", station="A"), bay("A2", "south", station="A", number=2)
    return Rig(site_of(a1, a2, circuits=fuses))


def takes(rig: Rig, seconds: float) -> None:
    """From here on the disk takes so long."""
    journal_writes = rig.engine._scribe.written

    async def slowly() -> bool:
        await asyncio.sleep(seconds)
        return await journal_writes()

    rig.engine._scribe.written = slowly  # type: ignore[method-assign]


async def a_renewal(rig: Rig) -> None:
    await rig.plug("A1")
    await asyncio.sleep(40)
    await rig.plug("A2")
    await asyncio.sleep(25)
    takes(rig, 60.0)
    while rig.engine.state.evses[EvseId("A1")].in_flight is None:  # noqa: ASYNC110
        await asyncio.sleep(0.1)


async def a_first_limit(rig: Rig) -> None:
    await rig.plug("A2")
    await asyncio.sleep(60)
    takes(rig, 60.0)
    await rig.plug("A1")
    while not rig.engine._waiting:  # noqa: ASYNC110
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("waits", [a_renewal, a_first_limit])
def test_a_decrease_does_not_wait_behind_what_a_neighbour_has_waiting_for_the_disk(
    waits: Callable[[Rig], asyncio.Future[None]],
):
    async def story() -> None:
        rig = two_outlets()
        await asyncio.sleep(30)
        await waits(rig)
        assert rig.true_a("A2") == 32.0
        now = rig.clock.now()
        lower = Limit(
            name="dso",
            circuit=CircuitId("south"),
            current_a=(10.0,) * 3,
            source="dso",
            valid_from=now,
            valid_until=None,
        )
        rig.engine.emit(LimitSet(at=now, limit=lower))
        await asyncio.sleep(15)
        assert rig.true_a("A2") <= 10.0
        await asyncio.sleep(200)
        assert rig.true_a("A1") == 32.0, "and what was withdrawn comes again"
        await rig.kill()

    in_virtual_time(story)


def test_a_limit_that_holds_a_charger_back_is_renewed_without_a_journal():
    """It says "Accepted" to a default, does not keep it, and cannot say what it does alone: when
    its limit ended it took 32 A on a fuse of 20 A, until there was space on the disk.
    """

    async def story() -> None:
        journal = Failing()
        rig = Rig(site_of(bay("A"), circuits=(fuse("main", 20.0),)), journal=journal)
        execute = rig.gateway.gateway.execute

        async def cannot_say(order: Order) -> object:
            if isinstance(order, ReadFallback | SetFallback):
                return Confirmed(
                    at=rig.clock.now(),
                    serial=order.serial,
                    evse=order.evse,
                    connection=order.connection,
                )
            return await execute(order)

        rig.gateway.gateway.execute = cannot_say  # type: ignore[method-assign, assignment]
        await asyncio.sleep(30)
        await rig.plug("A")
        await asyncio.sleep(60)
        journal.full = True
        for _ in range(600):
            await asyncio.sleep(1)
            assert rig.true_a("A") <= 20.0
        await rig.kill()

    in_virtual_time(story)
