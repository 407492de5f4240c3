"""Which cases make up which question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.subjects import Dials

COLD = ("ours", "highs-simplex", "highs-ipm", "scipy", "pulp-cbc", "cvxpy-clarabel")
TICKS = ("ours", "highs-warm")
SIZES = (50, 200, 1000, 5000, 10000)

# A modelling language needs minutes and gigabytes above these; nobody would wait.
LARGEST = {"pulp-cbc": 1000, "cvxpy-clarabel": 1000, "scipy": 1000, "highs-simplex": 5000}


def table(sizes: Sequence[int], methods: Sequence[str] | None, base: Case) -> Iterator[Case]:
    """The figures of the README: random tree, cold and from tick to tick."""
    for cars in sizes:
        dials = Dials(cars=cars)
        for verb, wanted in (("cold", COLD), ("ticks", TICKS)):
            for method in methods or wanted:
                if cars > LARGEST.get(method, cars) or method not in wanted:
                    continue
                if verb == "ticks" and cars > 1000 and method != "ours":
                    continue
                yield replace(
                    base, subject="tree", verb=verb, method=method, dials=dials,
                    count=_count(cars, verb, base.count),
                )  # fmt: skip


def _count(cars: int, verb: str, wanted: int) -> int:
    """Fewer repetitions where one takes long."""
    if verb == "ticks":
        return 1 + max(3, min(20 * wanted, 40_000 // cars))
    return max(1, min(wanted, 20_000 // cars))


def sweep(cars: int, methods: Sequence[str] | None, base: Case) -> Iterator[Case]:
    """One size, one dial at a time."""
    dials = Dials(cars=cars)
    subjects = {"flat": replace(dials, depth=1)}
    subjects |= {f"depth {d}": replace(dials, depth=d, panel=8, feeder=3) for d in range(2, 7)}
    subjects |= {f"skew {s:g}": replace(dials, skew=s, three_phase=0.2) for s in (0.0, 0.5, 1.0)}
    subjects |= {f"binding {b:g}": replace(dials, binding=b) for b in (0.0, 0.5, 1.0)}
    subjects |= {f"{t} steps": replace(dials, steps=t) for t in (24, 96, 288)}
    subjects |= {f"ties {t:g}": replace(dials, ties=t) for t in (0.0, 0.5, 1.0)}
    for subject, turned in subjects.items():
        for method in methods or ("ours", "highs-simplex", "highs-ipm"):
            yield replace(base, subject=subject, verb="cold", method=method, dials=turned)


def sessions(path: Path, methods: Sequence[str] | None, base: Case) -> Iterator[Case]:
    """A real day, tick by tick."""
    for method in methods or TICKS:
        yield replace(
            base, subject=path.name, verb="ticks", method=method, sessions=path, count=288
        )
