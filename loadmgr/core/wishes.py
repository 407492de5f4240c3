"""What each EVSE should be told next, most urgent first, before anyone asks whether it is safe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from loadmgr.core import questions
from loadmgr.core.conduct import insisted, site_current
from loadmgr.core.ledger import SILENT, excess, unproven
from loadmgr.core.settle import INCREASES_APART
from loadmgr.core.span import FRESH
from loadmgr.core.state import EvseState, Quarantine, State
from loadmgr.events import (
    Order,
    ReadFallback,
    ReadMeter,
    SetAvailability,
    SetFallback,
    SetLimit,
    StopTransaction,
)
from loadmgr.model import CircuitId, Evse, Plan, Site
from loadmgr.units import NOTHING, PHASES, PerPhase, total

RENEW_AT = 0.5  # of a limit's life
LOWER_AGAIN = timedelta(seconds=10)  # between decreases that are refused
FAR_OVER = 1.45  # of its rating a breaker opens for certain (IEC 60898-1, table 7)
TOLD_AGAIN = timedelta(seconds=15)  # charger and car have had their time to follow
ASKED_AGAIN = timedelta(seconds=1)  # it has said no, and its fuse will trip
STOPPED_AFTER = 3  # refusals, where nobody else can make the room
RESTS_FOR = timedelta(seconds=20)  # in quarantine, before one without a car has another chance
PROOF_BEYOND_S = 60.0  # look for the fallback so long after every limit has ended


class Urgency(IntEnum):
    """What leaves first. A decrease never waits behind anything."""

    DECREASE = 0
    ESCALATION = 1
    PROOF = 2
    READING = 3
    RENEWAL = 4
    INCREASE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    urgency: Urgency
    order: Order  # its serial is given when it is sent


def wishes(site: Site, state: State, plan: Plan, evse: Evse, now: datetime) -> Iterator[Wish]:
    """All orders that make sense for one EVSE now."""
    belief = state.evses[evse.id]
    if belief.connection is None:
        return
    patient = belief.retry_at is not None and now < belief.retry_at
    if belief.quarantine is not None:
        if belief.session is not None or not patient:
            yield from _correction(site, state, plan, evse, belief.connection, now)
    elif belief.withdrawn and not patient:
        back = SetAvailability(serial=0, evse=evse.id, connection=belief.connection, operative=True)
        yield Wish(urgency=Urgency.PROOF, order=back)
    if not patient or (_to_be_asked_first(belief) and not _has_just_failed(belief, now)):
        yield from _proof(site, evse, belief, belief.connection, now)
    if questions.worth_asking(site, state, evse, belief, now):
        read = ReadMeter(serial=0, evse=evse.id, connection=belief.connection)
        yield Wish(urgency=Urgency.READING, order=read)
    allocation = plan.allocations.get(evse.id)
    if belief.quarantine is not None:
        return  # it is corrected, step by step; told the same again it would never be stopped
    if allocation is not None and allocation.steered and belief.session is not None:
        if _to_be_told_again(site, plan, evse, belief, allocation.current_a, now):
            again = _set(site, evse, belief, allocation.current_a)
            yield Wish(urgency=Urgency.DECREASE, order=again)
        yield from _limit(site, plan, evse, belief, allocation.current_a, now, patient)


def _proof(
    site: Site, evse: Evse, belief: EvseState, connection: int, now: datetime
) -> Iterator[Wish]:
    """Write the fallback and read it back, once per connection; and again where it is not there."""
    if belief.prove_at is not None and now < belief.prove_at:
        return
    if belief.fallback_written != connection:
        write = SetFallback(
            serial=0, evse=evse.id, connection=connection, current_a=site.offline.fallback_a
        )
        yield Wish(urgency=Urgency.PROOF, order=write)
    elif belief.fallback_checked != connection or belief.prove_at is not None:
        after_s = site.offline.limit_lasts_s + PROOF_BEYOND_S
        read = ReadFallback(serial=0, evse=evse.id, connection=connection, after_s=after_s)
        yield Wish(urgency=Urgency.PROOF, order=read)


def _limit(
    site: Site,
    plan: Plan,
    evse: Evse,
    belief: EvseState,
    target_a: float,
    now: datetime,
    patient: bool,
) -> Iterator[Wish]:
    """Bring the limit of the running session to its target, or renew it before it ends."""
    in_force = belief.in_force
    life = timedelta(seconds=site.offline.limit_lasts_s)
    ends = in_force is not None and now - in_force.sent_at > RENEW_AT * life
    if in_force is not None and ends and proved(belief):
        # What keeps a charger from taking more is as urgent as what makes it take less.
        held_a = min(target_a, in_force.current_a)
        if held_a < _without_limit(evse, belief) and not _in_vain(belief, held_a, now):
            yield Wish(urgency=Urgency.DECREASE, order=_set(site, evse, belief, held_a))
    free_a = 0.0 if proved(belief) else _without_limit(evse, belief)
    highest = max((free_a, *(grant.current_a for grant in belief.standing)))
    if target_a < highest:
        if not _in_vain(belief, target_a, now) and not _to_be_asked_first(belief):
            yield _decrease(site, plan, evse, belief, target_a, now)
        return
    if patient:
        return
    raised_for = None if belief.raised_at is None else now - belief.raised_at
    too_soon = raised_for is not None and raised_for < INCREASES_APART
    if target_a > belief.commanded_a > 0 and too_soon:
        return  # the plan is older than the last raise
    if target_a > belief.proved_a or not proved(belief):
        yield Wish(urgency=Urgency.INCREASE, order=_set(site, evse, belief, target_a))
    if in_force is not None and ends:
        renewed = min(target_a, in_force.current_a)
        yield Wish(urgency=Urgency.RENEWAL, order=_set(site, evse, belief, renewed))


def _without_limit(evse: Evse, belief: EvseState) -> float:
    """What it takes while no limit holds: its fallback as it was read, else all that it can. [A]"""
    return evse.max_a if belief.fallback_a is None else min(evse.max_a, belief.fallback_a)


def _to_be_told_again(
    site: Site, plan: Plan, evse: Evse, belief: EvseState, target_a: float, now: datetime
) -> bool:
    """It accepted this very limit a while ago. Where a fuse is over all the same somebody does not
    keep what it accepted, and its meter may be what hides it; and one that has not shown that it
    keeps it may be what makes it so.
    """
    in_force = belief.in_force
    if in_force is None or target_a != in_force.current_a or now - in_force.sent_at < TOLD_AGAIN:
        return False
    never_left = belief.failures == 0 and belief.retry_at is not None and now < belief.retry_at
    if never_left or _in_vain(belief, target_a, now):
        return False
    rows = [row for row in plan.rows if row.circuit in site.path[evse.circuit]]
    if any(row.building + row.planned > row.usable + 1e-6 for row in rows):
        return True
    unseen = any(current_a > target_a for current_a in unproven(belief, now))
    return unseen and _is_overfull(site, plan, evse)


def _decrease(
    site: Site, plan: Plan, evse: Evse, belief: EvseState, target_a: float, now: datetime
) -> Wish:
    """A lower limit; or, where no lower one is taken and others cannot make the room, the end of
    the transaction. The plan lowers a charger that insists only after all others.
    """
    assert belief.connection is not None
    session = belief.session
    if session is not None and belief.failures >= STOPPED_AFTER:
        insists = insisted(belief, now) > 0 and target_a == 0.0 < belief.commanded_a
        if insists or _takes_all(site, plan, evse, belief, now):
            stop = StopTransaction(
                serial=0,
                evse=evse.id,
                connection=belief.connection,
                transaction_id=session.transaction_id,
            )
            return Wish(urgency=Urgency.DECREASE, order=stop)
    lower_a = _taken(evse, belief, target_a)
    return Wish(urgency=Urgency.DECREASE, order=_set(site, evse, belief, lower_a))


def _takes_all(site: Site, plan: Plan, evse: Evse, belief: EvseState, now: datetime) -> bool:
    """No limit of ours holds, nobody knows what it does without one, and that is too much."""
    if belief.fallback_a is not None or any(now < grant.ends_at for grant in belief.standing):
        return False
    return _is_overfull(site, plan, evse)


def _is_overfull(site: Site, plan: Plan, evse: Evse) -> bool:
    """A fuse above it is reserved for more than it may carry."""
    rows = (row for row in plan.rows if row.circuit in site.path[evse.circuit])
    return any(row.building + row.reserved > row.usable + 1e-6 for row in rows)


def _taken(evse: Evse, belief: EvseState, target_a: float) -> float:
    """The limit to ask for: the target, or the least at which cars charge where a charger has just
    refused what is below that. Many take no such limit, and less is better than as much as before.
    """
    refused_a = belief.failed_a if belief.failures > 0 else None
    if refused_a is not None and max(target_a, refused_a) < evse.min_a < belief.commanded_a:
        return evse.min_a
    return target_a


def _in_vain(belief: EvseState, target_a: float, now: datetime) -> bool:
    """A decrease that was refused a moment ago. The first retry is immediate, and so is a lower
    limit; a charger that says no again and again is not asked more often than it can answer.
    """
    if belief.failures <= 1 or belief.failed_at is None or belief.failed_a is None:
        return False
    return target_a >= belief.failed_a and now - belief.failed_at < LOWER_AGAIN


def _to_be_asked_first(belief: EvseState) -> bool:
    """A charger that refuses limits (for a transaction it does not have, say), and of which it is
    not known on this connection what it does alone, has to be asked that all the same. It may
    refuse that too: then the two take turns, failure by failure.
    """
    unasked = belief.fallback_a is None and belief.fallback_checked != belief.connection
    twice = belief.failures > 1 and belief.failures % 2 == 0
    return unasked and twice and belief.failed_a is not None


def _has_just_failed(belief: EvseState, now: datetime) -> bool:
    return belief.failed_at is not None and now - belief.failed_at < LOWER_AGAIN


def proved(belief: EvseState) -> bool:
    """The limit in force was confirmed on this very connection, for this very transaction."""
    in_force, session = belief.in_force, belief.session
    return (
        in_force is not None
        and session is not None
        and not belief.unknown
        and in_force.transaction_id == session.transaction_id
        and in_force.connection == belief.connection
    )


def _set(site: Site, evse: Evse, belief: EvseState, current_a: float) -> SetLimit:
    assert belief.connection is not None and belief.session is not None
    return SetLimit(
        serial=0,
        evse=evse.id,
        connection=belief.connection,
        current_a=current_a,
        lasts_s=site.offline.limit_lasts_s,
        transaction_id=belief.session.transaction_id,
    )


def _taken_out(
    belief: EvseState, quarantine: Quarantine, evse: Evse, connection: int, now: datetime
) -> Iterator[Wish]:
    """Current flows, and there is no transaction to be ended. Out of service it can go at once."""
    tells = belief.drawn is not None and now - belief.drawn.at <= FRESH
    if tells and (not quarantine.tried or now >= quarantine.next_try):
        out = SetAvailability(serial=0, evse=evse.id, connection=connection, operative=False)
        yield Wish(urgency=Urgency.ESCALATION, order=out)


def _gives_in(belief: EvseState, quarantine: Quarantine, now: datetime) -> bool:
    """It has been told, and by its last reading it does what it is told: nothing is to be added."""
    if not quarantine.tried or quarantine.obeying_since is None or not belief.readings:
        return False
    return now - belief.readings[-1].at <= SILENT


def _is_urgent(site: Site, state: State, plan: Plan, evse: Evse, now: datetime) -> bool:
    """No time is left to see whether it follows, or to let it be for a while after it has not
    answered, or said no.
    """
    belief = state.evses[evse.id]
    if belief.quarantine is None or belief.quarantine.tried > 1:
        return False
    if belief.failed_at is not None and now - belief.failed_at < ASKED_AGAIN:
        return False
    return _is_far_over(site, state, plan, evse, now)


def _is_far_over(site: Site, state: State, plan: Plan, evse: Evse, now: datetime) -> bool:
    """A fuse above it carries what will make it trip: by its meter, or by what chargers below it
    tell, beside the building that the plan counts with.
    """
    building_a = {(row.circuit, row.phase): row.building for row in plan.rows}
    for circuit in map(site.circuit.__getitem__, site.path[evse.circuit]):
        told_a = _told(site, state, circuit.id, now)
        shown_a = NOTHING if circuit.meter is None else state.meters[circuit.meter].current_a
        for p in PHASES:
            carried_a = max(shown_a[p], told_a[p] + building_a.get((circuit.id, p), 0.0))
            if 0.0 < FAR_OVER * circuit.rating_a[p] < carried_a:
                return True
    return False


def _told(site: Site, state: State, circuit: CircuitId, now: datetime) -> PerPhase:
    """What chargers below a circuit have told lately that they draw; on each phase, where nobody
    knows on which. [A]
    """
    lately = (
        (evse, reading)
        for evse in site.below[circuit]
        for reading in state.evses[evse.id].readings[-1:]
        if now - reading.at <= FRESH
    )
    return total(
        site_current(evse, reading) or evse.worst_a(max(reading.terminal_a or NOTHING))
        for evse, reading in lately
    )


def _correction(
    site: Site, state: State, plan: Plan, evse: Evse, connection: int, now: datetime
) -> Iterator[Wish]:
    """Bring a charger that disobeys back: tell it again, stop the session, take it out, and
    so on: one that is out of service may wait for the end of a transaction that goes on.

    Without a session it cannot show that it obeys. What it can show is its fallback: read back once
    more, that ends the quarantine. Where its meter says that current flows all the same it is
    taken out of service.
    """
    belief = state.evses[evse.id]
    quarantine, session = belief.quarantine, belief.session
    if quarantine is None:
        return
    hopeless = False
    if session is not None:
        if _gives_in(belief, quarantine, now):
            return
        if now < quarantine.next_try > quarantine.since:
            if not _is_urgent(site, state, plan, evse, now):
                return
            hopeless = belief.failures > 0
    order: Order
    if session is None:
        if now - quarantine.since < RESTS_FOR:
            return
        if excess(belief, now):
            yield from _taken_out(belief, quarantine, evse, connection, now)
            return
        after_s = site.offline.limit_lasts_s + PROOF_BEYOND_S
        order = ReadFallback(serial=0, evse=evse.id, connection=connection, after_s=after_s)
    elif quarantine.tried == 0 and not hopeless:
        order = SetLimit(
            serial=0,
            evse=evse.id,
            connection=connection,
            current_a=0.0,
            lasts_s=site.offline.limit_lasts_s,
            transaction_id=session.transaction_id,
        )
    elif quarantine.tried <= 2 or quarantine.tried % 2 == 0:
        order = StopTransaction(
            serial=0, evse=evse.id, connection=connection, transaction_id=session.transaction_id
        )
    else:
        order = SetAvailability(serial=0, evse=evse.id, connection=connection, operative=False)
    yield Wish(urgency=Urgency.ESCALATION, order=order)
