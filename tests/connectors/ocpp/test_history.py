"""What a station kept in a queue while it was offline says nothing of now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from connectors.ocpp import v16, v201
from connectors.ocpp.dialect import Speaker
from connectors.ocpp.transactions import Transactions
from connectors.ocpp.values import instant_text
from loadmgr.model import EvseId, StationId
from tests.core.talk import NOON, Talk, bay, site_of


def who(talk: Talk, connection: int) -> Speaker:
    evse = talk.site.evse[EvseId("A")]
    return Speaker(
        station=StationId("A"),
        connection=connection,
        evses={1: evse},
        at=talk.now,
        heartbeat_s=300,
    )


def on_all_phases(current_a: float) -> list[dict[str, Any]]:
    phases = ("L1", "L2", "L3")
    return [{"value": current_a, "measurand": "Current.Import", "phase": p} for p in phases]


def test_a_reading_of_minutes_ago_does_not_prove_that_a_lower_limit_is_followed():
    """By 1.6 nothing marks it as late but its own time."""
    talk = Talk(site_of(bay("A"), bay("B"), fuse_a=40.0))
    talk.ready("A", "B")
    talk.holds("A", 32.0)
    talk.after(20).draws("A", 32.0)
    talk.holds("A", 8.0)  # accepted, and not taken
    talk.after(14).draws("A", 32.0)
    values = [one | {"value": str(one["value"]), "unit": "A"} for one in on_all_phases(6.0)]
    at = instant_text(talk.after(1).now - timedelta(seconds=200))
    said = {
        "connectorId": 1,
        "transactionId": 0,
        "meterValue": [{"timestamp": at, "sampledValue": values}],
    }
    talk.hears(*v16.hear("MeterValues", said, who(talk, 1), Transactions(NOON)).events)
    assert talk.ledger("A") == 32.0


def test_an_old_transaction_that_is_named_once_more_does_not_end_what_runs():
    talk = Talk(site_of(bay("A"), bay("B"), fuse_a=32.0))
    talk.ready("A", "B")
    talk.unplugs("A", "t-A")
    talk.after(20).plugs("A", "t-2")
    talk.holds("A", 20.0)
    talk.after(20).draws("A", 20.0)
    talk.restarts()  # the gateway knows no transaction any more
    known = Transactions(talk.now)
    talk.connects("A", 2)
    talk.proves("A")

    def updated(id: str, ago_s: float = 0.0, **more: Any) -> None:
        at = instant_text(talk.now - timedelta(seconds=ago_s))
        said = {
            "eventType": "Updated",
            "timestamp": at,
            "triggerReason": "MeterValuePeriodic",
            "seqNo": 1,
            "transactionInfo": {"transactionId": id, "chargingState": "Charging"},
            "evse": {"id": 1},
            **more,
        }
        talk.hears(*v201.hear("TransactionEvent", said, who(talk, 2), known).events)

    def drawing(current_a: float) -> list[dict[str, Any]]:
        return [{"timestamp": instant_text(talk.now), "sampledValue": on_all_phases(current_a)}]

    updated("t-2", meterValue=drawing(20.0))
    talk.holds("A", 20.0)
    updated("t-1", ago_s=600.0, offline=True)
    updated("t-1", ago_s=600.0)
    for _ in range(10):
        talk.after(5)
        updated("t-2", meterValue=drawing(20.0))
    session = talk.of("A").session
    assert session is not None and session.transaction_id == "t-2"
    assert talk.ledger("A") >= 20.0, "it draws that under a limit of ours, and says so"
