"""What can be asked: shapes, numbers, and clear answers where there is nothing to show."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from loadmgr.model import UNLIMITED, Code, EvseId, Limit
from loadmgr.web import answers, create_app
from loadmgr.wording import why
from tests.web.conftest import BASE
from tests.web.snapshots import MAIN, NOW, FakeDesk, car_park


def _refuse_constant(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


def strict(answer: httpx.Response) -> Any:
    """The answer as JSON, refusing what only Python takes for it."""
    return json.loads(answer.text, parse_constant=_refuse_constant)


async def test_the_site_shows_circuits_limits_alarms_and_news(client: httpx.AsyncClient) -> None:
    site = answers.Site.model_validate(strict(await client.get("/api/v1/site")))
    assert site.name == "Acme Car Park" and site.number == 1
    assert [(c.id, c.depth) for c in site.circuits] == [("main", 0), ("north", 1), ("south", 1)]
    north = site.circuits[1].rows[0]
    assert (north.phase, north.unit, north.rating, north.level) == ("L1", "A", 32.0, "full")
    power = site.circuits[0].rows[3]
    assert (power.phase, power.unit, power.limited_by) == (None, "W", "dso")
    assert site.limits[0].sentence.startswith("Grid connection: 40 kW until 20:00")
    assert len(site.alarms) == 2 and site.news[1].serious


async def test_every_charger_shows_planned_ordered_confirmed_measured_and_why(
    client: httpx.AsyncClient,
) -> None:
    chargers = strict(await client.get("/api/v1/chargers"))
    assert [c["id"] for c in chargers] == [f"CP0{n}" for n in range(1, 8)]
    third = answers.Charger.model_validate(strict(await client.get("/api/v1/chargers/CP03")))
    assert (third.target_a, third.ordered_a, third.confirmed_a) == (11.8, 8.0, 8.0)
    assert third.measured_a is not None and third.measured_a.L1 == 7.9
    assert third.code is Code.CIRCUIT_FULL and third.between.startswith("11.8 A planned, 8 A in")


async def test_the_token_of_a_driver_is_shown_nowhere(client: httpx.AsyncClient) -> None:
    for path in ("site", "chargers", "chargers/CP01", "chargers/CP01/why", "plan"):
        assert "secret-tag" not in (await client.get(f"/api/v1/{path}")).text


async def test_the_ladder_has_codes_numbers_and_the_same_sentences(
    client: httpx.AsyncClient,
) -> None:
    told = answers.Why.model_validate(strict(await client.get("/api/v1/chargers/CP01/why")))
    said = why(car_park(), EvseId("CP01"))
    assert told.sentence == said.sentence
    assert tuple(rung.sentence for rung in told.ladder) == said.rungs
    first = told.ladder[0]
    assert (first.code, first.circuit_label, first.phase) == (Code.CIRCUIT_FULL, "North", "L1")
    assert first.sharing == ["CP01", "CP02", "CP03"] and first.split is not None
    parts = first.split
    assert parts.building + parts.cars + parts.held + parts.free == pytest.approx(parts.capacity)


async def test_a_past_why_is_what_was_shown_then(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    shown_then = strict(await client.get("/api/v1/chargers/CP04/why"))
    desk.history[NOW] = car_park()
    desk.show(replace(car_park(), at=NOW + timedelta(hours=1), number=700, chargers=()))
    asked = await client.get(
        "/api/v1/chargers/CP04/why", params={"at": "2026-11-22T17:45:00+01:00"}
    )
    assert strict(asked) == shown_then
    unescaped = await client.get("/api/v1/chargers/CP04/why?at=2026-11-22T17:45:00+01:00")
    assert strict(unescaped) == shown_then


@pytest.mark.parametrize(
    ("at", "status", "words"),
    [
        ("2020-01-01T00:00:00Z", 404, "Nothing is kept"),
        ("2090-01-01T00:00:00Z", 422, "is still to come"),
        ("17:42", 422, "with its offset, for example"),
        ("2026-11-22T17:42:00", 422, "has none"),
        ("222222017-01-01T00:00:00Z", 422, "write a time"),
        ("0001-01-01T00:00:00+14:00", 422, "cannot be meant"),
    ],
)
async def test_an_instant_that_cannot_be_shown_is_explained(
    client: httpx.AsyncClient, desk: FakeDesk, at: str, status: int, words: str
) -> None:
    desk.history[NOW] = car_park()
    answer = await client.get("/api/v1/chargers/CP01/why", params={"at": at})
    assert answer.status_code == status
    assert answer.json()["errors"][0]["field"] == "at"
    assert words in answer.json()["errors"][0]["message"]


async def test_an_unknown_charger_is_answered_with_names_that_are_close(
    client: httpx.AsyncClient,
) -> None:
    for path in ("CP1", "CP1/why"):
        answer = await client.get(f"/api/v1/chargers/{path}")
        assert answer.status_code == 404
        assert "Did you mean CP01" in answer.json()["errors"][0]["message"]


async def test_the_plan_has_a_current_for_each_charger_and_step(client: httpx.AsyncClient) -> None:
    plan = answers.Plan.model_validate(strict(await client.get("/api/v1/plan")))
    assert len(plan.starts) == len(plan.step_s) == len(plan.current_a["CP01"]) == 3
    assert plan.solve.status == "ok"


async def test_numbers_that_are_not_finite_become_null(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    snapshot = car_park()
    endless = Limit(
        name="x", circuit=MAIN, current_a=(16.0, *UNLIMITED[1:]), source="dso", valid_from=NOW
    )
    broken = replace(
        snapshot.chargers[0], measured_a=(math.nan, 0.0, 0.0), max_a=math.inf, target_a=math.inf
    )
    desk.show(
        replace(
            snapshot,
            limits={"x": endless},
            chargers=(broken, *snapshot.chargers[1:]),
            solve=replace(snapshot.solve, gap=math.inf, infeasibility=math.nan),
        )
    )
    site = strict(await client.get("/api/v1/site"))
    assert site["limits"][0]["current_a"] == {"L1": 16.0, "L2": None, "L3": None}
    assert site["solve"]["gap"] is None
    charger = strict(await client.get("/api/v1/chargers/CP01"))
    assert charger["measured_a"]["L1"] is None and charger["max_a"] is None
    strict(await client.get("/api/v1/chargers/CP01/why"))
    strict(await client.get("/api/v1/plan"))
    assert (await client.get("/metrics")).status_code == 200


async def test_before_the_first_tick_everything_says_so_and_the_page_still_loads() -> None:
    app = create_app(FakeDesk())
    async with _client(app) as client:
        for path in ("site", "chargers", "chargers/CP01", "chargers/CP01/why", "plan", "limits"):
            answer = await client.get(f"/api/v1/{path}")
            assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
            assert "first tick" in answer.json()["errors"][0]["message"]
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/metrics")).status_code == 200
        health = await client.get("/healthz")
        assert health.status_code == 503 and strict(health) == {"status": "starting", "age_s": None}


async def test_health_turns_when_ticks_stop(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    answer = await client.get("/healthz")
    assert answer.status_code == 200 and strict(answer) == {"status": "ok", "age_s": 0.4}
    desk.age = 15.1
    answer = await client.get("/healthz")
    assert answer.status_code == 503 and strict(answer) == {"status": "stale", "age_s": 15.1}


async def test_how_old_is_stale_can_be_said(desk: FakeDesk) -> None:
    desk.age = 20.0
    async with _client(create_app(desk, stale_after_s=180.0)) as client:
        assert (await client.get("/healthz")).status_code == 200


async def test_answers_keep_to_their_description(client: httpx.AsyncClient, app: FastAPI) -> None:
    described = strict(await client.get("/api/v1/openapi.json"))
    paths = described["paths"]
    assert set(paths) == {
        "/api/v1/site",
        "/api/v1/chargers",
        "/api/v1/chargers/{id}",
        "/api/v1/chargers/{id}/why",
        "/api/v1/plan",
        "/api/v1/limits",
        "/api/v1/limits/{name}",
        "/api/v1/limits/{name}/heartbeat",
        "/api/v1/stream",
        "/healthz",
        "/metrics",
    }
    shape = paths["/api/v1/site"]["get"]["responses"]["200"]["content"]["application/json"]
    assert shape["schema"]["$ref"].endswith("/Site")
    refused = paths["/api/v1/limits/{name}"]["put"]["responses"]["422"]["content"]
    assert refused["application/json"]["schema"]["$ref"].endswith("/Complaints")


def _client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE)


async def test_a_heartbeat_is_taken_and_one_nobody_waits_for_is_told_so(
    client: httpx.AsyncClient,
) -> None:
    as_json = {"Content-Type": "application/json"}
    taken = await client.post("/api/v1/limits/dso/heartbeat", headers=as_json)
    assert taken.status_code == 204
    refused = await client.post("/api/v1/limits/nobody/heartbeat", headers=as_json)
    assert refused.status_code == 404
    assert "failsafe" in refused.text
