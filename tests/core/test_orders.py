"""What an order does to the belief: when it leaves, when it is answered, when we come back."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime, timedelta

import pytest

from loadmgr.core import orders
from loadmgr.core.ledger import FOLLOW, OUTLASTS
from loadmgr.core.orders import ESCALATE, GONE, RETRY_FIRST, RETRY_LONGEST
from loadmgr.core.state import Drawn, EvseState, Fading, Grant, Quarantine
from loadmgr.events import (
    Confirmed,
    Lost,
    Order,
    ReadFallback,
    Refused,
    SetAvailability,
    SetFallback,
    SetLimit,
    StopTransaction,
)
from loadmgr.model import ConnectorStatus, EvseId
from tests.core.talk import L1, NOON, Talk, bay, site_of

A = EvseId("A")


def proved(fallback_a: float = 0.0) -> Talk:
    """One charger with a car, its fallback proved, and no limit yet."""
    talk = Talk(site_of(bay("A")))
    talk.ready("A", fallback_a=fallback_a)
    return talk


def next_serial(talk: Talk) -> int:
    return talk.state.last_serial + 1


def limit(current_a: float, serial: int = 9, connection: int = 1) -> SetLimit:
    return SetLimit(
        serial=serial, evse=A, connection=connection, current_a=current_a, lasts_s=300.0,
        transaction_id="t",
    )  # fmt: skip


def grant(current_a: float, serial: int, age_s: float = 0.0, lasts_s: float = 330.0) -> Grant:
    """A limit that was sent before noon, and when it ends."""
    sent_at = NOON - timedelta(seconds=age_s)
    return Grant(
        serial=serial, connection=1, current_a=current_a, sent_at=sent_at,
        ends_at=sent_at + timedelta(seconds=lasts_s), transaction_id="t",
    )  # fmt: skip


def fading(current_a: float, in_s: float, replaced_by_a: float | None = None) -> Fading:
    return Fading(
        current_a=current_a, until=NOON + timedelta(seconds=in_s), replaced_by_a=replaced_by_a
    )


# ── It leaves ─────────────────────────────────────────────────────────────────────────────


def test_a_limit_that_leaves_is_written_down_with_all_that_it_says():
    belief = orders.sent(EvseState(connection=3), limit(8.0, serial=9, connection=3), NOON)
    assert belief.unknown == (
        Grant(
            serial=9,
            connection=3,
            current_a=8.0,
            sent_at=NOON,
            ends_at=NOON + timedelta(seconds=300.0) + OUTLASTS,
            transaction_id="t",
        ),
    )
    assert belief.in_flight == limit(8.0, serial=9, connection=3)


def test_what_has_ended_is_cleared_away_when_the_next_limit_leaves_and_nothing_else():
    over, faint, open_ = fading(20.0, 0.0), fading(0.5, 0.0), fading(16.0, 0.001)
    ended, runs = grant(12.0, 1, age_s=330.0), grant(10.0, 2, age_s=329.0)
    belief = EvseState(connection=1, unknown=(ended, runs), fading=(over, faint, open_))
    belief = orders.sent(belief, limit(8.0), NOON)
    assert [g.current_a for g in belief.unknown] == [10.0, 8.0]
    assert belief.fading == (open_,)


def test_what_a_meter_has_not_shown_to_be_over_is_kept_when_the_next_limit_leaves():
    talk = proved()
    talk.holds("A", 20.0)
    talk.after(60).draws("A", 20.0)
    talk.holds("A", 8.0)
    talk.after(FOLLOW.total_seconds() + 1).draws("A", 19.0)
    talk.orders("A", 6.0)
    assert [f.current_a for f in talk.of("A").fading] == [20.0]
    talk.draws("A", 8.0)
    talk.orders("A", 6.0)
    assert talk.of("A").fading == ()


def _since(start, at):
    """Seconds since the start of what may be an instant, several, or none."""
    if isinstance(at, tuple):
        return tuple(_since(start, each) for each in at)
    return None if at is None else (at - start).total_seconds()


@pytest.mark.parametrize(
    ("before_a", "told_a", "turned"),
    [
        (None, 10.0, {"raised_at": 60, "on_since": 60, "off_since": None, "stops": ()}),
        (None, 0.0, {"raised_at": None, "on_since": None, "off_since": 0, "stops": ()}),
        (10.0, 12.0, {"raised_at": 60, "on_since": 30, "off_since": None, "stops": ()}),
        (10.0, 10.0, {"raised_at": 30, "on_since": 30, "off_since": None, "stops": ()}),
        (10.0, 6.0, {"raised_at": 30, "on_since": 30, "off_since": None, "stops": ()}),
        (10.0, 0.5, {"raised_at": 30, "on_since": 30, "off_since": None, "stops": ()}),
        (10.0, 0.0, {"raised_at": 30, "on_since": None, "off_since": 60, "stops": (60,)}),
        (0.0, 0.5, {"raised_at": 60, "on_since": 60, "off_since": None, "stops": ()}),
    ],
)
def test_turns_are_read_off_the_limits_that_leave(before_a, told_a, turned):
    """A car comes at 0 s, has a limit at 30 s, and another one at 60 s."""
    talk = Talk(site_of(bay("A")))
    talk.connects("A")
    talk.proves("A")
    talk.plugs("A")
    start = talk.now
    talk.after(30)
    if before_a is not None:
        talk.holds("A", before_a)
    talk.after(30).orders("A", told_a)
    belief = talk.of("A")
    since = {name: _since(start, getattr(belief, name)) for name in turned}
    assert since == turned


def test_a_charger_is_taken_out_when_the_order_leaves_and_back_only_when_it_is_confirmed():
    talk = proved()
    out = SetAvailability(serial=next_serial(talk), evse=A, connection=1, operative=False)
    talk.sends(out)
    assert talk.of("A").withdrawn
    talk.confirms(out)
    assert talk.of("A").withdrawn
    back = SetAvailability(serial=next_serial(talk), evse=A, connection=1, operative=True)
    talk.sends(back)
    assert talk.of("A").withdrawn
    talk.confirms(back)
    assert talk.of("A").withdrawn is False


def test_a_fallback_that_nobody_has_read_stays_unknown_when_another_one_is_written():
    talk = Talk(site_of(bay("A")))
    talk.connects("A")
    talk.sends(SetFallback(serial=1, evse=A, connection=1, current_a=6.0))
    assert talk.of("A").fallback_a is None


ATTEMPTS: list[Order] = [
    limit(0.0),
    StopTransaction(serial=9, evse=A, connection=1, transaction_id="t"),
    SetAvailability(serial=9, evse=A, connection=1, operative=False),
]


@pytest.mark.parametrize("order", ATTEMPTS, ids=lambda order: type(order).__name__)
def test_each_attempt_to_bring_a_charger_back_waits_twice_as_long_but_five_minutes_at_most(order):
    quarantine = Quarantine(since=NOON, reason="draws 20 A", next_try=NOON)
    belief = EvseState(connection=1, quarantine=quarantine)
    waits = []
    for tried in range(6):
        belief = orders.sent(belief, order, NOON)
        assert belief.quarantine is not None
        assert belief.quarantine.tried == tried + 1
        waits.append((belief.quarantine.next_try - NOON).total_seconds())
    assert waits == [20.0, 40.0, 80.0, 160.0, 300.0, 300.0]
    assert (ESCALATE, RETRY_LONGEST) == (timedelta(seconds=20), timedelta(minutes=5))


@pytest.mark.parametrize(
    "order",
    [
        SetFallback(serial=9, evse=A, connection=1, current_a=0.0),
        ReadFallback(serial=9, evse=A, connection=1, after_s=360.0),
    ],
    ids=lambda order: type(order).__name__,
)
def test_to_ask_for_the_fallback_is_no_attempt(order):
    quarantine = Quarantine(since=NOON, reason="draws 20 A", next_try=NOON)
    belief = orders.sent(EvseState(connection=1, quarantine=quarantine), order, NOON)
    assert belief.quarantine == quarantine


# ── It is answered ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("before", "since_s"),
    [
        (grant(8.0, 0, age_s=100.0), -100.0),
        (replace(grant(8.0, 0, age_s=100.0), first_at=NOON - timedelta(seconds=400)), -400.0),
        (grant(8.0, 0, age_s=400.0), 0.0),
        (grant(8.0, 0, age_s=330.0 - 30.0 - 43.0), 0.0),
        (grant(8.0, 0, age_s=330.0 - 30.0 - 43.1), -256.9),
        (replace(grant(8.0, 0, age_s=100.0), connection=2), 0.0),
        (replace(grant(8.0, 0, age_s=100.0), transaction_id="another"), 0.0),
        (None, 0.0),
    ],
    ids=[
        "at once",
        "one after the other",
        "it had ended",
        "it may have ended, by a clock that is off",
        "it cannot have ended",
        "elsewhere",
        "another car",
        "the first",
    ],
)
def test_since_when_a_transaction_has_been_limited_without_a_break(
    before: Grant | None, since_s: float
):
    belief = EvseState(
        connection=1, in_force=before, unknown=(grant(10.0, 2),), in_flight=limit(10, 2)
    )
    belief = orders.answered(bay("A"), belief, Confirmed(at=NOON, serial=2, evse=A, connection=1))
    assert belief.in_force is not None
    assert belief.in_force.limits_since == NOON + timedelta(seconds=since_s)


def test_a_confirmed_limit_replaces_all_that_were_sent_before_and_none_that_was_sent_after():
    first, second, third = grant(12.0, 1), grant(10.0, 2), grant(9.0, 3)
    belief = EvseState(
        connection=1, in_force=grant(8.0, 0), unknown=(first, second, third), in_flight=limit(10, 2)
    )
    said = Confirmed(at=NOON, serial=2, evse=A, connection=1)
    belief = orders.answered(bay("A"), belief, said)
    assert belief.in_force == replace(second, first_at=NOON) and belief.unknown == (third,)
    assert belief.fading == (
        Fading(current_a=12.0, until=NOON + FOLLOW, replaced_by_a=10.0, outlasts=first.ends_at),
    )
    assert belief.in_flight is None


@pytest.mark.parametrize(("current_a", "fades"), [(9.0, [10.0]), (10.0, []), (11.0, [])])
def test_only_what_was_higher_fades(current_a, fades):
    talk = proved()
    talk.holds("A", 10.0)
    talk.after(1).holds("A", current_a)
    assert [f.current_a for f in talk.of("A").fading] == fades


def test_where_nothing_stood_before_nothing_fades():
    talk = proved()
    talk.holds("A", 0.0)
    assert talk.of("A").fading == ()


def test_a_limit_that_had_ended_by_itself_does_not_fade():
    talk = proved()
    talk.holds("A", 20.0)
    talk.after(343).holds("A", 8.0)
    assert talk.of("A").fading == ()
    talk.after(342.9).holds("A", 6.0)
    assert [f.current_a for f in talk.of("A").fading] == [8.0]


def test_the_effect_of_an_earlier_limit_goes_on_fading_when_a_later_one_is_confirmed():
    talk = proved()
    talk.holds("A", 20.0)
    talk.after(60).holds("A", 16.0)
    talk.after(5)
    order = talk.orders("A", 8.0)
    talk.confirms(order)
    assert [f.current_a for f in talk.of("A").fading] == [20.0, 16.0]
    talk.after(8)
    order = talk.orders("A", 6.0)
    assert [f.current_a for f in talk.of("A").fading] == [16.0]


def test_an_effect_that_ended_while_the_answer_was_awaited_is_cleared_away():
    talk = proved()
    talk.holds("A", 20.0)
    talk.after(60).holds("A", 8.0)
    order = talk.after(5).orders("A", 10.0)
    talk.after(FOLLOW.total_seconds()).confirms(order)
    assert talk.of("A").fading == ()


def test_a_confirmed_limit_that_was_forgotten_meanwhile_changes_nothing_but_the_waiting():
    """It ended before the answer came, and another one was sent since."""
    belief = EvseState(connection=1, in_flight=limit(8.0), unknown=(grant(6.0, 10),))
    said = Confirmed(at=NOON, serial=9, evse=A, connection=1)
    assert orders.answered(bay("A"), belief, said) == replace(belief, in_flight=None)


def test_a_refused_limit_is_taken_back_and_no_other():
    talk = proved()
    talk.loses(talk.orders("A", 12.0))
    talk.refuses(talk.orders("A", 20.0))
    assert [g.current_a for g in talk.of("A").unknown] == [12.0]
    assert talk.of("A").in_flight is None


def test_the_pause_after_failures_doubles_up_to_five_minutes_and_a_success_ends_it():
    talk = proved()
    pauses = []
    for failures in range(1, 10):
        talk.loses(talk.orders("A", 8.0))
        belief = talk.of("A")
        assert belief.failures == failures and belief.retry_at is not None
        pauses.append((belief.retry_at - talk.now).total_seconds())
    assert pauses == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0]
    assert timedelta(seconds=pauses[0]) == RETRY_FIRST
    talk.holds("A", 8.0)
    belief = talk.of("A")
    assert (belief.failures, belief.retry_at) == (0, None)
    assert (belief.failed_at, belief.failed_a) == (None, None)


def test_the_lowest_limit_that_failed_is_remembered_until_one_succeeds():
    talk = proved()
    for asked_a, lowest_a in ((8.0, 8.0), (6.0, 6.0), (10.0, 6.0)):
        talk.loses(talk.orders("A", asked_a))
        assert talk.of("A").failed_a == lowest_a
    ask = ReadFallback(serial=next_serial(talk), evse=A, connection=1, after_s=360.0)
    talk.loses(talk.sends(ask))
    assert talk.of("A").failed_a == 6.0, "that was no limit"


def test_what_a_raise_started_from_is_kept_until_the_next():
    talk = proved()
    for told_a, from_a in ((6.0, 0.0), (16.0, 6.0), (16.0, 6.0), (8.0, 6.0), (10.0, 8.0)):
        talk.holds("A", told_a)
        assert talk.of("A").raised_from_a == from_a


def test_the_last_two_stops_are_remembered():
    talk = proved()
    stops = []
    for _ in range(4):
        talk.after(60).holds("A", 8.0)
        talk.after(60).holds("A", 0.0)
        stops.append(talk.now)
        assert talk.of("A").stops == tuple(stops[-2:])


def test_a_fallback_that_is_not_there_is_counted_until_it_is():
    talk = proved()
    for said_a, unproved in ((9.0, 1), (None, 2), (0.0, 0), (9.0, 1)):
        assert read(talk, said_a).unproved == unproved


@pytest.mark.parametrize(("said_a", "there"), [(0.05, True), (0.06, False)])
def test_a_fallback_is_there_where_what_is_read_is_what_was_written(said_a, there):
    assert (read(proved(), said_a).unproved == 0) is there


def test_a_strangers_answer_is_a_failure_whatever_it_says():
    for outcome in ("confirms", "refuses", "loses"):
        talk = proved()
        order = talk.orders("A", 8.0)
        before = talk.of("A")
        getattr(talk, outcome)(order, connection=7)
        assert talk.of("A") == replace(
            before,
            in_flight=None,
            failures=1,
            failed_at=talk.now,
            failed_a=8.0,
            retry_at=talk.now + RETRY_FIRST,
        )


def test_a_confirmed_stop_of_a_transaction_proves_nothing():
    talk = proved()
    talk.holds("A", 20.0)
    order = StopTransaction(serial=next_serial(talk), evse=A, connection=1, transaction_id="t-A")
    before = talk.of("A")
    talk.confirms(talk.sends(order))
    assert talk.of("A") == before


# ── The fallback is read back ─────────────────────────────────────────────────────────────


def read(talk: Talk, said_a: float | None) -> EvseState:
    order = ReadFallback(serial=next_serial(talk), evse=A, connection=1, after_s=360.0)
    talk.confirms(talk.sends(order), said_a)
    return talk.of("A")


def writes(talk: Talk, current_a: float) -> None:
    order = SetFallback(serial=next_serial(talk), evse=A, connection=1, current_a=current_a)
    talk.confirms(talk.sends(order))


def test_a_fallback_that_was_written_is_not_asked_for_elsewhere():
    talk = Talk(site_of(bay("A")))
    talk.connects("A", 4)
    order = SetFallback(serial=1, evse=A, connection=4, current_a=6.0)
    talk.confirms(talk.sends(order))
    belief = talk.of("A")
    assert (belief.fallback_written, belief.fallback_checked) == (4, None)


@pytest.mark.parametrize(("said_a", "fades"), [(6.0, [10.0]), (10.0, []), (16.0, []), (None, [])])
def test_a_fallback_that_is_found_lower_fades_from_what_was_believed(said_a, fades):
    talk = proved(fallback_a=10.0)
    writes(talk, 6.0)
    belief = read(talk, said_a)
    assert belief.fallback_a == said_a
    assert belief.fallback_checked == 1
    later = [f for f in belief.fading if f.until > talk.now]
    assert [f.current_a for f in later] == fades
    assert all(f.until == talk.now + FOLLOW and f.replaced_by_a == said_a for f in later)


def test_a_fallback_that_reads_lower_than_it_was_written_counts_as_it_was_written():
    """Somebody else's ceiling lies above it, and ends when that one likes."""
    talk = proved(fallback_a=6.0)
    belief = read(talk, 0.0)
    assert belief.fallback_a == 6.0 and belief.unproved == 0


