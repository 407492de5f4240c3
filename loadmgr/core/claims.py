"""Who takes part in the sharing, and what each could use: from belief to claims."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from loadmgr.core.conduct import insisted, used_up
from loadmgr.core.envelope import ROWS, load_on
from loadmgr.core.ledger import per_phase
from loadmgr.core.state import EvseState, State
from loadmgr.model import Code, ConnectorStatus, Evse, EvseId, Rung, Share, Site
from loadmgr.units import PerPhase

SETTLED = timedelta(seconds=60)  # a car that left part of its limit unused for so long means it
RESTING = timedelta(minutes=3)  # and one that took nothing for so long is full, or waits by itself
UNHEARD_FOR = timedelta(seconds=90)  # longer than the pace of the slowest that tell by themselves
STEP_A = 0.5  # in which the limit of such a car goes down with it, for a tenth is no message
UNSAID_WH = 40_000.0  # what a car is planned with that has not said what it needs
HARDLY_WH = 2_000.0  # and what it is planned with once it has had that
URGENT = 0.75  # of the time left has to be spent charging


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One car's claim on what there is."""

    evse: Evse
    belief: EvseState
    upper_a: float  # the most it could use now
    fallback_a: float  # reserved for it in any case
    insists: bool  # on what it has: it does not take less
    need_wh: float  # energy it is planned with
    stated: bool  # the need was said, by the driver or by the site
    departure: datetime | None
    tier: float  # lower tiers are served first
    weight: float  # within a tier
    load: tuple[float, ...]  # what one ampere puts on the rows of every circuit above [A or W]
    ceilings: tuple[Rung, ...]  # what keeps upper_a low

    def urgent(self, now: datetime, voltage_v: float) -> bool:
        """Most of the time that is left has to be spent charging."""
        if not self.stated or self.departure is None or self.departure <= now:
            return False
        hours = (self.departure - now).total_seconds() / 3600
        return self.need_wh > URGENT * hours * self.full_power_w(voltage_v)

    def full_power_w(self, voltage_v: float) -> float:
        return self.upper_a * voltage_v * phases_used(self.evse, self.belief)


def phases_used(evse: Evse, belief: EvseState) -> int:
    """How many phases carry energy: as measured, else as wired."""
    return len(belief.phases) if belief.phases is not None else len(evse.wiring.terminals)


def claims(site: Site, state: State, now: datetime) -> tuple[Claim, ...]:
    """The claims of all cars that can be steered now, in the order of the site."""
    return tuple(
        _claim(site, evse, state.evses[evse.id], now)
        for evse in site.evses
        if steerable(state.evses[evse.id])
    )


def steerable(belief: EvseState) -> bool:
    """Connected, a car is there, its fallback was asked for, and it does what it is told."""
    return (
        belief.connection is not None
        and belief.session is not None
        and (belief.fallback_a is not None or belief.fallback_checked == belief.connection)
        and belief.quarantine is None
    )


def reserved(
    claims: tuple[Claim, ...], ledger: Mapping[EvseId, PerPhase]
) -> dict[EvseId, PerPhase]:
    """Ledger entries of those who do not take part: what they may draw is not ours to give."""
    steered = {claim.evse.id for claim in claims}
    return {evse: entry for evse, entry in ledger.items() if evse not in steered}


def _claim(site: Site, evse: Evse, belief: EvseState, now: datetime) -> Claim:
    insisted_a = insisted(belief, now)
    ceilings = [*_ceilings(evse, belief, now)]
    if insisted_a > 0:
        ceilings.append(Rung(code=Code.INSISTS, amps_a=insisted_a))
    if _unheard(site, evse, belief, now):
        ceilings.append(Rung(code=Code.UNHEARD, amps_a=max(evse.min_a, belief.commanded_a)))
    resting = any(rung.code is Code.CAR_FINISHED for rung in ceilings)
    need_wh, stated, departure = _need(site, belief, now)
    # What cannot be proved is reserved in full, and may then as well be used.
    fallback_a = evse.max_a if belief.fallback_a is None else belief.fallback_a
    return Claim(
        evse=evse,
        belief=belief,
        upper_a=min(rung.amps_a for rung in ceilings),
        fallback_a=min(evse.max_a, max(fallback_a, insisted_a)),
        insists=insisted_a > 0,
        need_wh=need_wh,
        stated=stated,
        departure=departure,
        tier=float("inf") if resting else _tier(site, evse, belief),
        weight=evse.priority if site.policy.share is Share.FAIR else 1.0,
        load=_load_per_ampere(site, evse, belief),
        ceilings=tuple(ceilings),
    )


