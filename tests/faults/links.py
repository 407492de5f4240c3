"""A proxy between stations and loadmgr that drops, delays and half-opens their connections.

    python -m tests.faults.links --seconds 120 --seed 1

A dropped link is reset. A delayed one passes everything late. A half-open one passes nothing more
and says nothing, as a router does that has lost its table. The truth watches the fuses throughout.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import tempfile
from pathlib import Path

from tests.app.product import Product, World, ended, free_port, until, world

LOST_S = 10.0 + 5.0  # site.yaml's charger_lost_after, and a little


class Link:
    """One connection through the proxy."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near, self.far = near, far
        self.delay_s = 0.0
        self.silent = asyncio.Event()
        self._dropped = asyncio.Event()

    def drop(self) -> None:
        self._dropped.set()
        for side in (self.near, self.far):
            side.transport.abort()

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if self.silent.is_set():
                continue  # taken, and never given on: for both sides the link still stands
            writer.write(data)
            await writer.drain()
        if self.silent.is_set():
            await self._dropped.wait()


class Proxy:
    """Listens for stations and passes them on, until a fault is asked for."""

    def __init__(self, port: int, to: int) -> None:
        self.port, self._to = port, to
        self.links: set[Link] = set()
        self.silent = False
        self._ended = asyncio.Condition()

    async def run(self) -> None:
        server = await asyncio.start_server(self._attend, "127.0.0.1", self.port)
        try:
            await server.serve_forever()
        finally:
            server.close()
            for link in self.links:
                link.drop()
            async with self._ended:
                await self._ended.wait_for(lambda: not self.links)

    async def _attend(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        try:
            back, far = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            near.transport.abort()
            return
        link = Link(near, far)
        if self.silent:
            link.silent.set()
        self.links.add(link)
        both = [
            asyncio.create_task(link.pass_on(reader, far)),
            asyncio.create_task(link.pass_on(back, near)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            link.drop()
            async with self._ended:
                self.links.discard(link)
                self._ended.notify_all()

    def fall_silent(self) -> None:
        """Every link, and whatever is dialled from here on: nothing is said on any of them."""
        self.silent = True
        for link in self.links:
            link.silent.set()

    def trouble(self, chance: random.Random) -> str:
        if not self.links:
            return "none"
        link = chance.choice(sorted(self.links, key=id))
        match chance.choice(("drop", "delay", "half-open")):
            case "drop":
                link.drop()
                return "drop"
            case "delay":
                link.delay_s = chance.uniform(0.5, 6.0)
                return "delay"
            case _:
                link.silent.set()
                return "half-open"


async def play(folder: Path, seconds: float = 60.0, seed: int = 1) -> str:
    product, port = Product(folder), free_port()
    proxy = Proxy(port, product.ocpp)
    passing = asyncio.create_task(proxy.run())
    try:
        with ended(product):
            async with world(product, dial=f"ws://127.0.0.1:{port}") as around:
                product.start()
                await product.in_control(60.0)
                around.plug()
                told = await _trouble(proxy, around, seconds, random.Random(seed))
                await until(lambda: _has_charged(around), 90.0, "energy for cars after all that")
                await _half_open_all(product, proxy)
                around.assert_safe()
                delivered_kwh = around.energy_wh() / 1000
    finally:
        passing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await passing
    return f"{told} in {seconds:g} s: 0 s of overload, {delivered_kwh:.1f} kWh delivered"


async def _trouble(
    proxy: Proxy, around: World, seconds: float, chance: random.Random
) -> dict[str, int]:
    told: dict[str, int] = {}
    loop = asyncio.get_running_loop()
    over_s = loop.time() + seconds
    while loop.time() < over_s:
        await asyncio.sleep(chance.uniform(0.3, 2.0))
        kind = proxy.trouble(chance)
        told[kind] = told.get(kind, 0) + 1
        around.assert_safe()
    return told


async def _has_charged(around: World) -> bool:
    return around.energy_wh() > 0


async def _half_open_all(product: Product, proxy: Proxy) -> None:
    """Every link at once falls silent; each is found to be lost in the time that site.yaml says."""
    proxy.fall_silent()

    async def found() -> bool:
        standing = [one["standing"] for one in (await product.chargers()).values()]
        return standing.count("offline") == len(standing)

    await until(found, LOST_S, "half-open links are found")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=1)
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(asyncio.run(play(Path(folder), wish.seconds, wish.seed)))


if __name__ == "__main__":
    main()
