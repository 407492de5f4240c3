"""A charger that disobeyed is given another chance when its car has gone."""

from __future__ import annotations

from datetime import timedelta

from loadmgr.events import ReadFallback, SetAvailability, SetLimit, StopTransaction
from tests.core.talk import Talk, bay, metered


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
    talk.after(61)
    (order,) = talk.due()
    assert isinstance(order, ReadFallback)
    talk.confirms(talk.sends(order), 0.0)
    assert talk.of("A").quarantine is None
    assert talk.after(20).ledger("A") == 0.0


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
