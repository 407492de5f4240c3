"""OCPP 1.6J: wire to events, orders to requests. Pure; clause numbers are those of OCPP 1.6."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from ocpp.v16.enums import Action

from connectors.ocpp import metering, schedule, schema
from connectors.ocpp.dialect import Ability, Heard, Payload, Request, Speaker, Step, Wrong
from connectors.ocpp.schedule import FALLBACK_LEVEL, RateUnit, Span, Use, profile_id
from connectors.ocpp.transactions import Transactions
from connectors.ocpp.values import instant, instant_text, number, second_text, within
from loadmgr.events import (
    Event,
    SessionEnded,
    SessionStarted,
    StationBooted,
    StatusChanged,
)
from loadmgr.model import ConnectorStatus, Evse, EvseId, Session

SUBPROTOCOL = "ocpp1.6"
LONGEST_SESSION = timedelta(days=7)

_log = logging.getLogger(__name__)


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
        vendor=said["chargePointVendor"],
        model=said["chargePointModel"],
    )
    return Heard(reply, (booted,))


def _heartbeat(said: Payload, who: Speaker, known: Transactions) -> Heard:
    return Heard({"currentTime": instant_text(who.at)})


def _status(said: Payload, who: Speaker, known: Transactions) -> Heard:
    evse = who.evse(said["connectorId"])
    if evse is None:
        return Heard({})
    status = ConnectorStatus(said["status"])
    return Heard(
        {}, (StatusChanged(at=who.at, evse=evse.id, connection=who.connection, status=status),)
    )


def _authorize(said: Payload, who: Speaker, known: Transactions) -> Heard:
    return Heard({"idTagInfo": {"status": "Accepted"}})


def _start_transaction(said: Payload, who: Speaker, known: Transactions) -> Heard:
    evse = who.evse(said["connectorId"])
    if evse is None:
        _log.warning("%s: transaction refused on an outlet the site does not have", who.station)
        return Heard({"transactionId": 0, "idTagInfo": {"status": "Invalid"}})
    request = (said["connectorId"], said["idTag"], said["meterStart"], said["timestamp"])
    begun = known.allot(who.station, evse.id, request)
    reply = {"transactionId": int(begun.id), "idTagInfo": {"status": "Accepted"}}
    if not begun.new:
        return Heard(reply)
    known.note_start(who.station, begun.id, float(said["meterStart"]))
    started = SessionStarted(
        at=who.at,
        session=Session(
            evse=evse.id,
            transaction_id=begun.id,
            started_at=within(instant(said["timestamp"]), who.at, LONGEST_SESSION),
            token=said["idTag"],
        ),
    )
    return Heard(reply, (*_replaced(begun.replaced, evse.id, who), started))


def _stop_transaction(said: Payload, who: Speaker, known: Transactions) -> Heard:
    id = str(said["transactionId"])
    _claim(id, who, known)
    reply = {"idTagInfo": {"status": "Accepted"}} if "idTag" in said else {}
    if known.has_ended(who.station, id):
        return Heard(reply, final=True)
    transaction = known.end(who.station, id)
    if transaction is None:
        # It began before this process did, and the message does not say where. Its number is
        # ours and no other session's: whoever does not hold it will not mind.
        ended = tuple(
            SessionEnded(at=who.at, evse=evse.id, transaction_id=id) for evse in who.evses.values()
        )
        return Heard(reply, ended, final=True)
    energy_wh = metering.energy_between(transaction.start_wh, float(said["meterStop"]))
    over = SessionEnded(at=who.at, evse=transaction.evse, transaction_id=id, energy_wh=energy_wh)
    return Heard(reply, (over,), final=True)


def _meter_values(said: Payload, who: Speaker, known: Transactions) -> Heard:
    evse = who.evse(said["connectorId"])
    if evse is None:
        return Heard({})
    resumed = _resumed(said.get("transactionId", 0), evse, who, known)
    found = metering.readings(said["meterValue"], metering.sample_v16, evse.wiring, who.at)
    return Heard({}, (*resumed, *metering.measured(found, evse, who.connection, who.at)))


def _resumed(id: int, evse: Evse, who: Speaker, known: Transactions) -> tuple[Event, ...]:
    """A transaction that began before this process did, and is named by its station.

    Our numbers rise: a lower one than the one that runs is a memory of the station, and one that
    was never allotted is another back end's. Neither ends what runs.
    """
    if id <= 0:
        return ()
    _claim(str(id), who, known)
    running = known.running_on(evse.id) or ""
    foreign = not known.allotted_before(id)
    if running.isdecimal() and (id <= int(running) or foreign):
        return ()
    if known.has_ended(who.station, str(id)):
        return ()
    begun = known.begin(who.station, evse.id, str(id))
    session = Session(evse=evse.id, transaction_id=begun.id, started_at=who.at)
    return (
        *_replaced(begun.replaced, evse.id, who),
        SessionStarted(at=who.at, session=session),
    )


def _replaced(id: str | None, evse: EvseId, who: Speaker) -> tuple[Event, ...]:
    return () if id is None else (SessionEnded(at=who.at, evse=evse, transaction_id=id),)


def _claim(id: str, who: Speaker, known: Transactions) -> None:
    if not known.claim(who.station, id):
        _log.warning("%s: names transaction %s of another station", who.station, id)
        raise Wrong("SecurityError", f"transaction {id} is not of this station")


def _noted(said: Payload, who: Speaker, known: Transactions) -> Heard:
    return Heard({})


def _data_transfer(said: Payload, who: Speaker, known: Transactions) -> Heard:
    return Heard({"status": "UnknownVendorId"})


def _sign_certificate(said: Payload, who: Speaker, known: Transactions) -> Heard:
    return Heard({"status": "Rejected"})


_RULES: dict[str, Callable[[Payload, Speaker, Transactions], Heard]] = {
    "Authorize": _authorize,
    "BootNotification": _boot,
    "DataTransfer": _data_transfer,
    "DiagnosticsStatusNotification": _noted,
    "FirmwareStatusNotification": _noted,
    "Heartbeat": _heartbeat,
    "LogStatusNotification": _noted,
    "MeterValues": _meter_values,
    "SecurityEventNotification": _noted,
    "SignCertificate": _sign_certificate,
    "SignedFirmwareStatusNotification": _noted,
    "StartTransaction": _start_transaction,
    "StatusNotification": _status,
    "StopTransaction": _stop_transaction,
}
HEARD = frozenset(_RULES)


# ── What a station is told ────────────────────────────────────────────────────────────────


def limit(
    evse: Evse, transaction_id: str, unit: RateUnit, current_a: float, span: Span, level: int
) -> Request | None:
    """Section 5.16.2: a TxProfile belongs to one transaction and ends with it."""
    if not transaction_id.isascii() or not transaction_id.isdecimal():
        return None
    return _set_profile(
        evse,
        {
            "chargingProfileId": profile_id(evse, Use.LIMIT),
            "transactionId": int(transaction_id),
            "stackLevel": level,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Absolute",
            "validTo": second_text(span.end),
            "chargingSchedule": schedule.limited_schedule(unit, current_a, span),
        },
    )


def fallback(evse: Evse, unit: RateUnit, current_a: float, relative: bool) -> Request:
    return _set_profile(
        evse,
        {
            "chargingProfileId": profile_id(evse, Use.FALLBACK),
            "stackLevel": FALLBACK_LEVEL,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Relative" if relative else "Absolute",
            "chargingSchedule": schedule.endless_schedule(unit, current_a, relative),
        },
    )


def clear_defaults(level: int) -> Request:
    return Request(
        "ClearChargingProfile",
        {"chargingProfilePurpose": "TxDefaultProfile", "stackLevel": level},
    )


def composite(evse: Evse, seconds: int, unit: RateUnit) -> Request:
    return Request(
        "GetCompositeSchedule",
        {"connectorId": evse.number, "duration": seconds, "chargingRateUnit": unit.symbol},
    )


def highest_from(answer: Payload, after_s: float, units: Mapping[str, RateUnit]) -> float | None:
    if answer.get("status") != "Accepted":
        return None
    return schedule.highest_from(answer.get("chargingSchedule"), after_s, units)


def stop(transaction_id: str) -> Request | None:
    if not transaction_id.isascii() or not transaction_id.isdecimal():
        return None
    return Request("RemoteStopTransaction", {"transactionId": int(transaction_id)})


def availability(evse: Evse, operative: bool) -> Request:
    kind = "Operative" if operative else "Inoperative"
    return Request("ChangeAvailability", {"connectorId": evse.number, "type": kind})


def reading(evse: Evse) -> Request:
    return _trigger("MeterValues", evse.number)


def _set_profile(evse: Evse, profile: dict[str, Any]) -> Request:
    return Request(
        "SetChargingProfile", {"connectorId": evse.number, "csChargingProfiles": profile}
    )


# ── What a station is asked after it connects ─────────────────────────────────────────────


def questions() -> tuple[Request, ...]:
    keys = ["ChargingScheduleAllowedChargingRateUnit", "ChargeProfileMaxStackLevel"]
    return (Request("GetConfiguration", {"key": keys}),)


def learn(ability: Ability, answer: Payload) -> Ability:
    """Section 9.4: the unit key lists Current, Power or both."""
    listed = answer.get("configurationKey")
    for entry in listed if isinstance(listed, list) else ():
        match entry:
            case {"key": "ChargingScheduleAllowedChargingRateUnit", "value": str(value)}:
                said = value.lower()
                units = tuple(u for u, word in (("A", "current"), ("W", "power")) if word in said)
                ability = replace(ability, units=units or ability.units)
            case {"key": "ChargeProfileMaxStackLevel", "value": str(value)}:
                level = number(value)
                if level is not None and 0 <= level < 10_000:
                    ability = replace(ability, max_stack_level=int(level))
    return ability


def instructions(evses: Mapping[int, Evse], sample_every_s: int) -> tuple[Step, ...]:
    """Stations that do not measure everything refuse the list: ask for less then."""
    energy, power, current = metering.ENERGY, metering.POWER, metering.CURRENT
    lists = ((current, power, energy), (current, energy), (power, energy))
    measurands = Step(
        alternatives=tuple(_configure("MeterValuesSampledData", ",".join(ms)) for ms in lists)
    )
    interval = Step(alternatives=(_configure("MeterValueSampleInterval", str(sample_every_s)),))
    reports = tuple(
        Step(alternatives=(_trigger(message, number),))
        for number in evses
        for message in ("StatusNotification", "MeterValues")
    )
    return (measurands, interval, *reports)


def _configure(key: str, value: str) -> Request:
    return Request("ChangeConfiguration", {"key": key, "value": value})


def _trigger(message: str, number: int) -> Request:
    return Request("TriggerMessage", {"requestedMessage": message, "connectorId": number})
