"""A simulated station against a back end over a real socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connectors.simulated.clock import utc_text
from connectors.simulated.station import SimulatedStation
from loadmgr.simulate.car import CarSpec
from loadmgr.simulate.temper import Temper
from tests.connectors.simulated.backend import (
    Backend,
    backend,
    charging_station,
    serving,
    until,
)

BOTH = pytest.mark.parametrize("version", ["1.6", "2.0.1"])
CAR = CarSpec(reaction_s=2.0)


def set_profile(
    station: SimulatedStation, purpose: str, limit_a: float, **more: Any
) -> tuple[str, dict[str, Any]]:
    """A SetChargingProfile of the station's version, starting a little in the past."""
    settings = {"level": 1, "id": 7, "number": 1} | more
    start = utc_text(station.now_s() - 5)
    schedule: dict[str, Any] = {
        "chargingRateUnit": more.get("unit", "A"),
        "startSchedule": start,
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_a}],
    }
    if "duration" in more:
        schedule["duration"] = more["duration"]
    head = {
        "stackLevel": settings["level"],
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
    }
    transaction = station.model.outlets[1].transaction
    if purpose == "TxProfile" and transaction is not None:
        id = transaction.id
        head["transactionId"] = int(id) if id.isdigit() else id
    if station.settings.read("HeartbeatInterval") and _is16(station):
        profile = head | {"chargingProfileId": settings["id"], "chargingSchedule": schedule}
        return "SetChargingProfile", {
            "connectorId": settings["number"],
            "csChargingProfiles": profile,
        }
    profile = head | {"id": settings["id"], "chargingSchedule": [schedule | {"id": 1}]}
    return "SetChargingProfile", {"evseId": settings["number"], "chargingProfile": profile}


def _is16(station: SimulatedStation) -> bool:
    return station._dialect.version == "1.6"


def drawn_a(station: SimulatedStation) -> float:
    station.now_s()
    return station.model.outlets[1].terminal_a[0]


def draws(station: SimulatedStation, current_a: float) -> Callable[[], bool]:
    return lambda: drawn_a(station) == pytest.approx(current_a)


async def start_charging(back: Backend, station: SimulatedStation) -> None:
    await until(lambda: station.online)
    station.plug(1, CAR, "TAG1")
    await until(lambda: station.model.outlets[1].transaction)
    await until(lambda: station.model.outlets[1].transaction.id)
    await until(draws(station, 16.0))


def composite(back: Backend, seconds: int, unit: str = "A") -> tuple[str, dict[str, Any]]:
    where = "connectorId" if back.version == "1.6" else "evseId"
    return "GetCompositeSchedule", {where: 1, "duration": seconds, "chargingRateUnit": unit}


def periods(answer: dict[str, Any]) -> list[tuple[float, float]]:
    schedule = answer.get("chargingSchedule") or answer["schedule"]
    return [(p["startPeriod"], p["limit"]) for p in schedule["chargingSchedulePeriod"]]


@BOTH
async def test_it_boots_with_its_password_and_says_how_it_stands(version):
    async with (
        backend(version, password="s3cret") as back,
        charging_station(back, password="s3cret") as station,
    ):
        await until(lambda: back.heard("StatusNotification"))
        assert [action for action, _ in back.said] == ["BootNotification", "StatusNotification"]
        assert station.settings.heartbeat_s == 300.0


async def test_a_wrong_password_keeps_it_out_and_it_goes_on_trying():
    async with (
        backend("1.6", password="s3cret") as back,
        charging_station(back, password="wrong") as station,
    ):
        with pytest.raises(TimeoutError):
            await until(lambda: back.said, seconds=1.0)
        back.password = "wrong"
        await until(lambda: station.online)


async def test_a_session_in_1_6_from_plug_to_unplug():
    async with backend("1.6") as back, charging_station(back) as station:
        await start_charging(back, station)
        assert back.heard("Authorize") == [{"idTag": "TAG1"}]
        (started,) = back.heard("StartTransaction")
        assert (started["connectorId"], started["idTag"]) == (1, "TAG1")
        metered = (await until(lambda: back.heard("MeterValues")))[-1]
        assert metered["transactionId"] == 41
        station.unplug(1)
        (stopped,) = await until(lambda: back.heard("StopTransaction"))
        assert (stopped["transactionId"], stopped["reason"]) == (41, "EVDisconnected")
        assert stopped["meterStop"] > 0
        statuses = [said["status"] for said in back.heard("StatusNotification")]
        assert statuses[0] == "Available" and "Charging" in statuses
        await until(lambda: back.heard("StatusNotification")[-1]["status"] == "Available")


