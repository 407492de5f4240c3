"""What the shares of a site would bring to who knows every limit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadmgr.app.chaos import START_S
from loadmgr.app.chaos_runs import Ask, play
from loadmgr.app.chaos_shares import shared_wh
from loadmgr.model import EvseId, Share
from loadmgr.simulate.chaos_site import World
from tests.app.test_chaos_optimum import HOUR_S, alone, full_hour_wh

PATIENT = {"taper_from": 1.0, "reaction_s": 1.0}


def shared(built: World) -> float:
    return shared_wh(built, start_s=START_S, seconds=HOUR_S)


def two(share: Share, *, room_a: float) -> World:
    """The same car twice, in two bays; the second has the higher priority and comes later."""
    built = alone(room_a=room_a, **PATIENT)
    (first,), (visit,) = built.site.evses, built.visits
    second = replace(first, id=EvseId("second"), priority=2 * first.priority)
    policy = replace(built.site.policy, share=share)
    site = replace(built.site, evses=(first, second), policy=policy)
    later = replace(visit, evse=second.id, token="later", arrives_s=START_S + 60.0)
    return replace(built, site=site, visits=(visit, later))


def test_a_car_alone_gets_what_it_can_take() -> None:
    built = alone(room_a=63.0, **PATIENT)
    assert shared(built) == pytest.approx(full_hour_wh(built, 16.0), rel=0.005)


def test_less_than_the_minimum_is_nothing() -> None:
    assert shared(alone(room_a=5.9, **PATIENT)) == 0.0


@pytest.mark.parametrize("share", list(Share))
def test_two_cars_use_together_what_there_is(share: Share) -> None:
    built = two(share, room_a=20.0)
    expected = full_hour_wh(alone(room_a=63.0, **PATIENT), 20.0)
    assert shared(built) == pytest.approx(expected, rel=0.01)


def test_two_cars_take_turns_where_there_is_room_for_one() -> None:
    """Each minute the other one: they lose the second or two in which each comes up."""
    built = two(Share.FIRST_COME, room_a=8.0)
    fair = two(Share.FAIR, room_a=8.0)
    expected = full_hour_wh(alone(room_a=63.0, **PATIENT), 8.0)
    assert shared(built) == pytest.approx(expected, rel=0.01), "the first one, all the time"
    assert shared(fair) == pytest.approx(expected, rel=0.05)


def test_an_engine_that_has_nothing_to_find_out_delivers_nearly_as_much() -> None:
    ask = Ask(
        seed=5, seconds=7200.0, chargers=4, fallback_a=0.0, kinds=frozenset(),
        optimum=True, steady=True,
    )  # fmt: skip
    known = play(ask).known
    assert known is not None
    assert 0.9 * known.shared_wh < known.delivered_wh < 1.01 * known.shared_wh
    assert known.shared_wh < 1.01 * known.most_wh
