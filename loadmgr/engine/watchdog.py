"""Notices when the engine stops deciding, from a thread that the event loop cannot block."""

from __future__ import annotations

import faulthandler
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

log = structlog.get_logger("loadmgr.watchdog")


@contextmanager
def watchdog(age_s: Callable[[], float], limit_s: float) -> Iterator[None]:
    """Report a tick that is overdue when it happens, and again when ticks are back.

    It only reports, with the stacks of all threads: the limits that were sent
    end by themselves, so that a dead engine is safe without being killed.
    """
    over = threading.Event()

    def watch() -> None:
        late = False
        while not over.wait(1.0):
            age = age_s()
            if age > limit_s and age != float("inf") and not late:
                late = True
                log.critical("no tick", seconds=round(age, 1), limit=limit_s)
                faulthandler.dump_traceback(file=sys.stderr)
            elif age <= limit_s and late:
                late = False
                log.warning("ticks are back")

    thread = threading.Thread(target=watch, name="watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
