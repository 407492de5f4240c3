"""OCPP 2.0.1 as a station speaks it."""

from __future__ import annotations

from functools import partial

from connectors.simulated.clock import utc_text
from connectors.simulated.dialect import MODEL, VENDOR, Body, Call, Dialect
from connectors.simulated.moments import Begun, Ended, Metered, Moment, samples
from connectors.simulated.schedules import profile, purpose_of, told_periods
from connectors.simulated.settings import Settings
from connectors.simulated.wire import Payload, Reply
from loadmgr.model import ConnectorStatus
from loadmgr.simulate.profiles import Unacceptable

ACCEPTED = {"status": "Accepted"}

_OCCUPIED = {
    ConnectorStatus.PREPARING,
    ConnectorStatus.CHARGING,
    ConnectorStatus.SUSPENDED_EV,
    ConnectorStatus.SUSPENDED_EVSE,
    ConnectorStatus.FINISHING,
}


# ── What it says ──────────────────────────────────────────────────────────────────────────


def _boot() -> Call:
    return "BootNotification", {
        "reason": "PowerUp",
        "chargingStation": {"model": MODEL, "vendorName": VENDOR},
    }


def _heartbeat() -> Call:
    return "Heartbeat", {}


def _authorize(token: str) -> Call:
    return "Authorize", {"idToken": _token(token)}


def _token(token: str) -> Payload:
    return {"idToken": token, "type": "ISO14443"}


def _status(number: int, status: ConnectorStatus, at_s: float) -> Call:
    return "StatusNotification", {
        "timestamp": utc_text(at_s),
        "connectorStatus": "Occupied" if status in _OCCUPIED else status.value,
        "evseId": number,
        "connectorId": 1,
    }


def _moment(moment: Moment, settings: Settings, terminals: int) -> Call:
    if moment.transaction is None:
        return "MeterValues", {
            "evseId": moment.number,
            "meterValue": [_meter_value(moment, settings, terminals)],
        }
    info: Payload = {"transactionId": moment.transaction.id}
    event: Payload = {
        "timestamp": utc_text(moment.at_s),
        "seqNo": moment.serial,
        "offline": moment.offline,
        "transactionInfo": info,
        "evse": {"id": moment.number, "connectorId": 1},
    }
    match moment:
        case Begun():
            event["eventType"] = "Started"
            event["triggerReason"] = "RemoteStart" if moment.remote else "Authorized"
            event["idToken"] = _token(moment.transaction.token)
            event["meterValue"] = [_register(moment.at_s, moment.transaction.began_wh, "Begin")]
            info["chargingState"] = "EVConnected"
        case Metered():
            event["eventType"] = "Updated"
            event["triggerReason"] = moment.cause
            event["meterValue"] = [_meter_value(moment, settings, terminals)]
            info["chargingState"] = moment.state
        case Ended():
            event["eventType"] = "Ended"
            event["triggerReason"] = _ENDED_BY.get(moment.reason, "StopAuthorized")
            event["idToken"] = _token(moment.transaction.token)
            ended_wh = moment.transaction.ended_wh or moment.transaction.began_wh
            event["meterValue"] = [_register(moment.at_s, ended_wh, "End")]
            gone = moment.reason == "EVDisconnected"
            info["chargingState"] = "Idle" if gone else "EVConnected"
            info["stoppedReason"] = moment.reason
    return "TransactionEvent", event


_ENDED_BY = {
    "EVDisconnected": "EVDeparted",
    "Remote": "RemoteStop",
    "DeAuthorized": "Deauthorized",
}


def _register(at_s: float, energy_wh: float, edge: str) -> Payload:
    return {
        "timestamp": utc_text(at_s),
        "sampledValue": [
            {
                "value": round(energy_wh, 1),
                "context": f"Transaction.{edge}",
                "measurand": "Energy.Active.Import.Register",
                "unitOfMeasure": {"unit": "Wh"},
            }
        ],
    }


def _meter_value(moment: Metered, settings: Settings, terminals: int) -> Payload:
    context = "Trigger" if moment.cause == "Trigger" else "Sample.Periodic"
    return {
        "timestamp": utc_text(moment.at_s),
        "sampledValue": [
            {
                "value": float(value),
                "measurand": measurand,
                "context": context,
                "location": "Outlet",
                "unitOfMeasure": {"unit": unit},
                **({"phase": phase} if phase else {}),
            }
            for measurand, phase, unit, value in samples(
                moment.reading, settings.measurands, terminals
            )
        ],
    }


def _heard(answer: Payload) -> tuple[str | None, bool]:
    return None, answer.get("idTokenInfo", ACCEPTED).get("status") == "Accepted"


# ── What it is told ───────────────────────────────────────────────────────────────────────


def _rejected(why: object, code: str = "InvalidProfile") -> Reply:
    info = {"reasonCode": code, "additionalInfo": str(why)[:512]}
    return Reply({"status": "Rejected", "statusInfo": info})


def _set_charging_profile(body: Body, told: Payload) -> Reply:
    try:
        _store(body, told["evseId"], told["chargingProfile"])
    except Unacceptable as refusal:
        return _rejected(refusal)
    return Reply(ACCEPTED)


def _store(body: Body, number: int, told: Payload) -> None:
    outlet = body.model.outlets.get(number)
    phases = 3 if outlet is None else len(outlet.wiring.terminals)
    made = profile(
        told["id"],
        told,
        told["chargingSchedule"][0],
        voltage_v=body.model.voltage_v,
        phases=phases,
    )
    body.model.set_profile(number, made, body.now_s())