async def test_a_session_in_2_0_1_from_plug_to_unplug():
    async with backend("2.0.1") as back, charging_station(back) as station:
        await start_charging(back, station)
        await until(
            lambda: any(
                event["triggerReason"] == "MeterValuePeriodic"
                for event in back.heard("TransactionEvent")
            )
        )
        station.unplug(1)
        await until(lambda: back.heard("TransactionEvent")[-1]["eventType"] == "Ended")
        events = back.heard("TransactionEvent")
        assert [event["seqNo"] for event in events] == list(range(len(events)))
        assert len({event["transactionInfo"]["transactionId"] for event in events}) == 1
        assert events[0]["eventType"] == "Started" and events[0]["idToken"]["idToken"] == "TAG1"
        assert "Charging" in [event["transactionInfo"].get("chargingState") for event in events]
        assert events[-1]["transactionInfo"]["stoppedReason"] == "EVDisconnected"


@BOTH
async def test_samples_carry_current_per_terminal_power_and_energy(version):
    async with backend(version) as back, charging_station(back) as station:
        await start_charging(back, station)

        def full() -> list[dict[str, Any]]:
            said = back.heard("MeterValues") or back.heard("TransactionEvent")
            values = [v for s in said for m in s.get("meterValue", []) for v in m["sampledValue"]]
            currents = [v for v in values if v["measurand"] == "Current.Import"][-3:]
            return currents if currents and float(currents[-1]["value"]) == 16.0 else []

        currents = await until(full)
        assert [(v["phase"], float(v["value"])) for v in currents] == [
            ("L1", 16.0),
            ("L2", 16.0),
            ("L3", 16.0),
        ]


@BOTH
async def test_a_limit_is_felt_ends_by_itself_and_the_default_takes_over(version):
    async with backend(version) as back, charging_station(back) as station:
        await start_charging(back, station)
        for call in (
            set_profile(station, "TxDefaultProfile", 6.0, id=1, level=0),
            set_profile(station, "TxProfile", 10.0, duration=60),
        ):
            assert (await back.ask(*call))["status"] == "Accepted"
        told = periods(await back.ask(*composite(back, 100)))
        assert [limit for _, limit in told] == [10.0, 6.0]
        await until(draws(station, 10.0))
        await until(draws(station, 6.0))


@BOTH
async def test_watts_become_amperes_on_the_phases_there_are(version):
    async with backend(version) as back, charging_station(back) as station:
        await start_charging(back, station)
        call = set_profile(station, "TxProfile", 6900.0, unit="W")
        assert (await back.ask(*call))["status"] == "Accepted"
        await until(draws(station, 10.0))
        assert periods(await back.ask(*composite(back, 60, "W"))) == [(0, 6900.0)]


@BOTH
async def test_without_profiles_the_composite_schedule_is_the_hardware(version):
    async with backend(version) as back, charging_station(back) as station:
        await until(lambda: station.online)
        assert periods(await back.ask(*composite(back, 60))) == [(0, 16.0)]


@BOTH
async def test_what_does_not_fit_is_rejected_and_changes_nothing(version):
    async with backend(version) as back, charging_station(back) as station:
        await until(lambda: station.online)
        call = set_profile(station, "TxProfile", 10.0)  # no transaction runs
        assert (await back.ask(*call))["status"] == "Rejected"
        call = set_profile(station, "TxDefaultProfile", 10.0, number=9)
        assert (await back.ask(*call))["status"] == "Rejected"
        assert len(station.model.profiles) == 0


@BOTH
async def test_a_malformed_or_unknown_call_gets_a_callerror(version):
    async with backend(version) as back, charging_station(back) as station:
        await until(lambda: station.online)
        code = "FormationViolation" if version == "1.6" else "FormatViolation"
        assert (await back.call("SetChargingProfile", {"nonsense": 1}))[2] == code
        assert (await back.call("Dance", {}))[2] == "NotImplemented"


async def test_same_level_replaces_in_1_6_and_is_refused_in_2_0_1():
    async with backend("1.6") as back, charging_station(back) as station:
        await until(lambda: station.online)
        for id in (1, 2):
            call = set_profile(station, "TxDefaultProfile", 8.0, id=id)
            assert (await back.ask(*call))["status"] == "Accepted"
        assert len(station.model.profiles) == 1
    async with backend("2.0.1") as back, charging_station(back) as station:
        await until(lambda: station.online)
        await back.ask(*set_profile(station, "TxDefaultProfile", 8.0, id=1))
        answer = await back.ask(*set_profile(station, "TxDefaultProfile", 8.0, id=2))
        assert answer["status"] == "Rejected" and "profile 1" in str(answer["statusInfo"])