def test_reading_a_fallback_leaves_what_fades_already():
    talk = proved(fallback_a=10.0)
    talk.holds("A", 20.0)
    talk.after(60).holds("A", 12.0)
    writes(talk, 6.0)
    assert {20.0, 10.0} <= {f.current_a for f in read(talk, 6.0).fading}


@pytest.mark.parametrize("plugged", [True, False])
@pytest.mark.parametrize("said_a", [0.0, None])
def test_only_a_fallback_that_was_said_ends_a_quarantine_and_only_without_a_car(plugged, said_a):
    talk = proved()
    if not plugged:
        talk.unplugs("A", "t-A")
    quarantine = Quarantine(since=talk.now, reason="draws 20 A", next_try=talk.now)
    belief = replace(talk.of("A"), quarantine=quarantine)
    talk.state = replace(talk.state, evses={A: belief})
    assert (read(talk, said_a).quarantine is None) is (not plugged and said_a is not None)


# ── We come back ──────────────────────────────────────────────────────────────────────────


def full_belief() -> EvseState:
    """Every field is set to something that is not its default."""
    talk = proved(fallback_a=6.0)
    talk.draws("A", 6.0, energy_wh=100.0)
    talk.holds("A", 10.0)
    ago = talk.now - timedelta(seconds=90)
    return replace(
        talk.of("A"),
        offline_since=ago,
        unmoved_a=6.0,
        status=ConnectorStatus.CHARGING,
        rests_since=ago,
        fallback_written=1,
        fallback_asked_a=6.0,
        unproved=1,
        prove_at=ago,
        in_force=replace(grant(10.0, 5, age_s=100.0), connection=1),
        unknown=(grant(12.0, 6, age_s=50.0), grant(8.0, 7, age_s=10.0, lasts_s=90.0)),
        fading=(fading(20.0, -5.0, 10.0), fading(16.0, 3.0)),
        in_flight=limit(8.0),
        failures=2,
        failed_at=ago,
        failed_a=6.0,
        retry_at=ago,
        quarantine=Quarantine(
            since=ago, reason="draws 20 A", tried=2, next_try=ago, obeying_since=ago
        ),
        withdrawn=True,
        drawn=Drawn(at=ago, current_a=12.0),
        session_start_wh=50.0,
        phases=frozenset({L1}),
        draws_less_since=ago,
        over_since=ago,
        over_count=1,
        on_since=ago,
        off_since=ago,
        stops=(ago,),
        raised_at=ago,
        raised_from_a=6.0,
        asked_at=ago,
        declined=1,
    )


