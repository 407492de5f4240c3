"""Between what and what a car's current lies: by its readings, its limits, and the time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from loadmgr.core.conduct import IDLE_A, highest, site_current
from loadmgr.core.ledger import (
    FOLLOW,
    SILENT,
    allowed_current,
    lawful,
    promised_current,
    worst_current,
)
from loadmgr.core.state import EvseState
from loadmgr.events import EvseMeasured
from loadmgr.model import Evse, EvseId
from loadmgr.units import NOTHING, PHASES, PerPhase, higher, lower, on_each, total

FOREVER = datetime.max.replace(tzinfo=UTC)
FRESH = timedelta(seconds=15)
TRANSITION = timedelta(seconds=15)  # after a raise or a plug-in the car may be anywhere below it
ANSWERS = timedelta(seconds=1.5)  # from a question to the reading that was asked for
UNDER_WAY = timedelta(seconds=2)  # from when a circuit's sample is taken until it is heard
AT_ONCE = timedelta(seconds=0.5)  # no station has told its car yet, and no car has followed


@dataclass(frozen=True, slots=True)
class Span:
    """What one car can be drawing, on every phase it may be on. [A]

    Where nobody knows which phases those are, its current counts on all of them here as in the
    ledger: what is too little for the building on a phase without it is in its own entry.
    """

    least: PerPhase
    most: PerPhase
    certain: PerPhase  # the least that is on that very phase: what surely falls with the car
    followed: PerPhase  # the same, if it has already followed what it was told


def span(
    evse: Evse, belief: EvseState, now: datetime, voltage_v: float, *, ramps: bool | None = None
) -> Span:
    """Where the current of one car lies now; with `ramps=False`, when it was seen not to rise."""
    fresh = [r for r in belief.readings if now - r.at <= FRESH]
    if not fresh:
        # A car that is not heard of for a moment may be drawing all that it may, or nothing. One
        # that is not for long, or never was, belongs to the building: what it does not draw
        # now it may draw in the next second, beside a building that has grown in its shade.
        worst_a = worst_current(evse, belief, now) if _heard_lately(belief, now) else 0.0
        return Span(NOTHING, evse.worst_a(worst_a) if worst_a > 0 else NOTHING, NOTHING, NOTHING)
    low, high, certain = NOTHING, NOTHING, NOTHING
    stays = evse.worst_a(promised_current(evse, belief, now))
    for place, reading in enumerate(fresh):
        seen = site_current(evse, reading)
        if seen is None:
            drawn = highest(reading, voltage_v, len(evse.wiring.terminals)) or 0.0
            seen, there = evse.worst_a(drawn), _on_every_phase(evse, reading)
        else:
            there = seen
        # What it drew before it was told to take less, and took less, does not come back; nor in
        # the moment in which it is raised again.
        could = lower(stays, _could(evse, belief, reading))
        high = higher(high, seen if reading is fresh[-1] else lower(seen, could))
        low = seen if place == 0 else lower(low, seen)
        certain = there if place == 0 else lower(certain, there)
    # A charger that tells more than it may draw must not make the building smaller.
    low = lower(low, evse.worst_a(allowed_current(evse, belief, now)))
    if has_frozen(belief) or fresh[-1].connection != belief.connection:
        low = NOTHING  # who has gone, or come back anew, may have stopped meanwhile
    if may_ramp(belief, now) if ramps is None else ramps:
        allowed = max((*lawful(belief, now), belief.fallback_a or 0.0))
        high = higher(high, _in_use(evse, belief, fresh, min(evse.max_a, allowed)))
    certain = lower(low, certain)
    followed = lower(stays, _could(evse, belief, fresh[0]))
    if belief.unmoved_a is not None:
        followed = lower(followed, evse.worst_a(belief.unmoved_a))
    return Span(low, high, certain, lower(certain, followed))


def _in_use(evse: Evse, belief: EvseState, fresh: list[EvseMeasured], current_a: float) -> PerPhase:
    """On the phases that its car uses, where they are known or two readings have shown them. What
    rises beside it on another one is the building's until a reading shows that it has gone there.
    """
    used = belief.phases
    if used is None and len(fresh) > 1:
        seen = [on_site for reading in fresh if (on_site := site_current(evse, reading))]
        used = frozenset(p for p in PHASES if any(each[p] > IDLE_A for each in seen))
    return on_each(current_a, used) if used else evse.worst_a(current_a)


def _could(evse: Evse, belief: EvseState, reading: EvseMeasured) -> PerPhase:
    """What a reading can show that will stay: no more than was promised when it was told. [A]

    A current from before a pause is none from after it, though more than it may flow again.
    """
    if belief.raised_at is None or reading.at >= belief.raised_at:
        return evse.worst_a(evse.max_a)
    return evse.worst_a(max(belief.raised_from_a, belief.fallback_a or 0.0))


def _on_every_phase(evse: Evse, reading: EvseMeasured) -> PerPhase:
    """What a car draws wherever its phases may be: all three of them carry at least so much. [A]"""
    if reading.terminal_a is None or len(evse.wiring.terminals) < len(PHASES):
        return NOTHING
    return on_each(min(reading.terminal_a), PHASES)


def _heard_lately(belief: EvseState, now: datetime) -> bool:
    """It has told what it draws, or its limit is too new for that; unless it was asked since."""
    if not belief.metered or _keeps_silent(belief, now):
        return False
    last = belief.readings[-1].at if belief.readings else None
    told = belief.in_force.sent_at if belief.in_force is not None else None
    return any(at is not None and now - at <= SILENT for at in (last, told))


def _keeps_silent(belief: EvseState, now: datetime) -> bool:
    """Asked what it draws since it was raised, it has not told."""
    asked, raised = belief.asked_at, belief.raised_at
    return asked is not None and raised is not None and asked >= raised and now - asked >= ANSWERS


def around(readings: tuple[EvseMeasured, ...], at: datetime) -> tuple[EvseMeasured, ...]:
    """Those that tell what a car drew when a sample was taken: the last one before, all after."""
    before = [k for k, reading in enumerate(readings) if reading.at <= at - UNDER_WAY]
    return readings[before[-1] :] if before else readings


def has_frozen(belief: EvseState) -> bool:
    """It says that nothing flows, and long after that tells a current."""
    since = belief.rests_since
    if since is None or not belief.readings:
        return False
    last = belief.readings[-1]
    told = last.terminal_a is not None and max(last.terminal_a) > IDLE_A
    return told and last.at - since > FOLLOW


def may_ramp(belief: EvseState, now: datetime) -> bool:
    """It was raised a moment ago: the car may be anywhere below its limit."""
    return belief.raised_at is not None and AT_ONCE < now - belief.raised_at <= TRANSITION


def together(spans: Iterable[Span]) -> Span:
    """What several cars can be drawing between them."""
    each = tuple(spans)
    return Span(
        least=total(span.least for span in each),
        most=total(span.most for span in each),
        certain=total(span.certain for span in each),
        followed=total(span.followed for span in each),
    )


class Spans:
    """The same for many cars many times: reckoned anew when a belief changes, or its time comes."""

    def __init__(self) -> None:
        self._known: dict[EvseId, tuple[Evse, EvseState, datetime, datetime, Span]] = {}

    def of(self, evse: Evse, belief: EvseState, now: datetime, voltage_v: float) -> Span:
        known = self._known.get(evse.id)
        if known is not None:
            its, then, since, until, found = known
            if then is belief and its is evse and since <= now < until:
                return found
        found = span(evse, belief, now, voltage_v)
        until = min((at for at in _turns(belief) if at >= now), default=FOREVER)
        self._known[evse.id] = (evse, belief, now, until, found)
        return found


def _turns(belief: EvseState) -> Iterator[datetime]:
    """When `span` may answer otherwise though nothing was heard or sent."""
    for reading in belief.readings:
        yield reading.at + FRESH
        yield reading.at + SILENT
    if belief.drawn is not None:
        yield belief.drawn.at + SILENT
    for grant in belief.standing:
        yield grant.ends_at
        yield grant.sent_at + SILENT
    for fading in belief.fading:
        yield fading.until
        if fading.outlasts is not None:
            yield fading.outlasts
    if belief.asked_at is not None:
        yield belief.asked_at + ANSWERS
    if belief.raised_at is not None:
        yield belief.raised_at + AT_ONCE
        yield belief.raised_at + TRANSITION