@BOTH
async def test_profiles_can_be_cleared(version):
    async with backend(version) as back, charging_station(back) as station:
        await until(lambda: station.online)
        await back.ask(*set_profile(station, "TxDefaultProfile", 8.0))
        name = "id" if version == "1.6" else "chargingProfileId"
        assert (await back.ask("ClearChargingProfile", {name: 8}))["status"] == "Unknown"
        assert (await back.ask("ClearChargingProfile", {name: 7}))["status"] == "Accepted"
        assert len(station.model.profiles) == 0


async def test_configuration_in_1_6():
    async with backend("1.6") as back, charging_station(back) as station:
        await until(lambda: station.online)
        keys = ["ChargingScheduleAllowedChargingRateUnit", "NoSuchKey"]
        answer = await back.ask("GetConfiguration", {"key": keys})
        assert answer["configurationKey"] == [
            {"key": keys[0], "readonly": True, "value": "Current,Power"}
        ]
        assert answer["unknownKey"] == ["NoSuchKey"]

        async def change(key: str, value: str) -> str:
            answer = await back.ask("ChangeConfiguration", {"key": key, "value": value})
            return answer["status"]

        assert await change("MeterValueSampleInterval", "5") == "Accepted"
        assert station.settings.sample_s == 5.0
        assert await change("MeterValueSampleInterval", "soon") == "Rejected"
        assert await change("MeterValuesSampledData", "Current.Import,Taste") == "Rejected"
        assert await change("NumberOfConnectors", "9") == "Rejected"
        assert await change("NoSuchKey", "1") == "NotSupported"


async def test_variables_in_2_0_1():
    async with backend("2.0.1") as back, charging_station(back) as station:
        await until(lambda: station.online)

        def where(component: str, variable: str) -> dict[str, Any]:
            return {"component": {"name": component}, "variable": {"name": variable}}

        asked = [where("SmartChargingCtrlr", "RateUnit"), where("Kitchen", "Sink")]
        answer = await back.ask("GetVariables", {"getVariableData": asked})
        assert [r["attributeStatus"] for r in answer["getVariableResult"]] == [
            "Accepted",
            "UnknownVariable",
        ]
        assert answer["getVariableResult"][0]["attributeValue"] == "A,W"
        told = where("SampledDataCtrlr", "TxUpdatedInterval") | {"attributeValue": "5"}
        await back.ask("SetVariables", {"setVariableData": [told]})
        assert station.settings.sample_s == 5.0


@BOTH
async def test_triggers_are_followed_after_the_answer(version):
    async with backend(version) as back, charging_station(back):
        await until(lambda: back.heard("StatusNotification"))
        for message in ("BootNotification", "Heartbeat", "StatusNotification", "MeterValues"):
            back.said.clear()
            answer = await back.ask("TriggerMessage", {"requestedMessage": message})
            assert answer["status"] == "Accepted"
            await until(lambda message=message: back.heard(message))
        # Without a transaction, samples belong to none.
        assert "transactionId" not in back.heard("MeterValues")[-1]


@BOTH
async def test_a_transaction_is_started_and_stopped_from_afar(version):
    async with backend(version) as back, charging_station(back) as station:
        await until(lambda: station.online)
        refusing = {"idTagInfo" if version == "1.6" else "idTokenInfo": {"status": "Invalid"}}
        back.answers["Authorize"] = refusing
        station.plug(1, CAR, "STRANGER")
        await until(lambda: back.heard("Authorize"))
        if version == "1.6":
            start, token = "RemoteStartTransaction", {"idTag": "R"}
        else:
            token = {"idToken": {"idToken": "R", "type": "Central"}, "remoteStartId": 1}
            start = "RequestStartTransaction"
        assert (await back.ask(start, token))["status"] == "Accepted"
        await until(draws(station, 16.0))
        assert (await back.ask(start, token))["status"] == "Rejected"  # one runs already
        id = (await until(lambda: station.model.outlets[1].transaction)).id
        stop = "RemoteStopTransaction" if version == "1.6" else "RequestStopTransaction"
        told = {"transactionId": int(id) if version == "1.6" else id}
        assert (await back.ask(stop, told))["status"] == "Accepted"
        await until(draws(station, 0.0))
        assert (await back.ask(stop, told))["status"] == "Rejected"


async def test_a_token_the_back_end_does_not_know_ends_the_transaction():
    async with backend("1.6") as back, charging_station(back) as station:
        back.answers["StartTransaction"]["idTagInfo"] = {"status": "Blocked"}
        await until(lambda: station.online)
        station.plug(1, CAR, "TAG1")
        (stopped,) = await until(lambda: back.heard("StopTransaction"))
        assert stopped["reason"] == "DeAuthorized"
        assert station.model.outlets[1].transaction is None


