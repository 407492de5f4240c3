"""Sentences for people about the site: how it stands, what limits it, what will be missing.

Pure, from a `Snapshot` alone. Why one charger has what it has is said in `reasons`,
whose `why` and `whys` are offered here as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime

from loadmgr import gauge
from loadmgr.figures import amount, amperes, count, decimal, local, sentence
from loadmgr.gauge import Gauge, Level
from loadmgr.model import CircuitId, Limit, Shortfall
from loadmgr.reasons import Why, asker, why, whys
from loadmgr.snapshot import Snapshot, Standing
from loadmgr.units import PHASES

__all__ = ["LEVEL", "STANDING", "Why", "limit", "overview", "shortfall", "why", "whys"]

STANDING: Mapping[Standing, str] = {
    Standing.NEVER_SEEN: "never connected",
    Standing.OFFLINE: "offline",
    Standing.UNPROVEN: "being checked",
    Standing.READY: "free",
    Standing.CHARGING: "charging",
    Standing.WAITING: "waiting",
    Standing.QUARANTINED: "disobeys",
}

LEVEL: Mapping[Level, str] = {
    Level.FREE: "ok",
    Level.FULL: "full",
    Level.ABOVE: "may be above its limit",
    Level.OVER: "overload",
}


def overview(snapshot: Snapshot) -> str:
    """How the site stands, in a breath."""
    standing = [charger.standing for charger in snapshot.chargers]
    charging = standing.count(Standing.CHARGING)
    waiting = standing.count(Standing.WAITING)
    away = standing.count(Standing.OFFLINE) + standing.count(Standing.NEVER_SEEN)
    said = [f"{charging} of {count(len(standing), 'charger')} charging"]
    said += [f"{waiting} waiting"] if waiting else []
    said += [f"{away} not connected"] if away else []
    chargers = ", ".join(said)
    rows = [g for its in gauge.gauges(snapshot).values() for g in its]
    fullest = max(rows, key=_severity, default=None)
    if fullest is None:
        return sentence(chargers)
    row = fullest.row
    where = _label(snapshot, row.circuit) + (
        f" on {row.phase.name}" if row.phase is not None else ""
    )
    used = amount(fullest.used, row.phase)
    if fullest.level is Level.OVER:
        rating = amount(row.rating, row.phase)
        said_over = (
            f"Overload: {where} carries {used} of {rating}."
            if fullest.metered
            else f"{where} may carry up to {used} of {rating}, as far as anybody has told."
        )
        return f"{said_over} {sentence(chargers)}"
    return sentence(
        f"{chargers}; fullest is {where} with {used} of {amount(row.usable, row.phase)}"
    )


def _severity(g: Gauge) -> tuple[int, float]:
    return list(Level).index(g.level), g.used / g.row.usable if g.row.usable > 0 else 1.0


def limit(snapshot: Snapshot, asked: Limit) -> str:
    """`Grid connection: 40 kW until 20:00, by the grid operator (congestion).`"""
    start = _clock(snapshot, asked.valid_from) if asked.valid_from > snapshot.at else ""
    until = _clock(snapshot, asked.valid_until) if asked.valid_until is not None else ""
    said = f"{_label(snapshot, asked.circuit)}: {_ceiling(asked)}"
    said += f" from {start}" if start else ""
    said += f" until {until}" if until else " until released"
    reason = f" ({asked.reason})" if asked.reason else ""
    return f"{said}, by {asker(asked.source)}{reason}."


def _ceiling(asked: Limit) -> str:
    """`40 kW`, `25 A per phase`, `L1 25 A and L3 16 A`."""
    said = [] if asked.power_w is None else [amount(asked.power_w, None)]
    if len(set(asked.current_a)) == 1:
        said += [f"{amperes(asked.current_a[0])} per phase"] * math.isfinite(asked.current_a[0])
    else:
        each = [(phase, asked.current_a[phase]) for phase in PHASES]
        said += [f"{phase.name} {amperes(a)}" for phase, a in each if math.isfinite(a)]
    return " and ".join(said)


def shortfall(snapshot: Snapshot, missing: Shortfall) -> str:
    """`CP03 will lack 4.2 kWh when it leaves at 07:30.`"""
    energy = decimal(missing.missing_wh / 1000)
    leaves = _clock(snapshot, missing.departure)
    return f"{missing.evse} will lack {energy} kWh when it leaves at {leaves}."


def _label(snapshot: Snapshot, circuit: CircuitId) -> str:
    labels = {view.circuit.id: view.circuit.label for view in snapshot.circuits}
    return labels.get(circuit) or circuit


def _clock(snapshot: Snapshot, at: datetime) -> str:
    return local(at, snapshot.at, snapshot.timezone)
