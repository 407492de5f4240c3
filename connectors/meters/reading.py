"""One sample of a circuit's meter, on its way from the wire to the engine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from loadmgr.units import PerPhase


@dataclass(frozen=True, slots=True)
class Reading:
    """What a meter said, before anyone has judged it."""

    current_a: PerPhase  # drawing positive; may be NaN or absurd
    sampled_at: datetime | None = None  # by the meter's own clock


class NoReading(Exception):
    """A poll that brought no numbers. The message says why, for people."""


def signed_a(current_a: float, power_w: float, voltage_v: float) -> float:
    """Current with the direction that the active power shows, drawing positive. [A]

    `current_a` is the RMS value, whatever sign it came with. Feeding in counts only as far as
    active power explains it: the reactive rest of the current loads the fuse in either
    direction, and must not be lent out.
    """
    magnitude = abs(current_a)
    if power_w < 0:
        return -min(magnitude, -power_w / voltage_v)
    return magnitude + 0.0 * power_w  # a NaN in either is a NaN in the answer
