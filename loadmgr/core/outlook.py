"""The plan beyond now: currents per step, and cars that will not have what they need."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from loadmgr.core.assemble import STEPS_S, Question
from loadmgr.core.claims import Claim, phases_used
from loadmgr.core.settle import Settled
from loadmgr.model import Forecast, Shortfall, Site
from solver import Solution

NOTICEABLE_WH = 500.0  # a smaller shortfall is no news to a driver


def forecast(
    site: Site,
    question: Question,
    claims: Sequence[Claim],
    solution: Solution | None,
    settled: Settled,
) -> Forecast | None:
    """What each car is expected to draw; the first step is what is ordered. None: no answer."""
    if solution is None:
        return None
    above = np.round(solution.x + np.array([[claim.fallback_a] for claim in claims]), 2).tolist()
    return Forecast(
        starts=question.index.starts,
        step_s=STEPS_S,
        current_a={
            claim.evse.id: (settled.current_a[claim.evse.id], *later[1:])
            for claim, later in zip(claims, above, strict=True)
        },
    )


def shortfalls(
    site: Site,
    question: Question,
    claims: Sequence[Claim],
    solution: Solution | None,
    now: datetime,
) -> tuple[Shortfall, ...]:
    """Cars with a stated need that leave within the horizon without having had it."""
    if solution is None:
        return ()
    end = now + timedelta(seconds=sum(STEPS_S))
    missing: list[Shortfall] = []
    for i, claim in enumerate(claims):
        if not claim.stated or claim.departure is None or claim.departure > end:
            continue
        short_ah = float(question.problem.energy[i] - solution.x[i] @ question.problem.step_h)
        short_wh = short_ah * site.voltage_v * phases_used(claim.evse, claim.belief)
        if short_wh > NOTICEABLE_WH:
            missing.append(
                Shortfall(evse=claim.evse.id, missing_wh=round(short_wh), departure=claim.departure)
            )
    return tuple(missing)
