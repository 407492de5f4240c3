"""How a doubted circuit meter comes to be believed again: by showing what its cars do.

Cars ramp, pause, come and go. Between two moments in which all of them hold still, by readings
before and after, their own readings say by how much they have changed, and the meter has to
show the same: as much, and for its phases to be believed too, on the same phases and on no
others. A ratio, a sign or a frozen register shows in the first change of its phase; every phase
has to show two in a row, for the building may once have done by chance what the meter did not.
A change that is not shown may be the building's: it proves nothing against the meter that is not
known already, but what was proved before it no longer counts.

Where the worst case leaves no car any room nothing changes, and nothing could ever be proved. So
half an hour after the last that spoke against it a meter has another chance: one that lies
still is found out again by the first cars it lets in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from loadmgr.core.conduct import site_current
from loadmgr.core.ledger import FOLLOW
from loadmgr.core.state import ORDERS, Doubt, EvseState, Mark, State
from loadmgr.events import CircuitMeasured, EvseMeasured
from loadmgr.model import Evse, EvseId, Meter, Site
from loadmgr.units import NOTHING, PHASES, PerPhase, Phase, add, on_each, subtract

ENOUGH = 2  # changes in a row
GOOD_FOR = timedelta(seconds=30)  # nothing speaks against it for so long
LONG_AGO = timedelta(minutes=30)  # and without any proof for so long: it has another chance

CLEAR_A = 5.0  # a smaller change would not tell a scale of 0.8 from 1
OFF_A, OFF = 0.4, 0.1  # a change is shown when it is off by no more: amperes, and a share of it
STILL_A = 0.5  # readings of a car that holds still differ by no more
DRIFT_A = 1.0  # all cars together have hardly changed
NEAR = timedelta(seconds=45)  # between two marks; in a longer time the building does too much
FRESH = timedelta(seconds=15)


def weighed(
    site: Site, state: State, meter: Meter, doubt: Doubt, event: CircuitMeasured
) -> Doubt | None:
    """The doubt after one more good sample; None when there is none left."""
    if event.at - doubt.since >= LONG_AGO:
        return None
    doubt = _marked(site, state, meter, doubt, event)
    if event.at - doubt.since < GOOD_FOR:
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


def _marked(site: Site, state: State, meter: Meter, doubt: Doubt, event: CircuitMeasured) -> Doubt:
    """With the mark that has become firm by now, and a new one.

    A mark is firm once every car that is heard has told the same before and after it. It is the
    last sample before one of them tells, so that a meter which lags behind has had time.
    """
    told, mark = _told(site, state, meter, event.at), doubt.open
    if told is None:
        return doubt if mark is None else replace(doubt, open=None)
    if mark is not None and (not told.at or any(at > mark.at for at in told.at)):
        if any(at <= mark.at for at in told.at):
            return doubt
        held_still = _most(subtract(told.cars_a, mark.cars_a)) <= STILL_A
        if held_still and told.unheard == mark.unheard:
            doubt = _compared(state, doubt, mark)
    now = Mark(at=event.at, shown_a=event.current_a, cars_a=told.cars_a, unheard=told.unheard)
    return replace(doubt, open=now)


def _compared(state: State, doubt: Doubt, mark: Mark) -> Doubt:
    """Hold what the cars did between two marks against what the meter showed."""
    last = doubt.firm
    if last is None or not _comparable(state, last, mark):
        return replace(doubt, firm=mark)
    moved_a = subtract(mark.cars_a, last.cars_a)
    if _most(moved_a) < CLEAR_A:
        return replace(doubt, firm=mark) if _most(moved_a) < DRIFT_A else doubt
    seen_a = subtract(mark.shown_a, last.shown_a)
    fits = tuple(order for order in ORDERS if _shows(seen_a, moved_a, order))
    if not fits:
        return replace(doubt, proved=(0, 0, 0), firm=mark)
    both = tuple(order for order in doubt.orders if order in fits)
    if not both:
        return replace(doubt, proved=(0, 0, 0), orders=fits, firm=mark)
    l1, l2, l3 = (n + (abs(a) >= CLEAR_A) for n, a in zip(doubt.proved, seen_a, strict=True))
    return replace(doubt, proved=(l1, l2, l3), orders=both, firm=mark)


def _comparable(state: State, last: Mark, mark: Mark) -> bool:
    """Nothing of ours can have changed between them but what the heard cars tell."""
    if mark.at - last.at > NEAR or mark.unheard != last.unheard:
        return False
    return not any(_may_have_changed(state.evses[evse], last.at) for evse in mark.unheard)


def _shows(seen_a: PerPhase, moved_a: PerPhase, order: Iterable[int]) -> bool:
    return all(
        abs(seen_a[p] - moved_a[q]) <= OFF_A + OFF * abs(moved_a[q])
        for p, q in zip(PHASES, order, strict=True)
    )


def _most(change_a: PerPhase) -> float:
    return max(abs(a) for a in change_a)


# ── The cars ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What the cars below a meter have told last."""

    cars_a: PerPhase  # of all that are heard
    at: tuple[datetime, ...]  # when each of them told it
    unheard: frozenset[EvseId]


def _told(site: Site, state: State, meter: Meter, now: datetime) -> _Told | None:
    """None while a car that has just left may still be on the meter."""
    total, at, unheard = NOTHING, [], []
    for evse in site.below[meter.circuit]:
        belief = state.evses[evse.id]
        if belief.session is None:
            if any(now < fading.until for fading in belief.fading):
                return None
            continue
        last = belief.readings[-1] if belief.readings else None
        heard = last is not None and now - last.at <= FRESH and belief.quarantine is None
        drawn_a = _on_site(evse, last) if last is not None and heard else None
        if last is None or drawn_a is None:
            unheard.append(evse.id)
        else:
            total = add(total, drawn_a)
            at.append(last.at)
    return _Told(cars_a=total, at=tuple(at), unheard=frozenset(unheard))


def _on_site(evse: Evse, reading: EvseMeasured) -> PerPhase | None:
    """Its current on the site's phases; where nobody knows which those are, equal on all three."""
    known = site_current(evse, reading)
    told = reading.terminal_a
    if known is not None or told is None:
        return known
    all_alike = max(told) - min(told) <= STILL_A and len(evse.wiring.terminals) == len(PHASES)
    return on_each(told[0], PHASES) if all_alike or max(told) == 0.0 else None


def _may_have_changed(belief: EvseState, since: datetime) -> bool:
    """Its car may have followed an order of ours since then, as others have, and nobody heard it.

    What it does by itself is no more than what the building does.
    """
    changes = (belief.raised_at, belief.on_since, belief.off_since)
    recent = any(at is not None and at > since - FOLLOW for at in changes)
    return recent or bool(belief.unknown) or any(f.until > since for f in belief.fading)
