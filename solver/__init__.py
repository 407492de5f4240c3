"""Charging problems in, certified plans out. Arrays only: no clock, no I/O, no names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from solver.problem import Peak, Problem, ProblemError, Reward, Storage
from solver.solution import Solution, Status

if TYPE_CHECKING:
    from solver.workspace import Workspace, solve

__all__ = [
    "Peak",
    "Problem",
    "ProblemError",
    "Reward",
    "Solution",
    "Status",
    "Storage",
    "Workspace",
    "solve",
]


def __getattr__(name: str) -> Any:
    # The methods bring highspy and numba; who only builds a Problem waits for neither.
    if name in {"Workspace", "solve"}:
        import solver.workspace

        return getattr(solver.workspace, name)
    raise AttributeError(f"module 'solver' has no attribute {name!r}")
