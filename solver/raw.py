"""What a method hands over, before anybody has judged it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from solver.problem import Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Raw:
    """A claim: the certificate decides what it is worth."""

    x: Floats  # (n, T) [A]
    row_dual: Floats  # (K, R, T)
    energy_dual: Floats  # (n,)
    optimal: bool  # what the method thinks of it
    warm: Any = None
