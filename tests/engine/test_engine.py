"""The shell keeps what the core promises: on virtual time, against stations that are played."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count, pairwise

import pytest

from loadmgr.core.ledger import OUTLASTS, worst_case
from loadmgr.core.questions import left_open
from loadmgr.core.state import State
from loadmgr.engine.journal import Forgetful, JournalFailed
from loadmgr.events import (
    CircuitMeasured,
    Event,
    LimitReleased,
    LimitSet,
    ReadMeter,
    Refused,
    Sent,
    SetLimit,
    StationBooted,
)
from loadmgr.model import EvseId, Limit, MeterId, Offline, StationId
from loadmgr.simulate.temper import GOOD, Temper
from tests.core.talk import MAIN, bay, fuse, metered, site_of
from tests.engine.rig import Rig, in_virtual_time

LIMIT_LASTS_S = Offline().limit_lasts_s


def park(bays: int = 3, fuse_a: float = 30.0):  # type: ignore[no-untyped-def]
    return site_of(*(bay(name) for name in "ABCDEFGH"[:bays]), fuse_a=fuse_a)


class Failing(Forgetful):
    """A journal on a disk that is full while `full`, and cannot be shortened while `long`."""

    def __init__(self, *, long: bool = False) -> None:
        super().__init__()
        self.full = False
        self.long = long
        self.written: list[Event] = []

    def append(self, events: Sequence[Event]) -> None:
        if self.full:
            raise JournalFailed("no space left on device")
        super().append(events)
        self.written += events

    def checkpoint(self, state: State) -> None:
        if self.full or self.long:
            raise JournalFailed("no space left on device")
        super().checkpoint(state)


def limit(rig: Rig, current_a: float, lasts_s: float = 3600.0) -> LimitSet:
    now = rig.clock.now()
    return LimitSet(
        at=now,
        limit=Limit(
            name="dso",
            circuit=MAIN,
            current_a=(current_a,) * 3,
            source="dso",
            valid_from=now,
            valid_until=now + timedelta(seconds=lasts_s),
        ),
    )


# ── Good days ─────────────────────────────────────────────────────────────────────────────


def test_cars_are_charged_and_the_fuse_is_not_noticed():
    async def story() -> None:
        rig = Rig(park())
        await asyncio.sleep(30)
        await rig.plug("A", "B", "C")
        await asyncio.sleep(600)
        assert [rig.true_a(name) for name in "ABC"] == [10.0, 10.0, 10.0]
        assert rig.ours_s == 0
        await rig.kill()

    in_virtual_time(story)


def test_a_limit_from_outside_is_felt_within_fifteen_seconds():
    async def story() -> None:
        rig = Rig(park())
        await asyncio.sleep(30)
        await rig.plug("A", "B", "C")
        await asyncio.sleep(120)
        rig.engine.emit(limit(rig, 18.0))
        await asyncio.sleep(15)
        assert sum(rig.true_a(name) for name in "ABC") <= 18.0 + 1e-6
        rig.engine.emit(LimitReleased(at=rig.clock.now(), name="dso", source="dso"))
        await asyncio.sleep(60)
        assert sum(rig.true_a(name) for name in "ABC") == 30.0
        await rig.kill()

    in_virtual_time(story)


def test_ticks_keep_their_beat():
    async def story() -> None:
        rig = Rig(park())
        at: list[float] = []
        rig.engine.on_tick.append(lambda state, plan: at.append(rig.now_s))
        await asyncio.sleep(120)
        gaps = [b - a for a, b in pairwise(at)]
        assert max(gaps) <= rig.site.interval_s + 0.01
        await rig.kill()

    in_virtual_time(story)


# ── Stations that fail ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("after_s", range(120, 220, 20))
def test_a_charger_that_is_found_to_disobey_is_not_given_until_the_next_beat(after_s: int):
    async def story() -> None:
        rig = Rig(replace(park(), interval_s=13.0))
        caught_s: list[float] = []

        def watch(event: Event, state: State) -> None:
            if not caught_s and state.evses[EvseId("A")].quarantine is not None:
                caught_s.append(rig.now_s)

        rig.engine.on_event.append(watch)
        await asyncio.sleep(30)
        await rig.plug("A", "B", "C")
        await asyncio.sleep(after_s)
        rig.becomes("A", Temper(ignores_limits=True))
        await asyncio.sleep(60)
        (at_s,) = caught_s
        assert [o.current_a for o in rig.gateway.limits(at_s - 0.01) if o.evse == "A"][:1] == [0.0]
        first_s = next(at for at, o in rig.gateway.left if at >= at_s and o.evse == "A")
        assert first_s - at_s <= 0.5
        await rig.kill()

    in_virtual_time(story)


def test_a_slow_station_holds_up_neither_the_tick_nor_the_others():
    async def story() -> None:
        rig = Rig(park(), tempers={"A": Temper(answer_s=9.0)})
        at: list[float] = []
        rig.engine.on_tick.append(lambda state, plan: at.append(rig.now_s))
        await asyncio.sleep(60)
        await rig.plug("A", "B", "C")
        await asyncio.sleep(60)
        plugged = rig.now_s
        rig.engine.emit(limit(rig, 18.0))
        await asyncio.sleep(1)
        told = {o.evse for o in rig.gateway.limits(plugged)}
        assert {"B", "C"} <= told, "within a second, whatever A does"
        assert max(b - a for a, b in pairwise(at)) <= rig.site.interval_s + 0.01
        assert rig.ours_s == 0
        await rig.kill()

    in_virtual_time(story)


def test_a_lost_answer_reserves_both_limits_and_nothing_is_overloaded():
    async def story() -> None:
        rig = Rig(park(2, fuse_a=20.0))
        await asyncio.sleep(30)
        await rig.plug("A")
        await asyncio.sleep(60)
        assert rig.true_a("A") == 20.0
        rig.becomes("A", Temper(loses_answers=1.0))
        await rig.plug("B")
        for _ in range(60):
            await asyncio.sleep(1)
            entries = worst_case(rig.site, rig.engine.state, rig.clock.now())
            assert entries[EvseId("A")][0] == 20.0, "nothing proves that it has gone down"
            assert rig.true_a("B") == 0.0
        rig.becomes("A", GOOD)
        await asyncio.sleep(600)
        assert [rig.true_a(name) for name in "AB"] == [10.0, 10.0]
        assert rig.ours_s == 0
        await rig.kill()

    in_virtual_time(story)


def test_a_station_that_drops_off_keeps_its_share_until_its_limit_has_ended():
    async def story() -> None:
        rig = Rig(park(2, fuse_a=20.0))
        await asyncio.sleep(30)
        await rig.plug("A")
        await asyncio.sleep(60)
        rig.gateway.gateway.drop(StationId("A"), away_s=1200.0)
        await rig.plug("B")
        await asyncio.sleep(100)
        assert rig.true_a("A") == 20.0 and rig.true_a("B") == 0.0
        await asyncio.sleep(300)
        assert rig.true_a("A") == 0.0 and rig.true_a("B") == 20.0, "it fell back by itself"
        assert rig.ours_s == 0
        await rig.kill()

    in_virtual_time(story)


# ── We fail ───────────────────────────────────────────────────────────────────────────────


def test_after_a_kill_sessions_and_ledger_are_as_they_were():
    async def story() -> None:
        rig = Rig(park())
        await asyncio.sleep(30)
        await rig.plug("A", "B", "C")
        await asyncio.sleep(103)
        rig.engine.emit(limit(rig, 18.0))
        await asyncio.sleep(0.5)
        before = rig.engine.state
        entries = worst_case(rig.site, before, rig.clock.now())
        await rig.kill()
        await asyncio.sleep(8)
        rig.begin()
        await asyncio.sleep(0)
        after = rig.engine.state
        again = worst_case(rig.site, after, rig.clock.now())
        for name in before.evses:
            assert after.evses[name].session == before.evses[name].session
            assert again[name] >= entries[name]
        assert after.limits == before.limits
        await asyncio.sleep(300)
        assert sum(rig.true_a(name) for name in "ABC") == 18.0
        assert rig.ours_s == 0
        await rig.kill()

    in_virtual_time(story)


def test_a_site_that_was_rebuilt_while_we_were_away_is_lowered_before_anybody_is_raised():
    """The fuse is smaller, A hangs below a new one of its own, C is gone, D has come."""

    async def story() -> None:
        rig = Rig(site_of(*(bay(name) for name in "ABCD"), fuse_a=40.0))
        await asyncio.sleep(30)
        await rig.plug("A", "B", "C")
        await asyncio.sleep(200)
        before = {name: rig.true_a(name) for name in "ABC"}
        assert min(before.values()) > 13.0
        await rig.kill()
        below = (fuse("main", 20.0), fuse("shed", 8.0))
        rig.site = site_of(bay("A", "shed"), bay("B"), bay("D"), circuits=below)
        rig.begin()
        await asyncio.sleep(0)
        entries = worst_case(rig.site, rig.engine.state, rig.clock.now())
        assert all(max(entries[EvseId(name)]) >= before[name] for name in "AB")
        assert set(rig.engine.state.evses) == {"A", "B", "D"}
        since_s = rig.now_s
        await asyncio.sleep(60)
        first: dict[str, float] = {}
        for order in rig.gateway.limits(since_s):
            first.setdefault(order.evse, order.current_a)
        assert first["A"] <= 8.0 and first["B"] <= before["B"]
        assert rig.true_a("A") <= 8.0 and rig.true_a("A") + rig.true_a("B") <= 20.0
        await rig.plug("D")
        await asyncio.sleep(300)
        drawn = {name: rig.true_a(name) for name in "ABD"}
        assert drawn["A"] <= 8.0 and sum(drawn.values()) <= 20.0 and drawn["D"] >= 6.0
        assert not any(order.evse == "C" for order in rig.gateway.limits(since_s))
        await rig.kill()

    in_virtual_time(story)


def test_a_boot_in_the_second_life_is_known_in_the_third_though_connections_are_numbered_anew():
    """Where the journal cannot be shortened, the numbers of the first life still stand in it."""

    async def story() -> None:
        rig = Rig(park(), journal=Failing(long=True))
        await asyncio.sleep(30)
        for _ in range(5):
            rig.gateway.gateway.drop(StationId("A"), away_s=5.0)
            await asyncio.sleep(30)
        await rig.kill()
        rig.gateway.gateway._connections = count(1)  # as in a new process
        rig.begin()
        await asyncio.sleep(60)
        assert _worst(rig, "A") == 0.0
        booted = asyncio.Event()
        rig.engine.on_event.append(lambda e, _: isinstance(e, StationBooted) and booted.set())
        rig.gateway.gateway.reboot(StationId("A"))
        await booted.wait()
        await rig.kill()
        rig.begin()
        await asyncio.sleep(0)
        assert rig.engine.state.evses[EvseId("A")].fallback_a is None, "it may have forgotten it"
        assert _worst(rig, "A") == 32.0
        await asyncio.sleep(60)
        assert _worst(rig, "A") == 0.0
        await rig.kill()

    in_virtual_time(story)


def _worst(rig: Rig, evse: str) -> float:
    return max(worst_case(rig.site, rig.engine.state, rig.clock.now())[EvseId(evse)])


@pytest.mark.parametrize("long", [True, False], ids=["read event by event", "from a checkpoint"])
def test_a_meter_that_gave_itself_away_is_still_doubted_after_every_kill(long: bool):
    async def story() -> None:
        rig = Rig(metered(bay("A")), journal=Failing(long=long))
        await asyncio.sleep(1)
        for current_a in ((30.0, 17.0, 50.0), (17.0, 30.0, 50.0)):
            at = rig.clock.now()
            rig.engine.emit(CircuitMeasured(at=at, meter=MeterId("grid"), current_a=current_a))
            await asyncio.sleep(1)
        assert rig.engine.state.meters[MeterId("grid")].doubt is not None
        for _ in range(2):
            await rig.kill()
            rig.begin()
            await asyncio.sleep(1)
            doubt = rig.engine.state.meters[MeterId("grid")].doubt
            assert doubt is not None and not doubt.amount
        await rig.kill()

    in_virtual_time(story)


def test_what_a_sample_leaves_open_is_asked_at_once():
    """Found with slow chargers, seed 9110017: a building rose behind a ramp, and the question that
    would have shown it waited for the beat.
    """

    async def story() -> None:
        rig = Rig(replace(metered(bay("A"), fuse_a=40.0), interval_s=13.0))
        building_a, open_s = 8.0, []

        async def second() -> None:
            shown_a = (building_a + rig.true_a("A"),) * 3
            at = rig.clock.now()
            rig.engine.emit(CircuitMeasured(at=at, meter=MeterId("grid"), current_a=shown_a))
            await asyncio.sleep(1)

        def watch(event: Event, state: State) -> None:
            if isinstance(event, CircuitMeasured) and left_open(
                rig.site, state, event.meter, event.at
            ):
                open_s.append(rig.now_s)

        rig.engine.on_event.append(watch)
        for _ in range(60):
            await second()
        await rig.plug("A")
        for _ in range(60):
            await second()
        asked_s = [at for at, order in rig.gateway.left if isinstance(order, ReadMeter)]
        assert asked_s[0] - open_s[0] < 0.01
        await rig.kill()

    in_virtual_time(story)


def test_what_raises_is_written_down_before_it_leaves():
    async def story() -> None:
        journal = Failing()
        rig = Rig(park(), journal=journal)
        held: dict[str, float] = {}

        def look(order: object) -> None:
            if not isinstance(order, SetLimit):
                return
            if order.current_a > held.get(order.evse, 0.0):
                assert any(isinstance(e, Sent) and e.order == order for e in journal.written)
            held[order.evse] = order.current_a

        rig.gateway.before_leaving = look
        await asyncio.sleep(30)
        await rig.plug("A", "B", "C")
        await asyncio.sleep(120)
        assert held == {"A": 10.0, "B": 10.0, "C": 10.0}
        await rig.kill()

    in_virtual_time(story)


def test_a_raise_whose_own_line_cannot_be_written_never_leaves():
    class Fussy(Failing):
        def append(self, events: Sequence[Event]) -> None:
            if self.full and any(isinstance(e, Sent) for e in events):
                raise JournalFailed("no space left on device")
            Forgetful.append(self, events)

    async def story() -> None:
        journal = Fussy()
        rig = Rig(park(), journal=journal)
        await asyncio.sleep(30)
        journal.full = True
        await rig.plug("A")
        await asyncio.sleep(60)
        assert rig.gateway.limits() == []
        assert rig.true_a("A") == 0.0
        journal.full = False
        await asyncio.sleep(60)
        assert rig.true_a("A") == 30.0
        await rig.kill()

    in_virtual_time(story)


def test_a_decrease_does_not_wait_behind_a_raise_that_waits_for_a_slow_disk():
    async def story() -> None:
        journal = Failing()
        rig = Rig(park(), journal=journal)
        await asyncio.sleep(30)
        await rig.plug("A")
        await asyncio.sleep(60)
        assert rig.true_a("A") == 30.0
        rig.engine.emit(limit(rig, 10.0, lasts_s=30.0))
        await asyncio.sleep(25)
        assert rig.true_a("A") == 10.0
        journal_writes = rig.engine._scribe.written

        async def slowly() -> bool:
            await asyncio.sleep(20.0)
            return await journal_writes()

        rig.engine._scribe.written = slowly  # type: ignore[method-assign]
        await asyncio.sleep(10)  # the limit has ended: a raise waits for the disk
        assert rig.engine.state.evses[EvseId("A")].in_flight is not None
        rig.engine.emit(limit(rig, 7.0, lasts_s=600.0))
        since_s = rig.now_s
        await asyncio.sleep(1)
        assert [order.current_a for order in rig.gateway.limits(since_s)] == [7.0]
        await asyncio.sleep(60)
        assert rig.true_a("A") == 7.0, "and what was withdrawn never leaves"
        assert {order.current_a for order in rig.gateway.limits(since_s)} == {7.0}
        await rig.kill()

    in_virtual_time(story)


@pytest.mark.parametrize("stalls_s", [20.0, LIMIT_LASTS_S - 10.0, LIMIT_LASTS_S + 10.0])
def test_a_raise_that_waited_for_the_disk_ends_when_the_ledger_thinks_it_does(stalls_s: float):
    async def story() -> None:
        rig = Rig(park())
        await asyncio.sleep(30)
        journal_writes, stalls = rig.engine._scribe.written, True

        async def slowly() -> bool:
            await asyncio.sleep(stalls_s if stalls else 0.0)
            return await journal_writes()

        rig.engine._scribe.written = slowly  # type: ignore[method-assign]
        await rig.plug("A")
        await asyncio.sleep(10)
        (grant,) = rig.engine.state.evses[EvseId("A")].unknown
        stalls = False
        await asyncio.sleep(stalls_s)
        told = [(at, o) for at, o in rig.gateway.left if o.serial == grant.serial]
        if stalls_s > LIMIT_LASTS_S:
            assert told == [], "it would have been over before it began"
        else:
            ((at, order),) = told
            ends_s = rig.now_s + (grant.ends_at - rig.clock.now()).total_seconds()
            assert isinstance(order, SetLimit)
            assert at + order.lasts_s + OUTLASTS.total_seconds() == pytest.approx(ends_s, abs=0.1)
        await rig.kill()

    in_virtual_time(story)


def test_without_a_journal_only_decreases_leave_and_increases_come_back_with_it():
    async def story() -> None:
        journal = Failing()
        rig = Rig(park(), journal=journal)
        await asyncio.sleep(30)
        await rig.plug("A", "B")
        await asyncio.sleep(60)
        assert [rig.true_a(name) for name in "AB"] == [15.0, 15.0]
        journal.full = True
        refused: list[Event] = []
        rig.engine.on_event.append(lambda e, _: refused.append(e))
        rig.engine.emit(limit(rig, 20.0, lasts_s=60.0))
        await asyncio.sleep(30)
        assert [rig.true_a(name) for name in "AB"] == [10.0, 10.0], "a decrease is not held up"
        await rig.plug("C")
        await asyncio.sleep(100)  # the limit has ended
        assert rig.true_a("C") == 0.0 and sum(rig.true_a(name) for name in "AB") <= 20.0
        journal.full = False
        await asyncio.sleep(120)
        assert [rig.true_a(name) for name in "ABC"] == [10.0, 10.0, 10.0]
        assert not [e for e in refused if isinstance(e, Refused) and "journal" not in e.reason]
        assert rig.ours_s == 0
        await rig.kill()

    in_virtual_time(story)
