"""`loadmgr run` within this process: what a site, a meter, a disk or a solver may do to it."""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

import solver
from loadmgr import cli
from loadmgr.simulate.meter import Ailment
from tests.app.product import METER, Product, World, inside, password_of, until, world

pytestmark = pytest.mark.timeout(180)

STARTS_S = 60.0  # a slow and busy machine


@pytest.fixture
def product(tmp_path: Path) -> Product:
    return Product(tmp_path)


@asynccontextmanager
async def charging(product: Product) -> AsyncIterator[World]:
    """In control of twelve cars that draw current."""
    async with world(product) as around, inside(product):
        await product.in_control(STARTS_S)
        around.plug()
        await until(lambda: flows(around, 20.0), STARTS_S, "cars draw current")
        yield around


async def flows(around: World, at_least_a: float) -> bool:
    return max(around.current_a()) > 10.0 + at_least_a


# ── In charge ─────────────────────────────────────────────────────────────────────────────


async def test_a_dry_run_shows_and_sends_nothing(product: Product) -> None:
    async with world(product) as around, inside(product, dry_run=True):

        async def shown(standing: set[str]) -> bool:
            chargers = await product.chargers()
            return bool(chargers) and {c["standing"] for c in chargers.values()} <= standing

        await until(lambda: shown({"ready"}), STARTS_S, "twelve chargers are shown")
        assert (await product.ask("/api/v1/site"))["dry_run"]
        around.plug()
        await until(lambda: shown({"charging", "waiting"}), STARTS_S, "a plan is shown")
        await asyncio.sleep(3.0)
        assert around.received == []


async def test_a_silent_meter_is_told_and_caps_the_cars(product: Product) -> None:
    async with charging(product) as around:
        await until(lambda: flows(around, 35.0), 60.0, "cars draw more than they may blindly")
        around.simulated.meters[METER].display.ailment = Ailment.SILENT
        since = time.monotonic()

        async def told() -> bool:
            site = await product.ask("/api/v1/site") or {"alarms": ()}
            silent = any("silent" in alarm for alarm in site["alarms"])
            return bool(silent and site["circuits"][0]["meter"]["lost"])

        await until(told, 15.0, "the API says that the meter is lost")
        page = await _first_tick(product)
        assert "is silent" in page
        assert time.monotonic() - since < 15.0

        async def capped() -> bool:
            # 63 A less 6 A margin less the 40 A that the building is declared to draw.
            cars = [a - b for a, b in zip(around.current_a(), (10.0, 8.0, 6.0), strict=True)]
            return max(cars) <= 17.0

        await until(capped, 30.0, "cars draw no more than the declared worst case leaves")
        around.assert_safe()


async def _first_tick(product: Product) -> str:
    async with httpx.AsyncClient(trust_env=False) as client:
        async with client.stream("GET", product.url + "/api/v1/stream") as page:
            async for line in page.aiter_lines():
                if line.startswith("data: {") and "alarms" in line:
                    return line
    raise AssertionError("the stream ended without a tick")


@pytest.mark.parametrize("how", ["raises", "nonsense", "hangs"])
async def test_without_a_solver_the_rule_shares_what_there_is(
    product: Product, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def broken(self: solver.Workspace, problem: solver.Problem, **_: object) -> solver.Solution:
        if how == "raises":
            raise ArithmeticError("out of numbers")
        if how == "hangs":
            time.sleep(3.0)
        found = solver.solve(problem)
        return type(found)(**{**_fields(found), "x": found.x + 1e3})

    monkeypatch.setattr(solver.Workspace, "solve", broken)
    async with charging(product) as around:
        solve = (await product.ask("/api/v1/plan"))["solve"]
        assert solve["method"] == "rule" or solve["status"] != "ok", solve
        await until(lambda: flows(around, 30.0), 60.0, "the rule lets cars charge")
        around.assert_safe()


def _fields(solution: solver.Solution) -> dict[str, object]:
    return {name: getattr(solution, name) for name in type(solution).__dataclass_fields__}


async def test_an_unknown_charger_and_a_bad_password_get_the_same_answer(product: Product) -> None:
    async with world(product), inside(product):
        await until(lambda: product.ask("/healthz"), STARTS_S, "the first tick")
        unknown = await _refusal(product, "CP99", password_of("CP01"))
        wrong = await _refusal(product, "CP01", "a-wrong-password-000")
        assert unknown[0] == wrong[0] == 401
        assert unknown == wrong


async def _refusal(product: Product, station: str, password: str) -> tuple[int, object, bytes]:
    pair = base64.b64encode(f"{station}:{password}".encode()).decode()
    with pytest.raises(InvalidStatus) as refused:
        async with connect(
            f"ws://127.0.0.1:{product.ocpp}/{station}",
            subprotocols=[Subprotocol("ocpp1.6")],
            additional_headers={"Authorization": f"Basic {pair}"},
            proxy=None,
        ):
            pass
    answer = refused.value.response
    headers = sorted((n, v) for n, v in answer.headers.raw_items() if n != "Date")
    return answer.status_code, headers, answer.body or b""


# ── Not in charge ─────────────────────────────────────────────────────────────────────────


def fails(product: Product, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`loadmgr run`, as typed: (exit code, what stands on stderr)."""
    monkeypatch.setattr(sys, "argv", ["loadmgr", "run", str(product.site_file), "--headless"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return ended.value.code, said


def test_every_complaint_of_connectors_comes_at_once_and_before_a_journal(
    product: Product, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    product.describe("type: modbus\n    device: eastron-sdm63O\n    host: 127.0.0.1")
    (product.folder / "passwords.yaml").write_text('CP01: "short"\n')
    code, said = fails(product, monkeypatch, capsys)
    assert code == 2
    assert "eastron-sdm630" in said
    assert "no password for CP02" in said
    assert not product.journal.parent.exists()


@pytest.mark.parametrize("place", ["ocpp", "page"])
def test_a_port_in_use_is_named(
    product: Product,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    product.describe("type: simulated")
    port = getattr(product, place)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        code, said = fails(product, monkeypatch, capsys)
    assert code == 1
    assert re.search(rf"on 127\.0\.0\.1:{port}: Address already in use", said)
    assert "listen" in said


def test_a_journal_that_is_none_is_refused(
    product: Product, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    product.describe("type: simulated")
    product.journal.parent.mkdir()
    product.journal.write_text("these are not the rows you are looking for" * 100)
    code, said = fails(product, monkeypatch, capsys)
    assert code == 1
    assert "journal.db: file is not a database" in said


def test_a_journal_of_a_later_version_is_refused(
    product: Product, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    product.describe("type: simulated")
    product.journal.parent.mkdir()
    db = sqlite3.connect(product.journal)
    db.execute("PRAGMA user_version=99")
    db.close()
    code, said = fails(product, monkeypatch, capsys)
    assert code == 1
    assert "version 99" in said


def test_a_journal_whose_rows_make_no_sense_is_refused(
    product: Product, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    product.describe("type: simulated")
    product.journal.parent.mkdir()
    db = sqlite3.connect(product.journal)
    with db:
        db.execute("CREATE TABLE event (number INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)")
        db.execute('INSERT INTO event (body) VALUES (\'{"event": "Sabotage"}\')')
    db.close()
    code, said = fails(product, monkeypatch, capsys)
    assert code == 1
    assert "journal" in said and "Sabotage" in said


def test_a_folder_that_cannot_be_made_is_named(
    product: Product, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    product.describe("type: simulated")
    product.journal.parent.write_text("a file where the folder should be")
    code, said = fails(product, monkeypatch, capsys)
    assert code == 1
    assert str(product.journal.parent) in said
