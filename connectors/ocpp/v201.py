"""OCPP 2.0.1: wire to events, orders to requests. Pure; use cases are those of part 2."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from ocpp.v201.enums import Action

from connectors.ocpp import metering, schedule, schema
from connectors.ocpp.dialect import Ability, Heard, Payload, Request, Speaker, Step, Wrong
from connectors.ocpp.metering import Reading
from connectors.ocpp.schedule import FALLBACK_LEVEL, RateUnit, Span, Use, profile_id
from connectors.ocpp.transactions import Transactions
from connectors.ocpp.values import instant, instant_text, number, second_text, within
from loadmgr.events import (
    Event,
    NeedsChanged,
    SessionEnded,
    SessionStarted,
    StationBooted,
    StatusChanged,
)
from loadmgr.model import ChargingNeeds, ConnectorStatus, Evse, Session

SUBPROTOCOL = "ocpp2.0.1"
LONGEST_SESSION = timedelta(days=7)

_log = logging.getLogger(__name__)

_LONGEST_TRANSACTION_ID = 36

_STATUS = {
    "Available": ConnectorStatus.AVAILABLE,
    "Occupied": ConnectorStatus.PREPARING,
    "Reserved": ConnectorStatus.RESERVED,
    "Unavailable": ConnectorStatus.UNAVAILABLE,
    "Faulted": ConnectorStatus.FAULTED,
}
_CHARGING_STATE = {
    "Charging": ConnectorStatus.CHARGING,
    "EVConnected": ConnectorStatus.PREPARING,
    "SuspendedEV": ConnectorStatus.SUSPENDED_EV,
    "SuspendedEVSE": ConnectorStatus.SUSPENDED_EVSE,
    "Idle": ConnectorStatus.PREPARING,  # authorised, and nothing plugged in yet
}


# ── What a station says ───────────────────────────────────────────────────────────────────


def hear(action: str, payload: Payload, who: Speaker, known: Transactions) -> Heard:
    rule = _RULES.get(action)
    if rule is None:
        standard = action in {known_action.value for known_action in Action}
        code = "NotSupported" if standard else "NotImplemented"
        raise Wrong(code, "this central system has no answer for it")
    schema.check(SUBPROTOCOL, action, payload)
    return rule(payload, who, known)


def _boot(said: Payload, who: Speaker, known: Transactions) -> Heard:
    reply = {
        "status": "Accepted",
        "currentTime": instant_text(who.at),
        "interval": who.heartbeat_s,
    }
    booted = StationBooted(
        at=who.at,
        station=who.station,
        connection=who.connection,
        vendor=said["chargingStation"]["vendorName"],
        model=said["chargingStation"]["model"],
    )
    return Heard(reply, (booted,))


def _heartbeat(said: Payload, who: Speaker, known: Transactions) -> Heard:
    return Heard({"currentTime": instant_text(who.at)})


def _status(said: Payload, who: Speaker, known: Transactions) -> Heard:
    """While a transaction runs its events tell more, and of the right connector."""
    evse = who.evse(said["evseId"])
    status = _STATUS[said["connectorStatus"]]
    coarse = status in (ConnectorStatus.AVAILABLE, ConnectorStatus.PREPARING)
    if evse is None or (coarse and known.running_on(evse.id) is not None):
        return Heard({})
    return Heard({}, (_changed(evse, status, who),))


def _authorize(said: Payload, who: Speaker, known: Transactions) -> Heard:
    return Heard({"idTokenInfo": {"status": "Accepted"}})


def _meter_values(said: Payload, who: Speaker, known: Transactions) -> Heard:
    evse = who.evse(said["evseId"])
    if evse is None:
        return Heard({})
    found = _readings(said, evse, who)
    return Heard({}, metering.measured(found, evse, who.connection, who.at))


def _needs(said: Payload, who: Speaker, known: Transactions) -> Heard:
    """K15: an answer in the form of a TxProfile comes with the next plan."""
    evse = who.evse(said["evseId"])
    if evse is None:
        return Heard({"status": "Rejected"})
    asked = said["chargingNeeds"]
    ac = asked.get("acChargingParameters", {})
    dc = asked.get("dcChargingParameters", {})
    energy_wh = ac.get("energyAmount", dc.get("energyAmount"))
    needs = ChargingNeeds(
        energy_wh=None if energy_wh is None else max(0.0, float(energy_wh)),
        departure=instant(asked.get("departureTime")),
        max_a=float(ac["evMaxCurrent"]) if ac.get("evMaxCurrent", 0) > 0 else None,
    )
    return Heard({"status": "Accepted"}, (NeedsChanged(at=who.at, evse=evse.id, needs=needs),))


def _changed(evse: Evse, status: ConnectorStatus, who: Speaker) -> StatusChanged:
    return StatusChanged(at=who.at, evse=evse.id, connection=who.connection, status=status)


def _readings(said: Payload, evse: Evse, who: Speaker) -> tuple[Reading, ...]:
    listed = said.get("meterValue", ())
    found = metering.readings(listed, metering.sample_v201, evse.wiring, who.at)
    if not said.get("offline", False):
        return found
    energies = (replace(reading, terminal_a=None, power_w=None) for reading in found)
    return tuple(reading for reading in energies if not reading.empty)


# ── Transactions ──────────────────────────────────────────────────────────────────────────


def _transaction_event(said: Payload, who: Speaker, known: Transactions) -> Heard:
    id = said["transactionInfo"]["transactionId"]
    ended = said["eventType"] == "Ended"
    evse = _place(said, id, who, known)
    reply = {"idTokenInfo": {"status": "Accepted"}} if "idToken" in said else {}
    if said["eventType"] != "Started" and known.has_ended(who.station, id):
        return Heard(reply, final=ended)
    if evse is None:
        return _nowhere(said, id, who, known)
    found = _readings(said, evse, who)
    begun = () if ended else _begun(said, id, evse, who, known)
    energies = [reading.energy_wh for reading in found if reading.energy_wh is not None]
    if said["eventType"] == "Started" and energies:
        known.note_start(who.station, id, energies[0])
    measured = metering.measured(found, evse, who.connection, who.at)
    events = (*begun, *measured, *_states(said, evse, who))
    if not ended:
        return Heard(reply, events)
    transaction = known.end(who.station, id)
    start_wh = None if transaction is None else transaction.start_wh
    over = SessionEnded(
        at=who.at,
        evse=evse.id,
        transaction_id=id,
        energy_wh=metering.energy_between(start_wh, energies[-1] if energies else None),
    )
    return Heard(reply, (*events, over), final=True)


def _place(said: Payload, id: str, who: Speaker, known: Transactions) -> Evse | None:
    """Its EVSE. Only the first event has to name it (E01.FR.16), and that may be long ago."""
    if "evse" in said:
        return who.evse(said["evse"]["id"])
    transaction = known.running(who.station, id)
    evses = tuple(who.evses.values())
    if transaction is not None:
        return next((evse for evse in evses if evse.id == transaction.evse), None)
    return evses[0] if len(evses) == 1 else None


def _nowhere(said: Payload, id: str, who: Speaker, known: Transactions) -> Heard:
    """On an outlet the site does not have, or begun before this process and not said where."""
    if "evse" in said:
        _log.warning("%s: transaction refused on an outlet the site does not have", who.station)
        return Heard({"idTokenInfo": {"status": "Invalid"}})
    if said["eventType"] != "Ended":
        return Heard({})
    known.end(who.station, id)
    return Heard(
        {},
        tuple(
            SessionEnded(at=who.at, evse=evse.id, transaction_id=id) for evse in who.evses.values()
        ),
        final=True,
    )


def _begun(
    said: Payload, id: str, evse: Evse, who: Speaker, known: Transactions
) -> tuple[Event, ...]:
    """Started, or running since before this process did."""
    started = said["eventType"] == "Started"
    another_runs = known.running_on(evse.id) not in (None, id)
    if another_runs and not started and _is_history(said, who):
        return ()
    begun = known.begin(who.station, evse.id, id)
    if not begun.new:
        return ()
    at = within(instant(said["timestamp"]), who.at, LONGEST_SESSION) if started else who.at
    session = Session(
        evse=evse.id,
        transaction_id=id,
        started_at=at,
        token=said.get("idToken", {}).get("idToken", ""),
    )
    before: tuple[Event, ...] = ()
    if begun.replaced is not None:
        before = (SessionEnded(at=who.at, evse=evse.id, transaction_id=begun.replaced),)
    return (*before, SessionStarted(at=who.at, session=session))


def _is_history(said: Payload, who: Speaker) -> bool:
    """It comes out of a queue: what it names may have ended since."""
    at = instant(said["timestamp"])
    return said.get("offline", False) or (at is not None and who.at - at > metering.STALE)


def _states(said: Payload, evse: Evse, who: Speaker) -> tuple[Event, ...]:
    info = said["transactionInfo"]
    state = info.get("chargingState")
    if said["eventType"] == "Ended":
        gone = state == "Idle" or info.get("stoppedReason") == "EVDisconnected"
        status = ConnectorStatus.AVAILABLE if gone else ConnectorStatus.FINISHING
        return (_changed(evse, status, who),)
    return () if state is None else (_changed(evse, _CHARGING_STATE[state], who),)


# ── Notices that change nothing here ──────────────────────────────────────────────────────


def _noted(said: Payload, who: Speaker, known: Transactions) -> Heard:
    return Heard({})


def _answered(**reply: str) -> Callable[[Payload, Speaker, Transactions], Heard]:
    return lambda said, who, known: Heard(dict(reply))


_RULES: dict[str, Callable[[Payload, Speaker, Transactions], Heard]] = {
    "Authorize": _authorize,
    "BootNotification": _boot,
    "ClearedChargingLimit": _noted,
    "DataTransfer": _answered(status="UnknownVendorId"),
    "FirmwareStatusNotification": _noted,
    "Heartbeat": _heartbeat,
    "LogStatusNotification": _noted,
    "MeterValues": _meter_values,
    "NotifyChargingLimit": _noted,
    "NotifyCustomerInformation": _noted,
    "NotifyDisplayMessages": _noted,
    "NotifyEVChargingNeeds": _needs,
    "NotifyEVChargingSchedule": _answered(status="Accepted"),
    "NotifyEvent": _noted,
    "NotifyMonitoringReport": _noted,
    "NotifyReport": _noted,
    "PublishFirmwareStatusNotification": _noted,
    "ReportChargingProfiles": _noted,
    "ReservationStatusUpdate": _noted,
    "SecurityEventNotification": _noted,
    "SignCertificate": _answered(status="Rejected"),
    "StatusNotification": _status,
    "TransactionEvent": _transaction_event,
}
HEARD = frozenset(_RULES)


# ── What a station is told ────────────────────────────────────────────────────────────────


def limit(
    evse: Evse, transaction_id: str, unit: RateUnit, current_a: float, span: Span, level: int
) -> Request | None:
    """K01: a TxProfile names its transaction and ends with it."""
    if not _nameable(transaction_id):
        return None
    return _set_profile(
        evse,
        Use.LIMIT,
        {
            "stackLevel": level,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Absolute",
            "transactionId": transaction_id,
            "validTo": second_text(span.end),
        },
        schedule.limited_schedule(unit, current_a, span),
    )


def fallback(evse: Evse, unit: RateUnit, current_a: float, relative: bool) -> Request:
    return _set_profile(
        evse,
        Use.FALLBACK,
        {
            "stackLevel": FALLBACK_LEVEL,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Relative" if relative else "Absolute",
        },
        schedule.endless_schedule(unit, current_a, relative),
    )


def clear_defaults(level: int) -> Request:
    """K10."""
    criteria = {"chargingProfilePurpose": "TxDefaultProfile", "stackLevel": level}
    return Request("ClearChargingProfile", {"chargingProfileCriteria": criteria})


def composite(evse: Evse, seconds: int, unit: RateUnit) -> Request:
    return Request(
        "GetCompositeSchedule",
        {"evseId": evse.number, "duration": seconds, "chargingRateUnit": unit.symbol},
    )


def highest_from(answer: Payload, after_s: float, units: Mapping[str, RateUnit]) -> float | None:
    if answer.get("status") != "Accepted":
        return None
    return schedule.highest_from(answer.get("schedule"), after_s, units)


def stop(transaction_id: str) -> Request | None:
    if not _nameable(transaction_id):
        return None
    return Request("RequestStopTransaction", {"transactionId": transaction_id})


def availability(evse: Evse, operative: bool) -> Request:
    status = "Operative" if operative else "Inoperative"
    return Request("ChangeAvailability", {"evse": {"id": evse.number}, "operationalStatus": status})


def reading(evse: Evse) -> Request:
    return Request(
        "TriggerMessage", {"requestedMessage": "TransactionEvent", "evse": {"id": evse.number}}
    )


def _nameable(transaction_id: str) -> bool:
    return 0 < len(transaction_id) <= _LONGEST_TRANSACTION_ID


def _set_profile(evse: Evse, use: Use, profile: dict[str, Any], flat: dict[str, Any]) -> Request:
    id = profile_id(evse, use)
    return Request(
        "SetChargingProfile",
        {
            "evseId": evse.number,
            "chargingProfile": {"id": id, **profile, "chargingSchedule": [{"id": id, **flat}]},
        },
    )


# ── What a station is asked after it connects ─────────────────────────────────────────────


def questions() -> tuple[Request, ...]:
    asked = [
        _variable("SmartChargingCtrlr", "RateUnit"),
        _variable("SmartChargingCtrlr", "ProfileStackLevel"),
    ]
    return (Request("GetVariables", {"getVariableData": asked}),)


def learn(ability: Ability, answer: Payload) -> Ability:
    """Part 2 section 2.11: RateUnit lists A, W or both."""
    listed = answer.get("getVariableResult")
    for entry in listed if isinstance(listed, list) else ():
        match entry:
            case {"variable": {"name": "RateUnit"}, "attributeValue": str(value)}:
                units = tuple(u for u in ("A", "W") if u in value.replace(" ", "").split(","))
                ability = replace(ability, units=units or ability.units)
            case {"variable": {"name": "ProfileStackLevel"}, "attributeValue": str(value)}:
                level = number(value)
                if level is not None and 0 <= level < 10_000:
                    ability = replace(ability, max_stack_level=int(level))
    return ability


def instructions(evses: Mapping[int, Evse], sample_every_s: int) -> tuple[Step, ...]:
    energy, power, current = metering.ENERGY, metering.POWER, metering.CURRENT
    lists = ((current, power, energy), (current, energy), (power, energy))
    measurands = Step(
        alternatives=tuple(
            _set("SampledDataCtrlr", "TxUpdatedMeasurands", ",".join(ms)) for ms in lists
        )
    )
    interval = Step(
        alternatives=(_set("SampledDataCtrlr", "TxUpdatedInterval", str(sample_every_s)),)
    )
    reports = tuple(
        Step(alternatives=(Request("TriggerMessage", {"requestedMessage": message, "evse": evse}),))
        for number in evses
        for message, evse in (
            ("StatusNotification", {"id": number, "connectorId": 1}),
            ("TransactionEvent", {"id": number}),
        )
    )
    return (measurands, interval, *reports)


def _variable(component: str, variable: str) -> dict[str, Any]:
    return {"component": {"name": component}, "variable": {"name": variable}}


def _set(component: str, variable: str, value: str) -> Request:
    return Request(
        "SetVariables",
        {"setVariableData": [{"attributeValue": value, **_variable(component, variable)}]},
    )
