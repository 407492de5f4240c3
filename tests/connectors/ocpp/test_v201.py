"""2.0.1: wire to events, orders to requests, without a socket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ocpp.messages import MessageType, get_validator

from connectors.ocpp import v201
from connectors.ocpp.dialect import Ability, Heard, Speaker, Wrong
from connectors.ocpp.schedule import Span, rate_units
from connectors.ocpp.transactions import Transactions
from loadmgr.events import (
    EvseMeasured,
    NeedsChanged,
    SessionEnded,
    SessionStarted,
    StationBooted,
    StatusChanged,
)
from loadmgr.model import ChargingNeeds, ConnectorStatus, StationId
from tests.connectors.ocpp.ground import NORTH, NORTH_1, NORTH_2, SOUTH, SOUTH_1

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
STAMP = "2026-03-04T11:59:58Z"


@pytest.fixture
def known() -> Transactions:
    return Transactions(NOW)


def who(station: str = NORTH) -> Speaker:
    evses = {1: NORTH_1, 2: NORTH_2} if station == NORTH else {1: SOUTH_1}
    return Speaker(station=StationId(station), evses=evses, connection=7, at=NOW, heartbeat_s=300)


def current(phase: str, value: float, multiplier: int = 0) -> dict[str, Any]:
    return {
        "value": value,
        "measurand": "Current.Import",
        "phase": phase,
        "unitOfMeasure": {"unit": "A", "multiplier": multiplier},
    }


def energy(wh: float) -> dict[str, Any]:
    return {"value": wh, "measurand": "Energy.Active.Import.Register"}


def event(
    kind: str,
    id: str = "tx-1",
    state: str | None = None,
    samples: tuple[dict[str, Any], ...] = (),
    info: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    said: dict[str, Any] = {
        "eventType": kind,
        "timestamp": STAMP,
        "triggerReason": "Trigger",
        "seqNo": 0,
        "transactionInfo": {"transactionId": id, **(info or {})},
        **more,
    }
    if state is not None:
        said["transactionInfo"]["chargingState"] = state
    if samples:
        said["meterValue"] = [{"timestamp": STAMP, "sampledValue": list(samples)}]
    return said


def hear(said: dict[str, Any], known: Transactions, station: str = NORTH) -> Heard:
    return v201.hear("TransactionEvent", said, who(station), known)


def test_boot_is_accepted_and_told(known: Transactions) -> None:
    said = {"reason": "PowerUp", "chargingStation": {"vendorName": "Acme", "model": "Two"}}
    heard = v201.hear("BootNotification", said, who(), known)
    assert heard.reply["status"] == "Accepted"
    (booted,) = heard.events
    assert booted == StationBooted(
        at=NOW, station=StationId(NORTH), connection=7, vendor="Acme", model="Two"
    )


def test_a_transaction_is_told_from_its_start_to_its_end(known: Transactions) -> None:
    token = {"idToken": "TAG", "type": "ISO14443"}
    heard = hear(
        event(
            "Started", state="EVConnected", samples=(energy(1000),), evse={"id": 2}, idToken=token
        ),
        known,
    )
    assert heard.reply == {"idTokenInfo": {"status": "Accepted"}}
    started, measured, status = heard.events
    assert isinstance(started, SessionStarted)
    assert (started.session.evse, started.session.token) == (NORTH_2.id, "TAG")
    assert started.session.started_at == NOW - timedelta(seconds=2)
    assert isinstance(measured, EvseMeasured) and measured.energy_wh == 1000
    assert isinstance(status, StatusChanged) and status.status is ConnectorStatus.PREPARING

    measured, status = hear(
        event("Updated", state="Charging", samples=(current("L1", 1.59, 1),)), known
    ).events
    assert isinstance(measured, EvseMeasured) and measured.terminal_a == pytest.approx((15.9, 0, 0))
    assert isinstance(status, StatusChanged) and status.status is ConnectorStatus.CHARGING

    over = hear(event("Ended", samples=(energy(4500),), info={"stoppedReason": "Local"}), known)
    _, status, ended = over.events
    assert isinstance(status, StatusChanged) and status.status is ConnectorStatus.FINISHING
    assert ended == SessionEnded(at=NOW, evse=NORTH_2.id, transaction_id="tx-1", energy_wh=3500)
    assert hear(event("Ended"), known).events == ()  # said twice, and no longer placed


def test_a_car_that_left_frees_its_outlet(known: Transactions) -> None:
    hear(event("Started", evse={"id": 1}), known)
    said = event("Ended", info={"stoppedReason": "EVDisconnected"}, evse={"id": 1})
    status = hear(said, known).events[0]
    assert isinstance(status, StatusChanged) and status.status is ConnectorStatus.AVAILABLE


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("Charging", ConnectorStatus.CHARGING),
        ("EVConnected", ConnectorStatus.PREPARING),
        ("SuspendedEV", ConnectorStatus.SUSPENDED_EV),
        ("SuspendedEVSE", ConnectorStatus.SUSPENDED_EVSE),
        ("Idle", ConnectorStatus.PREPARING),
    ],
)
def test_the_charging_state_is_the_status(
    state: str, status: ConnectorStatus, known: Transactions
) -> None:
    changed = hear(event("Started", state=state, evse={"id": 1}), known).events[-1]
    assert isinstance(changed, StatusChanged) and changed.status is status


def test_while_a_transaction_runs_a_coarse_status_says_nothing(known: Transactions) -> None:
    def status(word: str) -> Heard:
        said = {"timestamp": STAMP, "connectorStatus": word, "evseId": 1, "connectorId": 1}
        return v201.hear("StatusNotification", said, who(), known)

    (changed,) = status("Occupied").events
    assert isinstance(changed, StatusChanged) and changed.status is ConnectorStatus.PREPARING
    hear(event("Started", state="Charging", evse={"id": 1}), known)
    assert status("Occupied").events == status("Available").events == ()
    (changed,) = status("Faulted").events
    assert isinstance(changed, StatusChanged) and changed.status is ConnectorStatus.FAULTED


def test_after_our_restart_an_update_is_the_running_session_again(known: Transactions) -> None:
    said = event("Updated", state="Charging")
    started, status = hear(said, known, SOUTH).events  # one outlet: no need to name it
    assert isinstance(started, SessionStarted) and started.session.evse == SOUTH_1.id
    assert isinstance(status, StatusChanged)
    assert [type(e) for e in hear(said, known, SOUTH).events] == [StatusChanged]


def test_after_our_restart_an_update_without_a_place_waits_for_one(known: Transactions) -> None:
    assert hear(event("Updated", state="Charging"), known).events == ()
    started, _ = hear(event("Updated", state="Charging", evse={"id": 2}), known).events
    assert isinstance(started, SessionStarted) and started.session.evse == NORTH_2.id
    ended = hear(event("Ended", "unheard-of"), known).events
    assert [e.evse for e in ended if isinstance(e, SessionEnded)] == [NORTH_1.id, NORTH_2.id]


def test_two_stations_may_use_one_id(known: Transactions) -> None:
    hear(event("Started", evse={"id": 1}), known, NORTH)
    hear(event("Started", evse={"id": 1}), known, SOUTH)
    hear(event("Ended"), known, NORTH)
    assert known.running_on(NORTH_1.id) is None
    assert known.running_on(SOUTH_1.id) == "tx-1"


def test_what_was_measured_offline_is_history(known: Transactions) -> None:
    samples = (current("L1", 16.0), energy(2000))
    heard = hear(event("Updated", samples=samples, evse={"id": 1}, offline=True), known)
    measured = heard.events[1]
    assert isinstance(measured, EvseMeasured)
    assert (measured.terminal_a, measured.energy_wh) == (None, 2000)


def test_no_transaction_is_given_to_an_outlet_the_site_does_not_have(known: Transactions) -> None:
    heard = hear(event("Started", evse={"id": 3}), known)
    assert heard == Heard({"idTokenInfo": {"status": "Invalid"}})


def test_the_needs_of_a_car_are_told(known: Transactions) -> None:
    ac = {"energyAmount": 20_000, "evMinCurrent": 6, "evMaxCurrent": 16, "evMaxVoltage": 400}
    said = {
        "evseId": 1,
        "chargingNeeds": {
            "requestedEnergyTransfer": "AC_three_phase",
            "departureTime": "2026-03-04T17:00:00Z",
            "acChargingParameters": ac,
        },
    }
    heard = v201.hear("NotifyEVChargingNeeds", said, who(), known)
    assert heard.reply == {"status": "Accepted"}
    needs = ChargingNeeds(energy_wh=20_000.0, departure=NOW.replace(hour=17), max_a=16.0)
    assert heard.events == (NeedsChanged(at=NOW, evse=NORTH_1.id, needs=needs),)


@pytest.mark.parametrize(
    ("action", "said", "code"),
    [
        ("NoSuchAction", {}, "NotImplemented"),
        ("Reset", {"type": "Immediate"}, "NotSupported"),
        ("Heartbeat", {"surplus": 1}, "FormatViolation"),
        ("MeterValues", {"evseId": 1}, "OccurrenceConstraintViolation"),
        (
            "MeterValues",
            {"evseId": -1, "meterValue": [{"timestamp": STAMP, "sampledValue": [energy(1)]}]},
            "PropertyConstraintViolation",
        ),
    ],
)
def test_what_is_wrong_is_named_by_the_standards_code(
    action: str, said: dict[str, Any], code: str, known: Transactions
) -> None:
    with pytest.raises(Wrong) as wrong:
        v201.hear(action, said, who(), known)
    assert wrong.value.code == code


AMPERES, WATTS = (rate_units(NORTH_1, 230.0, balanced=False)[unit] for unit in "AW")


def test_every_request_is_what_the_standards_schema_asks_for() -> None:
    requests = [
        v201.limit(NORTH_1, "tx-1", AMPERES, 13.0, Span.of(NOW, 300.0), 1),
        v201.limit(NORTH_1, "tx-1", WATTS, 13.0, Span.of(NOW, 300.0), 1),
        v201.fallback(NORTH_1, AMPERES, 0.0, relative=True),
        v201.fallback(NORTH_1, WATTS, 6.0, relative=False),
        v201.composite(NORTH_1, 360, AMPERES),
        v201.clear_defaults(1),
        v201.stop("tx-1"),
        v201.availability(NORTH_1, operative=False),
        *v201.questions(),
        *(r for step in v201.instructions({1: NORTH_1}, 5) for r in step.alternatives),
    ]
    for request in requests:
        assert request is not None
        get_validator(MessageType.Call, request.action, "2.0.1").validate(request.payload)


def test_a_limit_names_its_transaction_and_ends() -> None:
    request = v201.limit(NORTH_2, "tx-1", AMPERES, 13.37, Span.of(NOW, 300.0), 1)
    assert request is not None
    profile = request.payload["chargingProfile"]
    (schedule,) = profile["chargingSchedule"]
    assert request.payload["evseId"] == 2
    assert (profile["id"], profile["transactionId"], profile["stackLevel"]) == (22, "tx-1", 1)
    assert (schedule["startSchedule"], schedule["duration"]) == ("2026-03-04T11:59:50Z", 310)
    assert schedule["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 13.3}]
    assert v201.limit(NORTH_2, "x" * 37, AMPERES, 13.0, Span.of(NOW, 300.0), 1) is None


def test_the_units_and_the_stack_level_are_learnt() -> None:
    def result(name: str, value: str) -> dict[str, Any]:
        variable = {"component": {"name": "SmartChargingCtrlr"}, "variable": {"name": name}}
        return {"attributeStatus": "Accepted", "attributeValue": value, **variable}

    answer = {"getVariableResult": [result("RateUnit", "W"), result("ProfileStackLevel", "0")]}
    assert v201.learn(Ability(), answer) == Ability(units=("W",), max_stack_level=0)
    both = {"getVariableResult": [result("RateUnit", "W, A")]}
    assert v201.learn(Ability(), both).units == ("A", "W")


def test_a_station_that_counts_its_transactions_from_1_again_is_heard(known: Transactions) -> None:
    hear(event("Started", "1", evse={"id": 1}), known)
    hear(event("Ended", "1", evse={"id": 1}), known)
    (started,) = hear(event("Started", "1", evse={"id": 1}), known).events
    assert isinstance(started, SessionStarted)
    assert not known.has_ended(StationId(NORTH), "1")
