"""A car at a charger of which nothing is known is stopped first and asked afterwards."""

from __future__ import annotations

from typing import Any

from loadmgr.events import SetFallback, SetLimit
from loadmgr.model import EvseId
from tests.core.talk import Talk, bay, metered, site_of


def test_a_rebooted_charger_with_a_car_is_told_0_a_before_its_fallback_is_written() -> None:
    talk = Talk(metered(bay("A")))
    talk.ready("A")
    talk.building(10.0)
    talk.holds("A", 16.0)
    talk.after(700).drops("A", 1)
    talk.after(30).connects("A", 2, booted=True)
    (first,) = talk.due()
    assert isinstance(first, SetLimit) and first.current_a == 0.0
    talk.confirms(talk.sends(first))
    (second,) = talk.due()
    assert isinstance(second, SetFallback)


def test_a_charger_without_a_car_is_proved_as_before() -> None:
    talk = Talk(metered(bay("A")))
    talk.connects("A", booted=True)
    (first,) = talk.due()
    assert isinstance(first, SetFallback)


def test_a_charger_that_refuses_the_limit_is_asked_for_its_fallback_all_the_same() -> None:
    """As after a crash that lost the news of another car: no limit fits its transaction."""
    talk = Talk(metered(bay("A")))
    talk.ready("A")
    talk.building(10.0)
    talk.after(700).drops("A", 1)
    talk.after(30).connects("A", 2, booted=True)
    for _ in range(6):
        (order,) = talk.due() or (None,)
        if isinstance(order, SetFallback):
            return
        if order is not None:
            talk.refuses(talk.sends(order))
        talk.after(6)
    raise AssertionError("it is told the same again and again")


def test_a_charger_that_booted_on_the_same_connection_is_told_its_0_a_again_whatever_failed() -> (
    None
):
    """Found by chaos: its limit was forgotten with the boot, and the next try was minutes away."""
    talk = Talk(site_of(bay("A"), fuse_a=5.0))
    talk.ready("A")
    talk.confirms(talk.orders("A", 0.0))
    talk.boots("A")
    for _ in range(5):
        talk.refuses(talk.sends(SetFallback(**next_order(talk), current_a=0.0)))
    assert talk.of("A").retry_at > talk.now
    (order,) = talk.due()
    assert isinstance(order, SetLimit) and order.current_a == 0.0


def next_order(talk: Talk) -> dict[str, Any]:
    return {"serial": talk.state.last_serial + 1, "evse": EvseId("A"), "connection": 1}
