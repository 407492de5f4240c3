"""What an order does to the belief about its EVSE: when it leaves, and when it is answered."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from loadmgr.core.ledger import FOLLOW, OUTLASTS, excess, surely_holds, tolerated, unproven
from loadmgr.core.state import EvseState, Fading, Grant, Quarantine
from loadmgr.events import (
    Confirmed,
    Lost,
    Order,
    Outcome,
    ReadFallback,
    ReadMeter,
    Refused,
    SetAvailability,
    SetFallback,
    SetLimit,
    StopTransaction,
)
from loadmgr.model import Evse

RETRY_FIRST = timedelta(seconds=5)
RETRY_LONGEST = timedelta(minutes=5)
PROVE_AGAIN = timedelta(minutes=1)  # the first time; doubled each time, for profiles go to flash
PROVE_LONGEST = timedelta(hours=1)
SAME_A = 0.05  # a current that went over the wire and back
ESCALATE = timedelta(seconds=20)
ESCALATE_AGAIN = timedelta(seconds=10)  # a step that was refused or lost was no step
PATIENCE = 6  # failures in a row, after which a charger is asked less and less often

GONE = -1  # a connection that no station has: numbers start again with the engine


def sent(belief: EvseState, order: Order, at: datetime) -> EvseState:
    """From here on the order may be in force."""
    belief = replace(belief, in_flight=order, quarantine=_tried(belief.quarantine, order, at))
    match order:
        case SetLimit():
            return _limit_sent(belief, order, at)
        case SetAvailability(operative=False):
            return replace(belief, withdrawn=True)
        case ReadMeter():
            return replace(belief, asked_at=at)
        case SetFallback() if belief.fallback_a is not None:
            return replace(belief, fallback_a=max(belief.fallback_a, order.current_a))
        case _:
            return belief


def _tried(quarantine: Quarantine | None, order: Order, at: datetime) -> Quarantine | None:
    """One more attempt to bring a charger back; the next one waits twice as long."""
    if quarantine is None or isinstance(order, SetFallback | ReadFallback | ReadMeter):
        return quarantine
    wait = _doubled(ESCALATE, quarantine.tried, RETRY_LONGEST)
    return replace(quarantine, tried=quarantine.tried + 1, next_try=at + wait)


def _limit_sent(belief: EvseState, order: SetLimit, at: datetime) -> EvseState:
    grant = Grant(
        serial=order.serial,
        connection=order.connection,
        current_a=order.current_a,
        sent_at=at,
        ends_at=at + timedelta(seconds=order.lasts_s) + OUTLASTS,
        transaction_id=order.transaction_id,
    )
    raised = order.current_a > belief.commanded_a
    switched_on = order.current_a > 0 and belief.on_since is None
    switched_off = order.current_a == 0 and belief.on_since is not None
    return replace(
        belief,
        unknown=(*_not_ended(belief.unknown, at), grant),
        fading=_not_over(belief, at),
        raised_at=at if raised else belief.raised_at,
        raised_from_a=belief.commanded_a if raised else belief.raised_from_a,
        on_since=at if switched_on else None if switched_off else belief.on_since,
        off_since=at if switched_off else None if switched_on else belief.off_since,
        stops=(*belief.stops[-1:], at) if switched_off else belief.stops,
    )


def followed(belief: EvseState, at: datetime) -> EvseState:
    """What a reading has just shown to be over does not come back when the charger falls silent."""
    if not belief.fading:
        return belief
    belief = replace(belief, fading=tuple(_seen(fading, belief) for fading in belief.fading))
    return replace(belief, fading=_not_over(belief, at))


def _seen(fading: Fading, belief: EvseState) -> Fading:
    """A car that takes something shows by taking less that the new limit is kept."""
    return replace(fading, in_use=fading.in_use or belief.took_a > tolerated(0.0))


def _not_over(belief: EvseState, at: datetime) -> tuple[Fading, ...]:
    """Without those whose effect has ended, by time and by what is measured."""
    open_a = max(unproven(belief, at), default=0.0)
    return tuple(f for f in belief.fading if at < f.until or f.current_a <= open_a)


def _not_ended(grants: tuple[Grant, ...], at: datetime) -> tuple[Grant, ...]:
    return tuple(grant for grant in grants if at < grant.ends_at)


def answered(evse: Evse, belief: EvseState, outcome: Outcome) -> EvseState:
    """The answer to the order under way; its serial has been matched already."""
    order = belief.in_flight
    belief = replace(belief, in_flight=None)
    if isinstance(order, ReadMeter):
        # Nothing hangs on it: who does not do it is soon not asked again, and is no worse for that.
        if isinstance(outcome, Refused):
            return replace(belief, declined=belief.declined + outcome.asked)
        return replace(belief, declined=0) if isinstance(outcome, Confirmed) else belief
    if isinstance(outcome, Lost) or outcome.connection != belief.connection:
        return _failed(belief, order, outcome)
    if isinstance(outcome, Refused):
        if outcome.asked:
            belief = _failed(belief, order, outcome)
        else:
            belief = replace(belief, retry_at=outcome.at + RETRY_FIRST)
        return replace(
            belief, unknown=tuple(g for g in belief.unknown if g.serial != outcome.serial)
        )
    belief = replace(belief, failures=0, failed_at=None, failed_a=None, retry_at=None)
    match order:
        case SetLimit():
            return _limit_confirmed(belief, outcome)
        case SetFallback():
            return replace(
                belief, fallback_written=outcome.connection, fallback_asked_a=order.current_a
            )
        case ReadFallback():
            return _fallback_read(evse, belief, outcome)
        case SetAvailability(operative=True):
            return replace(belief, withdrawn=False)
        case _:
            return belief


def _fallback_read(evse: Evse, belief: EvseState, outcome: Confirmed) -> EvseState:
    """A lower fallback than before counts once charger and car have followed it.

    What reads lower than was written is somebody else's ceiling, and ends when that one likes.
    """
    asked_a = evse.max_a if belief.fallback_asked_a is None else belief.fallback_asked_a
    there = outcome.current_a is not None and outcome.current_a <= asked_a + SAME_A
    belief = _there(belief) if there else _not_there(belief, outcome.at)
    unknown = belief.fallback_a is None or belief.quarantine is not None
    before = evse.max_a if unknown else belief.fallback_a or 0.0
    if outcome.current_a is None:
        return replace(belief, fallback_a=None, fallback_checked=outcome.connection)
    now_a = max(outcome.current_a, belief.fallback_asked_a or 0.0)
    fading = belief.fading
    if now_a < before:
        until = outcome.at + FOLLOW
        fading = (*fading, Fading(current_a=before, until=until, replaced_by_a=now_a))
    ends = belief.session is None and not excess(belief, outcome.at)
    return replace(
        belief,
        fallback_a=now_a,
        fallback_checked=outcome.connection,
        fading=fading,
        quarantine=None if ends else belief.quarantine,
    )


def _there(belief: EvseState) -> EvseState:
    return replace(belief, unproved=0, prove_at=None)


def _not_there(belief: EvseState, at: datetime) -> EvseState:
    """ "Accepted" and not stored, or not a thing this charger can do: it is written again later."""
    pause = _doubled(PROVE_AGAIN, belief.unproved, PROVE_LONGEST)
    return replace(belief, fallback_written=None, unproved=belief.unproved + 1, prove_at=at + pause)


def _limit_confirmed(belief: EvseState, outcome: Confirmed) -> EvseState:
    """All earlier limits are replaced; a higher one counts until charger and car have followed."""
    grant = next((g for g in belief.unknown if g.serial == outcome.serial), None)
    if grant is None:
        return belief
    earlier = [g for g in belief.unknown if g.serial < grant.serial]
    if belief.in_force is not None:
        earlier.append(belief.in_force)
    higher = [g for g in earlier if outcome.at < g.ends_at and g.current_a > grant.current_a]
    fading = _not_over(belief, outcome.at)
    if higher:
        last = Fading(
            current_a=max(g.current_a for g in higher),
            until=outcome.at + FOLLOW,
            replaced_by_a=grant.current_a,
            outlasts=max(g.ends_at for g in higher),
        )
        fading = (*fading, _seen(last, belief))
    return replace(
        belief,
        unmoved_a=_unmoved(belief, grant),
        in_force=_following_on(belief.in_force, grant, outcome.at),
        unknown=tuple(g for g in belief.unknown if g.serial > grant.serial),
        fading=fading,
    )


def _unmoved(belief: EvseState, grant: Grant) -> float | None:
    """How low its car was to go while its meter told one and the same: it may stand still."""
    lowest = belief.took_a if belief.unmoved_a is None else belief.unmoved_a
    return grant.current_a if grant.current_a < lowest else belief.unmoved_a


def _following_on(before: Grant | None, grant: Grant, at: datetime) -> Grant:
    """To be told again and again is no pardon: who was limited all the time has had its time."""
    if before is None or not surely_holds(before, at):
        return grant
    if (before.connection, before.transaction_id) != (grant.connection, grant.transaction_id):
        return grant
    return replace(grant, first_at=before.limits_since)


def _doubled(first: timedelta, times: int, longest: timedelta) -> timedelta:
    """A pause that has been doubled so often. Longer than `longest` it is never reckoned: a day of
    retries doubles it beyond what a `timedelta` holds.
    """
    pause = first
    for _ in range(times):
        if pause >= longest:
            break
        pause *= 2
    return min(pause, longest)


def _failed(belief: EvseState, order: Order | None, outcome: Outcome) -> EvseState:
    failures = belief.failures + 1
    pause = _doubled(RETRY_FIRST, failures - 1, RETRY_LONGEST)
    lowest = belief.failed_a
    if isinstance(order, SetLimit | StopTransaction):
        asked_a = order.current_a if isinstance(order, SetLimit) else 0.0
        lowest = asked_a if lowest is None else min(lowest, asked_a)
    return replace(
        belief,
        failures=failures,
        failed_at=outcome.at,
        failed_a=lowest,
        retry_at=outcome.at + pause,
        quarantine=_not_taken(belief.quarantine, order, outcome, failures),
    )


def _not_taken(
    quarantine: Quarantine | None, order: Order | None, outcome: Outcome, failures: int
) -> Quarantine | None:
    """The same step once more, soon, as long as that may be chance; but one that draws more than
    it may and says no to less is stopped at once.
    """
    if quarantine is None or failures > PATIENCE or not quarantine.tried:
        return quarantine
    if order is None or isinstance(order, SetFallback | ReadFallback):
        return quarantine
    if isinstance(order, SetLimit) and isinstance(outcome, Refused):
        return replace(quarantine, next_try=outcome.at)
    return replace(quarantine, tried=quarantine.tried - 1, next_try=outcome.at + ESCALATE_AGAIN)


def restarted(belief: EvseState, at: datetime) -> EvseState:
    """Nobody knows how long we were away, and the wall clock may have been set: every timer starts
    again, nothing lies in what is to come but the ends of limits, no connection stands.
    """
    return replace(
        belief,
        connection=None,
        offline_since=at,
        rests_since=at if belief.rests_since is not None else None,
        fallback_written=None,
        fallback_checked=None,
        prove_at=None,
        in_flight=None,
        readings=(),
        drawn=None,
        failed_at=None,
        failed_a=None,
        retry_at=None,
        in_force=_renewed(belief.in_force, at) if belief.in_force is not None else None,
        unknown=tuple(_renewed(grant, at) for grant in belief.unknown),
        fading=tuple(_begun_again(fading, at) for fading in belief.fading),
        quarantine=_patient(belief.quarantine, at),
        draws_less_since=None,
        over_since=None,
        over_count=0,
        on_since=at if belief.on_since is not None else None,
        off_since=at if belief.off_since is not None else None,
        stops=tuple(min(stop, at) for stop in belief.stops),
        raised_at=None,
        asked_at=None,
    )


def forgotten(grant: Grant) -> Grant:
    """It may be in force or not: no connection vouches for it any more."""
    return replace(grant, connection=GONE)


def _renewed(grant: Grant, at: datetime) -> Grant:
    return replace(grant, connection=GONE, sent_at=at, ends_at=at + (grant.ends_at - grant.sent_at))


def _begun_again(fading: Fading, at: datetime) -> Fading:
    until = at + FOLLOW
    if fading.outlasts is None:
        return replace(fading, until=until)
    return replace(fading, until=until, outlasts=until + (fading.outlasts - fading.until))


def _patient(quarantine: Quarantine | None, at: datetime) -> Quarantine | None:
    if quarantine is None:
        return None
    since = min(quarantine.since, at)
    return replace(quarantine, since=since, next_try=at, obeying_since=None)
