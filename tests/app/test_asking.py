"""Limits from the command line, against the real API without a socket."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from loadmgr.app import asking
from loadmgr.web import create_app
from tests.web.conftest import BASE
from tests.web.snapshots import FakeDesk, car_park


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> FakeDesk:
    """Whose API answers whatever address is asked; no limit holds on it yet."""
    desk = FakeDesk(replace(car_park(), limits={}))
    transport = httpx.ASGITransport(app=create_app(desk))

    async def ask(method: str, url: str, arguments: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            return await client.request(method, url, **arguments)

    def request(method: str, url: str, **arguments: Any) -> httpx.Response:
        del arguments["timeout"], arguments["trust_env"]
        return asyncio.run(ask(method, url, arguments))

    monkeypatch.setattr(asking.httpx, "request", request)
    return desk


def limits(name: str, circuit: str, to: str = "20A") -> str:
    return asking.set_limit(BASE, name, circuit, to, "2h", "a trial")


def test_a_limit_on_one_circuit_replaces_none_on_another(desk: FakeDesk) -> None:
    said = limits("", "main")
    assert said.splitlines() == [
        "main is limited to 20A for 2h",
        "`loadmgr release operator-main` takes it back",
    ]
    limits("", "north", "10A")
    assert set(desk.limits) == {"operator-main", "operator-north"}


def test_who_replaces_a_limit_is_told_so(desk: FakeDesk) -> None:
    limits("roof", "main", "20A")
    assert "in place of the limit roof" in limits("roof", "main", "25A")


def test_a_limit_that_limits_nothing_is_said_to(desk: FakeDesk) -> None:
    assert "not below what" in limits("", "main", "500A")


@pytest.mark.parametrize("asked", ["", "main", "operator-main"])
def test_a_limit_is_released_by_its_name_or_its_circuit_or_as_the_only_one(
    desk: FakeDesk, asked: str
) -> None:
    limits("", "main")
    assert asking.release_limit(BASE, asked) == "limit operator-main is released"
    assert desk.limits == {}


def test_of_several_limits_one_has_to_be_named(desk: FakeDesk) -> None:
    limits("", "main")
    limits("", "north")
    with pytest.raises(asking.NoAnswer, match="operator-main, operator-north"):
        asking.release_limit(BASE, "")
    assert len(desk.limits) == 2


def test_where_there_is_none_nothing_is_released(desk: FakeDesk) -> None:
    with pytest.raises(asking.NoAnswer, match="nothing to release"):
        asking.release_limit(BASE, "")


def test_a_refusal_is_a_sentence(desk: FakeDesk) -> None:
    for ask in (
        lambda: limits("", "mian"),
        lambda: asking.ask_why(BASE, "CP99", ""),
        lambda: asking.release_limit(BASE, "rooof"),
    ):
        with pytest.raises(asking.NoAnswer) as refusal:
            ask()
        said = str(refusal.value)
        assert said and "{" not in said and "field" not in said
