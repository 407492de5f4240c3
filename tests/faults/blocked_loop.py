"""The event loop of `loadmgr run` stands still: the process is stopped, then goes on.

    python -m tests.faults.blocked_loop --seconds 10

Nothing of ours runs meanwhile, not even a timer. The limits of the stations end by themselves,
the truth shows no overload before, during and after, and the watchdog reports both ends.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import tempfile
from pathlib import Path

from tests.app.product import Product, ended, until, world


async def play(folder: Path, seconds: float = 10.0) -> str:
    product = Product(folder)
    with ended(product):
        async with world(product) as around:
            process = product.start()
            await product.in_control(60.0)
            around.plug()

            async def flows() -> bool:
                return max(around.current_a()) > 30.0

            await until(flows, 60.0, "cars draw current")
            ticks = (await product.ask("/api/v1/site"))["pace"]["ticks"]
            process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(seconds)
            process.send_signal(signal.SIGCONT)

            async def goes_on() -> bool:
                site = await product.ask("/api/v1/site")
                return bool(site) and site["pace"]["ticks"] > ticks + 1

            await until(goes_on, 20.0, "ticks are back")
            await until(flows, 90.0, "cars draw current again")
            await product.in_control(60.0)
            around.assert_safe()

            async def reported() -> bool:
                said = product.output()
                return "no tick" in said and "ticks are back" in said

            await until(reported, 5.0, "the watchdog reports both ends")
            return f"stood still for {seconds:g} s, reported, back without an overload"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10.0)
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(asyncio.run(play(Path(folder), wish.seconds)))


if __name__ == "__main__":
    main()
