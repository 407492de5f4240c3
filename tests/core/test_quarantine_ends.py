"""A charger that disobeyed is given another chance when its car has gone."""

from __future__ import annotations

from datetime import timedelta

from loadmgr.events import (
    ReadFallback,
    ReadMeter,
    SetAvailability,
    SetFallback,
    SetLimit,
    StopTransaction,
)
from loadmgr.model import Wiring
from tests.core.talk import L1, L2, L3, Talk, bay, metered, site_of


def disobeying() -> Talk:
    """One charger that takes 16 A where 6 A are allowed, and is caught."""
    talk = Talk(metered(bay("A")))
    talk.ready("A")
    talk.building(10.0)
    talk.holds("A", 6.0)
    talk.after(20)
    for _ in range(4):
        talk.after(5).draws("A", 16.0)
        talk.meter(26.0, 26.0, 26.0)
    assert talk.of("A").quarantine is not None
    return talk


def test_a_charger_without_a_car_leaves_quarantine_when_its_fallback_is_read_back() -> None:
    talk = disobeying()
    talk.unplugs("A", "t-A")
    assert talk.ledger("A") == 32.0 and not talk.due()
    talk.after(21)
    assert not talk.due(), "its last reading is none of a charger at rest, and not old enough"
    talk.after(10)
    (order,) = talk.due()
    assert isinstance(order, ReadFallback)
    talk.confirms(talk.sends(order), 0.0)
    assert talk.of("A").quarantine is None
    assert talk.after(12).ledger("A") == 32.0, "what it drew until now takes its time to end"
    assert talk.after(2).ledger("A") == 0.0


def test_a_transaction_that_was_ended_need_not_wait_for_the_next_correction() -> None:
    talk = disobeying()
    for _ in range(5):
        talk.after(10)
        for order in talk.due():
            talk.confirms(talk.sends(order), 0.0)
            if isinstance(order, StopTransaction):
                talk.unplugs("A", "t-A")
    assert talk.of("A").quarantine is None, "a minute after it was caught"


def test_a_charger_that_burns_a_fuse_is_stopped_without_delay() -> None:
    """Found by chaos, seed 210102: 45 A on 20 A; the breaker opened in the second of the stop."""
    for shown_a, orders in ((92.0, [SetLimit, StopTransaction]), (90.0, [SetLimit])):
        talk, told = disobeying(), []
        for _ in range(6):
            talk.after(1).meter(shown_a, 26.0, 26.0)
            for order in talk.due():
                talk.confirms(talk.sends(order), 0.0)
                if not isinstance(order, ReadMeter):
                    told.append(type(order))
        assert told[:2] == orders, "1.45 times 63 A are 91 A"


def test_what_chargers_tell_burns_a_fuse_as_well_as_what_a_meter_shows() -> None:
    """Found by chaos, seed 750106: twice 32 A on 16 A below a meter that told no numbers."""
    somewhere = Wiring((L1, L2, L3), known=False)
    talk, told = Talk(site_of(bay("A", wiring=somewhere), bay("B"), fuse_a=20.0)), []
    talk.ready("A", "B")
    for evse in ("A", "B"):
        talk.holds(evse, 6.0)
    talk.after(20)
    for _ in range(2):
        for evse in ("A", "B"):
            talk.draws(evse, 32.0)
        talk.after(5)
    for _ in range(4):
        for order in talk.due():
            talk.confirms(talk.sends(order), 0.0)
            told.append((order.evse, type(order)))
    for evse in ("A", "B"):
        assert [kind for whom, kind in told if whom == evse] == [SetLimit, StopTransaction]


def burning() -> Talk:
    """32 A beside a building of 30 A, below a fuse of 40 A and a meter that tells nothing."""
    site = metered(bay("A"), fuse_a=40.0, worst_a=30.0)
    talk = Talk(site)
    talk.ready("A")
    talk.building(10.0)
    talk.holds("A", 6.0)
    for _ in range(6):
        talk.after(5).draws("A", 6.0)
    for _ in range(2):
        talk.after(5).draws("A", 32.0)
    return talk


def test_the_building_that_is_counted_with_burns_a_fuse_as_well() -> None:
    talk = burning()
    (stop,) = talk.due()
    assert isinstance(stop, SetLimit)
    talk.confirms(talk.sends(stop), 0.0)
    (order,) = talk.after(1).due()
    assert isinstance(order, StopTransaction)


def test_a_charger_that_burns_a_fuse_and_does_not_answer_is_stopped_at_once() -> None:
    """Found by chaos, seed 1100000: 48 A on 25 A for 84 s, most of it between two attempts."""
    talk = burning()
    (limit,) = talk.due()
    number = talk.sends(limit)
    talk.after(10).loses(number)
    assert not talk.due(), "not within the same second"
    (order,) = talk.after(1).due()
    assert isinstance(order, StopTransaction)
    talk.refuses(talk.sends(order))
    assert not talk.due(), "nor is one that says no flooded"
    (order,) = talk.after(1).due()
    assert isinstance(order, StopTransaction)


