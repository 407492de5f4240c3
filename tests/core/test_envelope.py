"""Whoever limits a circuit can only lower what its fuse allows."""

from __future__ import annotations

import pytest

from loadmgr.core import envelope
from loadmgr.units import PHASES
from tests.core.talk import MAIN, Talk, bay, fuse, site_of


def usable_a(talk: Talk) -> list[float]:
    rows = envelope.rows(talk.site, talk.state, talk.now)[MAIN]
    return [rows[phase].usable for phase in PHASES]


@pytest.mark.parametrize(("limit_a", "usable"), [(100.0, 57.0), (57.5, 57.0), (40.0, 40.0)])
def test_a_limit_above_the_fuse_raises_nothing(limit_a: float, usable: float) -> None:
    talk = Talk(site_of(bay("A"), circuits=(fuse("main", 63.0, margin_a=6.0),)))
    talk.limits(limit_a)
    assert usable_a(talk) == [usable] * 3


def test_of_two_limits_the_lower_holds_whoever_comes_last() -> None:
    talk = Talk(site_of(bay("A"), fuse_a=63.0))
    talk.limits(20.0, name="dso")
    talk.limits(40.0, name="operator", source="operator")
    assert usable_a(talk) == [20.0] * 3
    talk.releases("operator")
    assert usable_a(talk) == [20.0] * 3
    talk.releases("dso")
    assert usable_a(talk) == [63.0] * 3