def _clear_charging_profile(body: Body, told: Payload) -> Reply:
    criteria = told.get("chargingProfileCriteria", {})
    if criteria.get("chargingProfilePurpose") == "ChargingStationExternalConstraints":
        return Reply({"status": "Unknown"})  # it never holds one
    gone = body.model.clear_profiles(
        body.now_s(),
        id=told.get("chargingProfileId"),
        number=criteria.get("evseId"),
        purpose=purpose_of(criteria.get("chargingProfilePurpose", "")),
        level=criteria.get("stackLevel"),
    )
    return Reply(ACCEPTED if gone else {"status": "Unknown"})


def _get_composite_schedule(body: Body, told: Payload) -> Reply:
    number, seconds = told["evseId"], told["duration"]
    outlet = body.model.outlets.get(number)
    if outlet is None or seconds <= 0:
        return _rejected("there is no such EVSE", "UnknownEvse")
    now_s, unit = body.now_s(), told.get("chargingRateUnit", "A")
    return Reply(
        {
            "status": "Accepted",
            "schedule": {
                "evseId": number,
                "duration": seconds,
                "scheduleStart": utc_text(now_s),
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


def _get_variables(body: Body, told: Payload) -> Reply:
    return Reply({"getVariableResult": [_read(body, asked) for asked in told["getVariableData"]]})


def _read(body: Body, asked: Payload) -> Payload:
    where = {"component": asked["component"], "variable": asked["variable"]}
    key = body.settings.key_of(asked["component"]["name"], asked["variable"]["name"])
    value = None if key is None else body.settings.read(key)
    if value is None:
        return {"attributeStatus": "UnknownVariable", **where}
    return {"attributeStatus": "Accepted", "attributeValue": value, **where}


def _set_variables(body: Body, told: Payload) -> Reply:
    return Reply({"setVariableResult": [_write(body, asked) for asked in told["setVariableData"]]})


def _write(body: Body, asked: Payload) -> Payload:
    where = {"component": asked["component"], "variable": asked["variable"]}
    key = body.settings.key_of(asked["component"]["name"], asked["variable"]["name"])
    if key is None:
        return {"attributeStatus": "UnknownVariable", **where}
    return {"attributeStatus": body.settings.write(key, asked["attributeValue"]), **where}


def _request_start(body: Body, told: Payload) -> Reply:
    token = told["idToken"]["idToken"]
    number = body.start_remotely(told.get("evseId"), token)
    if number is None:
        return Reply({"status": "Rejected"})

    async def begin() -> None:
        await body.begin_remotely(number, token)
        if "chargingProfile" in told:
            try:
                _store(body, number, told["chargingProfile"])
            except Unacceptable:
                pass  # K05: reported by what the composite schedule says

    return Reply(ACCEPTED, begin)


def _request_stop(body: Body, told: Payload) -> Reply:
    number = body.model.number_of(told["transactionId"])
    if number is None:
        return Reply({"status": "Rejected"})
    return Reply(ACCEPTED, partial(body.stop_remotely, number))


def _trigger(body: Body, told: Payload) -> Reply:
    message, number = told["requestedMessage"], told.get("evse", {}).get("id")
    known = ("BootNotification", "Heartbeat", "MeterValues", "StatusNotification")
    if message not in (*known, "TransactionEvent"):
        return Reply({"status": "NotImplemented"})
    if number is not None and number not in body.model.outlets:
        return Reply({"status": "Rejected"})
    # Inside a transaction its samples are TransactionEvents in this version.
    said = "MeterValues" if message == "TransactionEvent" else message
    return Reply(ACCEPTED, partial(body.report, said, number))


def _change_availability(body: Body, told: Payload) -> Reply:
    number = told.get("evse", {}).get("id", 0)
    if number != 0 and number not in body.model.outlets:
        return Reply({"status": "Rejected"})
    outlets = [o for n, o in body.model.outlets.items() if number in (0, n)]
    for outlet in outlets:
        outlet.operative = told["operationalStatus"] == "Operative"
    busy = any(outlet.transaction is not None for outlet in outlets)
    return Reply({"status": "Scheduled"} if busy else ACCEPTED)


def _reset(body: Body, told: Payload) -> Reply:
    return Reply(ACCEPTED, body.restart)


def _not_supported(body: Body, told: Payload) -> Reply:
    return Reply({"status": "NotSupported"})


V201 = Dialect(
    version="2.0.1",
    subprotocol="ocpp2.0.1",
    boot=_boot,
    heartbeat=_heartbeat,
    authorize=_authorize,
    status=_status,
    moment=_moment,
    heard=_heard,
    named_by_back_end=False,
    rules={
        "SetChargingProfile": _set_charging_profile,
        "ClearChargingProfile": _clear_charging_profile,
        "GetCompositeSchedule": _get_composite_schedule,
        "GetVariables": _get_variables,
        "SetVariables": _set_variables,
        "GetBaseReport": _not_supported,
        "RequestStartTransaction": _request_start,
        "RequestStopTransaction": _request_stop,
        "TriggerMessage": _trigger,
        "ChangeAvailability": _change_availability,
        "Reset": _reset,
        "ClearCache": lambda body, told: Reply(ACCEPTED),
        "DataTransfer": lambda body, told: Reply({"status": "UnknownVendorId"}),
    },
)
