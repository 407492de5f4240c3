"""One case: a subject, a verb and a method, measured in a process of its own.

A process per case keeps memory and leftovers apart, lets a hopeless case be stopped, and
starts every method from the same nothing. Only the calls are timed, after everything is
imported and compiled; every answer is certified before its time counts.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.subjects import Dials, site
from solver import Problem

TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    subject: str
    verb: str  # "cold": each problem alone; "ticks": one after the other
    method: str
    dials: Dials | None = None
    sessions: Path | None = None
    count: int = 5  # problems for "cold", ticks for "ticks"
    threads: int = 1
    limit_s: float = 120.0
    seed: int = 0

    def problems(self) -> Iterator[Problem]:
        if self.sessions is not None:
            from benchmarks.sessions import read_sessions, trace

            for number, problem in enumerate(trace(read_sessions(self.sessions))):
                if number == self.count:
                    return
                yield problem
        elif self.dials is not None and self.verb == "ticks":
            yield from site(self.dials, self.seed).ticks(self.count)
        elif self.dials is not None:
            for number in range(self.count):
                yield site(self.dials, self.seed + number).problem()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was measured. Times are of certified answers; `refused` counts the others."""

    seconds: tuple[float, ...] = ()
    gap: float = 0.0  # worst
    infeasibility: float = 0.0  # worst
    refused: int = 0
    memory_mib: float = 0.0  # most the process had beyond what it had when it was ready
    detail: str = ""
    late: bool = False

    @property
    def median(self) -> float:
        return float(np.median(self.seconds)) if self.seconds else float("nan")

    @property
    def p99(self) -> float:
        return float(np.quantile(self.seconds, 0.99)) if self.seconds else float("nan")


def measure(case: Case) -> Outcome:
    """Run one case in a process of its own, stopped at its limit."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(case, theirs), daemon=True)
    process.start()
    theirs.close()
    outcome = Outcome(late=True)
    try:
        ours.recv()  # imported and compiled: on a fresh machine that takes minutes
        # Everything measured so far arrives problem by problem; the rest is late.
        while True:
            if not ours.poll(case.limit_s):
                return replace(outcome, late=True)
            outcome, last = ours.recv()
            if last:
                return outcome
    except EOFError:
        return replace(outcome, detail="died")
    finally:
        process.terminate()
        process.join()


def _run(case: Case, pipe: Any) -> None:
    from benchmarks.methods import METHODS
    from solver import compiled
    from solver.certify import certify

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: case.threads])
    if case.method == "ours":
        compiled.wait()
    build = METHODS[case.method]
    tiny = Dials(cars=3, steps=4)
    outcome = Outcome()
    try:
        build(case.threads)(site(tiny).problem())  # imports and first calls are not the subject
    except ModuleNotFoundError as error:
        outcome = replace(outcome, detail=f"needs {error.name}: pip install 'loadmgr[bench]'")
        pipe.send((outcome, False))
        pipe.send((outcome, True))
        return
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    call = None
    details: set[str] = set()
    pipe.send((outcome, False))
    for number, problem in enumerate(case.problems()):
        if call is None or case.verb == "cold":
            call = build(case.threads)
        begin = time.perf_counter()
        raw = call(problem)
        seconds = time.perf_counter() - begin
        certificate = certify(problem, raw.x, raw.row_dual, raw.energy_dual)
        good = certificate.holds(TOLERANCE)
        details |= {raw.warm} if isinstance(raw.warm, str) else set()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        first_of_trace = case.verb == "ticks" and number == 0  # cold, not a tick
        outcome = replace(
            outcome,
            seconds=outcome.seconds + ((seconds,) if good and not first_of_trace else ()),
            gap=max(outcome.gap, certificate.gap),
            infeasibility=max(outcome.infeasibility, certificate.infeasibility),
            refused=outcome.refused + (not good),
            memory_mib=grown / 1024,
            detail=", ".join(sorted(details)),
        )
        pipe.send((outcome, False))
    pipe.send((outcome, True))
