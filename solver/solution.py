"""What the solver answers, and how it went."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from solver.problem import Floats


class Status(StrEnum):
    """How far an answer can be trusted. Every one is feasible; copper does not bend."""

    OPTIMAL = "optimal"  # certified to the tolerance asked for
    NEAR = "near"  # feasible, with the certified gap that is written beside it
    RULE = "rule"  # every method failed or was late: a feasible rule, gap as certified


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solution:
    """A certified answer.

    Attributes
    ----------
    x : (n, T) array
        The plan. [A]
    energy_dual : (n,) array, ≥ 0
        Worth of one more ampere hour a participant could take. [1/Ah]
    row_dual : (K, R, T) array, ≥ 0
        Worth of one more ampere (or watt) on the row during the step. [1/A]
    objective : float
        The worth of x.
    status : Status
    method : str
        Which method gave the answer, e.g. "simplex"; "highs after pdhg" if that one failed.
    gap : float
        Certified relative distance to the optimum, ≥ 0.
    infeasibility : float
        Largest relative violation of any bound, energy or row.
    seconds : float
        The whole call, preparing and certificate included. [s]
    warm : object
        Hand it to the next call as a hint; means nothing else.
    """

    x: Floats
    energy_dual: Floats
    row_dual: Floats
    objective: float
    status: Status
    method: str
    gap: float
    infeasibility: float
    seconds: float
    warm: Any = None