def test_the_belief_that_is_full_is_full():
    full = full_belief()
    assert [f.name for f in fields(EvseState) if getattr(full, f.name) == f.default] == []


def test_after_a_restart_every_limit_has_its_whole_life_again_on_no_connection():
    at = NOON + timedelta(hours=5)
    back = orders.restarted(full_belief(), at)
    assert back.in_force is not None
    lives = [g.ends_at - at for g in (back.in_force, *back.unknown)]
    assert lives == [timedelta(seconds=s) for s in (330.0, 330.0, 90.0)]
    assert {(g.sent_at, g.connection) for g in (back.in_force, *back.unknown)} == {(at, GONE)}
    assert [(g.serial, g.current_a) for g in back.standing] == [(5, 10.0), (6, 12.0), (7, 8.0)]
    assert back.fading == (
        Fading(current_a=20.0, until=at + FOLLOW, replaced_by_a=10.0),
        Fading(current_a=16.0, until=at + FOLLOW),
    )


def test_what_outlasts_a_restart_does_so_as_long_as_before():
    held = Fading(
        current_a=20.0,
        until=NOON + timedelta(seconds=5),
        replaced_by_a=10.0,
        outlasts=NOON + timedelta(seconds=95),
    )
    at = NOON + timedelta(hours=5)
    (again,) = orders.restarted(EvseState(fading=(held,)), at).fading
    assert again == replace(held, until=at + FOLLOW, outlasts=at + FOLLOW + timedelta(seconds=90))


