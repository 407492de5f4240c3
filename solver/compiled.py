"""What is compiled, and whether it is ready: nobody waits for a compiler who has HiGHS.

The first start on a machine compiles in a thread of its own and keeps the result in numba's
cache; later starts read it from there. Until then `judge()` and `method()` give None.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from solver.problem import Problem


@dataclass(frozen=True, slots=True)
class Kernels:
    """The compiled functions, each called once already."""

    judge: Callable[..., Any]


_ready = threading.Event()
_lock = threading.Lock()
_thread: threading.Thread | None = None
_kernels: Kernels | None = None
_failure: BaseException | None = None


def prepare() -> None:
    """Begin to compile, or to read from the cache, beside what else is going on."""
    global _thread
    with _lock:
        if _thread is None:
            _thread = threading.Thread(target=_compile, name="solver-compile", daemon=True)
            _thread.start()


def wait(timeout_s: float | None = None) -> bool:
    """Wait until all is compiled; whether it is. [s]"""
    prepare()
    return _ready.wait(timeout_s) and _kernels is not None


def judge() -> Callable[..., Any] | None:
    """The compiled certificate, if it is ready."""
    return None if _kernels is None else _kernels.judge


def failure() -> BaseException | None:
    """Why nothing could be compiled, if so; HiGHS goes on answering."""
    return _failure


def _compile() -> None:
    global _kernels, _failure
    try:
        _kernels = _warmed_up()
    except BaseException as error:  # no numba, no cache folder, another CPU: all the same
        _failure = error
    finally:
        _ready.set()


def _warmed_up() -> Kernels:
    from solver.certify_compiled import judge

    tiny = _tiny()
    judge(
        tiny.step_h, tiny.parent, tiny.capacity, tiny.circuit, tiny.coupling, tiny.upper,
        tiny.lower, tiny.energy, tiny.value, np.zeros((1, 0)), np.zeros((1, 0)), np.zeros(0),
        tiny.upper, np.zeros_like(tiny.capacity), tiny.energy, 1e-3,
    )  # fmt: skip
    return Kernels(judge=judge)


def _tiny() -> Problem:
    return Problem(
        step_h=np.ones(2),
        parent=np.array([-1]),
        capacity=np.ones((1, 1, 2)),
        circuit=np.zeros(1, dtype=int),
        coupling=np.ones((1, 1)),
        upper=np.ones((1, 2)),
        energy=np.ones(1),
        value=np.ones((1, 2)),
    )
