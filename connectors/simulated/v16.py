"""OCPP 1.6J as a station speaks it."""

from __future__ import annotations

from functools import partial
from typing import Any

from connectors.simulated.clock import utc_text
from connectors.simulated.dialect import MODEL, VENDOR, Body, Call, Dialect
from connectors.simulated.moments import Begun, Ended, Metered, Moment, samples
from connectors.simulated.schedules import profile, purpose_of, told_periods
from connectors.simulated.settings import Settings
from connectors.simulated.wire import CallFailed, Payload, Reply
from loadmgr.model import ConnectorStatus
from loadmgr.simulate.profiles import Unacceptable

ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}


# ── What it says ──────────────────────────────────────────────────────────────────────────


def _boot() -> Call:
    return "BootNotification", {"chargePointVendor": VENDOR, "chargePointModel": MODEL}


def _heartbeat() -> Call:
    return "Heartbeat", {}


def _authorize(token: str) -> Call:
    return "Authorize", {"idTag": token}


def _status(number: int, status: ConnectorStatus, at_s: float) -> Call:
    return "StatusNotification", {
        "connectorId": number,
        "errorCode": "NoError",
        "status": status.value,
        "timestamp": utc_text(at_s),
    }


def _moment(moment: Moment, settings: Settings, terminals: int) -> Call:
    match moment:
        case Begun(transaction=transaction):
            return "StartTransaction", {
                "connectorId": moment.number,
                "idTag": transaction.token,
                "meterStart": round(transaction.began_wh),
                "timestamp": utc_text(moment.at_s),
            }
        case Ended(transaction=transaction):
            return "StopTransaction", {
                "transactionId": int(transaction.id),
                "idTag": transaction.token,
                "meterStop": round(transaction.ended_wh or transaction.began_wh),
                "timestamp": utc_text(moment.at_s),
                "reason": moment.reason,
            }
        case Metered(transaction=running):
            return "MeterValues", {
                "connectorId": moment.number,
                "meterValue": [_meter_value(moment, settings, terminals)],
                **({"transactionId": int(running.id)} if running else {}),
            }


def _meter_value(moment: Metered, settings: Settings, terminals: int) -> Payload:
    context = "Trigger" if moment.cause == "Trigger" else "Sample.Periodic"
    return {
        "timestamp": utc_text(moment.at_s),
        "sampledValue": [
            {
                "value": value,
                "measurand": measurand,
                "unit": unit,
                "context": context,
                "location": "Outlet",
                **({"phase": phase} if phase else {}),
            }
            for measurand, phase, unit, value in samples(
                moment.reading, settings.measurands, terminals
            )
        ],
    }


def _heard(answer: Payload) -> tuple[str | None, bool]:
    id = answer.get("transactionId")
    status = answer.get("idTagInfo", ACCEPTED).get("status")
    return None if id is None else str(id), status == "Accepted"


# ── What it is told ───────────────────────────────────────────────────────────────────────


def _set_charging_profile(body: Body, told: Payload) -> Reply:
    try:
        _store(body, told["connectorId"], told["csChargingProfiles"])
    except Unacceptable:
        return Reply(REJECTED)
    return Reply(ACCEPTED)


def _store(body: Body, number: int, told: Payload) -> None:
    outlet = body.model.outlets.get(number)
    phases = 3 if outlet is None else len(outlet.wiring.terminals)
    made = profile(
        told["chargingProfileId"],
        told,
        told["chargingSchedule"],
        voltage_v=body.model.voltage_v,
        phases=phases,
    )
    body.model.set_profile(number, made, body.now_s())


def _clear_charging_profile(body: Body, told: Payload) -> Reply:
    gone = body.model.clear_profiles(
        body.now_s(),
        id=told.get("id"),
        number=told.get("connectorId"),
        purpose=purpose_of(told.get("chargingProfilePurpose", "")),
        level=told.get("stackLevel"),
    )
    return Reply(ACCEPTED if gone else {"status": "Unknown"})


