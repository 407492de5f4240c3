"""The disk of the journal fills up, and has space again.

    python -m tests.faults.disk_full

On a tmpfs of two megabytes where mounting is allowed; elsewhere by the limit on the size of a file
(RLIMIT_FSIZE of the running process), which SQLite meets as an error of the disk.
While nothing can be written, limits only fall, and the site says so; with space again, they rise.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.app.product import Product, World, ended, until, world

SMALL = "2m"


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A tmpfs there; False where nobody may mount one."""
    folder.mkdir()
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder)],
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        yield False
        return
    try:
        yield mounted.returncode == 0
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def _full(product: Product, mounted: bool) -> Callable[[], None]:
    """Fill the disk; what it returns makes space again."""
    if mounted:
        filler = product.journal.parent / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass
        return filler.unlink
    assert product.process is not None
    pid = product.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, before[1]))
    return lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, before) and None


async def play(folder: Path) -> str:
    with small_disk(folder / ".loadmgr") as mounted:
        product = Product(folder)
        with ended(product):
            async with world(product, limit_lasts="5 min") as around:
                product.start()
                await product.in_control(60.0)
                around.plug()
                await until(lambda: _steady(around), 120.0, "currents that no longer rise")
                return await _fill(product, around, mounted)


async def _steady(around: World) -> bool:
    """Nobody was told anything new for a while, and cars draw current."""
    count = len(around.limits())
    await asyncio.sleep(6.0)
    return count == len(around.limits()) and max(around.current_a()) > 30.0


async def _fill(product: Product, around: World, mounted: bool) -> str:
    await _lower(product, 30.0)
    await until(lambda: _below(around, 30.0), 40.0, "a limit is kept")
    make_space = _full(product, mounted)
    highest = around.held_a()
    note = await _lower(product, 25.0)
    assert "a restart would forget it" in note, note
    await until(lambda: _below(around, 25.0), 40.0, "a lower limit is kept without a disk")
    lower = around.held_a()
    assert all(lower[name] <= highest[name] + 0.1 for name in highest), (highest, lower)

    since = len(around.limits())
    async with httpx.AsyncClient(trust_env=False, timeout=10.0) as client:
        await client.delete(f"{product.url}/api/v1/limits/operator")
    await asyncio.sleep(10.0)
    risen = [
        one for one in around.limits()[since:] if one.limit_a > lower.get(one.station, 0.0) + 0.1
    ]
    assert not risen, risen
    assert await _complains(product)

    make_space()
    await until(lambda: _flows(around, 35.0), 120.0, "with space again, currents rise")

    async def calm() -> bool:
        return not await _complains(product)

    await until(calm, 20.0, "the alarm ends")
    around.assert_safe()
    how = f"a tmpfs of {SMALL}" if mounted else "the limit on the size of a file"
    return f"full by {how}: decreases only, told, and back when there was space"


async def _lower(product: Product, current_a: float) -> str:
    async with httpx.AsyncClient(trust_env=False, timeout=10.0) as client:
        answer = await client.put(
            f"{product.url}/api/v1/limits/operator",
            json={"circuit": "main", "current": f"{current_a} A", "reason": "a trial"},
        )
    assert answer.is_success, answer.text
    note: str = answer.json()["note"]
    return note


async def _below(around: World, limit_a: float) -> bool:
    return max(around.current_a()) <= limit_a


async def _flows(around: World, at_least_a: float) -> bool:
    return max(around.current_a()) > at_least_a


async def _complains(product: Product) -> bool:
    site = await product.ask("/api/v1/site")
    return any("journal" in alarm for alarm in site["alarms"])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(asyncio.run(play(Path(folder))))


if __name__ == "__main__":
    main()
