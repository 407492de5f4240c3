"""Who comes when, with what car, and for how long."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from loadmgr.model import Evse, EvseId
from loadmgr.simulate.car import CarSpec

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One car at one EVSE, from plug to unplug."""

    evse: EvseId
    arrives_s: float  # POSIX
    leaves_s: float
    car: CarSpec
    token: str

    def __post_init__(self) -> None:
        if not self.leaves_s > self.arrives_s:
            raise ValueError(f"visit at {self.evse}: it leaves before it arrives")


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """The people of a synthetic car park. Ranges are (least, most), drawn evenly."""

    visits_per_evse_day: float = 2.0
    stay_h: tuple[float, float] = (1.0, 9.0)
    wanted_wh: tuple[float, float] = (4_000.0, 35_000.0)
    capacity_wh: tuple[float, float] = (40_000.0, 80_000.0)
    one_phase_share: float = 0.3
    reaction_s: tuple[float, float] = (1.0, 5.0)  # IEC 61851-1 annex A allows 5 s


EVERYBODY = Crowd()


def one_car(rng: random.Random, crowd: Crowd = EVERYBODY) -> CarSpec:
    """A car as the crowd has them."""
    one_phase = rng.random() < crowd.one_phase_share
    capacity_wh = rng.uniform(*crowd.capacity_wh)
    return CarSpec(
        phases=1 if one_phase else 3,
        max_a=32.0 if one_phase else rng.choice((16.0, 16.0, 32.0)),
        capacity_wh=capacity_wh,
        wanted_wh=min(capacity_wh, rng.uniform(*crowd.wanted_wh)),
        taper_from=rng.uniform(0.8, 0.95),
        reaction_s=rng.uniform(*crowd.reaction_s),
    )


def synthetic(
    evses: Sequence[Evse],
    *,
    seed: int,
    start_s: float,
    seconds: float,
    crowd: Crowd = EVERYBODY,
) -> tuple[Visit, ...]:
    """Visits at every EVSE, one after the other with pauses, sorted by arrival.

    Each EVSE has a stream of its own: adding one changes nothing for the others.
    """
    visits: list[Visit] = []
    for evse in evses:
        rng = random.Random(f"{seed}:{evse.id}")
        pause_s = max(300.0, 24 * HOUR_S / crowd.visits_per_evse_day - _mean_stay_s(crowd))
        at_s = start_s + rng.uniform(0.0, pause_s)
        while at_s < start_s + seconds:
            leaves_s = at_s + rng.uniform(*crowd.stay_h) * HOUR_S
            token = f"TAG{rng.randrange(10**6):06d}"
            visits.append(
                Visit(
                    evse=evse.id,
                    arrives_s=at_s,
                    leaves_s=leaves_s,
                    car=one_car(rng, crowd),
                    token=token,
                )
            )
            at_s = leaves_s + max(60.0, rng.expovariate(1.0 / pause_s))
    return tuple(sorted(visits, key=lambda visit: (visit.arrives_s, visit.evse)))


def from_rows(
    rows: Sequence[Mapping[str, float | str]], evses: Sequence[Evse], car: CarSpec
) -> tuple[Visit, ...]:
    """Visits from a table of real sessions with `arrives_s`, `leaves_s` and `energy_wh`.

    Sessions go to the first free EVSE in order; who finds none drives on.
    """
    free_s = {evse.id: float("-inf") for evse in evses}
    visits: list[Visit] = []
    for number, row in enumerate(sorted(rows, key=lambda row: float(row["arrives_s"]))):
        arrives_s, leaves_s = float(row["arrives_s"]), float(row["leaves_s"])
        place = next((evse for evse, until_s in free_s.items() if until_s <= arrives_s), None)
        if place is None:
            continue
        free_s[place] = leaves_s
        visits.append(
            Visit(
                evse=place,
                arrives_s=arrives_s,
                leaves_s=leaves_s,
                car=_wanting(car, float(row["energy_wh"])),
                token=str(row.get("token", f"TAG{number:06d}")),
            )
        )
    return tuple(visits)


def _wanting(car: CarSpec, energy_wh: float) -> CarSpec:
    return replace(car, capacity_wh=max(car.capacity_wh, energy_wh), wanted_wh=energy_wh)


def _mean_stay_s(crowd: Crowd) -> float:
    return sum(crowd.stay_h) / 2 * HOUR_S
