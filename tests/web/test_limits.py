"""Lowering a circuit over HTTP: what is taken, and how everything else is refused."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from loadmgr.model import UNLIMITED
from loadmgr.web.asked import LimitRequest
from tests.web.snapshots import NOW, FakeDesk

URL = "/api/v1/limits/roof"
GOOD: dict[str, Any] = {"circuit": "main", "current": "25 A", "reason": "roof works"}


async def _put(client: httpx.AsyncClient, url: str = URL, **body: Any) -> httpx.Response:
    return await client.put(url, json={**GOOD, **body})


async def test_a_limit_is_set_for_all_phases_until_released(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    answer = await _put(client)
    assert answer.status_code == 201
    limit = desk.limits["roof"]
    assert limit.current_a == (25.0, 25.0, 25.0) and limit.power_w is None
    assert (limit.valid_from, limit.valid_until) == (NOW, None)
    assert (limit.source, limit.reason) == ("operator", "roof works")
    assert answer.json()["sentence"] == (
        "Grid connection: 25 A per phase until released, by the operator (roof works)."
    )
    assert [one["name"] for one in (await client.get("/api/v1/limits")).json()] == ["dso", "roof"]


async def test_a_limit_that_a_restart_would_forget_is_answered_with_a_note(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    assert (await _put(client)).json()["note"] == ""
    desk.stores = False
    answer = await _put(client)
    assert answer.status_code == 200
    assert "a restart would forget it" in answer.json()["note"]


async def test_a_limit_may_be_in_kilowatts_for_a_while_from_somebody(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    answer = await client.put(
        URL,
        json={
            "circuit": "north",
            "max_power_kw": 12.5,
            "source": "dso:event-17",
            "valid_from": "2026-11-22T18:00:00+01:00",
            "valid_until": "2026-11-22T20:00:00+01:00",
        },
    )
    assert answer.status_code == 201 and not answer.json()["in_force"]
    limit = desk.limits["roof"]
    assert (limit.power_w, limit.current_a) == (12_500.0, UNLIMITED)
    assert limit.valid_until == datetime(2026, 11, 22, 19, tzinfo=UTC)


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        (25, (25.0, 25.0, 25.0)),
        (0, (0.0, 0.0, 0.0)),
        ("16A", (16.0, 16.0, 16.0)),
        ({"L1": 20, "L3": "16 A"}, (20.0, math.inf, 16.0)),
    ],
)
async def test_amperes_may_be_written_in_these_ways(
    client: httpx.AsyncClient, desk: FakeDesk, current: Any, expected: Any
) -> None:
    assert (await _put(client, current=current)).status_code == 201
    assert desk.limits["roof"].current_a == expected


async def test_a_limit_that_lowers_nothing_is_taken_and_says_so(client: httpx.AsyncClient) -> None:
    assert "not below" in (await _put(client, current=100)).json()["note"]
    assert (await _put(client, current=40)).json()["note"] == ""


async def test_the_same_limit_again_replaces_it(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    await _put(client)
    assert (await _put(client, current=10)).status_code == 200
    assert desk.limits["roof"].current_a == (10.0, 10.0, 10.0)


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"current": "25"}, "current", "for example 25 or '25 A'"),
        ({"current": -1}, "current", "from 0 up"),
        ({"current": True}, "current", "from 0 up"),
        ({"current": "1e999 A"}, "current", "from 0 up"),
        ({"current": 10**400}, "current", "from 0 up"),
        ({"current": {"L4": 1}}, "current", "name the phases L1, L2, L3"),
        ({"current": {}}, "current", "name the phases"),
        ({"current": {"L1": "x"}}, "current", "from 0 up"),
        ({"current": None}, "current", "or max_power_kw"),
        ({"max_power_kw": "40 kW"}, "max_power_kw", "as a number, for example 40"),
        ({"max_power_kw": -3}, "max_power_kw", "from 0 up"),
        ({"valid_until": "20:00"}, "valid_until", "with its offset"),
        ({"valid_until": "2026-11-22T20:00:00"}, "valid_until", "has none"),
        ({"valid_until": 1800000000}, "valid_until", "with its offset"),
        ({"valid_until": "2026-11-22T10:00:00Z"}, "valid_until", "has passed"),
        ({"valid_until": "222222017-01-01T00:00:00Z"}, "valid_until", "with its offset"),
        (
            {"valid_from": "2026-11-23T10:00:00Z", "valid_until": "2026-11-23T09:00:00Z"},
            "valid_until",
            "later than valid_from",
        ),
        ({"reason": "  "}, "reason", "by hand needs one"),
        ({"reason": "x" * 501}, "reason", "500"),
        ({"source": "nobody <b>"}, "source", "pattern"),
        ({"curent": 5}, "curent", "not known here"),
        ({"circuit": None}, "circuit", "string"),
    ],
)
async def test_a_bad_field_is_named_with_what_to_do_and_nothing_is_set(
    client: httpx.AsyncClient, desk: FakeDesk, change: dict[str, Any], field: str, words: str
) -> None:
    answer = await _put(client, **change)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == field and words in error["message"]
    assert "roof" not in desk.limits


async def test_all_bad_fields_are_named_at_once(client: httpx.AsyncClient) -> None:
    answer = await _put(client, current="x", valid_until="x", other=1)
    assert {error["field"] for error in answer.json()["errors"]} == {
        "current",
        "valid_until",
        "other",
    }


async def test_an_unknown_circuit_is_answered_with_names_that_are_close(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    answer = await _put(client, circuit="noth")
    assert answer.status_code == 404
    (error,) = answer.json()["errors"]
    assert error["field"] == "circuit"
    assert error["message"].startswith("There is no circuit 'noth'. Did you mean north")
    assert "roof" not in desk.limits


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 8000, b'{"current": ' + b"9" * 5000 + b"}"],
)
async def test_a_body_that_is_not_ours_is_refused_without_a_traceback(
    client: httpx.AsyncClient, desk: FakeDesk, body: bytes
) -> None:
    answer = await client.put(URL, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.json()["errors"][0]["message"]
    assert "roof" not in desk.limits


async def test_nan_and_infinity_are_no_currents(client: httpx.AsyncClient) -> None:
    for word in ("NaN", "Infinity"):
        body = f'{{"circuit": "main", "reason": "x", "current": {word}}}'
        answer = await client.put(
            URL, content=body.encode(), headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "current"


async def test_nobody_takes_the_limit_of_another_away_nor_replaces_it(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    answer = await _put(client, "/api/v1/limits/dso", current=63)
    assert answer.status_code == 409 and "belongs to 'dso'" in answer.text
    assert (await client.delete("/api/v1/limits/dso")).status_code == 409
    assert desk.limits["dso"].power_w == 40_000.0
    assert (await client.delete("/api/v1/limits/dso?source=dso")).status_code == 204
    assert "dso" not in desk.limits


async def test_a_limit_is_released_once(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    await _put(client)
    assert (await client.delete(URL)).status_code == 204
    assert "roof" not in desk.limits
    again = await client.delete(URL)
    assert again.status_code == 404 and "There is no limit 'roof'" in again.text


async def test_a_name_keeps_to_plain_characters(client: httpx.AsyncClient) -> None:
    answer = await _put(client, "/api/v1/limits/%3Cscript%3E")
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "name"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["L1", "L2", "L3", "x"]), inner, max_size=3)
    ),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([*LimitRequest.model_fields, "x"]), values))
def test_whatever_is_asked_makes_a_limit_or_a_complaint(body: dict[str, Any]) -> None:
    try:
        limit = LimitRequest.model_validate(body).limit("x", NOW)
    except ValidationError:
        return
    assert min(limit.current_a) >= 0 and not any(map(math.isnan, limit.current_a))
    assert limit.current_a != UNLIMITED or limit.power_w is not None
