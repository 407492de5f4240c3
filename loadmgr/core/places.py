"""Cars of which nobody knows the phase: on which they can be, and what they can hide there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from loadmgr.core import doubt
from loadmgr.core.span import Span, together
from loadmgr.core.state import MeterState
from loadmgr.model import Evse, EvseId
from loadmgr.units import NOTHING, PHASES, PerPhase, Phase, farthest, higher, lower, subtract

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
    span = replace(span, most=_only(there, span.most))
    if len(there) > 1 or span.certain != NOTHING:
        return span
    found = _only(there, span.least)
    return replace(span, least=found, certain=found)


def _only(there: Sequence[Phase], current_a: PerPhase) -> PerPhase:
    l1, l2, l3 = (current_a[p] if p in there else 0.0 for p in PHASES)
    return (l1, l2, l3)


def loose(evses: Iterable[Evse], spans: Mapping[EvseId, Span]) -> PerPhase:
    """What cars can draw on each phase that may as well be on another. [A]"""
    unknown = together(spans[evse.id] for evse in evses if not evse.wiring.known)
    return subtract(unknown.most, unknown.certain)


def shade(
    known: MeterState, loose_a: PerPhase, room_a: PerPhase, *, settled: bool
) -> PerPhase | None:
    """How much of that the estimate takes to be on each phase, since those cars came to rest. [A]

    A car that does not change hides no change of the building, wherever it is. None: it changes.

    Parameters
    ----------
    room_a : what is shown beyond the estimate and the cars whose phase is known
    settled : no car below this meter changes now
    """
    if farthest(loose_a, known.loose_a) >= SETTLED_A:
        return None
    if known.shade_a is not None:
        return lower(known.shade_a, loose_a)
    return lower(loose_a, higher(room_a, NOTHING)) if settled else None
