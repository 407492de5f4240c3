"""Real charging sessions from a CSV as a trace of problems.

The columns are those of ACN-Data: arrival, departure, requested_energy (kWh), station_id.
Every five minutes the cars that are plugged in are planned until they leave.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from solver import Problem

VOLTAGE = 230.0
TICK = timedelta(minutes=5)
STEP_H = np.concatenate((np.full(3, 5 / 60), np.full(3, 0.25), np.full(47, 0.25)))


@dataclass(frozen=True, slots=True)
class Session:
    arrival: datetime
    departure: datetime
    energy_ah: float
    phase: int


def read_sessions(path: Path) -> list[Session]:
    """All sessions of the file, by arrival. `.gz` is unpacked on the way."""
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else path.open()
    with opened as lines:
        sessions = [
            Session(
                arrival=datetime.fromisoformat(row["arrival"]),
                departure=datetime.fromisoformat(row["departure"]),
                energy_ah=1000.0 * float(row["requested_energy (kWh)"]) / VOLTAGE,
                phase=sum(row["station_id"].encode()) % 3,
            )
            for row in csv.DictReader(lines)
        ]
    return sorted(sessions, key=lambda session: session.arrival)


def busiest_day(sessions: list[Session]) -> datetime:
    """Midnight before the day on which most cars come."""
    days = [s.arrival.replace(hour=0, minute=0, second=0, microsecond=0) for s in sessions]
    return max(set(days), key=days.count)


def trace(sessions: list[Session], capacity_a: float = 60.0) -> Iterator[Problem]:
    """The busiest day, tick by tick. What was charged is taken from what is still needed."""
    now = busiest_day(sessions)
    end = now + timedelta(days=1)
    left = {i: s.energy_ah for i, s in enumerate(sessions)}
    starts = np.concatenate(([0.0], np.cumsum(STEP_H)))
    while now < end:
        here = [
            i for i, s in enumerate(sessions) if s.arrival <= now < s.departure and left[i] > 0.1
        ]
        if here:
            stay = np.array([(sessions[i].departure - now).total_seconds() / 3600 for i in here])
            inside = starts[:-1] < stay[:, None]
            coupling = np.eye(3)[[sessions[i].phase for i in here]]
            problem = Problem(
                step_h=STEP_H,
                parent=np.array([-1]),
                capacity=np.full((1, 3, len(STEP_H)), capacity_a),
                circuit=np.zeros(len(here), dtype=int),
                coupling=coupling,
                upper=np.where(inside, 32.0, 0.0),
                energy=np.array([left[i] for i in here]),
                value=2.0 - 0.01 * starts[:-1] - 0.02 * stay[:, None],
                rank=np.array(here),
            )
            yield problem
            # Nobody waits for an optimiser here: the next tick sees an equal share charged.
            share = np.minimum(32.0, capacity_a / coupling.sum(axis=0).max())
            for i in here:
                left[i] -= share * TICK.total_seconds() / 3600
        now += TICK