def _unheard(site: Site, evse: Evse, belief: EvseState, now: datetime) -> bool:
    """It has told what cars draw, and does not, or not yet: below a meter that lies it would be
    the last to show that. Some tell nothing while they are paused, so it may have its minimum.
    """
    if not belief.metered or all(site.circuit[c].meter is None for c in site.path[evse.circuit]):
        return False
    return not belief.readings or now - belief.readings[-1].at > UNHEARD_FOR


def _load_per_ampere(site: Site, evse: Evse, belief: EvseState) -> tuple[float, ...]:
    each = per_phase(site, evse, belief, 1.0)
    return tuple(load_on(site, each, number) for number in range(ROWS))


def _ceilings(evse: Evse, belief: EvseState, now: datetime) -> list[Rung]:
    """What limits this car apart from all circuits."""
    found = [Rung(code=Code.HARDWARE_MAX, amps_a=evse.max_a)]
    if belief.session is not None and belief.session.needs.max_a is not None:
        most = max(evse.min_a, belief.session.needs.max_a)
        found.append(Rung(code=Code.HARDWARE_MAX, amps_a=most, source="car"))
    drawn = _drawn(belief)
    if drawn is None or belief.draws_less_since is None:
        return found
    since = now - belief.draws_less_since
    if drawn < 1.0 and since >= RESTING and _suspended(belief):
        found.append(Rung(code=Code.CAR_FINISHED, amps_a=evse.min_a))
    elif drawn >= 1.0 and since >= SETTLED:
        most = max(evse.min_a, _step_above(used_up(drawn)))
        found.append(Rung(code=Code.CAR_DRAWS_LESS, amps_a=most))
    return found


def _step_above(current_a: float) -> float:
    return STEP_A * math.ceil(round(current_a / STEP_A, 6))


def _drawn(belief: EvseState) -> float | None:
    """The highest current of the last few readings. [A]"""
    seen = [max(r.terminal_a) for r in belief.readings if r.terminal_a is not None]
    return max(seen, default=None)


def _suspended(belief: EvseState) -> bool:
    return belief.status in {ConnectorStatus.SUSPENDED_EV, ConnectorStatus.FINISHING}


def _tier(site: Site, evse: Evse, belief: EvseState) -> float:
    match site.policy.share:
        case Share.PRIORITY:
            return -evse.priority
        case Share.FIRST_COME if belief.session is not None:
            return belief.session.started_at.timestamp()
        case _:
            return 0.0


# ── Needs ─────────────────────────────────────────────────────────────────────────────────


def _need(site: Site, belief: EvseState, now: datetime) -> tuple[float, bool, datetime | None]:
    """Energy still to come, whether somebody said so, and when the car leaves."""
    session = belief.session
    assert session is not None  # claims are made for sessions only
    had = delivered_wh(belief)
    default = site.policy.ready_by
    asked, departure = session.needs.energy_wh, session.needs.departure
    if departure is None and default is not None:
        departure = _next(site, session.started_at, default.at)
    if asked is None and default is not None:
        asked = default.energy_wh
    if asked is None:
        return max(HARDLY_WH, UNSAID_WH - had), False, departure
    return max(0.0, asked - had), True, departure


def delivered_wh(belief: EvseState) -> float:
    """What this session has had, by the station's register. [Wh]"""
    if belief.energy_wh is None or belief.session_start_wh is None:
        return 0.0
    return max(0.0, belief.energy_wh - belief.session_start_wh)


def _next(site: Site, after: datetime, at: time) -> datetime:
    """The first time the site's clocks show `at` after an instant."""
    zone = ZoneInfo(site.timezone)
    local = after.astimezone(zone)
    for day in range(3):
        candidate = datetime.combine((local + timedelta(days=day)).date(), at, tzinfo=zone)
        if candidate > local:
            break
    return candidate.astimezone(after.tzinfo)
