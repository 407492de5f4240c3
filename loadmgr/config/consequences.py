"""What a configuration means in numbers, before anything is switched on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from loadmgr.config.configuration import Configuration
from loadmgr.config.headcount import least_currents, most_cars
from loadmgr.config.worst import offline_a, worst_building_a
from loadmgr.model import Circuit, CircuitId, EvseId, MeterId, Site
from loadmgr.units import NOTHING, PHASES, PerPhase


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseWorst:
    """One phase of one circuit while nobody talks to anybody. [A]"""

    phase: str
    building_a: float  # at its declared worst
    chargers_a: float  # each at its fallback
    worst_a: float  # both
    usable_a: float  # fuse less margin
    fuse_a: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitConsequence:
    circuit: CircuitId
    label: str
    depth: int  # 0: the grid connection
    fuse_a: PerPhase
    evses: int  # fed through it
    least_a: tuple[float, float]  # lowest and highest minimum of these
    phases: tuple[PhaseWorst, ...]  # those that are there
    cars_at_worst: int  # at once, at their minimum, buildings at their worst
    cars_at_best: int  # the same while no building draws anything


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterConsequence:
    """What a lost meter costs."""

    meter: MeterId
    circuit: CircuitId
    lost_after_s: float
    assumed_a: PerPhase


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequences:
    site: str
    circuits: tuple[CircuitConsequence, ...]  # parent first
    meters: tuple[MeterConsequence, ...]
    charger_lost_after_s: float
    charger_fallback_a: float
    limit_lasts_s: float
    unknown_phases: tuple[EvseId, ...]  # they count on every phase
    limits: Mapping[str, str]  # who else may lower a circuit: name → type

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def consequences(configuration: Configuration) -> Consequences:
    site = configuration.site
    worst = worst_building_a(site)
    return Consequences(
        site=site.name,
        circuits=tuple(_circuit(site, circuit, worst) for circuit in site.circuits),
        meters=tuple(
            MeterConsequence(
                meter=meter.id,
                circuit=meter.circuit,
                lost_after_s=meter.lost_after_s,
                assumed_a=worst[meter.circuit],
            )
            for meter in site.meters
        ),
        charger_lost_after_s=site.offline.lost_after_s,
        charger_fallback_a=site.offline.fallback_a,
        limit_lasts_s=site.offline.limit_lasts_s,
        unknown_phases=tuple(evse.id for evse in site.evses if not evse.wiring.known),
        limits={name: block.type for name, block in configuration.limits.items()},
    )


def _circuit(
    site: Site, circuit: Circuit, worst: Mapping[CircuitId, PerPhase]
) -> CircuitConsequence:
    building, alone = worst[circuit.id], offline_a(site, circuit.id)
    return CircuitConsequence(
        circuit=circuit.id,
        label=circuit.label,
        depth=len(site.path[circuit.id]) - 1,
        fuse_a=circuit.rating_a,
        evses=len(site.below[circuit.id]),
        least_a=least_currents(site.below[circuit.id]),
        phases=tuple(
            PhaseWorst(
                phase=phase.name,
                building_a=building[phase],
                chargers_a=alone[phase],
                worst_a=building[phase] + alone[phase],
                usable_a=circuit.usable_a[phase],
                fuse_a=circuit.rating_a[phase],
            )
            for phase in PHASES
            if circuit.rating_a[phase] > 0
        ),
        cars_at_worst=most_cars(site, circuit.id, worst),
        cars_at_best=most_cars(site, circuit.id, dict.fromkeys(site.circuit, NOTHING)),
    )


# ── For people ────────────────────────────────────────────────────────────────────────────


def render_consequences(found: Consequences) -> str:
    """Plain text for a terminal, ending without a line break."""
    return "\n".join(
        [
            found.site,
            *(line for circuit in found.circuits for line in _circuit_lines(circuit)),
            *_lost_lines(found),
        ]
    )


def _circuit_lines(circuit: CircuitConsequence) -> Iterator[str]:
    indent = "  " * (circuit.depth + 1)
    label = "" if circuit.label == circuit.circuit else f" ({circuit.label})"
    yield f"{indent}{circuit.circuit}{label}: fuse {_amperes(circuit.fuse_a)}"
    worst = ", ".join(f"{p.phase} {p.worst_a:g}/{p.fuse_a:g} A" for p in circuit.phases)
    yield f"{indent}  Worst case {worst}."
    if not circuit.evses:
        yield f"{indent}  No charger."
        return
    low, high = circuit.least_a
    at = f"at {low:g} A" if low == high else f"at their minimum, {low:g} to {high:g} A"
    line = f"At most {circuit.cars_at_worst} of {_counted(circuit.evses)} at once {at}"
    if circuit.cars_at_best > circuit.cars_at_worst:
        line += f" with the building at its worst, {circuit.cars_at_best} without it"
    yield f"{indent}  {line}."


def _lost_lines(found: Consequences) -> Iterator[str]:
    cars = {circuit.circuit: circuit for circuit in found.circuits}
    for meter in found.meters:
        left = cars[meter.circuit].cars_at_worst
        yield (
            f"  If {meter.meter} is silent for {_time(meter.lost_after_s)}: the building on "
            f"{meter.circuit} is taken to draw {_amperes(meter.assumed_a)}, "
            f"{_counted(left)} at once."
        )
    alone = (
        f"may go on with {found.charger_fallback_a:g} A, which stays reserved"
        if found.charger_fallback_a
        else "stops charging"
    )
    yield (
        f"  If a charger is silent for {_time(found.charger_lost_after_s)}: its last limit ends "
        f"by itself within {_time(found.limit_lasts_s)}, then it {alone}."
    )
    if found.unknown_phases:
        yield f"  Phases unknown, counted on all three: {', '.join(found.unknown_phases)}."
    if found.limits:
        names = ", ".join(f"{name} ({kind})" for name, kind in found.limits.items())
        yield f"  May be lowered by: {names}."


def _counted(cars: int) -> str:
    return f"{cars} car{'' if cars == 1 else 's'}"


def _amperes(current_a: PerPhase) -> str:
    """`3 × 63 A`, `40 A on L1`, `L1 63 A, L2 63 A, L3 50 A`."""
    if len(set(current_a)) == 1:
        return f"3 × {current_a[0]:g} A"
    there = [phase for phase in PHASES if current_a[phase] > 0]
    if len(there) == 1:
        return f"{current_a[there[0]]:g} A on {there[0].name}"
    return ", ".join(f"{phase.name} {current_a[phase]:g} A" for phase in there)


def _time(duration_s: float) -> str:
    if duration_s >= 60 and duration_s % 60 == 0:
        return f"{duration_s / 60:g} min"
    return f"{duration_s:g} s"
