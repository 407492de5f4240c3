"""Moments in which every car of a circuit held still, and what changed from one to the next.

Cars ramp, pause, come and go, and their meters tell it seconds later. Between two moments in
which all of them hold still, by readings before and after, their own readings say by how much
they have changed, and the circuit's meter has to show the same. What follows if it does not
stands in `doubt`, and what follows if it does in `proof`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from loadmgr.core.conduct import site_current
from loadmgr.core.ledger import FOLLOW
from loadmgr.core.state import EvseState, Mark, Marks, State
from loadmgr.events import CircuitMeasured, EvseMeasured
from loadmgr.model import Evse, EvseId, Meter, Site
from loadmgr.units import NOTHING, PHASES, PerPhase, Phase, add, on_each, subtract

CLEAR_A = 5.0  # a smaller change would not tell a scale of 0.8 from 1
STILL_A = 0.5  # readings of a car that holds still differ by no more
DRIFT_A = 1.0  # all cars together have hardly changed
NEAR = timedelta(seconds=45)  # between two marks; in a longer time the building does too much
FRESH = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happened between two marks. [A]"""

    cars_a: PerPhase  # by the cars' own readings
    shown_a: PerPhase  # by the circuit's meter


def followed(
    site: Site, state: State, meter: Meter, marks: Marks, event: CircuitMeasured
) -> tuple[Marks, Change | None]:
    """The marks after one more good sample, and a change of the cars if that has shown one.

    A mark is firm once every car that is heard has told the same before and after it. It is the
    last sample before one of them tells, so that a meter which lags behind has had time.
    """
    told, mark, change = _told(site, state, meter, event.at), marks.open, None
    if told is None:
        return (marks if mark is None else replace(marks, open=None)), None
    if mark is not None and (not told.at or any(at > mark.at for at in told.at)):
        if any(at <= mark.at for at in told.at):
            return marks, None
        held_still = most(subtract(told.cars_a, mark.cars_a)) <= STILL_A
        if held_still and told.unheard == mark.unheard:
            marks, change = _compared(site, state, marks, mark)
    now = Mark(at=event.at, shown_a=event.current_a, cars_a=told.cars_a, unheard=told.unheard)
    return replace(marks, open=now), change


def most(change_a: PerPhase) -> float:
    return max(abs(a) for a in change_a)


def _compared(site: Site, state: State, marks: Marks, mark: Mark) -> tuple[Marks, Change | None]:
    """Hold a mark that has become firm against the one before it."""
    last = marks.firm
    alone = frozenset() if last is None else _comparable(site, state, last, mark)
    if last is None or not alone:
        return replace(marks, firm=mark), None
    cars_a = _on(alone, subtract(mark.cars_a, last.cars_a))
    if most(cars_a) < CLEAR_A:
        return (replace(marks, firm=mark) if most(cars_a) < DRIFT_A else marks), None
    shown_a = _on(alone, subtract(mark.shown_a, last.shown_a))
    return replace(marks, firm=mark), Change(cars_a=cars_a, shown_a=shown_a)


def _comparable(site: Site, state: State, last: Mark, mark: Mark) -> frozenset[Phase]:
    """The phases on which nothing of ours can have changed but what the heard cars tell."""
    if mark.at - last.at > NEAR:
        return frozenset()
    alone = frozenset(PHASES)
    for evse in mark.unheard | last.unheard:
        here_and_there = evse in mark.unheard and evse in last.unheard
        if not here_and_there or _may_have_changed(state.evses[evse], last.at):
            reaches_a = site.evse[evse].worst_a(1.0)
            alone -= {p for p in PHASES if reaches_a[p] > 0.0}
    return alone


def _on(phases: frozenset[Phase], current_a: PerPhase) -> PerPhase:
    """What flows on these, and nothing on the others. [A]"""
    l1, l2, l3 = (current_a[p] if p in phases else 0.0 for p in PHASES)
    return (l1, l2, l3)


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
