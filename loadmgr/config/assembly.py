"""From the blocks of the file to the domain's own types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from loadmgr.config.drafts import Draft
from loadmgr.config.schema import (
    ChargerBlock,
    CircuitBlock,
    OutletBlock,
    RatingPerPhase,
    SiteFile,
    per_phase,
)
from loadmgr.model import (
    Circuit,
    CircuitId,
    Evse,
    EvseId,
    Failsafe,
    Meter,
    MeterId,
    Offline,
    Policy,
    ReadyBy,
    Site,
    StationId,
    Tariff,
    Wiring,
)
from loadmgr.units import NOTHING, PHASES, Phase

Blocks = Mapping[str, CircuitBlock]


def assemble(draft: Draft) -> Site | None:
    """The site as far as the draft makes sense; None without a grid connection.

    Circuits that hang from nothing, and chargers on them, are left out: `references`
    has named them.
    """
    file = draft.file
    blocks = dict(_parent_first(file.circuits))
    if not blocks:
        return None
    phases = _phases(blocks)
    circuits = tuple(_circuits(blocks, phases, file))
    return Site(
        name=file.site.name,
        timezone=file.site.timezone,
        voltage_v=file.site.voltage,
        interval_s=file.site.interval,
        circuits=circuits,
        meters=tuple(_meters(circuits, phases, file)),
        evses=tuple(e for n, b in file.chargers.items() for e in _evses(n, b, phases)),
        policy=_policy(file),
        offline=Offline(
            fallback_a=file.offline.charger_fallback,
            lost_after_s=file.offline.charger_lost_after,
            limit_lasts_s=file.offline.limit_lasts,
        ),
        tariff=_tariff(file),
        failsafes=tuple(_failsafes(file)),
    )


def _failsafes(file: SiteFile) -> Iterator[Failsafe]:
    for name, block in file.limits.items():
        if block.failsafe is not None and block.applies_to is not None:
            yield Failsafe(
                name=name,
                circuit=CircuitId(block.applies_to),
                current_a=(block.failsafe.current_a,) * 3,
                power_w=block.failsafe.power_w,
                heartbeat_s=block.heartbeat,
            )


# ── Circuits and meters ───────────────────────────────────────────────────────────────────


def _parent_first(blocks: Blocks) -> Iterator[tuple[str, CircuitBlock]]:
    """The first grid connection and all that hangs from it, in the order of the file."""
    fed: dict[str | None, list[str]] = {}
    for name, block in blocks.items():
        fed.setdefault(block.feeds_from, []).append(name)
    waiting = fed.get(None, [])[:1]
    while waiting:
        name = waiting.pop()
        yield name, blocks[name]
        waiting += reversed(fed.get(name, []))


def _phases(blocks: Blocks) -> Mapping[str, frozenset[Phase]]:
    """Which phases each circuit has: as written, else those above it, else all."""
    found: dict[str, frozenset[Phase]] = {}
    for name, block in blocks.items():
        if isinstance(block.fuse, RatingPerPhase):
            found[name] = frozenset(Phase[p] for p in block.fuse.model_dump(exclude_none=True))
        elif block.phases is not None:
            found[name] = frozenset(block.phases)
        else:
            found[name] = found[block.feeds_from] if block.feeds_from else frozenset(PHASES)
    return found


def _circuits(
    blocks: Blocks, phases: Mapping[str, frozenset[Phase]], file: SiteFile
) -> Iterator[Circuit]:
    free = set(file.meters)  # a meter measures one circuit; a second one is a mistake
    for name, block in blocks.items():
        building = block.building
        yield Circuit(
            id=CircuitId(name),
            label=block.label or name,
            feeds_from=CircuitId(block.feeds_from) if block.feeds_from else None,
            rating_a=per_phase(block.fuse, phases[name]),
            margin_a=block.margin,
            max_power_w=block.max_power,
            meter=MeterId(block.meter) if block.meter in free else None,
            building_a=NOTHING if building is None else per_phase(building, phases[name]),
        )
        free.discard(block.meter or "")


def _meters(
    circuits: tuple[Circuit, ...], phases: Mapping[str, frozenset[Phase]], file: SiteFile
) -> Iterator[Meter]:
    for circuit in circuits:
        if circuit.meter is None:
            continue
        block = file.meters[circuit.meter]
        lost = block.when_lost
        yield Meter(
            id=circuit.meter,
            circuit=circuit.id,
            lost_after_s=lost.after,
            feeds_in=block.feeds_in,
            worst_building_a=(
                # Nobody declared it, so it may be all the circuit carries.
                circuit.usable_a
                if lost.assume is None
                else per_phase(lost.assume, phases[circuit.id])
            ),
        )


# ── Chargers ──────────────────────────────────────────────────────────────────────────────


def _evses(
    name: str, charger: ChargerBlock, phases: Mapping[str, frozenset[Phase]]
) -> Iterator[Evse]:
    outlets: tuple[tuple[int | None, OutletBlock], ...] = tuple(charger.outlets.items())
    for number, outlet in outlets or ((None, OutletBlock.model_validate({})),):
        circuit = outlet.circuit or charger.circuit
        most = outlet.max or charger.max
        if circuit not in phases or most is None:
            continue
        label = charger.label or name
        yield Evse(
            id=EvseId(name if number is None else f"{name}:{number}"),
            station=StationId(name),
            number=1 if number is None else number,
            circuit=CircuitId(circuit),
            wiring=_wiring(outlet.phases or charger.phases, phases[circuit]),
            max_a=most,
            min_a=outlet.min or charger.min,
            priority=outlet.priority or charger.priority,
            label=outlet.label or (label if number is None else f"{label} {number}"),
        )


def _wiring(written: tuple[Phase, ...] | None, there: frozenset[Phase]) -> Wiring:
    if written is not None:
        return Wiring(written)
    # Where there is one phase only, nobody has to say which one it is.
    return Wiring(tuple(there)) if len(there) == 1 else Wiring(PHASES, known=False)


# ── The rest ──────────────────────────────────────────────────────────────────────────────


def _policy(file: SiteFile) -> Policy:
    asked = file.policy.ready_by
    return Policy(
        share=file.policy.share,
        rotate_every_s=file.policy.rotate_every,
        ready_by=ReadyBy(at=asked.default, energy_wh=asked.energy) if asked else None,
        trust_measured_phases=file.policy.trust_measured_phases,
    )


def _tariff(file: SiteFile) -> Tariff | None:
    if file.tariff is None:
        return None
    prices = sorted((entry.starts, entry.price) for entry in file.tariff.prices)
    return Tariff(currency=file.tariff.currency, prices=tuple(prices))
