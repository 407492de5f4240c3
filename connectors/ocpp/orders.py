"""One order of the engine, asked of a station until it has said yes or no.

A refusal of one unit is followed by the other unit. What is not clearly a yes or a no counts
as lost: it may be in force.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from connectors.ocpp.dialect import Ability, Dialect, Payload, Request
from connectors.ocpp.frames import CallError, CallResult
from connectors.ocpp.schedule import FALLBACK_LEVEL, RateUnit, Span
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
from loadmgr.ports import Clock
from loadmgr.units import WIRE_STEP_A

LOOK_BEYOND_S = 60
"""A composite schedule is asked for a little beyond the instant of interest."""

NOT_DONE = frozenset(
    {
        "NotImplemented",
        "NotSupported",
        "ProtocolError",
        "SecurityError",
        "FormationViolation",
        "FormatViolation",
        "PropertyConstraintViolation",
        "OccurenceConstraintViolation",
        "OccurrenceConstraintViolation",
        "TypeConstraintViolation",
        "MessageTypeNotSupported",
        "RpcFrameworkError",
    }
)
"""CALLERRORs that say the request was not even begun. GenericError and InternalError do not."""

HIGHEST_CLEARED = 5
"""Stack levels above the fallback that are cleared of what another back end left behind."""

Answer = CallResult | CallError
Ask = Callable[[Request], Awaitable[Answer]]


class NoAnswer(Exception):
    """Silence until the deadline, or the connection is gone."""


@dataclass(slots=True, kw_only=True)
class Respondent:
    """The station an order goes to, as far as it is known."""

    dialect: Dialect
    ask: Ask  # raises NoAnswer
    ability: Ability
    clock: Clock
    written_a: float | None = None  # the fallback it last accepted for this EVSE


async def carry_out(
    order: Order, evse: Evse, units: Mapping[str, RateUnit], station: Respondent
) -> Outcome:
    """Never raises for the station's sake."""
    try:
        match order:
            case SetLimit():
                return await _set_limit(order, evse, units, station)
            case SetFallback():
                return await _set_fallback(order, evse, units, station)
            case ReadFallback():
                return await _read_fallback(order, evse, units, station)
            case ReadMeter():
                return await _once(order, station.dialect.reading(evse), station)
            case StopTransaction():
                return await _once(order, station.dialect.stop(order.transaction_id), station)
            case SetAvailability():
                request = station.dialect.availability(evse, order.operative)
                return await _once(order, request, station)
    except NoAnswer as silence:
        return lost(order, str(silence), station.clock)


async def _set_limit(
    order: SetLimit, evse: Evse, units: Mapping[str, RateUnit], station: Respondent
) -> Outcome:
    level = _limit_level(station.ability)
    # Fixed once: however long the station takes, the limit ends when the engine thinks it does.
    span = Span.of(station.clock.now(), order.lasts_s)
    outcome: Outcome = _refused(order, "no way to write this limit", station)
    for symbol in station.ability.units:
        request = station.dialect.limit(
            evse, order.transaction_id, units[symbol], order.current_a, span, level
        )
        outcome = await _once(order, request, station)
        if not isinstance(outcome, Refused):
            return outcome
    return outcome


def _limit_level(ability: Ability) -> int:
    """Above the fallback where there is room; a TxProfile overrules a default at any level."""
    above = FALLBACK_LEVEL + 1
    return above if ability.max_stack_level is None else min(above, ability.max_stack_level)


async def _set_fallback(
    order: SetFallback, evse: Evse, units: Mapping[str, RateUnit], station: Respondent
) -> Outcome:
    """A relative default needs no clock: it holds at a station whose clock lost its battery."""
    outcome: Outcome = _refused(order, "no way to write this limit", station)
    kinds = (True, False) if station.ability.relative_default else (False,)
    for relative in kinds:
        for symbol in station.ability.units:
            request = station.dialect.fallback(evse, units[symbol], order.current_a, relative)
            outcome = await _once(order, request, station)
            if not isinstance(outcome, Refused):
                return outcome
    return outcome


async def _read_fallback(
    order: ReadFallback, evse: Evse, units: Mapping[str, RateUnit], station: Respondent
) -> Outcome:
    """Another back end's defaults may lie above ours: those go, and it is read again."""
    read_a = await _held_a(order, evse, units, station)
    ours_a = station.written_a
    if read_a is not None and ours_a is not None and read_a > ours_a + WIRE_STEP_A:
        await _clear_above_fallback(station)
        read_a = await _held_a(order, evse, units, station)
    return _confirmed(order, station, read_a)


async def _held_a(
    order: ReadFallback, evse: Evse, units: Mapping[str, RateUnit], station: Respondent
) -> float | None:
    seconds = math.ceil(order.after_s) + LOOK_BEYOND_S
    for symbol in station.ability.units:
        answer = await station.ask(station.dialect.composite(evse, seconds, units[symbol]))
        if isinstance(answer, CallError):
            continue
        current_a = station.dialect.highest_from(answer.payload, order.after_s, units)
        if current_a is not None:
            return current_a
    return None


async def _clear_above_fallback(station: Respondent) -> None:
    """From the lowest level up: nothing that was covered comes to light on the way."""
    highest = station.ability.max_stack_level
    top = HIGHEST_CLEARED if highest is None else min(highest, HIGHEST_CLEARED)
    for level in range(FALLBACK_LEVEL + 1, top + 1):
        await station.ask(station.dialect.clear_defaults(level))


async def _once(order: Order, request: Request | None, station: Respondent) -> Outcome:
    if request is None:
        return _refused(order, "this transaction id cannot be named on the wire", station)
    return _judged(order, await station.ask(request), station)


def _judged(order: Order, answer: Answer, station: Respondent) -> Outcome:
    if isinstance(answer, CallError):
        reason = f"{answer.code}: {answer.description}".rstrip(": ")[:200]
        if answer.code in NOT_DONE:
            return _refused(order, reason, station)
        return lost(order, reason, station.clock)
    status = answer.payload.get("status")
    later = isinstance(order, SetAvailability) and status == "Scheduled"  # when the car has left
    if status == "Accepted" or later:
        return _confirmed(order, station, None)
    if status in ("Rejected", "NotSupported"):
        return _refused(order, _why(answer.payload), station)
    return lost(order, f"answered with status {status!r:.40}", station.clock)


def _why(payload: Payload) -> str:
    info = payload.get("statusInfo")
    more = [info.get("reasonCode"), info.get("additionalInfo")] if isinstance(info, dict) else []
    return " ".join(str(part)[:100] for part in [payload["status"], *filter(None, more)])


def _confirmed(order: Order, station: Respondent, current_a: float | None) -> Confirmed:
    return Confirmed(
        at=station.clock.now(),
        serial=order.serial,
        evse=order.evse,
        connection=order.connection,
        current_a=current_a,
    )


def _refused(order: Order, reason: str, station: Respondent) -> Refused:
    return Refused(
        at=station.clock.now(),
        serial=order.serial,
        evse=order.evse,
        connection=order.connection,
        reason=reason,
    )


def lost(order: Order, reason: str, clock: Clock) -> Lost:
    return Lost(
        at=clock.now(),
        serial=order.serial,
        evse=order.evse,
        connection=order.connection,
        reason=reason,
    )
