"""0 or the minimum: who may charge now when not all can, and whose turn is next.

A car charges with 6 A or not at all (IEC 61851-1), so that twelve cars on a
fuse for eight have to take turns. Who is on stays on for a slice of time, and
gives way to whoever has waited for a slice. A car that has waited longer than a
slice and still finds no room on all its phases gets room held for it: no other car
starts in it, so that nobody waits for ever behind smaller cars. Who is on goes on in
it until the one that waits can start. Where it would not fit even without its equals,
it waits for the building or its betters, and nothing is held.

Starting and stopping wears contactors and nerves. A car that was paused within
the last hour starts again only where its minimum has had room for a quarter of
an hour, so that a boiler that switches every few minutes does not take cars
with it. Its turn, when it has waited for a slice, comes all the same, but for a car that was
paused twice in that hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from loadmgr.core.claims import Claim
from loadmgr.model import EvseId, Site
from solver.problem import Floats

ROUNDING = 1e-6
CALM_FOR = timedelta(hours=1)
ENOUGH = 2  # pauses in an hour: another one would have to be forced by a fuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Who is on, and for those who wait: their place in the queue and the row that is full."""

    on: tuple[bool, ...]  # per claim
    position: dict[EvseId, int]  # 1: next
    full_row: dict[EvseId, int]  # index into the flattened rows
    next_swap: datetime | None


def admit(
    site: Site,
    claims: Sequence[Claim],
    least: Floats,
    wanted: Sequence[bool],
    load: Floats,
    room: Floats,
    calm_room: Floats,
    now: datetime,
) -> Admission:
    """Fill the rows with minimum currents, in the order of turns.

    Parameters
    ----------
    least : (n,) the minimum each needs above its fallback; 0: it is always on. [A]
    wanted : per claim, whether it should charge now at all
    load : (m, n) load on each row per ampere
    room : (m,) what the rows have for the claims [A or W]
    calm_room : (m,) the least they had in the last quarter of an hour [A or W]
    """
    slice_ = timedelta(seconds=site.policy.rotate_every_s)
    left, calm_left = room.copy(), calm_room.copy()
    held = np.zeros_like(room)  # for those who have waited, from those who would start
    on = [False] * len(claims)
    queue: list[tuple[int, int]] = []
    order = {i: _order(site, claim, now, slice_) for i, claim in enumerate(claims)}
    for _, peers in groupby(sorted(order, key=order.__getitem__), lambda i: order[i][:2]):
        most = left.copy()  # what the best of these has, if no other one were on
        for i in peers:
            if not wanted[i]:
                continue
            need = load[:, i] * least[i]
            restless = _restless(claims[i], now, slice_)
            has = calm_left if restless else left
            if claims[i].belief.on_since is None:
                has = has - held
            short = _short(need, has)
            if not short.any():
                on[i] = True
                left -= need
                calm_left -= need
                continue
            queue.append((i, int(np.flatnonzero(short)[0])))
            waits_for_cars = not _short(need, most).any()
            if _waited(claims[i], now) > slice_ and waits_for_cars and not restless:
                held += need
    return Admission(
        on=tuple(on),
        position={claims[i].evse.id: place for place, (i, _) in enumerate(queue, 1)},
        full_row={claims[i].evse.id: row for i, row in queue},
        next_swap=_next_swap([claims[i] for i, _ in queue], now, slice_),
    )


def _short(need: Floats, has: Floats) -> NDArray[np.bool_]:
    return (need > has + ROUNDING) & (need > 0)


def _order(
    site: Site, claim: Claim, now: datetime, slice_: timedelta
) -> tuple[float, bool, int, float, str]:
    """Sort key: tier, urgent ones first, then turns.

    Whoever is within its slice stays on; then come those who have waited for a
    slice, then those on who had theirs, then those who have not waited so long:
    so two cars swap once a slice, and not each time one of them is paused. Whoever was
    paused twice within the hour keeps its place for longer.
    """
    urgent = claim.urgent(now, site.voltage_v)
    since = claim.belief.on_since
    waited = _waited(claim, now)
    if since is not None:
        stays = now - since < slice_ or _stopped_enough(claim, now, slice_)
        turn = (0, since.timestamp()) if stays else (2, -since.timestamp())
    else:
        turn = (1 if waited >= slice_ else 3, -waited.total_seconds())
    return (claim.tier, not urgent, *turn, claim.evse.id)


def _waited(claim: Claim, now: datetime) -> timedelta:
    since = claim.belief.off_since
    return timedelta(0) if since is None or claim.belief.on_since is not None else now - since


def _restless(claim: Claim, now: datetime, slice_: timedelta) -> bool:
    """It is off, was on within the last hour, and its turn has not come yet; or it was paused
    twice within that hour: then its turn alone is no reason to start once more.
    """
    if claim.belief.on_since is not None or not _stops(claim, now):
        return False
    return _waited(claim, now) < slice_ or _stopped_enough(claim, now, slice_)


def _stops(claim: Claim, now: datetime) -> int:
    """How often it was paused within the last hour; more than twice is not told apart."""
    return sum(now - at < CALM_FOR for at in claim.belief.stops)


def _stopped_enough(claim: Claim, now: datetime, slice_: timedelta) -> bool:
    """It was paused as often as an hour may bring; where turns by themselves do not bring more."""
    return _stops(claim, now) >= ENOUGH and 2 * ENOUGH * slice_ >= CALM_FOR


def _next_swap(waiting: Sequence[Claim], now: datetime, slice_: timedelta) -> datetime | None:
    """When the first of those who wait will have waited for a slice."""
    return min((max(now, now - _waited(c, now) + slice_) for c in waiting), default=None)
