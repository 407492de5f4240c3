"""What was measured, for people and for programs."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.cases import Case, Outcome

MEASURED_WITH = ("numpy", "numba", "highspy", "scipy", "pulp", "cvxpy", "clarabel")


@dataclass(frozen=True, slots=True)
class Row:
    case: Case
    outcome: Outcome

    @property
    def cars(self) -> int | None:
        return self.case.dials.cars if self.case.dials else None


def machine() -> dict[str, Any]:
    """Where this was measured."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(":", 1)[1].strip() if names else cpu
    versions = {}
    for name in MEASURED_WITH:
        try:
            versions[name] = version(name)
        except ModuleNotFoundError:
            continue
    return {
        "kind": "machine",
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
    }


def as_json(row: Row) -> str:
    """One line."""
    case, outcome = row.case, row.outcome
    return json.dumps(
        {
            "kind": "case",
            "subject": case.subject,
            "cars": row.cars,
            "verb": case.verb,
            "method": case.method,
            "threads": case.threads,
            "seed": case.seed,
            "certified": len(outcome.seconds),
            "refused": outcome.refused,
            "late": outcome.late,
            "median_s": _number(outcome.median),
            "p99_s": _number(outcome.p99),
            "gap": _number(outcome.gap),
            "infeasibility": _number(outcome.infeasibility),
            "memory_mib": round(outcome.memory_mib, 1),
            "detail": outcome.detail,
        }
    )


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def as_table(rows: Sequence[Row]) -> str:
    """One line per subject and verb, one column per method; how many times slower than ours."""
    lines = []
    for subject, cars, verb in dict.fromkeys((r.case.subject, r.cars, r.case.verb) for r in rows):
        group = [r for r in rows if (r.case.subject, r.cars, r.case.verb) == (subject, cars, verb)]
        own = next((r.outcome.median for r in group if r.case.method == "ours"), math.nan)
        lines.append(f"{subject}, {cars or '?'} cars, {verb}")
        for row in group:
            lines.append(f"  {row.case.method:<15}{_cell(row.outcome, own, row.case)}")
    return "\n".join(lines)


def _cell(outcome: Outcome, own: float, case: Case) -> str:
    if not outcome.seconds:
        return f"over {case.limit_s:g} s" if outcome.late else f"nothing certified {outcome.detail}"
    ratio = outcome.median / own
    return (
        f"median {_time(outcome.median)}  p99 {_time(outcome.p99)}"
        f"  {'' if math.isnan(ratio) else f'{ratio:7.1f}×'}"
        f"  {outcome.memory_mib:7.1f} MiB"
        f"{f'  {outcome.refused} not certified' if outcome.refused else ''}"
        f"{'  stopped' if outcome.late else ''}"
        f"{f'  ({outcome.detail})' if outcome.detail else ''}"
    )


def _time(seconds: float) -> str:
    return f"{seconds:8.3f} s " if seconds >= 1 else f"{1000 * seconds:8.3f} ms"


def growth(rows: Iterable[Row]) -> float | None:
    """Exponent of time against size for ours, cold, from the smallest above 100 to the largest."""
    points = sorted(
        (row.cars, row.outcome.median)
        for row in rows
        if row.case.method == "ours" and row.case.verb == "cold" and row.outcome.seconds
        and row.cars and row.cars >= 200
    )  # fmt: skip
    if len(points) < 2:
        return None
    (n0, t0), (n1, t1) = points[0], points[-1]
    return math.log(t1 / t0) / math.log(n1 / n0)


def plot(rows: Sequence[Row], path: Path) -> None:
    """Time against size, both logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 5))
    for method, verb in dict.fromkeys((r.case.method, r.case.verb) for r in rows):
        points = sorted(
            (row.cars, row.outcome.median)
            for row in rows
            if (row.case.method, row.case.verb) == (method, verb)
            and row.cars and row.outcome.seconds
        )  # fmt: skip
        if points:
            style = "o-" if method == "ours" else "o--"
            label = f"{method}, {'each alone' if verb == 'cold' else 'from tick to tick'}"
            axes.loglog(*zip(*points, strict=True), style, label=label)
    axes.set_xlabel("cars")
    axes.set_ylabel("median time of the whole call [s]")
    axes.grid(which="both", alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
