"""A circuit's meter with every ailment, behind the check that a connector makes of its readings."""

from __future__ import annotations

import random
from datetime import datetime
from functools import partial

from loadmgr.events import CircuitMeasured
from loadmgr.model import Meter
from loadmgr.ports import Clock, Emit
from loadmgr.simulate.chaos_faults import LYING, Kind
from loadmgr.simulate.clock import every
from loadmgr.simulate.plant import Plant
from loadmgr.units import NOTHING, PHASES, PerPhase, add

FROZEN_AFTER = 3
"""So many equal readings in a row are no news, as meters over Modbus and HTTP have it."""

NOISE_A = 0.03

PART, SLACK_A = 0.8, 3.0
"""What a meter shows has to be less than this part of what its cars draw, by so much, to be a
contradiction that nobody can miss."""


class ChaosMeter:
    """A `Source` that reads the truth of a plant; `ill` says what is wrong with it."""

    def __init__(
        self, meter: Meter, plant: Plant, clock: Clock, every_s: float, *, seed: int
    ) -> None:
        self.meter = meter
        self.ill: Kind | None = None
        self.chance = 0.0
        self._plant, self._clock, self._every_s = plant, clock, every_s
        self._rng = random.Random(f"meter:{seed}")
        self._well: PerPhase = (0.0, 0.0, 0.0)
        self._well_at: datetime | None = None
        self._last: PerPhase | None = None
        self._times = 0

    @property
    def lies_unseen(self) -> bool:
        """It tells what is not, and so much that its cars can draw what they say they do: of a
        part of what there is nobody can tell that it is a part, as long as it is enough for them.
        """
        if self.ill not in LYING or self._last is None:
            return False
        cars_a = NOTHING
        for evse in self._plant.site.below[self.meter.circuit]:
            cars_a = add(cars_a, self._plant.outlets[evse.id].site_a)
        return all(self._last[p] >= PART * cars_a[p] - SLACK_A for p in PHASES)

    async def run(self, emit: Emit) -> None:
        await every(self._every_s, partial(self._read, emit))

    def _read(self, emit: Emit) -> None:
        at = self._clock.now()
        self._plant.advance(at.timestamp())
        told = self._told()
        if self.ill is Kind.METER_STUCK:
            self._again(emit, at)
        elif told is not None and self._news(told):
            emit(CircuitMeasured(at=at, meter=self.meter.id, current_a=told, sampled_at=at))
        if self.ill is None:
            self._well_at = at

    def _again(self, emit: Emit, at: datetime) -> None:
        """Its last good sample with that one's time, on and on: its receiver has to see through it,
        unlike what comes as new again and again."""
        if (then := self._well_at) is not None:
            told = self._well
            emit(CircuitMeasured(at=at, meter=self.meter.id, current_a=told, sampled_at=then))

    def _told(self) -> PerPhase | None:
        l1, l2, l3 = self._plant.circuit_a(self.meter.circuit)
        gauss = self._rng.gauss
        l1 += gauss(0.0, NOISE_A)
        l2 += gauss(0.0, NOISE_A)
        l3 += gauss(0.0, NOISE_A)
        match self.ill:
            case Kind.METER_SILENT | Kind.METER_STUCK:
                return None
            case Kind.METER_FROZEN:
                return self._well
            case Kind.METER_NAN:
                return (float("nan"), l2, l3)
            case Kind.METER_NEGATIVE:
                return (-l1, -l2, -l3)
            case Kind.METER_SCALED:
                scale = (0.001, 0.1, 0.4, 2.5, 10.0, 1000.0)[int(self.chance * 6)]
                return (scale * l1, scale * l2, scale * l3)
            case Kind.METER_SWAPPED:
                return (l2, l1, l3) if self.chance < 0.5 else (l2, l3, l1)
            case _:
                self._well = (l1, l2, l3)
                return self._well

    def _news(self, told: PerPhase) -> bool:
        self._times = self._times + 1 if told == self._last else 1
        self._last = told
        return self._times < FROZEN_AFTER
