"""What can go wrong, how often, and when: a seeded list of faults.

Each fault is a value, and what chance it needs it carries along. So any part of a list can be
played again by itself, and a list that breaks something can be made shorter.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from loadmgr.model import Site

HOUR_S = 3600.0


class Kind(StrEnum):
    """One kind of fault. What it does stands where it is played, in `chaos_gateway` and `chaos`."""

    # One order of ours to a station, the next one.
    LOST_ORDER = "lost-order"
    LOST_ANSWER = "lost-answer"
    LATE_ANSWER = "late-answer"
    DUPLICATE_ANSWER = "duplicate-answer"
    REORDERED_ANSWER = "reordered-answer"
    REJECT = "reject"
    NOT_STORED = "not-stored"  # "Accepted", and forgotten at once
    # A station and its link.
    DROP = "drop"
    HALF_OPEN = "half-open"
    STORM = "reconnect-storm"
    REBOOT = "reboot"
    REBOOT_FORGETS = "reboot-forgets"
    CHARGER_CLOCK = "charger-clock"
    # A station that does not do what it says.
    IGNORES = "ignores-limits"  # keeps the limit it has
    ZERO_IGNORED = "zero-ignored"
    ZERO_IS_MINIMUM = "zero-is-minimum"
    MINIMUM_REFUSED = "minimum-refused"  # rejects what is below 6 A
    RUNS_AWAY = "runs-away"  # gives what the hardware can
    # A car.
    CAR_PHASES = "car-changes-phases"
    UNPLUG = "unplug"
    # What a charger says of its car.
    CHARGER_METER_SCALED = "charger-meter-scaled"
    CHARGER_METER_FROZEN = "charger-meter-frozen"
    CHARGER_METER_NAN = "charger-meter-nan"
    CHARGER_METER_SILENT = "charger-meter-silent"
    # A circuit's meter.
    METER_SILENT = "meter-silent"
    METER_FROZEN = "meter-frozen"
    METER_STUCK = "meter-stuck"
    METER_NAN = "meter-nan"
    METER_NEGATIVE = "meter-negative"
    METER_SCALED = "meter-scaled"
    METER_SWAPPED = "meter-swapped"
    # From above.
    LIMIT = "utility-limit"
    UTILITY_SILENT = "utility-silent"
    # Ourselves.
    KILL = "kill"
    OUR_CLOCK = "our-clock"  # the wall clock is set; it shows after the next start
    DISK_FULL = "disk-full"
    SLOW_DISK = "slow-disk"
    SOLVER_GARBAGE = "solver-garbage"
    SOLVER_HANGS = "solver-hangs"
    SOLVER_RAISES = "solver-raises"


ORDERS = frozenset(list(Kind)[:7])
DISOBEDIENCE = frozenset(
    {Kind.IGNORES, Kind.ZERO_IGNORED, Kind.ZERO_IS_MINIMUM, Kind.MINIMUM_REFUSED, Kind.RUNS_AWAY}
)
LINKS = frozenset({Kind.DROP, Kind.HALF_OPEN, Kind.STORM})
CHARGER_METERS = frozenset(kind for kind in Kind if kind.startswith("charger-meter"))
LYING = frozenset({Kind.METER_NEGATIVE, Kind.METER_SCALED, Kind.METER_SWAPPED})
METERS = frozenset(kind for kind in Kind if kind.startswith("meter-"))

_WEIGHTS: Mapping[Kind, float] = MappingProxyType(
    {
        **dict.fromkeys(Kind, 1.0),
        **dict.fromkeys(ORDERS, 4.0),
        Kind.DROP: 3.0,
        Kind.HALF_OPEN: 2.0,
        Kind.STORM: 0.3,
        Kind.REBOOT_FORGETS: 0.3,
        Kind.RUNS_AWAY: 0.2,
        Kind.UNPLUG: 0.3,
        Kind.KILL: 0.7,
        Kind.OUR_CLOCK: 0.3,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """How often what goes wrong."""

    every_s: float = 300.0  # on average, over the whole site, outside of quiet times
    weights: Mapping[Kind, float] = field(default_factory=lambda: _WEIGHTS)
    quiet_share: float = 0.15  # of the hours in which nothing goes wrong
    warm_up_s: float = 240.0  # every charger is proved before the first car and the first fault

    def __post_init__(self) -> None:
        if not self.every_s > 0:
            raise ValueError("faults: the time between them must be more than 0 s")
        if not any(weight > 0 for weight in self.weights.values()):
            raise ValueError("faults: no kind is left")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    number: int
    at_s: float  # since the start
    kind: Kind
    station: str
    evse: str
    meter: str
    lasts_s: float
    chance: float  # 0 to 1: which of its forms it takes


def draw(site: Site, mix: Mix, *, seed: int, seconds: float) -> tuple[Fault, ...]:
    """All faults of one run, in the order of time. A longer run begins with the same ones."""
    rng = random.Random(f"faults:{seed}")
    kinds = [kind for kind in Kind if mix.weights.get(kind, 0.0) > 0 and _possible(kind, site)]
    weights = [mix.weights[kind] for kind in kinds]
    faults: list[Fault] = []
    at_s = mix.warm_up_s + rng.expovariate(1 / mix.every_s)
    while at_s < seconds:
        evse = rng.choice(site.evses)
        fault = Fault(
            number=len(faults),
            at_s=at_s,
            kind=rng.choices(kinds, weights)[0],
            station=evse.station,
            evse=evse.id,
            meter=rng.choice(site.meters).id if site.meters else "",
            lasts_s=rng.choice((10.0, 30.0, 60.0, 120.0, 300.0, 900.0)) * rng.uniform(0.5, 1.5),
            chance=rng.random(),
        )
        if not _quiet(at_s, mix, seed):
            faults.append(fault)
        at_s += rng.expovariate(1 / mix.every_s)
    return tuple(faults)


def only(faults: Sequence[Fault], kinds: frozenset[Kind]) -> tuple[Fault, ...]:
    return tuple(fault for fault in faults if fault.kind in kinds)


def _possible(kind: Kind, site: Site) -> bool:
    if kind is Kind.UTILITY_SILENT:
        return bool(site.failsafes)
    return kind not in METERS or bool(site.meters)


def _quiet(at_s: float, mix: Mix, seed: int) -> bool:
    hour = int(at_s // HOUR_S)
    return random.Random(f"quiet:{seed}:{hour}").random() < mix.quiet_share
