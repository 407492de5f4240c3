"""A desk with a car park on it, and clients that talk to its app without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from loadmgr.web import create_app
from tests.web.snapshots import FakeDesk, car_park

BASE = "http://127.0.0.1:8080"


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk(car_park())


@pytest.fixture
def app(desk: FakeDesk) -> FastAPI:
    return create_app(desk)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE) as client:
        yield client