def test_after_a_boot_no_connection_vouches_for_a_limit():
    talk = proved()
    talk.holds("A", 10.0)
    talk.boots("A")
    in_force = talk.of("A").in_force
    assert in_force is not None and in_force.connection == GONE


def test_a_restart_forgets_what_failed():
    before = EvseState(failures=3, failed_at=NOON, failed_a=0.0, retry_at=NOON)
    back = orders.restarted(before, NOON)
    assert (back.failed_at, back.failed_a, back.retry_at) == (None, None, None)


def test_no_station_ever_has_the_connection_of_a_limit_from_before_a_restart():
    talk = proved()
    talk.holds("A", 10.0)
    talk.restarts()
    for connection in range(3):
        talk.connects("A", connection)
        in_force = talk.of("A").in_force
        assert in_force is not None and in_force.connection < 0


def test_after_a_restart_all_that_depends_on_having_been_there_begins_anew():
    before, at = full_belief(), NOON + timedelta(hours=5)
    assert before.quarantine is not None
    back = orders.restarted(before, at)
    assert back == replace(
        before,
        connection=None,
        offline_since=at,
        rests_since=at,
        fallback_written=None,
        fallback_checked=None,
        prove_at=None,
        in_flight=None,
        readings=(),
        drawn=None,
        failed_at=None,
        failed_a=None,
        retry_at=None,
        in_force=back.in_force,
        unknown=back.unknown,
        fading=back.fading,
        quarantine=replace(before.quarantine, next_try=at, obeying_since=None),
        draws_less_since=None,
        over_since=None,
        over_count=0,
        on_since=at,
        off_since=at,
        raised_at=None,
        asked_at=None,
    )


