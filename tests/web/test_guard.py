"""Who may use the API from a browser: pages of our own, under a name of our own."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from loadmgr.web import create_app
from tests.web.conftest import BASE
from tests.web.snapshots import FakeDesk, car_park

URL = "/api/v1/limits/roof"
BODY: dict[str, Any] = {"circuit": "main", "current": 25, "reason": "roof"}


def _client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE)


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:80", "192.168.1.5:8080"])
async def test_localhost_and_plain_addresses_are_our_names(
    client: httpx.AsyncClient, host: str
) -> None:
    assert (await client.get("/api/v1/site", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "a/b", "[::1", "x@y"],
)
async def test_another_name_for_our_address_is_refused(
    client: httpx.AsyncClient, host: str
) -> None:
    for path in ("/", "/api/v1/site", "/api/v1/stream", "/static/page.js"):
        answer = await client.get(path, headers={"Host": host})
        assert answer.status_code == 421 and answer.json()["errors"][0]["field"] == "Host"


async def test_a_name_that_was_given_to_us_is_ours(desk: FakeDesk) -> None:
    async with _client(create_app(desk, hosts=["charge.example.org"])) as client:
        named = {"Host": "Charge.example.org"}
        assert (await client.get("/healthz", headers=named)).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9", ""])
async def test_pages_of_another_site_neither_read_nor_write(
    client: httpx.AsyncClient, desk: FakeDesk, origin: str
) -> None:
    headers = {"Origin": origin}
    assert (await client.get("/api/v1/stream", headers=headers)).status_code == 403
    assert (await client.put(URL, json=BODY, headers=headers)).status_code == 403
    dso = "/api/v1/limits/dso?source=dso"
    assert (await client.delete(dso, headers=headers)).status_code == 403
    assert set(desk.limits) == {"dso"}


async def test_our_own_page_and_named_origins_may_write(desk: FakeDesk) -> None:
    app = create_app(desk, origins=["https://board.example.org/"])
    async with _client(app) as client:
        for origin in (BASE, "https://board.example.org"):
            answer = await client.put(URL, json=BODY, headers={"Origin": origin})
            assert answer.is_success


async def test_a_write_that_a_foreign_form_could_send_is_refused(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    text = await client.put(URL, content=b"{}", headers={"Content-Type": "text/plain"})
    assert text.status_code == 415
    crossing = await client.put(URL, json=BODY, headers={"Sec-Fetch-Site": "cross-site"})
    assert crossing.status_code == 403
    assert "roof" not in desk.limits


async def test_large_and_unmeasured_bodies_are_not_read(client: httpx.AsyncClient) -> None:
    kind = {"Content-Type": "application/json"}
    large = await client.put(URL, content=b"[" + b" " * 20_000 + b"]", headers=kind)
    assert large.status_code == 413

    async def pieces() -> Any:
        yield b"{}"

    assert (await client.put(URL, content=pieces(), headers=kind)).status_code == 411


async def test_with_a_token_reading_is_free_and_writing_needs_it() -> None:
    desk = FakeDesk(car_park())
    async with _client(create_app(desk, token="hunter2-hunter2")) as client:
        assert (await client.get("/api/v1/site")).status_code == 200
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic hunter2"}):
            refused = await client.put(URL, json=BODY, headers=given)
            assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
            assert (await client.delete(URL, headers=given)).status_code == 401
        assert "roof" not in desk.limits
        good = {"Authorization": "Bearer hunter2-hunter2"}
        assert (await client.put(URL, json=BODY, headers=good)).status_code == 201
        assert (await client.delete(URL, headers=good)).status_code == 204


async def test_every_answer_tells_browsers_to_load_nothing_from_elsewhere(
    client: httpx.AsyncClient,
) -> None:
    for path in ("/", "/api/v1/site", "/static/page.js", "/nowhere", "/healthz"):
        headers = (await client.get(path)).headers
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "cache-control" in headers
    refused = await client.get("/", headers={"Host": "evil.example"})
    assert "content-security-policy" in refused.headers


async def test_what_is_not_there_is_answered_in_the_same_shape(client: httpx.AsyncClient) -> None:
    for answer in (await client.get("/api/v1/nothing"), await client.post("/api/v1/site", json={})):
        assert answer.status_code in {404, 405} and answer.json()["errors"][0]["message"]