def test_a_charger_that_was_taken_out_is_put_back_after_its_quarantine() -> None:
    talk = disobeying()
    seen = []
    for _ in range(40):
        talk.after(20)
        for order in talk.due():
            seen.append(type(order))
            talk.refuses(talk.sends(order))
    assert {SetLimit, StopTransaction, SetAvailability} <= set(seen)
    assert talk.of("A").withdrawn
    talk.unplugs("A", "t-A")
    for _ in range(40):
        talk.after(20)
        for order in talk.due():
            sent = talk.sends(order)
            talk.confirms(sent, 0.0 if isinstance(order, ReadFallback) else None)
            if isinstance(order, SetAvailability):
                assert order.operative
    assert talk.of("A").quarantine is None and not talk.of("A").withdrawn


def test_a_new_connection_is_asked_at_once_whatever_failed_before() -> None:
    talk = Talk(metered(bay("A")))
    talk.connects("A", 1, booted=True)
    for _ in range(6):
        for order in talk.due():
            talk.loses(talk.sends(order))
        talk.after(400)
    (order,) = talk.due()
    talk.loses(talk.sends(order))
    assert talk.of("A").retry_at is not None and talk.of("A").retry_at > talk.now
    talk.drops("A", 1)
    talk.after(1).connects("A", 2, booted=True)
    assert talk.due(), "it is not made to wait for what another connection lost"
    assert talk.of("A").retry_at is None or talk.of("A").retry_at < talk.now + timedelta(seconds=1)


def test_a_charger_that_disobeys_for_days_is_asked_for_days() -> None:
    """Doubled each time, the pause between two tries once grew beyond all bounds."""
    talk = disobeying()
    for _ in range(1000):
        talk.after(300).draws("A", 16.0)
        for order in talk.due():
            talk.refuses(talk.sends(order))
    quarantine = talk.of("A").quarantine
    assert quarantine is not None and quarantine.tried > 900
    assert quarantine.next_try - talk.now <= timedelta(minutes=5)


# ── A fallback that is not there ──────────────────────────────────────────────────────────


def unproved() -> Talk:
    """A charger that accepts a fallback and does not store it."""
    talk = Talk(metered(bay("A")))
    talk.connects("A", 1, booted=True)
    talk.plugs("A")
    for kind in (SetLimit, SetFallback, ReadFallback):
        (order,) = talk.due()
        assert isinstance(order, kind)
        talk.confirms(talk.sends(order))
    return talk


def test_a_fallback_that_was_not_there_is_written_again_later_and_less_and_less_often() -> None:
    talk, written = unproved(), 0
    assert talk.ledger("A") == 32.0
    for minute in range(24 * 60):
        talk.after(60)
        for order in talk.due():
            written += isinstance(order, SetFallback)
            talk.confirms(talk.sends(order))
        assert minute < 2 or written >= 1
    assert 20 <= written <= 35, "at first soon, then once an hour"


def test_a_fallback_that_is_there_at_last_counts() -> None:
    talk = unproved()
    talk.after(60)
    for kind in (SetFallback, ReadFallback):
        (order,) = (order for order in talk.due() if isinstance(order, kind))
        talk.confirms(talk.sends(order), 0.0 if kind is ReadFallback else None)
    assert talk.after(20).of("A").fallback_a == 0.0
    assert talk.of("A").prove_at is None


def test_a_charger_whose_fallback_nobody_knows_is_caught_when_it_ignores_a_limit() -> None:
    """Found by chaos, seed 10007: it accepted 0 A and went on with 16 A until a breaker tripped."""
    talk = unproved()
    talk.confirms(talk.orders("A", 0.0))
    for _ in range(8):
        talk.after(5).draws("A", 16.0)
    assert talk.of("A").quarantine is not None
    assert [type(order) for order in talk.due()] == [SetLimit]


def test_a_charger_that_reads_back_more_than_was_written_is_asked_again_and_held_to_its_limit():
    talk = Talk(metered(bay("A")))
    talk.connects("A", 1, booted=True)
    talk.plugs("A")
    for kind in (SetLimit, SetFallback, ReadFallback):
        (order,) = talk.due()
        talk.confirms(talk.sends(order), 16.0 if kind is ReadFallback else None)
    assert talk.of("A").fallback_a == 16.0 and talk.ledger("A") == 32.0
    talk.confirms(talk.orders("A", 0.0))
    for _ in range(8):
        talk.after(5).draws("A", 16.0)
    assert talk.of("A").quarantine is not None, "0 A is in force, whatever it does alone"
    assert talk.of("A").prove_at is not None, "and its fallback is written once more"
