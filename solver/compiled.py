"""What is compiled, and whether it is ready: nobody waits for a compiler who has HiGHS.

The first start on a machine compiles in a process of its own (`python -m solver.compiled`), so
that neither the interpreter lock nor its end is held up, and numba's cache keeps the result;
later starts read it from there in a thread. Until then `judge()` and `kernel()` give None.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from solver.problem import Problem, Reward

# In the order in which they are wanted. Each module but the first offers
# `supports(problem)` and `solve_kernel(problem, warm=, tol=, deadline_s=, ...)`.
KERNELS = ("simplex", "pdhg")

# The compiler steps back behind whatever else the machine does.
NICE = 10

# How a process ends that finds another one compiling (EX_TEMPFAIL of sysexits.h).
BUSY = 75
LOOKS_EVERY_S = 0.1

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
            _thread = threading.Thread(target=_make_ready, name="solver-compile")
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


def _make_ready() -> None:
    """Compile elsewhere if nobody has, then take everything from the cache."""
    try:
        _compile_elsewhere()
        _compile_all()
    finally:
        _over.set()


def _leaving() -> bool:
    """The interpreter is about to end, and waits for this thread."""
    return not threading.main_thread().is_alive()


def _compile_elsewhere() -> None:
    """Fill numba's cache from a process of its own; where that fails, it is done here.

    One process is enough for all that start meanwhile: after a crash the one of before goes on.
    """
    while not (_is_compiled() or _leaving()):
        if not _is_being_compiled() and _in_a_process_of_its_own() != BUSY:
            return
        time.sleep(LOOKS_EVERY_S)


def _in_a_process_of_its_own() -> int | None:
    """How it ended; None where it could not begin, or is left to go on by itself."""
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "solver.compiled"],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None
    while process.poll() is None:
        if _leaving():
            process.returncode = 0  # the next start finds its work done
            return None
        time.sleep(LOOKS_EVERY_S)
    return process.returncode


def _compile_all() -> None:
    for name, compile_one in (("certificate", _certificate), *((k, _kernel(k)) for k in KERNELS)):
        if _leaving():
            return
        try:
            compile_one()
        except Exception as error:  # no numba, no folder for the cache, an unknown CPU
            _failures[name] = error


@cache
def _stamps() -> tuple[Path, ...]:
    """Where it may be written that this very code was compiled for this very machine."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for source in sorted(folder.glob("*.py")):
        text = source.read_bytes()
        if b"njit" in text:
            digest.update(text)
    try:
        digest.update(version("numba").encode())
    except PackageNotFoundError:
        return ()
    digest.update(f"{sys.version} {platform.machine()} {platform.processor()}".encode())
    name = f"compiled-{digest.hexdigest()[:16]}"
    return (folder / "__pycache__" / name, Path.home() / ".cache" / "loadmgr" / name)


def _is_compiled() -> bool:
    return any(stamp.exists() for stamp in _stamps())


def _is_being_compiled() -> bool:
    try:
        with _alone():
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


@contextmanager
def _alone() -> Iterator[Path]:
    """Nobody else compiles; gives the stamp to leave behind.

    Raises `BlockingIOError` where somebody does, `OSError` where nothing can be written.
    """
    for stamp in _stamps():
        try:
            stamp.parent.mkdir(parents=True, exist_ok=True)
            lock = stamp.with_suffix(".lock").open("w")
        except OSError:
            continue
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield stamp
        return
    raise OSError("nowhere to write")


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


def _compile_once() -> int:
    """What the other process does: compile behind everybody's back, unless somebody else does."""
    try:
        with _alone() as stamp:
            if not _is_compiled():
                _compile_all()
                stamp.touch()  # what failed would fail again: the stamp is of this very code
    except BlockingIOError:
        return BUSY
    except OSError:  # nowhere to write: everybody compiles for itself
        _compile_all()
    return 0


if __name__ == "__main__":
    os.nice(NICE)
    sys.exit(_compile_once())
