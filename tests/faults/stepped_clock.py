"""The wall clock of `loadmgr run` is set forward and back while it runs.

    python -m tests.faults.stepped_clock

With libfaketime (Debian: libfaketime) the whole process lives in the stepped time, its C libraries
included; without it Python's own clocks are stepped in the process, from a `sitecustomize`.
Deadlines are reckoned on the monotonic clock, which no step reaches.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.app.product import Product, World, ended, until, world

LIBRARIES = tuple(
    Path(folder) / "faketime" / "libfaketimeMT.so.1"
    for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib")
)

IN_PYTHON = """
import datetime, pathlib, time
_step, _real, _real_ns = pathlib.Path({step!r}), time.time, time.time_ns
def _hours():
    return float(_step.read_text().strip().strip("+h"))
time.time = lambda: _real() + 3600 * _hours()
time.time_ns = lambda: _real_ns() + int(3600e9 * _hours())
class datetime_(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(hours=_hours())
    @classmethod
    def utcnow(cls):
        return super().utcnow() + datetime.timedelta(hours=_hours())
datetime.datetime = datetime_
"""


def faketime() -> Path | None:
    return next((library for library in LIBRARIES if library.exists()), None)


def _environment(folder: Path, step: Path) -> Mapping[str, str]:
    library = faketime()
    if library is not None:
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(step),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
    (folder / "sitecustomize.py").write_text(IN_PYTHON.format(step=str(step)))
    return {"PYTHONPATH": str(folder)}


async def play(folder: Path, steps_h: tuple[float, ...] = (1.0, -1.0, 24.0, -24.0)) -> str:
    step = folder / "step"
    await asyncio.to_thread(step.write_text, "+0h")
    # Whose turn it is changes reserves by itself: nobody's ends while the clock is watched.
    product = Product(folder, environment=_environment(folder, step), rotate_every="2 h")
    with ended(product):
        async with world(product) as around:
            product.start()
            await product.in_control(60.0)
            around.plug()
            await until(lambda: _steady(product), 150.0, "a steady site")
            for hours in steps_h:
                await _step_to(product, around, step, hours)
            around.assert_safe()
    how = "libfaketime" if faketime() is not None else "Python's clocks"
    return f"stepped by {', '.join(f'{h:+g} h' for h in steps_h)} with {how}: nothing changed"


async def _steady(product: Product) -> bool:
    """Nothing is on its way any more.

    A decrease counts for 13 s after its confirmation, and so does all that a charger's hardware
    lets through once its fallback is proved: that stands as still as a plan does.
    """
    before = await _reserved(product)
    most = {name: one["max_a"] for name, one in (await product.chargers()).items()}
    if any(before[name] >= most[name] for name in before):
        return False
    for _ in range(14):
        await asyncio.sleep(1.0)
        if await _reserved(product) != before:
            return False
    return sum(reserved >= 6.0 for reserved in before.values()) >= 6


async def _step_to(product: Product, around: World, step: Path, hours: float) -> None:
    before = await _reserved(product)
    ticks = (await product.ask("/api/v1/site"))["pace"]["ticks"]
    links = [station.online for station in around.simulated.stations.values()]
    await asyncio.to_thread(step.write_text, f"{hours:+g}h")
    await asyncio.sleep(5.0)  # two ticks and more
    site = await product.ask("/api/v1/site")
    assert site["pace"]["ticks"] >= ticks + 2, "ticks go on"
    assert not site["circuits"][0]["meter"]["lost"]
    assert not any("silent" in alarm for alarm in site["alarms"]), site["alarms"]
    assert links == [station.online for station in around.simulated.stations.values()]
    after = await _reserved(product)
    changed = {n: (a, after[n]) for n, a in before.items() if after[n] != a}
    assert not changed, f"reserved before and after: {changed}"
    around.assert_safe()


async def _reserved(product: Product) -> dict[str, float]:
    chargers: dict[str, dict[str, Any]] = await product.chargers()
    return {name: max(one["reserved_a"].values()) for name, one in chargers.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(asyncio.run(play(Path(folder))))


if __name__ == "__main__":
    main()
