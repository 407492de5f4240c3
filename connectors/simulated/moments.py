"""What a station has to tell about a transaction, in order, online or later."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.simulated.settings import CURRENT, ENERGY, POWER
from loadmgr.simulate.outlet import Reading, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    number: int  # of the EVSE
    at_s: float
    serial: int  # of this moment within its transaction, from 0
    offline: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun(_Moment):
    transaction: Transaction
    remote: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered(_Moment):
    transaction: Transaction | None  # None: asked for while nothing charges
    reading: Reading
    state: str  # chargingState of 2.0.1
    cause: str  # triggerReason of 2.0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(_Moment):
    transaction: Transaction
    reason: str  # "EVDisconnected", "Remote", "DeAuthorized"


Moment = Begun | Metered | Ended


def samples(reading: Reading, measurands: frozenset[str], terminals: int) -> list[tuple[str, ...]]:
    """(measurand, phase, unit, value) for what is asked and measured; phase "" for the sum."""
    told: list[tuple[str, ...]] = []
    if CURRENT in measurands and reading.terminal_a is not None:
        told += [
            (CURRENT, f"L{place + 1}", "A", f"{reading.terminal_a[place]:.2f}")
            for place in range(terminals)
        ]
    if POWER in measurands and reading.power_w is not None:
        told.append((POWER, "", "W", f"{reading.power_w:.1f}"))
    if ENERGY in measurands or not told:
        told.append((ENERGY, "", "Wh", f"{reading.energy_wh:.1f}"))
    return told
