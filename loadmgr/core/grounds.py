"""What a decision rests on, and whether it still does: a tick in which little changed costs little.

Rows, ledger and claims say all that the later stages of a tick look at, the time apart. While
they stay as they were, or would only allow a gain that is not worth a message, and while
nobody was told anything but what the plan says, the same decision would be made again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from loadmgr.core import building, envelope, explain
from loadmgr.core.claims import Claim, claims, reserved
from loadmgr.core.conduct import STUBBORN
from loadmgr.core.envelope import POWER, Row, load_on
from loadmgr.core.ledger import per_circuit, per_phase, worst_case
from loadmgr.core.settle import WORTH_RAISING_A
from loadmgr.core.state import State
from loadmgr.model import CircuitId, Code, EvseId, Plan, Rung, Site
from loadmgr.units import PerPhase, higher

LONGEST = timedelta(seconds=30)
"""After so long everything is thought over, whatever stayed as it was: needs and hours move on."""

KEPT_OUT = timedelta(seconds=60)
"""Who is to start for so long and does not is kept out by the gate: others have made room, and it
counts with more than the plan does, with all that a car draws on a phase that nobody knows.
"""

ENDS_BY_TIME = frozenset({Code.RAMP, Code.WAITING_TURN})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grounds:
    at: datetime
    rows: Mapping[CircuitId, tuple[Row, ...]]
    ledger: Mapping[EvseId, PerPhase]
    claims: tuple[Claim, ...]
    apart: tuple[Rung, ...]  # why others take no part
    lost: tuple[CircuitId, ...]  # circuits whose meters are not believed


def grounds(site: Site, state: State, now: datetime) -> Grounds:
    """What is to be shared, what is taken, and who takes part."""
    sharing = claims(site, state, now)
    inside = {claim.evse.id for claim in sharing}
    return Grounds(
        at=now,
        rows=envelope.rows(site, state, now),
        ledger=worst_case(site, state, now),
        claims=sharing,
        apart=tuple(
            explain.idle(evse, state.evses[evse.id]) for evse in site.evses if evse.id not in inside
        ),
        lost=tuple(site.meter[meter].circuit for meter in building.lost(site, state, now)),
    )


def still_good(site: Site, plan: Plan, then: Grounds, now: Grounds) -> bool:
    """Whether a plan that was made on the grounds of `then` would be made again `now`."""
    return (
        now.at - then.at <= LONGEST
        and now.lost == then.lost
        and now.apart == then.apart
        and reserved(now.claims, now.ledger) == reserved(then.claims, then.ledger)
        and _asking(site, now) == _asking(site, then)
        and _on_course(plan, then, now)
        and _as_full(site, plan, then, now)
    )


def to_start(
    plan: Plan, seen: Grounds, since: Mapping[EvseId, datetime]
) -> Mapping[EvseId, datetime]:
    """Who is to start by a plan and has not, though it takes what it is told, and since when."""
    return {
        claim.evse.id: since.get(claim.evse.id, seen.at)
        for claim in seen.claims
        if plan.allocations[claim.evse.id].current_a > 0
        and claim.belief.on_since is None
        and claim.belief.failures == 0
    }


def _asking(site: Site, at: Grounds) -> list[Any]:
    """Who asks for what, and who stands out among them."""
    return [
        (
            claim.evse.id,
            round(claim.upper_a, 1),
            claim.fallback_a,
            claim.stated,
            claim.departure,
            claim.tier,
            claim.weight,
            claim.load,
            claim.urgent(at.at, site.voltage_v),
            claim.belief.failures >= STUBBORN,
        )
        for claim in at.claims
    ]


def _on_course(plan: Plan, then: Grounds, now: Grounds) -> bool:
    """Everybody was told what the plan says, or nothing since, and no time has come that one
    waited for.
    """
    before = {claim.evse.id: claim.belief.commanded_a for claim in then.claims}
    for claim in now.claims:
        allocation = plan.allocations[claim.evse.id]
        if claim.belief.commanded_a not in (allocation.current_a, before[claim.evse.id]):
            return False
        if any(_came(rung, then.at, now.at) for rung in allocation.ladder):
            return False
    return True


def _came(rung: Rung, then: datetime, now: datetime) -> bool:
    """What a raise or a turn waited for has come since."""
    return rung.code in ENDS_BY_TIME and rung.until is not None and then < rung.until <= now


def _as_full(site: Site, plan: Plan, then: Grounds, now: Grounds) -> bool:
    """No row has less than the plan asks and the ledger holds, and none so much more that it
    mattered.
    """
    used = per_circuit(site, _spoken_for(site, plan, now))
    for circuit, rows in now.rows.items():
        for row, before in zip(rows, then.rows[circuit], strict=True):
            if row.limit != before.limit or row.usable != before.usable:
                return False
            taken = load_on(site, used[circuit], row.number)
            if row.left < min(before.left, taken):
                return False
            if row.left > before.left + _worth_having(site, row):
                return False
    return True


def _spoken_for(site: Site, plan: Plan, now: Grounds) -> Mapping[EvseId, PerPhase]:
    """What each may draw by now or is still to be told, whichever is more. [A]"""
    asked = {
        claim.evse.id: per_phase(
            site, claim.evse, claim.belief, plan.allocations[claim.evse.id].current_a
        )
        for claim in now.claims
    }
    return {
        evse: higher(entry, asked[evse]) if evse in asked else entry
        for evse, entry in now.ledger.items()
    }


def _worth_having(site: Site, row: Row) -> float:
    return WORTH_RAISING_A * (site.voltage_v if row.number == POWER else 1.0)
