"""What a problem may have beside cars and copper: rewards, a peak price, storage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reward:
    """Concave worth of a participant's total charge: U_i climbs slope by slope.

    The first `width[i, 0]` ampere hours are worth `slope[i, 0]` each, the next
    `width[i, 1]` are worth `slope[i, 1]`, and so on; beyond the last width more is worth
    nothing. Below zero (storage that gives) the first slope continues.

    Parameters
    ----------
    width : (n, S) array, ≥ 0
        Length of each segment; inf is allowed. [Ah]
    slope : (n, S) array, ≥ 0, falling along each row
        Worth per ampere hour within the segment. [1/Ah]
    """

    width: Floats
    slope: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """A price on the highest value one row of one circuit reaches above a level.

    Costs `price · max(0, max_t load − level)`.
    """

    price: float  # ≥ 0, per A (or W, in the unit of the row)
    level: float  # ≥ 0, what is paid for already
    row: int
    circuit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Storage:
    """Participants that may also give: batteries, vehicle to grid.

    Parameters
    ----------
    participant : (s,) int array
        Which participants these are, each once.
    discharge : (s, T) array, ≥ 0
        The most each may give: x ≥ −discharge. [A]
    stored : (s,) array
        What each holds now. [Ah]
    low, high : (s, T) arrays, low ≤ stored ≤ high
        Bounds of what it holds at the end of each step. As `stored` lies between them at
        every step, doing nothing is always allowed; needs belong in `Reward`. [Ah]
    """

    participant: Ints
    discharge: Floats
    stored: Floats
    low: Floats
    high: Floats


def utility(reward: Reward, charge: Floats) -> Floats:
    """U_i at several totals each: (n, m) → (n, m). [Ah]"""
    total = np.zeros_like(charge)
    left = charge
    for s in range(reward.width.shape[1]):
        taken = np.clip(left, -np.inf if s == 0 else 0.0, reward.width[:, s, None])
        total += taken * reward.slope[:, s, None]
        left = left - taken
    return total
