"""Chargers that refuse, that cannot say what they do alone, or go on whatever they are told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadmgr.events import (
    Order,
    ReadFallback,
    SetAvailability,
    SetFallback,
    SetLimit,
    StopTransaction,
)
from loadmgr.model import EvseId
from tests.core.talk import Talk, bay, fuse, metered, site_of


@pytest.mark.parametrize("refused", [SetFallback, SetAvailability])
def test_a_limit_is_renewed_however_often_a_proof_is_refused(refused: type[Order]):
    """Its pauses had room for the proof alone, and the limit ended: 32 A on a fuse of 20 A."""
    talk = Talk(site_of(bay("A"), fuse_a=20.0))
    talk.connects("A", booted=True)
    talk.plugs("A", "t-A")
    if refused is SetAvailability:  # it was taken out, and says no to its return
        belief = replace(talk.of("A"), withdrawn=True)
        talk.state = replace(talk.state, evses={EvseId("A"): belief})
    told_at = 0
    for second in range(900):
        for order in talk.due():
            talk.sends(order)
            if isinstance(order, refused):
                talk.refuses(order)
                continue
            talk.confirms(order)  # a ReadFallback: it cannot say
            if isinstance(order, SetLimit):
                told_at = second
        talk.after(1)
        assert second - told_at < talk.site.offline.limit_lasts_s, "its limit has ended"


def test_a_charger_that_takes_no_profile_at_all_is_stopped_where_its_fuse_is_over():
    """No smart charging, or nothing below 6 A: neither was it told again, nor stopped."""
    talk = Talk(metered(bay("A"), fuse_a=30.0, worst_a=20.0))
    talk.connects("A", booted=True)
    talk.building(20.0)
    talk.plugs("A", "t-A")
    kinds = []
    for second in range(60):
        for order in talk.due():
            kinds.append(type(order))
            talk.sends(order)
            no = isinstance(order, SetLimit | SetFallback)
            (talk.refuses if no else talk.confirms)(order)
        talk.after(1).meter(52.0)
        if second % 5 == 0:
            talk.draws("A", 32.0)
    assert StopTransaction in kinds


def test_a_limit_that_was_refused_twice_is_tried_again_though_the_default_is_refused():
    talk = Talk(site_of(bay("A"), fuse_a=20.0))
    talk.connects("A", booted=True)
    talk.plugs("A", "t-A")
    for _ in range(60):
        for order in talk.due():
            talk.sends(order)
            no = isinstance(order, SetFallback) or talk.now.second < 3
            (talk.refuses if no else talk.confirms)(order)
        talk.after(1)
    assert talk.of("A").in_force is not None


@pytest.mark.parametrize("fallback_a", [0.0, None])
def test_to_be_told_again_is_no_pardon(fallback_a: float | None):
    """Told 22 times in 259 s, and no quarantine: each time its thirty seconds began anew."""
    talk = Talk(metered(bay("A"), fuse_a=40.0, worst_a=30.0))
    talk.ready("A")
    read = ReadFallback(serial=99, evse=EvseId("A"), connection=1, after_s=360.0)
    talk.confirms(talk.sends(read), fallback_a)
    talk.building(2.0)
    talk.holds("A", 32.0)
    for second in range(120):
        for order in talk.due():
            says_a = fallback_a if isinstance(order, ReadFallback) else None
            talk.confirms(talk.sends(order), says_a)
        talk.after(1).meter(34.0 if second < 40 else 62.0)
        if second % 5 == 0:
            talk.draws("A", 32.0)
        if talk.of("A").quarantine is not None:
            break
    assert talk.of("A").quarantine is not None
    assert second <= 40 + 40


def test_a_current_without_a_transaction_is_taken_out_of_service():
    talk = Talk(metered(bay("A"), fuse_a=40.0, worst_a=30.0))
    talk.ready("A", plugged=False)
    talk.building(20.0)
    given: list[SetAvailability] = []
    for second in range(120):
        for order in talk.due():
            given += [order] if isinstance(order, SetAvailability) else []
            talk.confirms(talk.sends(order), 0.0)
        talk.after(1).meter(52.0)
        if second % 5 == 0:
            talk.draws("A", 32.0)
    assert given and not any(order.operative for order in given)
    assert len(given) <= 4, "and it is not told so again and again"


def test_a_decrease_does_not_wait_behind_a_neighbours_that_is_not_answered():
    """Both outlets of a station have to make room; what concerns the first is never answered."""
    fuses = (fuse("main", 100.0), fuse("north", 32.0), fuse("south", 32.0))
    site = site_of(
        bay("A1", "north", station="A"), bay("A2", "south", station="A", number=2), circuits=fuses
    )
    talk = Talk(site)
    talk.connects("A")
    for name in ("A1", "A2"):
        talk.proves(name)
        talk.plugs(name, name)
    talk.after(20)
    for name in ("A1", "A2"):
        talk.holds(name, 32.0)
    talk.after(20)
    lower = (fuse("main", 100.0), fuse("north", 16.0), fuse("south", 16.0))
    talk.site, begins = replace(site, circuits=lower), talk.now
    orders = talk.due()
    while not any(order.evse == "A2" for order in orders):
        for order in orders:
            talk.sends(order)
            talk.after(15).loses(order)
        orders = talk.after(0.25).due()
        assert (talk.now - begins).total_seconds() <= 20.0
