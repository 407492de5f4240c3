"""Why a charger gets what it gets: for each one a ladder of ceilings, lowest first.

A rung says how much the charger could have if nothing but that rung were in
the way. The lowest is the reason, the next one is "then". Rungs come from the
stages of the tick themselves and from rows without slack; they are not guessed
from dual prices, which fall on an arbitrary one of two fuses that are both full.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from loadmgr.core.claims import Claim
from loadmgr.core.envelope import POWER, ROWS, Row
from loadmgr.core.settle import Settled
from loadmgr.core.state import EvseState, State
from loadmgr.model import Allocation, CircuitId, Code, Evse, EvseId, Rung, Site
from loadmgr.units import Phase, floor_to_wire


def allocations(
    site: Site,
    state: State,
    now: datetime,
    rows: Mapping[CircuitId, tuple[Row, ...]],
    claims: Sequence[Claim],
    settled: Settled,
    lost_meters: Sequence[CircuitId],
) -> Mapping[EvseId, Allocation]:
    """What each EVSE is to have, with its reasons."""
    found: dict[EvseId, Allocation] = {}
    for claim in claims:
        evse = claim.evse
        end = _end(site, settled.bottleneck[evse.id])
        ladder = sorted(
            _ladder(site, now, rows, claim, claims, settled, lost_meters),
            key=lambda rung: (
                rung.amps_a,
                (rung.circuit, rung.phase) != end,
                _LOUDER.index(rung.code),
            ),
        )
        found[evse.id] = Allocation(
            evse=evse.id, current_a=settled.current_a[evse.id], ladder=tuple(ladder)
        )
    for evse in site.evses:
        if evse.id not in found:
            belief = state.evses[evse.id]
            found[evse.id] = Allocation(
                evse=evse.id,
                current_a=0.0,
                ladder=(idle(evse, belief), _hardware(evse)),
                steered=belief.quarantine is not None or _at_large(belief),  # told to stop
            )
    return found


def _end(site: Site, row: int) -> tuple[CircuitId, Phase | None] | None:
    """The row that ended a fair share: of several that are full, the one where more would help."""
    if row < 0:
        return None
    number = row % ROWS
    return site.circuits[row // ROWS].id, Phase(number) if number < POWER else None


# Of two rungs at the same height these tell the most, then whichever stands first in `Code`.
_LOUDER = list(dict.fromkeys((Code.WAITING_TURN, Code.INSISTS, *Code)))


def _at_large(belief: EvseState) -> bool:
    """A car is there, and nothing is known to hold its charger: it is told 0 A before all else."""
    return belief.session is not None and belief.fallback_a is None


def idle(evse: Evse, belief: EvseState) -> Rung:
    """The reason of an EVSE that takes no part in the sharing."""
    held = evse.max_a if belief.fallback_a is None else belief.fallback_a
    if belief.quarantine is not None:
        source = belief.quarantine.reason
        return Rung(code=Code.QUARANTINE, amps_a=0.0, cars_a=evse.max_a, source=source)
    if belief.connection is None:
        return Rung(code=Code.OFFLINE, amps_a=0.0, cars_a=held)
    if belief.fallback_a is None:
        return Rung(code=Code.NOT_CONFIRMED, amps_a=0.0, cars_a=held)
    return Rung(code=Code.NO_CAR, amps_a=0.0, cars_a=held)


def _hardware(evse: Evse) -> Rung:
    return Rung(code=Code.HARDWARE_MAX, amps_a=evse.max_a)


def _ladder(
    site: Site,
    now: datetime,
    rows: Mapping[CircuitId, tuple[Row, ...]],
    claim: Claim,
    claims: Sequence[Claim],
    settled: Settled,
    lost_meters: Sequence[CircuitId],
) -> list[Rung]:
    evse = claim.evse.id
    ladder = list(claim.ceilings)
    if evse in settled.waits_for_price:
        ladder.append(Rung(code=Code.TARIFF_WAIT, amps_a=0.0))
    if evse in settled.held_back:
        ladder.append(
            Rung(code=Code.RAMP, amps_a=settled.current_a[evse], until=settled.held_back[evse])
        )
    waiting = settled.admission.position.get(evse)
    turn = None
    if waiting is not None:
        turn = _turn(site, rows, claim, claims, settled, waiting, lost_meters)
        ladder.append(turn)
    for k, circuit in enumerate(c.id for c in site.circuits):
        said = turn is not None and turn.circuit == circuit
        if said or circuit not in site.path[claim.evse.circuit]:
            continue
        tightest = _tightest(rows[circuit], k, claim, settled)
        if tightest is not None:
            row, amps = tightest
            ladder.append(_full(row, amps, site, claim, claims, settled, circuit in lost_meters))
    return ladder


def _tightest(
    rows: Sequence[Row], k: int, claim: Claim, settled: Settled
) -> tuple[Row, float] | None:
    """The row of circuit `k` that leaves this claim the least, and how much it leaves.

    Of several, the one that ended its fair share. Room for less than the minimum is no room.
    """
    slack, end = settled.slack[k], settled.bottleneck[claim.evse.id] - k * ROWS
    found: tuple[Row, float] | None = None
    target = settled.target_a[claim.evse.id]
    for row in rows:
        load = claim.load[row.number]
        if load == 0 or row.usable == float("inf"):
            continue
        amps = floor_to_wire(target + max(0.0, float(slack[row.number])) / load)
        if amps < claim.evse.min_a:
            amps = 0.0
        if found is None or amps < found[1] or (amps == found[1] and row.number == end):
            found = (row, amps)
    return found


def _full(
    row: Row,
    amps: float,
    site: Site,
    claim: Claim,
    claims: Sequence[Claim],
    settled: Settled,
    meter_lost: bool,
) -> Rung:
    """The rung of one row: whose ceiling it is, and who shares it."""
    sharing = _sharing(row, site, claims, settled)
    return Rung(
        code=_code(row, meter_lost),
        amps_a=amps,
        circuit=row.circuit,
        phase=row.phase,
        capacity_a=row.usable,
        building_a=row.building,
        cars_a=sum(settled.target_a[c.evse.id] * c.load[row.number] for c in sharing),
        sharing=tuple(c.evse.id for c in sharing),
        source=row.limit.source if row.limit is not None else "",
        until=row.limit.valid_until if row.limit is not None else None,
    )


def _code(row: Row, meter_lost: bool) -> Code:
    if row.limit is not None:
        return Code.EXTERNAL_LIMIT
    if meter_lost:
        return Code.METER_LOST
    return Code.POWER_CAP if row.number == POWER else Code.CIRCUIT_FULL


def _sharing(row: Row, site: Site, claims: Sequence[Claim], settled: Settled) -> list[Claim]:
    return [
        claim
        for claim in claims
        if row.circuit in site.path[claim.evse.circuit]
        and settled.target_a[claim.evse.id] > 0
        and claim.load[row.number] > 0
    ]


def _turn(
    site: Site,
    rows: Mapping[CircuitId, tuple[Row, ...]],
    claim: Claim,
    claims: Sequence[Claim],
    settled: Settled,
    position: int,
    lost_meters: Sequence[CircuitId],
) -> Rung:
    """It waits: where it stands in the queue, and which row has no 6 A for it. A row that has them
    for nobody is what it waits for, and no queue.
    """
    flat = settled.admission.full_row[claim.evse.id]
    row = rows[site.circuits[flat // ROWS].id][flat % ROWS]
    if row.usable - row.building < claim.evse.min_a * claim.load[row.number] - 1e-6:
        return _full(row, 0.0, site, claim, claims, settled, row.circuit in lost_meters)
    sharing = _sharing(row, site, claims, settled)
    return Rung(
        code=Code.WAITING_TURN,
        amps_a=0.0,
        circuit=row.circuit,
        phase=row.phase,
        capacity_a=row.usable,
        building_a=row.building,
        cars_a=sum(settled.target_a[c.evse.id] * c.load[row.number] for c in sharing),
        sharing=tuple(c.evse.id for c in sharing),
        source=row.limit.source if row.limit is not None else "",
        until=settled.admission.next_swap,
        position=position,
    )
