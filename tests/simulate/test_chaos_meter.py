"""A meter that lies, and when nobody can know."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from loadmgr.simulate.chaos_faults import Kind
from loadmgr.simulate.chaos_meter import ChaosMeter
from tests.core.talk import bay, metered


@pytest.mark.parametrize(
    ("told_a", "kind", "unseen"),
    [
        ((12.0, 12.0, 12.0), Kind.METER_SCALED, True),
        ((12.0, 9.0, 12.0), Kind.METER_SCALED, False),
        ((12.0, 12.0, 12.0), Kind.METER_FROZEN, False),
        ((12.0, 12.0, 12.0), None, False),
    ],
)
def test_a_lie_is_unseen_while_it_leaves_enough_for_the_cars(
    told_a: Any, kind: Kind | None, unseen: bool
) -> None:
    site = metered(bay("A"))
    outlet = SimpleNamespace(site_a=(16.0, 16.0, 16.0))
    plant: Any = SimpleNamespace(site=site, outlets={site.evses[0].id: outlet})
    clock: Any = None
    meter = ChaosMeter(site.meters[0], plant, clock, 5.0, seed=1)
    meter._news(told_a)
    meter.ill = kind
    assert meter.lies_unseen is unseen
