"""One thread beside the event loop that may be left behind.

The threads of `concurrent.futures` are waited for when the program ends; one in which a solver
hangs would keep it from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_Job = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[[], Any]]


class Sideline:
    """Runs jobs one after the other. Forgotten, it ends after the job it is at."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        weakref.finalize(self, self._jobs.put, None)
        threading.Thread(target=_work, args=(self._jobs,), name=name, daemon=True).start()

    def run(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """Its result, in the running loop. Cancelled, the result is dropped, not the job."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put((loop, future, job))
        return future


def _work(jobs: SimpleQueue[_Job | None]) -> None:
    while (next_one := jobs.get()) is not None:
        loop, future, job = next_one
        result: Any = None
        failure: BaseException | None = None
        try:
            result = job()
        except BaseException as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
            loop.call_soon_threadsafe(_settle, future, result, failure)
        del next_one, loop, future, job, result, failure  # nothing is kept while it waits


def _settle(future: asyncio.Future[Any], result: Any, failure: BaseException | None) -> None:
    if future.done():
        return
    if failure is not None:
        future.set_exception(failure)
    else:
        future.set_result(result)
