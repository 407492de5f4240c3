"""A circuit's meter that reads the truth of a plant, and can be made to fail like real ones."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from enum import StrEnum

from loadmgr.events import CircuitMeasured
from loadmgr.model import Meter
from loadmgr.ports import Clock, Emit
from loadmgr.simulate.plant import Plant
from loadmgr.units import PerPhase

NOT_A_NUMBER: PerPhase = (float("nan"), float("nan"), float("nan"))


class Ailment(StrEnum):
    """What is wrong with a meter."""

    NONE = "none"
    SILENT = "silent"
    FROZEN = "frozen"  # the same numbers with new stamps
    STUCK = "stuck"  # the same numbers with the same stamp
    NAN = "nan"
    NEGATIVE = "negative"
    SCALED = "scaled"  # × 1000
    SWAPPED = "swapped"  # L1 and L2 changed places


@dataclass(slots=True, kw_only=True)
class SimulatedMeter:
    """A `Source` of `CircuitMeasured`. Its reading is the mean of the last whole second."""

    meter: Meter
    plant: Plant
    clock: Clock
    interval_s: float = 1.0
    noise_a: float = 0.0
    seed: int = 0
    ailment: Ailment = Ailment.NONE

    async def run(self, emit: Emit) -> None:
        chance = random.Random(f"{self.seed}:{self.meter.id}")
        last: CircuitMeasured | None = None
        while True:
            await asyncio.sleep(self.interval_s)
            told = self._sample(chance, last)
            if told is not None:
                emit(told)
            if self.ailment is Ailment.NONE:
                last = told

    def _sample(
        self, chance: random.Random, last: CircuitMeasured | None
    ) -> CircuitMeasured | None:
        at = self.clock.now()
        self.plant.advance(at.timestamp())
        current_a = ailing(self.ailment, self._truth(chance), last.current_a if last else None)
        if current_a is None:
            return None
        sampled_at = last.sampled_at if last and self.ailment is Ailment.STUCK else at
        return CircuitMeasured(
            at=at, meter=self.meter.id, current_a=current_a, sampled_at=sampled_at
        )

    def _truth(self, chance: random.Random) -> PerPhase:
        l1, l2, l3 = self.plant.circuit_a(self.meter.circuit)
        if not self.noise_a:
            return (l1, l2, l3)
        noise = self.noise_a
        return (
            l1 + chance.gauss(0.0, noise),
            l2 + chance.gauss(0.0, noise),
            l3 + chance.gauss(0.0, noise),
        )


def ailing(ailment: Ailment, current_a: PerPhase, last_a: PerPhase | None) -> PerPhase | None:
    """What a meter with this ailment tells of a current; None: nothing. [A]

    `last_a` is what it told while it was well, None if it never was.
    """
    l1, l2, l3 = current_a
    match ailment:
        case Ailment.SILENT:
            return None
        case Ailment.FROZEN | Ailment.STUCK if last_a is not None:
            return last_a
        case Ailment.NAN:
            return NOT_A_NUMBER
        case Ailment.NEGATIVE:
            return (-l1, -l2, -l3)
        case Ailment.SCALED:
            return (1000.0 * l1, 1000.0 * l2, 1000.0 * l3)
        case Ailment.SWAPPED:
            return (l2, l1, l3)
        case _:
            return current_a
