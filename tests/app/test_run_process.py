"""`loadmgr run` as people start it: a process of its own, real sockets, real signals."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.app.product import Product, World, ended, start, until, world

pytestmark = pytest.mark.timeout(180)

STARTS_S = 60.0  # a slow and busy machine; what is promised is measured by itself


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    with ended(Product(tmp_path)) as one:
        yield one


@asynccontextmanager
async def charging(product: Product) -> AsyncIterator[World]:
    """In control of twelve cars that draw current."""
    async with world(product) as around:
        product.start()
        await product.in_control(STARTS_S)
        around.plug()
        await until(lambda: flows(around, 20.0), STARTS_S, "cars draw current")
        yield around


async def flows(around: World, at_least_a: float) -> bool:
    return max(around.current_a()) > 10.0 + at_least_a


def crowd() -> float:
    """How many want each processor: what is promised is promised for a computer of its own."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


# ── In charge ─────────────────────────────────────────────────────────────────────────────


async def test_it_takes_charge_and_after_kill_nine_takes_it_again(product: Product) -> None:
    async with charging(product) as around:
        before, delivered_wh = around.transactions(), around.energy_wh()
        assert len(before) == 12

        product.kill()
        started = time.monotonic()
        product.start()
        await until(lambda: product.ask("/healthz"), STARTS_S, "the first tick")
        ready_s = time.monotonic() - started
        controlled_s = await product.in_control(10.0)

        await until(lambda: flows(around, 30.0), 60.0, "cars draw more than before")
        told = {name: one["session"] for name, one in (await product.chargers()).items()}
        assert around.transactions() == before
        assert all(told[name] is not None for name in before)
        assert around.energy_wh() > delivered_wh
        around.assert_safe()
        print(f"first tick after {ready_s:.1f} s, in control {controlled_s:.1f} s later")


async def test_a_second_one_is_refused_and_disturbs_nothing(product: Product) -> None:
    async with charging(product) as around:
        orders = len(around.received)
        links = [station.online for station in around.simulated.stations.values()]
        second = start(product.site_file, product.folder)
        code = await asyncio.to_thread(second.wait, STARTS_S)
        assert code == 1
        assert "another loadmgr is in charge of this site" in product.output()
        assert "Traceback" not in product.output()
        assert all(links) and all(s.online for s in around.simulated.stations.values())
        assert await product.ask("/healthz")
        assert len(around.received) - orders < 12
        around.assert_safe()

        # An open page must not hold up the end.
        async with httpx.AsyncClient(trust_env=False) as client:
            async with client.stream("GET", product.url + "/api/v1/stream") as page:
                lines = page.aiter_lines()
                await anext(lines)
                told = time.monotonic()
                assert product.process is not None
                product.process.send_signal(signal.SIGTERM)
                code = await asyncio.to_thread(product.end)
                assert time.monotonic() - told < 2.0 * crowd()
        assert code == 0
        assert "Traceback" not in product.output()


# ── Not in charge ─────────────────────────────────────────────────────────────────────────


def test_a_bad_site_is_complained_about_at_once_and_nothing_is_started(product: Product) -> None:
    product.describe("type: simulated")
    text = product.site_file.read_text()
    text = text.replace("fuse: 32 A", "fuse: 32").replace("feeds_from: main, fuse: 40", "fuse: 40")
    text = text.replace("interval: 2 s", "interval: 2 parsecs")
    product.site_file.write_text(text)
    product.start()
    assert product.end() == 2
    said = product.output()
    assert "interval" in said and "fuse" in said and "2 parsecs" in said
    assert said.count("site.yaml:") >= 2
    assert "Traceback" not in said
    assert not product.journal.parent.exists()
