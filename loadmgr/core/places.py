"""Cars of which nobody knows the phase: on which they can be, and what they can hide there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from loadmgr.core import doubt
from loadmgr.core.span import Span, together
from loadmgr.core.state import EvseState, MeterState
from loadmgr.events import EvseMeasured
from loadmgr.model import Evse, EvseId
from loadmgr.units import (
    NOTHING,
    PHASES,
    PerPhase,
    Phase,
    farthest,
    higher,
    lower,
    on_each,
    subtract,
)

SETTLED_A = 0.5  # by less than that a car's readings differ though it does not change


def placed(evse: Evse, span: Span, shown_a: PerPhase, in_place: bool) -> Span:
    """Where nobody knows on which phase a car is: not where less is shown than it draws. Of what
    may be on several phases nothing is certain; for it may go to the others, beside a building
    that has grown there.
    """
    if evse.wiring.known:
        return span
    if not in_place:
        return replace(span, least=span.certain, most=span.certain)
    there = [p for p in PHASES if shown_a[p] >= span.least[p] * (1 - doubt.LESS) - doubt.LESS_A]
    span = replace(span, least=_only(there, span.least), most=_only(there, span.most))
    if len(there) > 1 or span.certain != NOTHING:
        return span
    return replace(span, certain=span.least)


def _only(there: Sequence[Phase], current_a: PerPhase) -> PerPhase:
    l1, l2, l3 = (current_a[p] if p in there else 0.0 for p in PHASES)
    return (l1, l2, l3)


def loose(evses: Iterable[Evse], spans: Mapping[EvseId, Span]) -> PerPhase:
    """What cars can draw on each phase that may as well be on another. [A]"""
    unknown = together(spans[evse.id] for evse in evses if not evse.wiring.known)
    return subtract(unknown.most, unknown.certain)


def drawn(
    evses: Iterable[Evse],
    beliefs: Mapping[EvseId, EvseState],
    spans: Mapping[EvseId, Span],
    voltage_v: float,
) -> float:
    """What those cars tell that they draw, all phases together. [A]"""
    found_a = 0.0
    for evse in evses:
        if evse.wiring.known or not (readings := beliefs[evse.id].readings):
            continue
        loose_a = subtract(spans[evse.id].most, spans[evse.id].certain)
        told_a = _told(readings[-1], voltage_v) - sum(spans[evse.id].certain)
        found_a += max(0.0, min(told_a, sum(loose_a)))
    return found_a


def _told(reading: EvseMeasured, voltage_v: float) -> float:
    if reading.terminal_a is not None:
        return sum(reading.terminal_a)
    return (reading.power_w or 0.0) / voltage_v


def shade(
    known: MeterState, loose_a: PerPhase, room_a: PerPhase, drawn_a: float, *, settled: bool
) -> PerPhase | None:
    """How much of that the estimate takes to be on each phase, since those cars came to rest. [A]

    A car that does not change hides no change of the building, wherever it is. None: it changes.

    Parameters
    ----------
    room_a : what is shown beyond the estimate and the cars whose phase is known
    drawn_a : what those cars draw, all phases together
    settled : no car below this meter changes now
    """
    if farthest(loose_a, known.loose_a) >= SETTLED_A:
        return None
    if known.shade_a is not None:
        return lower(known.shade_a, loose_a)
    return _divided(lower(loose_a, higher(room_a, NOTHING)), drawn_a) if settled else None


def _divided(most_a: PerPhase, drawn_a: float) -> PerPhase:
    """What is surely on each phase of a current that may be on each of them up to so much. [A]

    What is not on the others: a building that grew on one phase while the cars came up on another
    would stand in their shade on both.
    """
    excess_a = max(0.0, sum(most_a) - drawn_a)
    return higher(subtract(most_a, on_each(excess_a, PHASES)), NOTHING)