def test_a_wall_clock_that_was_set_back_leaves_nothing_in_what_is_to_come():
    """Found with slow chargers, seed 9120141: after a clock was set back by an hour a charger was
    not asked for a reading for an hour.
    """
    at = NOON - timedelta(hours=1)
    back = orders.restarted(full_belief(), at)
    assert back.quarantine is not None
    assert back.quarantine.since <= at and back.quarantine.next_try <= at
    assert max(back.stops) <= at
    assert [
        field.name
        for field in fields(EvseState)
        if isinstance(when := getattr(back, field.name), datetime) and when > at
    ] == []


def test_a_restart_makes_nothing_out_of_nothing():
    back = orders.restarted(EvseState(), NOON)
    assert back == EvseState(offline_since=NOON)
    assert {field.name for field in fields(EvseState) if getattr(back, field.name)} == {
        "offline_since"
    }


def test_a_lost_order_is_still_lost_after_a_restart():
    talk = proved()
    order = talk.orders("A", 20.0)
    talk.restarts()
    before = talk.state
    talk.hears(Lost(at=talk.now, serial=order.serial, evse=A, connection=1))
    assert talk.state == before


def test_an_order_that_never_left_says_nothing_about_the_station():
    """Found by chaos: a full disk, and a charger that had forgotten 0 A was left alone for it."""
    talk = Talk(site_of(bay("A")))
    talk.ready("A")
    for _ in range(8):
        order = talk.orders("A", 10.0)
        talk.hears(Refused(at=talk.now, serial=order.serial, evse=A, connection=1, asked=False))
        talk.after(10)
    belief = talk.of("A")
    assert belief.failures == 0 and belief.unknown == () and belief.in_flight is None
    assert belief.retry_at is not None and belief.retry_at <= talk.now, "again soon"
    order = talk.orders("A", 10.0)
    talk.hears(Refused(at=talk.now, serial=order.serial, evse=A, connection=1, asked=False))
    assert talk.of("A").retry_at == talk.now + RETRY_FIRST, "but not at once"


def test_one_and_the_same_number_outlives_the_lowest_of_the_limits_that_were_accepted():
    talk = proved()
    talk.holds("A", 14.0)
    talk.draws("A", 14.0)
    talk.holds("A", 14.0)
    assert talk.of("A").unmoved_a is None, "no decrease"
    for accepted_a, lowest_a in ((8.0, 8.0), (16.0, 8.0), (8.0, 8.0), (6.0, 6.0)):
        talk.holds("A", accepted_a)
        talk.draws("A", 14.0)
        assert talk.of("A").unmoved_a == lowest_a
    talk.draws("A", 6.0)
    assert talk.of("A").unmoved_a is None
