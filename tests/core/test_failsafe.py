"""A utility that cannot be heard has not said "unlimited"."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from loadmgr.core import envelope
from loadmgr.core.envelope import POWER
from loadmgr.core.observe import observe
from loadmgr.core.state import State, unseen
from loadmgr.events import Event, Heartbeat, LimitReleased, LimitSet, Restarted
from loadmgr.model import Circuit, CircuitId, Failsafe, Limit, Site

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MAIN = CircuitId("main")
SITE = Site(
    name="Failsafe",
    timezone="UTC",
    circuits=(Circuit(id=MAIN, label="Main", feeds_from=None, rating_a=(63.0,) * 3),),
    failsafes=(Failsafe(name="dso", circuit=MAIN, power_w=10_000.0, heartbeat_s=120.0),),
)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def after(*events: Event) -> State:
    state = unseen(SITE)
    for event in events:
        state = observe(SITE, state, event)
    return state


def usable_w(state: State, seconds: float) -> float:
    return envelope.rows(SITE, state, at(seconds))[MAIN][POWER].usable


def says(seconds: float, power_w: float = 30_000.0) -> LimitSet:
    limit = Limit(name="dso", circuit=MAIN, power_w=power_w, source="dso", valid_from=at(seconds))
    return LimitSet(at=at(seconds), limit=limit)


def beat(seconds: float) -> Heartbeat:
    return Heartbeat(at=at(seconds), name="dso")


def test_before_anything_is_heard_the_failsafe_holds() -> None:
    assert usable_w(unseen(SITE), 0) == 10_000


def test_a_limit_that_is_set_replaces_the_failsafe() -> None:
    assert usable_w(after(says(0)), 1) == 30_000


def test_silence_for_longer_than_the_heartbeat_brings_the_failsafe_back() -> None:
    state = after(says(0))
    assert usable_w(state, 120) == 30_000
    assert usable_w(state, 121) == 10_000


def test_heartbeats_keep_a_limit_in_force() -> None:
    state = after(says(0), beat(100), beat(200), beat(300))
    assert usable_w(state, 400) == 30_000


def test_a_heartbeat_alone_does_not_end_the_failsafe() -> None:
    state = after(says(0), beat(500))
    assert usable_w(state, 501) == 10_000


def test_after_silence_a_heartbeat_and_then_a_limit_end_it() -> None:
    state = after(says(0), beat(500), says(510, 25_000.0))
    assert usable_w(state, 511) == 25_000


def test_a_release_is_a_word_too() -> None:
    state = after(says(0), LimitReleased(at=at(10), name="dso", source="dso"))
    assert usable_w(state, 11) == float("inf")
    assert usable_w(state, 131) == 10_000


def test_it_never_ends_by_time() -> None:
    assert usable_w(after(says(0)), 7 * 86_400) == 10_000


def test_a_restart_forgets_the_contact_and_keeps_the_limit() -> None:
    state = after(says(0, 8_000.0), Restarted(at=at(5)))
    assert usable_w(state, 6) == 8_000
    assert usable_w(after(says(0), Restarted(at=at(5))), 6) == 10_000


def test_a_lower_limit_counts_beside_the_failsafe() -> None:
    state = after(says(0, 4_000.0))
    assert usable_w(state, 500) == 4_000


def test_others_do_not_keep_the_contact() -> None:
    other = replace(says(100).limit, name="operator")
    state = after(says(0), LimitSet(at=at(100), limit=other))
    assert usable_w(state, 130) == 10_000
