"""A building that is not there: for `run --dry-run` before any meter is wired.

The same seed is the same building: its load depends on nothing but the time.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field

from connectors.meters.polled import (
    READ_BY_OTHERS,
    PolledMeter,
    bounds_here,
    check_rhythm,
    unlinked,
)
from connectors.meters.reading import Reading
from connectors.options import Amperes, OptionsModel, Seconds, checked
from loadmgr.model import MeterId
from loadmgr.ports import Context, Options, Source
from loadmgr.units import PHASES, PerPhase, Phase

DAY_S = 86_400.0


class SimulatedOptions(OptionsModel):
    """The block of a `type: simulated` meter."""

    peak: Annotated[Amperes, Field(ge=0)] = 20.0  # never exceeded on any phase
    seed: int = 1
    poll: Seconds = 1.0


def connect(options: Options, context: Context) -> Source:
    """A meter of a made-up building; what chargers draw is not in it.

    Raises
    ------
    BadOption
    """
    chosen = checked(SimulatedOptions, options, read_by_others=READ_BY_OTHERS)
    check_rhythm(context, chosen.poll)
    drawn = building(chosen.seed, chosen.peak)
    zone = ZoneInfo(context.site.timezone)

    async def ask() -> Reading:
        now = context.clock.now()
        return Reading(drawn.current_a(now.timestamp(), seconds_of_day(now, zone)))

    return PolledMeter(
        meter=MeterId(context.name),
        link=unlinked(ask),
        every_s=chosen.poll,
        timeout_s=1.0,
        bounds=bounds_here(context, frozen_after=0),
        clock=context.clock,
    )


# ── The building ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """A load that a thermostat or a timer switches: on for a while in each period."""

    phase: Phase
    current_a: float
    period_s: float
    on_s: float
    offset_s: float

    def at(self, seconds: float) -> float:
        return self.current_a if (seconds + self.offset_s) % self.period_s < self.on_s else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Building:
    """A base that follows the day, and loads that step on top of it."""

    base_a: PerPhase  # at its daily highest
    switched: tuple[Switched, ...]

    def current_a(self, seconds: float, local_s: float) -> PerPhase:
        """Load at `seconds` since any epoch, `local_s` seconds after local midnight. [A]"""
        day = daily_shape(local_s)
        load_a = [base * day for base in self.base_a]
        for load in self.switched:
            load_a[load.phase] += load.at(seconds)
        return (load_a[0], load_a[1], load_a[2])


def daily_shape(local_s: float) -> float:
    """Between 0.4 and 1: lowest at 3 in the morning, highest at 15 o'clock."""
    return 0.7 - 0.3 * math.cos(2 * math.pi * (local_s - 3 * 3600) / DAY_S)


def building(seed: int, peak_a: float) -> Building:
    """Draw a building whose load never exceeds `peak_a` on any phase.

    Half of the peak is base, the other half three switched loads a phase: a quick one like a
    heater, a middling one like a compressor, a slow one like a lift's rush hour.
    """
    chance = random.Random(seed)  # a trial is repeated by its seed, nothing is kept secret
    base = [chance.uniform(0.6, 1.0) * 0.5 * peak_a for _ in PHASES]
    switched = tuple(
        Switched(
            phase=phase,
            current_a=share * chance.uniform(0.6, 1.0) * peak_a,
            period_s=(period_s := typical_s * chance.uniform(0.8, 1.2)),
            on_s=period_s * chance.uniform(0.3, 0.6),
            offset_s=chance.uniform(0.0, period_s),
        )
        for phase in PHASES
        for share, typical_s in ((0.1, 60.0), (0.2, 300.0), (0.2, 1500.0))
    )
    return Building(base_a=(base[0], base[1], base[2]), switched=switched)


def seconds_of_day(now: datetime, zone: ZoneInfo) -> float:
    local = now.astimezone(zone)
    return local.hour * 3600.0 + local.minute * 60.0 + local.second
