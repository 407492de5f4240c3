"""From what would be best to what is ordered: turns, fair shares, ramps and rounding.

The linear program looks ahead and says who has to charge now to be ready and
who had better wait for a cheaper hour. Within that, the present moment is
shared by weighted max-min fairness, tier by tier, among those whose turn it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from loadmgr.core.assemble import Question
from loadmgr.core.claims import Claim
from loadmgr.core.envelope import ROWS
from loadmgr.core.turns import Admission, admit
from loadmgr.model import EvseId, Share, Site
from loadmgr.units import floor_to_wire
from solver.fair import max_min
from solver.problem import Floats, Ints

INCREASES_APART = timedelta(seconds=12)
WORTH_RAISING_A = 1.0  # a smaller gain is not worth a message, unless it is the last one


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settled:
    """What each claim gets, and what the ladder needs to say why."""

    current_a: Mapping[EvseId, float]  # to be ordered
    target_a: Mapping[EvseId, float]  # before ramps and rounding
    admission: Admission
    slack: Floats  # (K, R) what the rows have left under the targets [A or W]
    bottleneck: Mapping[EvseId, int]  # which of the flattened rows ended a fair share; −1: none
    waits_for_price: frozenset[EvseId]
    held_back: Mapping[EvseId, datetime]  # raises that wait, and until when


def settle(
    site: Site,
    claims: Sequence[Claim],
    question: Question,
    planned_a: Floats | None,
    now: datetime,
) -> Settled:
    """Decide this moment.

    `planned_a` is the first step of the linear program, above the fallbacks
    [A]; None when the solver failed, and the rule (fair shares, no look ahead)
    decides alone.
    """
    load = _loads(site, claims)
    room, calm_room = (np.maximum(r, 0.0).reshape(-1) for r in (question.room, question.calm_room))
    upper, floor, cheap = _bounds(site, claims, planned_a, now)
    least = np.array([max(0.0, c.evse.min_a - c.fallback_a) for c in claims])
    wanted = [i not in cheap and upper[i] >= least[i] for i in range(len(claims))]
    admission = admit(site, claims, least, wanted, load, room, calm_room, now)
    on = np.array(admission.on, dtype=bool)
    share, bottleneck = _share(
        claims, load, room, upper * on, np.maximum(least, floor) * on, least * on
    )
    slack = (room - load @ share).reshape(-1, ROWS) if len(claims) else question.room
    fallback = np.array([claim.fallback_a for claim in claims])
    # Who waits for a better price goes on with what is set aside for it anyway.
    waits = [i in cheap and c.fallback_a >= c.evse.min_a for i, c in enumerate(claims)]
    kept = fallback * (on | np.array(waits, dtype=bool))
    given = _relieved(claims, load, question.room.reshape(-1), share * on + kept)
    target = {claim.evse.id: float(given[i]) for i, claim in enumerate(claims)}
    current: dict[EvseId, float] = {}
    held: dict[EvseId, datetime] = {}
    for claim in claims:
        current[claim.evse.id], until = _ramp(claim, target[claim.evse.id], now)
        if until is not None:
            held[claim.evse.id] = until
    return Settled(
        current_a=current,
        target_a=target,
        admission=admission,
        slack=slack,
        bottleneck={c.evse.id: int(r) for c, r in zip(claims, bottleneck, strict=True)},
        waits_for_price=frozenset(claims[i].evse.id for i in cheap),
        held_back=held,
    )


def _loads(site: Site, claims: Sequence[Claim]) -> Floats:
    """(m, n) Load per ampere on all rows, circuits and rows flattened."""
    circuits = len(site.circuits)
    load = np.zeros((circuits, ROWS, len(claims)))
    place = {circuit.id: k for k, circuit in enumerate(site.circuits)}
    for i, claim in enumerate(claims):
        for circuit in site.path[claim.evse.circuit]:
            load[place[circuit], :, i] = claim.load
    return load.reshape(circuits * ROWS, -1)


def _bounds(
    site: Site, claims: Sequence[Claim], planned_a: Floats | None, now: datetime
) -> tuple[Floats, Floats, frozenset[int]]:
    """Upper and lower bounds of the fair share, and who waits for a cheaper hour."""
    upper = np.array([max(0.0, c.upper_a - c.fallback_a) for c in claims])
    floor = np.zeros(len(claims))
    if planned_a is None:
        return upper, floor, frozenset()
    urgent = np.array([c.urgent(now, site.voltage_v) for c in claims], dtype=bool)
    floor[urgent] = np.minimum(planned_a, upper)[urgent]
    if site.policy.share is not Share.CHEAPEST:
        return upper, floor, frozenset()
    least = np.array([max(0.0, c.evse.min_a - c.fallback_a) for c in claims])
    waits = (planned_a < 0.5 * np.maximum(least, 1e-6)) & (upper > 0)
    return np.where(waits, 0.0, upper), floor, frozenset(np.flatnonzero(waits).tolist())


def _share(
    claims: Sequence[Claim],
    load: Floats,
    room: Floats,
    upper: Floats,
    floor: Floats,
    least: Floats,
) -> tuple[Floats, Ints]:
    """Weighted max-min shares, tier by tier, and the row that ends each (−1: its own upper bound).

    The minima of later tiers are set aside first.

    A floor that the plan asked for and the rows no longer have is given up:
    the minimum of everybody who is on comes first.
    """
    share: Floats = np.zeros(len(claims))
    bottleneck: Ints = np.full(len(claims), -1)
    weight = np.array([claim.weight for claim in claims])
    if (load @ floor > room + 1e-6).any():
        floor = least
    tiers = np.array([claim.tier for claim in claims])
    left = room - load @ floor
    for tier in np.unique(tiers):
        inside = tiers == tier
        # Floors from the linear program are exact to its tolerance only: they fit by definition.
        lent = np.maximum(left, 0.0) + load[:, inside] @ floor[inside]
        part = max_min(load[:, inside], lent, upper[inside], weight[inside], floor[inside])
        share[inside], bottleneck[inside] = part.x, part.bottleneck
        left = lent - load[:, inside] @ part.x
    return share, bottleneck


def _relieved(claims: Sequence[Claim], load: Floats, room: Floats, target_a: Floats) -> Floats:
    """(n,) The targets, and less where a row has not even what is set aside for its cars.

    A fallback is reserved whatever is ordered, but a charger that obeys need not use it while
    a fuse is overloaded. The highest gives way first; below its minimum it is paused. Last of
    all comes who insists on what it has: that takes the end of its transaction.
    """
    excess = np.maximum(-room, 0.0)
    target_a = target_a.copy()
    for i in sorted(range(len(claims)), key=lambda i: (claims[i].insists, -target_a[i])):
        needed = max((excess[r] / load[r, i] for r in np.flatnonzero(load[:, i] > 0)), default=0.0)
        if needed <= 0 or target_a[i] <= 0:
            continue
        lower = target_a[i] - needed
        lower = 0.0 if lower < claims[i].evse.min_a or claims[i].insists else lower
        excess = np.maximum(excess - load[:, i] * (target_a[i] - lower), 0.0)
        target_a[i] = lower
    return target_a


def _ramp(claim: Claim, target_a: float, now: datetime) -> tuple[float, datetime | None]:
    """What to order: decreases at once, increases apart and only when they are worth it.

    Returns the current and, where an increase waits for its time, until when.
    """
    wire = floor_to_wire(target_a)
    before = min(claim.belief.commanded_a, claim.evse.max_a)
    if wire <= before:
        return wire, None
    if claim.insists:
        return before, None  # it is asked for less until it answers
    changed = max(filter(None, (claim.belief.raised_at, claim.belief.off_since)), default=None)
    if changed is not None and before > 0 and now - changed < INCREASES_APART:
        return before, changed + INCREASES_APART
    full = wire >= floor_to_wire(claim.upper_a)
    if before > 0 and wire - before < WORTH_RAISING_A and not full:
        return before, None
    return wire, None
