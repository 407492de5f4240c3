"""What is compiled, and whether it is ready: nobody waits for a compiler who has HiGHS.

The first start on a machine compiles in a thread of its own and keeps the result in numba's
cache; later starts read it from there. Until then `judge()` and `kernel()` give None.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from solver.problem import Problem, Reward

# In the order in which they are wanted. Each module but the first offers
# `supports(problem)` and `solve_kernel(problem, warm=, tol=, deadline_s=, ...)`.
KERNELS = ("simplex", "pdhg")

_lock = threading.Lock()
_thread: threading.Thread | None = None
_over = threading.Event()
_judge: Callable[..., Any] | None = None
_kernels: dict[str, ModuleType] = {}
_failures: dict[str, Exception] = {}


def prepare() -> None:
    """Begin to compile, or to read from the cache, beside what else is going on."""
    global _thread
    with _lock:
        if _thread is None:
            _thread = threading.Thread(target=_compile_all, name="solver-compile", daemon=True)
            _thread.start()


def wait(timeout_s: float | None = None) -> bool:
    """Wait until there is nothing left to compile; whether all of it works. [s]"""
    prepare()
    return _over.wait(timeout_s) and not _failures


def judge() -> Callable[..., Any] | None:
    """The compiled certificate, if it is ready."""
    return _judge


def kernel(name: str) -> ModuleType | None:
    """A compiled method, if it is ready."""
    return _kernels.get(name)


def failures() -> dict[str, Exception]:
    """What could not be compiled, and why. The other methods go on answering."""
    return dict(_failures)


def _compile_all() -> None:
    for name, compile_one in (("certificate", _certificate), *((k, _kernel(k)) for k in KERNELS)):
        try:
            compile_one()
        except Exception as error:  # no numba, no folder for the cache, an unknown CPU
            _failures[name] = error
    _over.set()


def _certificate() -> None:
    global _judge
    from solver.certify_compiled import judge

    _judge = judge


def _kernel(name: str) -> Callable[[], None]:
    def compile_one() -> None:
        module = importlib.import_module(f"solver.{name}")
        for problem in _samples():
            warm = None
            for _ in range(2):  # what starts warm may be other code
                warm = module.solve_kernel(problem, warm=warm).warm
        _kernels[name] = module

    return compile_one


def _samples() -> list[Problem]:
    """The smallest problems that go through everything there is to compile."""
    reward = Reward(width=np.ones((2, 2)), slope=np.array([[2.0, 1.0], [3.0, 1.0]]))
    samples: list[dict[str, Any]] = [{}, {"reward": reward}, {"rank": np.arange(2)}]
    return [
        Problem(
            step_h=np.ones(2),
            parent=np.array([-1, 0]),
            capacity=np.ones((2, 1, 2)),
            circuit=np.ones(2, dtype=int),
            coupling=np.ones((2, 1)),
            upper=np.ones((2, 2)),
            energy=np.ones(2),
            value=np.array([[1.0, 2.0], [2.0, 1.0]]),
            **extra,
        )
        for extra in samples
    ]
