"""A meter that lies, and when nobody can know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
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


class _Now:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 2, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@pytest.mark.parametrize(("kind", "samples", "times"), [("stuck", 12, 2), ("frozen", 3, 3)])
def test_what_is_stuck_comes_with_its_old_time_and_what_has_frozen_as_new(
    kind: str, samples: int, times: int
) -> None:
    site = metered(bay("A"))
    plant: Any = SimpleNamespace(
        site=site, advance=lambda now_s: None, circuit_a=lambda name: (10.0, 11.0, 12.0)
    )
    clock: Any = _Now()
    meter = ChaosMeter(site.meters[0], plant, clock, 5.0, seed=1)
    told: list[Any] = []
    for second in range(12):
        clock.at += timedelta(seconds=5)
        meter.ill = Kind(f"meter-{kind}") if second >= 2 else None
        meter._read(told.append)
    assert len(told) == samples
    assert len({each.sampled_at for each in told}) == times
    assert len({each.current_a for each in told}) == 2
    assert len({each.at for each in told}) == samples