@BOTH
async def test_offline_it_keeps_its_limit_until_that_ends_and_tells_the_rest_later(version):
    async with backend(version) as back, charging_station(back) as station:
        await start_charging(back, station)
        await back.ask(*set_profile(station, "TxDefaultProfile", 0.0, id=1, level=0))
        await back.ask(*set_profile(station, "TxProfile", 10.0, duration=60))
        await until(draws(station, 10.0))
        back.said.clear()
        station.drop(away_s=100.0)
        await until(lambda: not station.online)
        assert drawn_a(station) == 10.0
        await until(draws(station, 0.0))
        station.unplug(1)
        assert not back.said
        await until(lambda: station.online)
        ended = "StopTransaction" if version == "1.6" else "TransactionEvent"
        told = (await until(lambda: back.heard(ended)))[-1]
        if version == "2.0.1":
            assert told["offline"] is True and told["eventType"] == "Ended"
        assert not back.heard("BootNotification")  # it never lost power


async def test_a_car_that_came_while_offline_is_told_with_its_true_start():
    async with backend("1.6") as back, charging_station(back) as station:
        await until(lambda: station.online)
        station.drop(away_s=60.0)
        await until(lambda: not station.online)
        came_s = station.now_s()
        station.plug(1, CAR, "TAG1")
        (started,) = await until(lambda: back.heard("StartTransaction"))
        assert started["timestamp"][:19] == utc_text(came_s)[:19]
        assert station.now_s() - came_s > 30.0


async def test_it_survives_a_back_end_that_goes_away_and_comes_back():
    async with backend("1.6") as back, charging_station(back) as station:
        await start_charging(back, station)
    async with charging_station(back) as station:
        assert not station.online  # nobody is there yet
        async with serving(back):
            await until(lambda: station.online)


@BOTH
async def test_a_reset_forgets_the_limit_and_boots_again(version):
    async with (
        backend(version) as back,
        charging_station(back, temper=Temper(boot_s=20.0, keeps_default=False)) as station,
    ):
        await start_charging(back, station)
        await back.ask(*set_profile(station, "TxProfile", 8.0))
        await until(draws(station, 8.0))
        kind = {"type": "Hard" if version == "1.6" else "Immediate"}
        assert (await back.ask("Reset", kind))["status"] == "Accepted"
        await until(lambda: len(back.heard("BootNotification")) == 2)
        await until(draws(station, 16.0))


async def test_a_station_that_goes_mad_ignores_what_it_accepts():
    async with backend("1.6") as back, charging_station(back) as station:
        await start_charging(back, station)
        station.model.change_temper(Temper(ignores_limits=True), station.now_s())
        answer = await back.ask(*set_profile(station, "TxProfile", 6.0))
        assert answer["status"] == "Accepted"
        before_s = station.now_s()
        await until(lambda: station.now_s() > before_s + 20)
        assert drawn_a(station) == 16.0


async def test_a_lost_answer_is_silence_but_the_limit_holds():
    async with (
        backend("1.6") as back,
        charging_station(back, temper=Temper(loses_answers=1.0)) as station,
    ):
        await start_charging(back, station)
        back.patience_s = 1.0
        with pytest.raises(TimeoutError):
            await back.call(*set_profile(station, "TxProfile", 8.0))
        assert drawn_a(station) == 8.0


async def test_links_drop_by_themselves_as_the_temper_has_it():
    temper = Temper(drops_link_every_s=10.0, away_s=1.0)
    async with backend("1.6") as back, charging_station(back, temper=temper):
        await until(lambda: back.connections >= 3)
        assert len(back.heard("BootNotification")) == 1


async def test_out_of_service_it_starts_nothing():
    async with backend("1.6") as back, charging_station(back) as station:
        await until(lambda: station.online)
        told = {"connectorId": 0, "type": "Inoperative"}
        assert (await back.ask("ChangeAvailability", told))["status"] == "Accepted"
        await until(lambda: back.heard("StatusNotification")[-1]["status"] == "Unavailable")
        station.plug(1, CAR, "TAG1")
        await until(lambda: back.heard("Authorize"))
        assert station.model.outlets[1].transaction is None


@BOTH
@pytest.mark.parametrize("refusals", [1, 5])
async def test_what_the_back_end_would_not_have_is_told_again_and_at_last_given_up(
    version, refusals
):
    async with backend(version) as back, charging_station(back) as station:
        await start_charging(back, station)
        back.refused = [True] * refusals
        station.unplug(1)
        await until(lambda: len(back.ends()) == min(refusals + 1, 3))
        assert len({str(end) for end in back.ends()}) == 1, "the same each time"
        station.plug(1, CAR, "TAG2")
        await until(lambda: station.model.outlets[1].transaction)
        assert len(back.ends()) <= 3
