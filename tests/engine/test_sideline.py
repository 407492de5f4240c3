"""The thread that may be left behind."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time

import pytest

from loadmgr.engine.sideline import Sideline


async def test_it_gives_the_result_or_the_failure_of_a_job():
    sideline = Sideline("test")
    assert await sideline.run(lambda: 6 * 7) == 42
    with pytest.raises(ZeroDivisionError):
        await sideline.run(lambda: 1 // 0)


async def test_a_result_that_comes_too_late_is_dropped():
    sideline, go = Sideline("test"), threading.Event()
    late = sideline.run(go.wait)
    late.cancel()
    go.set()
    assert await sideline.run(lambda: "next") == "next"


async def test_forgotten_it_ends():
    sideline = Sideline("to-be-forgotten")
    await sideline.run(lambda: None)
    del sideline
    gc.collect()
    deadline = time.monotonic() + 5.0
    while any(thread.name == "to-be-forgotten" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_a_job_that_hangs_does_not_keep_the_program_from_ending():
    program = """
import asyncio, time
from loadmgr.engine.sideline import Sideline
async def main():
    hangs = Sideline("hangs").run(lambda: time.sleep(600))
    await asyncio.sleep(0.1)
asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", program], timeout=60, capture_output=True)
    assert ended.returncode == 0
    assert ended.stderr == b""