def _get_composite_schedule(body: Body, told: Payload) -> Reply:
    number, seconds = told["connectorId"], told["duration"]
    outlet = body.model.outlets.get(number)
    if outlet is None or seconds <= 0:
        return Reply(REJECTED)
    now_s, unit = body.now_s(), told.get("chargingRateUnit", "A")
    return Reply(
        {
            "status": "Accepted",
            "connectorId": number,
            "scheduleStart": utc_text(now_s),
            "chargingSchedule": {
                "duration": seconds,
                "startSchedule": utc_text(now_s),
                "chargingRateUnit": unit,
                "chargingSchedulePeriod": told_periods(
                    body.model.composite(number, now_s, seconds),
                    unit,
                    max_a=outlet.evse.max_a,
                    voltage_v=body.model.voltage_v,
                    phases=len(outlet.wiring.terminals),
                ),
            },
        }
    )


def _get_configuration(body: Body, told: Payload) -> Reply:
    asked = told.get("key") or list(body.settings.keys())
    known: list[dict[str, Any]] = []
    unknown: list[str] = []
    for key in asked:
        value = body.settings.read16(key)
        if value is None:
            unknown.append(key)
        else:
            readonly = body.settings.readonly(key)
            known.append({"key": key, "readonly": readonly, "value": value})
    return Reply({"configurationKey": known, "unknownKey": unknown})


def _change_configuration(body: Body, told: Payload) -> Reply:
    return Reply({"status": body.settings.write(told["key"], told["value"])})


def _remote_start(body: Body, told: Payload) -> Reply:
    number = body.start_remotely(told.get("connectorId"), told["idTag"])
    if number is None:
        return Reply(REJECTED)

    async def begin() -> None:
        await body.begin_remotely(number, told["idTag"])
        if "chargingProfile" in told:
            try:
                _store(body, number, told["chargingProfile"])
            except Unacceptable:
                pass  # 1.6 has no way to say so once the start was accepted

    return Reply(ACCEPTED, begin)


def _remote_stop(body: Body, told: Payload) -> Reply:
    number = body.model.number_of(str(told["transactionId"]))
    if number is None:
        return Reply(REJECTED)
    return Reply(ACCEPTED, partial(body.stop_remotely, number))


def _trigger(body: Body, told: Payload) -> Reply:
    message, number = told["requestedMessage"], told.get("connectorId")
    if message not in ("BootNotification", "Heartbeat", "MeterValues", "StatusNotification"):
        return Reply({"status": "NotImplemented"})
    if number is not None and number not in body.model.outlets:
        return Reply(REJECTED)
    return Reply(ACCEPTED, partial(body.report, message, number))


def _change_availability(body: Body, told: Payload) -> Reply:
    number = told["connectorId"]
    if number != 0 and number not in body.model.outlets:
        return Reply(REJECTED)
    outlets = [o for n, o in body.model.outlets.items() if number in (0, n)]
    for outlet in outlets:
        outlet.operative = told["type"] == "Operative"
    busy = any(outlet.transaction is not None for outlet in outlets)
    return Reply({"status": "Scheduled"} if busy else ACCEPTED)


def _reset(body: Body, told: Payload) -> Reply:
    return Reply(ACCEPTED, body.restart)


def _unlock(body: Body, told: Payload) -> Reply:
    return Reply({"status": "NotSupported"})  # a fixed cable


def _refuse(body: Body, told: Payload) -> Reply:
    raise CallFailed("NotSupported", "this station cannot do that")


V16 = Dialect(
    version="1.6",
    subprotocol="ocpp1.6",
    boot=_boot,
    heartbeat=_heartbeat,
    authorize=_authorize,
    status=_status,
    moment=_moment,
    heard=_heard,
    named_by_back_end=True,
    rules={
        "SetChargingProfile": _set_charging_profile,
        "ClearChargingProfile": _clear_charging_profile,
        "GetCompositeSchedule": _get_composite_schedule,
        "GetConfiguration": _get_configuration,
        "ChangeConfiguration": _change_configuration,
        "RemoteStartTransaction": _remote_start,
        "RemoteStopTransaction": _remote_stop,
        "TriggerMessage": _trigger,
        "ChangeAvailability": _change_availability,
        "Reset": _reset,
        "UnlockConnector": _unlock,
        "ClearCache": lambda body, told: Reply(ACCEPTED),
        "DataTransfer": lambda body, told: Reply({"status": "UnknownVendorId"}),
        "GetDiagnostics": lambda body, told: Reply({}),
        "UpdateFirmware": _refuse,
        "ReserveNow": _refuse,
        "CancelReservation": _refuse,
    },
)
