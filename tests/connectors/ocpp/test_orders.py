"""Orders against a station that is only a function."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.ocpp import v16, v201
from connectors.ocpp.dialect import Ability, Dialect, Request
from connectors.ocpp.frames import CallError, CallResult
from connectors.ocpp.orders import Answer, NoAnswer, Respondent, carry_out
from connectors.ocpp.schedule import rate_units
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
from tests.connectors.ocpp.ground import NORTH_1

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
ACCEPTED, REJECTED = CallResult("", {"status": "Accepted"}), CallResult("", {"status": "Rejected"})

common: dict[str, Any] = {"serial": 5, "evse": NORTH_1.id, "connection": 7}
LIMIT = SetLimit(**common, current_a=10.0, lasts_s=300.0, transaction_id="42")
FALLBACK = SetFallback(**common, current_a=6.0)
READ = ReadFallback(**common, after_s=330.0)
STOP = StopTransaction(**common, transaction_id="42")
SHUT = SetAvailability(**common, operative=False)
TELL = ReadMeter(**common)


class Fixed:
    def now(self) -> datetime:
        return NOW


class Station:
    """Gives its answers one after the other, the last one for ever."""

    def __init__(self, *answers: Answer | None) -> None:
        self.answers = list(answers)
        self.asked: list[Request] = []

    async def ask(self, request: Request) -> Answer:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            raise NoAnswer("silence")
        return answer

    async def told(
        self,
        order: Order,
        dialect: Dialect = v16,
        ability: Ability | None = None,
        written_a: float | None = None,
    ) -> Outcome:
        respondent = Respondent(
            dialect=dialect,
            ask=self.ask,
            ability=ability or Ability(),
            clock=Fixed(),
            written_a=written_a,
        )
        units = rate_units(NORTH_1, 230.0, balanced=False)
        return await carry_out(order, NORTH_1, units, respondent)


@pytest.mark.parametrize("dialect", [v16, v201])
@pytest.mark.parametrize("order", [LIMIT, FALLBACK, STOP, SHUT, TELL])
async def test_yes_is_confirmed_no_is_refused_and_silence_is_lost(
    order: Order, dialect: Dialect
) -> None:
    assert await Station(ACCEPTED).told(order, dialect) == Confirmed(at=NOW, **common)
    refused = await Station(REJECTED).told(order, dialect)
    assert isinstance(refused, Refused) and refused.reason == "Rejected"
    lost = await Station(None).told(order, dialect)
    assert lost == Lost(at=NOW, **common, reason="silence")


@pytest.mark.parametrize("code", ["InternalError", "GenericError", "Whatever"])
async def test_an_error_that_may_have_come_half_way_is_lost(code: str) -> None:
    station = Station(CallError("", code, "oops"))
    lost = await station.told(LIMIT)
    assert isinstance(lost, Lost) and lost.reason == f"{code}: oops"
    assert len(station.asked) == 1


@pytest.mark.parametrize("code", ["NotSupported", "PropertyConstraintViolation"])
async def test_an_error_before_anything_was_done_is_a_refusal(code: str) -> None:
    assert isinstance(await Station(CallError("", code)).told(LIMIT), Refused)


@pytest.mark.parametrize("payload", [{}, {"status": 7}, {"status": "Perhaps"}, {"status": []}])
async def test_an_answer_that_is_neither_yes_nor_no_is_lost(payload: dict[str, Any]) -> None:
    assert isinstance(await Station(CallResult("", payload)).told(LIMIT), Lost)


async def test_scheduled_is_a_yes_to_a_change_of_availability_only() -> None:
    later = CallResult("", {"status": "Scheduled"})
    assert isinstance(await Station(later).told(SHUT), Confirmed)
    assert isinstance(await Station(later).told(LIMIT), Lost)


def units_of(station: Station) -> list[str]:
    return [
        request.payload["csChargingProfiles"]["chargingSchedule"]["chargingRateUnit"]
        for request in station.asked
    ]


async def test_a_station_that_refuses_amperes_is_offered_watts() -> None:
    station = Station(REJECTED, ACCEPTED)
    assert isinstance(await station.told(LIMIT), Confirmed)
    assert units_of(station) == ["A", "W"]


async def test_a_station_that_said_its_unit_is_offered_that_one() -> None:
    station = Station(REJECTED)
    assert isinstance(await station.told(LIMIT, ability=Ability(units=("W",))), Refused)
    assert units_of(station) == ["W"]


async def test_a_limit_ends_when_it_was_to_end_however_often_it_was_refused() -> None:
    class Running(Fixed):
        at = NOW

        def now(self) -> datetime:
            self.at += timedelta(seconds=10)
            return self.at

    station = Station(REJECTED, ACCEPTED)
    respondent = Respondent(dialect=v16, ask=station.ask, ability=Ability(), clock=Running())
    await carry_out(LIMIT, NORTH_1, rate_units(NORTH_1, 230.0, balanced=False), respondent)
    ends = {request.payload["csChargingProfiles"]["validTo"] for request in station.asked}
    assert ends == {"2026-03-04T12:05:10Z"}


async def test_a_lost_offer_is_not_followed_by_another() -> None:
    station = Station(None, ACCEPTED)
    assert isinstance(await station.told(LIMIT), Lost)
    assert units_of(station) == ["A"]


@pytest.mark.parametrize(("highest", "level"), [(None, 1), (0, 0), (1, 1), (9, 1)])
async def test_the_limit_stands_above_the_fallback_where_there_is_room(
    highest: int | None, level: int
) -> None:
    station = Station(ACCEPTED)
    await station.told(LIMIT, ability=Ability(max_stack_level=highest))
    assert station.asked[0].payload["csChargingProfiles"]["stackLevel"] == level


async def test_a_station_that_refuses_a_relative_default_is_offered_a_fixed_one() -> None:
    station = Station(REJECTED, REJECTED, ACCEPTED)
    assert isinstance(await station.told(FALLBACK), Confirmed)
    kinds = [r.payload["csChargingProfiles"]["chargingProfileKind"] for r in station.asked]
    assert kinds == ["Relative", "Relative", "Absolute"]


async def test_the_fallback_is_read_back_at_the_instant_asked_for() -> None:
    periods = [{"startPeriod": 0, "limit": 16.0}, {"startPeriod": 300, "limit": 6.0}]
    schedule = {"duration": 390, "chargingRateUnit": "A", "chargingSchedulePeriod": periods}
    old = CallResult("", {"status": "Accepted", "connectorId": 1, "chargingSchedule": schedule})
    new = CallResult("", {"status": "Accepted", "schedule": {**schedule, "evseId": 1}})
    for dialect, answer in ((v16, old), (v201, new)):
        station = Station(answer)
        confirmed = await station.told(READ, dialect)
        assert isinstance(confirmed, Confirmed) and confirmed.current_a == 6.0
        assert station.asked[0].payload["duration"] == 390


async def test_minus_one_in_the_unit_it_does_not_like_is_asked_again_in_the_other() -> None:
    def schedule(unit: str, limit: float) -> CallResult:
        periods = [{"startPeriod": 0, "limit": limit}]
        inner = {"chargingRateUnit": unit, "chargingSchedulePeriod": periods}
        return CallResult("", {"status": "Accepted", "chargingSchedule": inner})

    confirmed = await Station(schedule("A", -1), schedule("W", 1380)).told(READ)
    assert isinstance(confirmed, Confirmed) and confirmed.current_a == pytest.approx(6.0)


@pytest.mark.parametrize("answer", [REJECTED, ACCEPTED, CallError("", "NotSupported")])
async def test_a_station_that_cannot_say_its_fallback_is_confirmed_with_nothing(
    answer: Answer,
) -> None:
    assert await Station(answer).told(READ) == Confirmed(at=NOW, **common, current_a=None)


def held(limit_a: float) -> CallResult:
    periods = [{"startPeriod": 0, "limit": limit_a}]
    inner = {"chargingRateUnit": "A", "chargingSchedulePeriod": periods}
    return CallResult("", {"status": "Accepted", "chargingSchedule": inner})


async def test_what_another_back_end_left_above_our_fallback_is_cleared_and_read_again() -> None:
    station = Station(held(32), ACCEPTED, REJECTED, held(6))
    ability = Ability(max_stack_level=2)
    confirmed = await station.told(READ, ability=ability, written_a=6.0)
    assert isinstance(confirmed, Confirmed) and confirmed.current_a == 6.0
    cleared = [r.payload for r in station.asked if r.action == "ClearChargingProfile"]
    assert [payload["stackLevel"] for payload in cleared] == [1, 2]  # never our own level


@pytest.mark.parametrize("read_a", [6.0, 0.0])
async def test_a_fallback_that_is_as_written_or_lower_clears_nothing(read_a: float) -> None:
    station = Station(held(read_a))
    assert await station.told(READ, written_a=6.0) == Confirmed(at=NOW, **common, current_a=read_a)
    assert len(station.asked) == 1


async def test_a_transaction_that_cannot_be_named_is_refused_without_asking() -> None:
    station = Station(ACCEPTED)
    for order in (
        SetLimit(**common, current_a=10.0, lasts_s=300.0, transaction_id=""),
        StopTransaction(**common, transaction_id="forty-two"),
    ):
        assert isinstance(await station.told(order), Refused)
    assert station.asked == []
