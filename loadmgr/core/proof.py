"""How a doubted circuit meter comes to be believed again: by showing what its cars do.

It has to show as much as they have changed (see `marks`), and for its phases to be believed too,
on the same phases and on no others. A ratio, a sign or a frozen register shows in the first
change of its phase; every phase has to show two in a row, for the building may once have done by
chance what the meter did not. A change that is not shown may be the building's: it proves nothing
against the meter that is not known already, but what was proved before it no longer counts.

Where the worst case leaves no car any room nothing changes, and nothing could ever be proved. So
half an hour after the last that spoke against it a meter has another chance: one that lies
still is found out again by the first cars it lets in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from loadmgr.core.marks import CLEAR_A, Change
from loadmgr.core.state import ORDERS, Doubt
from loadmgr.model import Meter, Site
from loadmgr.units import PHASES, PerPhase, Phase

ENOUGH = 2  # changes in a row
GOOD_FOR = timedelta(seconds=30)  # nothing speaks against it for so long
LONG_AGO = timedelta(minutes=30)  # and without any proof for so long: it has another chance

OFF_A, OFF = 0.4, 0.1  # a change is shown when it is off by no more: amperes, and a share of it


def weighed(
    site: Site, meter: Meter, doubt: Doubt, change: Change | None, at: datetime
) -> Doubt | None:
    """The doubt after one more good sample; None when there is none left."""
    if at - doubt.since >= LONG_AGO:
        return None
    if change is not None:
        doubt = _told_by(change, doubt)
    if at - doubt.since < GOOD_FOR:
        return doubt
    if doubt.amount and all(doubt.proved[p] >= ENOUGH for p in _needed(site, meter)):
        doubt = replace(doubt, amount=False)
    placed = doubt.orders == ORDERS[:1] and sum(doubt.proved) >= ENOUGH
    return None if placed and not doubt.amount else doubt


def _needed(site: Site, meter: Meter) -> list[Phase]:
    """Phases on which it matters what the meter says: one of them may be connected wrongly."""
    above = site.circuit[meter.circuit].feeds_from
    counts_above = above is not None and site.circuit[above].meter is None
    evses = site.evses if counts_above else site.below[meter.circuit]
    return [p for p in PHASES if any(evse.worst_a(1.0)[p] > 0 for evse in evses)]


def _told_by(change: Change, doubt: Doubt) -> Doubt:
    """What the meter showed of a change of its cars."""
    seen_a = change.shown_a
    fits = tuple(order for order in ORDERS if _shows(seen_a, change.cars_a, order))
    if not fits:
        return replace(doubt, proved=(0, 0, 0))
    both = tuple(order for order in doubt.orders if order in fits)
    if not both:
        return replace(doubt, proved=(0, 0, 0), orders=fits)
    l1, l2, l3 = (n + (abs(a) >= CLEAR_A) for n, a in zip(doubt.proved, seen_a, strict=True))
    return replace(doubt, proved=(l1, l2, l3), orders=both)


def _shows(seen_a: PerPhase, moved_a: PerPhase, order: Iterable[int]) -> bool:
    return all(
        abs(seen_a[p] - moved_a[q]) <= OFF_A + OFF * abs(moved_a[q])
        for p, q in zip(PHASES, order, strict=True)
    )
