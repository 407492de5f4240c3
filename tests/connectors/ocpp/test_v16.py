"""1.6: wire to events, orders to requests, without a socket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ocpp.messages import MessageType, get_validator

from connectors.ocpp import v16
from connectors.ocpp.dialect import Ability, Heard, Request, Speaker, Wrong
from connectors.ocpp.schedule import Span, rate_units
from connectors.ocpp.transactions import Transactions
from loadmgr.events import (
    EvseMeasured,
    SessionEnded,
    SessionStarted,
    StationBooted,
    StatusChanged,
)
from loadmgr.model import ConnectorStatus, StationId
from tests.connectors.ocpp.ground import NORTH, NORTH_1, NORTH_2, SOUTH, SOUTH_1

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
STAMP = "2026-03-04T11:59:58Z"


@pytest.fixture
def known() -> Transactions:
    return Transactions(NOW)


def who(station: str = NORTH, **changes: Any) -> Speaker:
    evses = {1: NORTH_1, 2: NORTH_2} if station == NORTH else {1: SOUTH_1}
    given = {"connection": 7, "at": NOW, "heartbeat_s": 300, **changes}
    return Speaker(station=StationId(station), evses=evses, **given)


def start(known: Transactions, connector: int = 1, station: str = NORTH, **changes: Any) -> Heard:
    said = {"connectorId": connector, "idTag": "TAG", "meterStart": 1000, "timestamp": STAMP}
    return v16.hear("StartTransaction", {**said, **changes}, who(station), known)


def meter_values(connector: int = 1, transaction: int | None = None, **sampled: str) -> Any:
    said: dict[str, Any] = {
        "connectorId": connector,
        "meterValue": [
            {
                "timestamp": STAMP,
                "sampledValue": [
                    {"value": value, "measurand": "Current.Import", "phase": phase, "unit": "A"}
                    for phase, value in sampled.items()
                ],
            }
        ],
    }
    return said if transaction is None else {**said, "transactionId": transaction}


# ── Said by the station ───────────────────────────────────────────────────────────────────


def test_boot_is_accepted_and_told(known: Transactions) -> None:
    said = {"chargePointVendor": "Acme", "chargePointModel": "One"}
    heard = v16.hear("BootNotification", said, who(), known)
    assert heard.reply == {
        "status": "Accepted",
        "currentTime": "2026-03-04T12:00:00.000Z",
        "interval": 300,
    }
    assert heard.events == (
        StationBooted(at=NOW, station=StationId(NORTH), connection=7, vendor="Acme", model="One"),
    )


@pytest.mark.parametrize("status", list(ConnectorStatus))
def test_every_status_is_translated(status: ConnectorStatus, known: Transactions) -> None:
    said = {"connectorId": 2, "errorCode": "NoError", "status": status.value}
    heard = v16.hear("StatusNotification", said, who(), known)
    changed = StatusChanged(at=NOW, evse=NORTH_2.id, connection=7, status=status)
    assert heard.events == (changed,)


@pytest.mark.parametrize("connector", [0, 9, 1_634_030_126])
def test_the_status_of_what_the_site_does_not_have_is_answered_and_dropped(
    connector: int, known: Transactions
) -> None:
    said = {"connectorId": connector, "errorCode": "NoError", "status": "Available"}
    assert v16.hear("StatusNotification", said, who(), known) == Heard({})


def test_a_transaction_gets_a_number_and_is_a_session_until_it_stops(known: Transactions) -> None:
    heard = start(known)
    id = heard.reply["transactionId"]
    assert heard.reply["idTagInfo"] == {"status": "Accepted"}
    (started,) = heard.events
    assert isinstance(started, SessionStarted)
    assert started.session.evse == NORTH_1.id
    assert started.session.transaction_id == str(id)
    assert started.session.token == "TAG"
    assert started.session.started_at == NOW - timedelta(seconds=2)

    said = {"transactionId": id, "meterStop": 4500, "timestamp": STAMP, "idTag": "TAG"}
    heard = v16.hear("StopTransaction", said, who(), known)
    assert heard.reply == {"idTagInfo": {"status": "Accepted"}}
    assert heard.events == (
        SessionEnded(at=NOW, evse=NORTH_1.id, transaction_id=str(id), energy_wh=3500.0),
    )
    assert v16.hear("StopTransaction", said, who(), known).events == ()  # said twice


def test_numbers_fit_32_bits_are_unique_and_rise_over_restarts() -> None:
    first, later = Transactions(NOW), Transactions(NOW + timedelta(seconds=30))
    numbers = [
        start(book, connector, timestamp=f"2026-03-04T11:00:{second:02}Z").reply["transactionId"]
        for book in (first, later)
        for connector in (1, 2)
        for second in range(10)
    ]
    assert len(set(numbers)) == len(numbers)
    assert numbers == sorted(numbers)
    assert 0 < numbers[0] and numbers[-1] < 2**31


def test_a_start_that_is_repeated_gets_the_same_number_and_no_second_session(
    known: Transactions,
) -> None:
    first, again = start(known), start(known)
    assert first.reply == again.reply
    assert again.events == ()


def test_a_new_transaction_ends_the_one_whose_stop_was_lost(known: Transactions) -> None:
    before = start(known).reply["transactionId"]
    ended, started = start(known, meterStart=2000).events
    assert isinstance(ended, SessionEnded) and ended.transaction_id == str(before)
    assert isinstance(started, SessionStarted)


def test_no_transaction_is_given_to_an_outlet_the_site_does_not_have(known: Transactions) -> None:
    heard = start(known, connector=3)
    assert heard.reply["idTagInfo"] == {"status": "Invalid"}
    assert heard.events == ()


def test_a_station_cannot_name_another_ones_transaction(known: Transactions) -> None:
    theirs = start(known, station=SOUTH).reply["transactionId"]
    for action, said in (
        ("MeterValues", meter_values(1, theirs, L1="3.0")),
        ("StopTransaction", {"transactionId": theirs, "meterStop": 1, "timestamp": STAMP}),
    ):
        with pytest.raises(Wrong) as wrong:
            v16.hear(action, said, who(), known)
        assert wrong.value.code == "SecurityError"
    assert known.running_on(SOUTH_1.id) == str(theirs)


def test_after_our_restart_a_named_transaction_is_the_running_session_again(
    known: Transactions,
) -> None:
    heard = v16.hear("MeterValues", meter_values(1, 4711, L1="10.0"), who(), known)
    started, measured = heard.events
    assert isinstance(started, SessionStarted) and started.session.transaction_id == "4711"
    assert isinstance(measured, EvseMeasured) and measured.terminal_a == (10.0, 0.0, 0.0)
    again = v16.hear("MeterValues", meter_values(1, 4711, L1="10.0"), who(), known)
    assert [type(event) for event in again.events] == [EvseMeasured]


def test_after_our_restart_a_stop_reaches_every_outlet_that_could_hold_it(
    known: Transactions,
) -> None:
    said = {"transactionId": 4711, "meterStop": 1, "timestamp": STAMP}
    heard = v16.hear("StopTransaction", said, who(), known)
    assert [event.evse for event in heard.events if isinstance(event, SessionEnded)] == [
        NORTH_1.id,
        NORTH_2.id,
    ]


def test_a_number_that_is_older_or_of_another_back_end_does_not_replace_the_running_one(
    known: Transactions,
) -> None:
    running = start(known).reply["transactionId"]
    for transaction in (running - 5, running + 1, 1_912_345_678, 0, -1):
        heard = v16.hear("MeterValues", meter_values(1, transaction, L1="1.0"), who(), known)
        assert [type(event) for event in heard.events] == [EvseMeasured]


def test_an_ended_transaction_stays_ended(known: Transactions) -> None:
    id = start(known).reply["transactionId"]
    said = {"transactionId": id, "meterStop": 4500, "timestamp": STAMP}
    v16.hear("StopTransaction", said, who(), known)
    heard = v16.hear("MeterValues", meter_values(1, id, L1="1.0"), who(), known)
    assert [type(event) for event in heard.events] == [EvseMeasured]


def test_the_current_of_a_one_phase_outlet_counts_whatever_phase_it_is_called(
    known: Transactions,
) -> None:
    said = meter_values(2, None, **{"L1": "0.0", "L2": "15.9", "L3": "0.0"})
    (measured,) = v16.hear("MeterValues", said, who(), known).events
    assert isinstance(measured, EvseMeasured)
    assert measured.terminal_a == (15.9, 0.0, 0.0)


@pytest.mark.parametrize(
    ("action", "said", "code"),
    [
        ("NoSuchAction", {}, "NotImplemented"),
        ("../../../etc/passwd", {}, "NotImplemented"),
        ("Reset", {"type": "Soft"}, "NotSupported"),
        ("StatusNotification", {}, "OccurenceConstraintViolation"),
        (
            "StatusNotification",
            {"connectorId": "1", "errorCode": "NoError", "status": "Available"},
            "TypeConstraintViolation",
        ),
        (
            "StatusNotification",
            {"connectorId": 1, "errorCode": "NoError", "status": "Dancing"},
            "PropertyConstraintViolation",
        ),
        (
            "StatusNotification",
            {"connectorId": -1, "errorCode": "NoError", "status": "Available"},
            "PropertyConstraintViolation",
        ),
        ("Heartbeat", {"surplus": 1}, "FormationViolation"),
        ("Authorize", {"idTag": "x" * 1000}, "PropertyConstraintViolation"),
    ],
)
def test_what_is_wrong_is_named_by_the_standards_code(
    action: str, said: dict[str, Any], code: str, known: Transactions
) -> None:
    with pytest.raises(Wrong) as wrong:
        v16.hear(action, said, who(), known)
    assert wrong.value.code == code


@pytest.mark.parametrize("stamp", ["+222222017-01-01T00:00:00Z", "222222017", "", "yesterday"])
def test_a_time_nobody_can_read_is_now(stamp: str, known: Transactions) -> None:
    (started,) = start(known, timestamp=stamp).events
    assert isinstance(started, SessionStarted) and started.session.started_at == NOW


def test_every_answer_is_what_the_standards_schema_asks_for(known: Transactions) -> None:
    said: dict[str, dict[str, Any]] = {
        "Authorize": {"idTag": "TAG"},
        "BootNotification": {"chargePointVendor": "Acme", "chargePointModel": "One"},
        "DataTransfer": {"vendorId": "Acme", "data": "x"},
        "DiagnosticsStatusNotification": {"status": "Idle"},
        "FirmwareStatusNotification": {"status": "Idle"},
        "Heartbeat": {},
        "LogStatusNotification": {"status": "Idle"},
        "MeterValues": meter_values(1, 9, L1="1"),
        "SecurityEventNotification": {"type": "StartupOfTheDevice", "timestamp": STAMP},
        "SignCertificate": {"csr": "x"},
        "SignedFirmwareStatusNotification": {"status": "Idle"},
        "StartTransaction": {
            "connectorId": 1,
            "idTag": "TAG",
            "meterStart": 0,
            "timestamp": STAMP,
        },
        "StatusNotification": {"connectorId": 1, "errorCode": "NoError", "status": "Available"},
        "StopTransaction": {"transactionId": 9, "meterStop": 1, "timestamp": STAMP},
    }
    assert set(said) == v16.HEARD
    for action, payload in said.items():
        reply = v16.hear(action, payload, who(), known).reply
        get_validator(MessageType.CallResult, action, "1.6").validate(reply)


# ── Told to the station ───────────────────────────────────────────────────────────────────

AMPERES, WATTS = (rate_units(NORTH_1, 230.0, balanced=False)[unit] for unit in "AW")


def test_a_limit_is_a_tx_profile_that_ends() -> None:
    span = Span.of(NOW, 300.0)
    request = v16.limit(NORTH_2, "42", AMPERES, 13.37, span, 1)
    assert request == Request(
        "SetChargingProfile",
        {
            "connectorId": 2,
            "csChargingProfiles": {
                "chargingProfileId": 22,
                "transactionId": 42,
                "stackLevel": 1,
                "chargingProfilePurpose": "TxProfile",
                "chargingProfileKind": "Absolute",
                "validTo": "2026-03-04T12:05:00Z",
                "chargingSchedule": {
                    "startSchedule": "2026-03-04T11:59:50Z",
                    "duration": 310,
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 13.3}],
                },
            },
        },
    )


def test_the_fallback_has_no_end_and_the_lowest_level() -> None:
    request = v16.fallback(NORTH_1, AMPERES, 6.0, relative=True)
    profile = request.payload["csChargingProfiles"]
    assert (profile["stackLevel"], profile["chargingProfilePurpose"]) == (0, "TxDefaultProfile")
    assert "validTo" not in profile and "transactionId" not in profile
    assert "duration" not in profile["chargingSchedule"]
    assert "startSchedule" not in profile["chargingSchedule"]
    fixed = v16.fallback(NORTH_1, AMPERES, 6.0, relative=False).payload["csChargingProfiles"]
    assert fixed["chargingSchedule"]["startSchedule"] == "2000-01-01T00:00:00Z"


@pytest.mark.parametrize("id", ["", "x", "-4", "4.2", "²"])
def test_a_transaction_that_is_no_number_cannot_be_limited(id: str) -> None:
    assert v16.limit(NORTH_1, id, AMPERES, 10.0, Span.of(NOW, 60.0), 1) is None
    assert v16.stop(id) is None


def test_every_request_is_what_the_standards_schema_asks_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The library keeps one validator per action, with floats or decimals, whoever asked first.
    monkeypatch.setattr("ocpp.messages._validators", {})
    requests = [
        v16.limit(NORTH_1, "42", AMPERES, 13.0, Span.of(NOW, 300.0), 1),
        v16.limit(NORTH_1, "42", WATTS, 13.0, Span.of(NOW, 300.0), 1),
        v16.fallback(NORTH_1, AMPERES, 0.0, relative=True),
        v16.fallback(NORTH_1, WATTS, 6.0, relative=False),
        v16.composite(NORTH_1, 360, AMPERES),
        v16.clear_defaults(1),
        v16.stop("42"),
        v16.availability(NORTH_1, operative=False),
        *v16.questions(),
        *(r for step in v16.instructions({1: NORTH_1}, 5) for r in step.alternatives),
    ]
    for request in requests:
        assert request is not None
        get_validator(MessageType.Call, request.action, "1.6").validate(request.payload)


def test_the_units_and_the_stack_level_are_learnt() -> None:
    def entry(key: str, value: str) -> dict[str, Any]:
        return {"key": key, "readonly": True, "value": value}

    units, level = "ChargingScheduleAllowedChargingRateUnit", "ChargeProfileMaxStackLevel"
    answer = {"configurationKey": [entry(units, "Power"), entry(level, "3")]}
    assert v16.learn(Ability(), answer) == Ability(units=("W",), max_stack_level=3)
    for nonsense in (
        {},
        {"configurationKey": 7},
        {"configurationKey": [7, {}, entry(level, "-1")]},
    ):
        assert v16.learn(Ability(), nonsense) == Ability()
