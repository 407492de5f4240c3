"""What is not as it should be, in sentences for people. A transition under way is no alarm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from loadmgr.core.assemble import Question
from loadmgr.core.conduct import STUBBORN
from loadmgr.core.doubt import is_mixed_up
from loadmgr.core.envelope import POWER
from loadmgr.core.state import EvseState, State
from loadmgr.model import CircuitId, Evse, Site


def alarms(
    site: Site,
    state: State,
    now: datetime,
    question: Question,
    lost_meters: Sequence[CircuitId],
) -> tuple[str, ...]:
    """Meters that are silent, chargers that are not in hand, and fuses that pausing cannot save."""
    found = [f"The meter of {site.circuit[circuit].label} is silent." for circuit in lost_meters]
    for meter in site.meters:
        if is_mixed_up(state.meters[meter.id], now):
            label = site.circuit[meter.circuit].label
            found.append(
                f"The meter of {label} has exchanged its phases: the highest counts on all of them."
            )
    for evse in site.evses:
        found.extend(_charger(evse, state.evses[evse.id]))
    found.extend(_overdrawn(site, question))
    return tuple(found)


def _charger(evse: Evse, belief: EvseState) -> Iterator[str]:
    held = evse.max_a if belief.fallback_a is None else belief.fallback_a
    if belief.quarantine is not None:
        yield f"{evse.id} disobeys: {belief.quarantine.reason}."
    elif belief.connection is None:
        yield f"{evse.id} is not connected: {held:g} A are reserved for it."
    elif belief.fallback_checked == belief.connection and belief.fallback_a is None:
        yield f"{evse.id} cannot say what it does alone: {held:g} A are reserved for it."
    elif belief.failures >= STUBBORN:
        yield f"{evse.id} has not accepted its last {belief.failures} orders."


def _overdrawn(site: Site, question: Question) -> Iterator[str]:
    for circuit, rows in zip(site.circuits, question.room, strict=True):
        for number, room in enumerate(rows):
            if room < -1e-6:
                unit = "W" if number == POWER else f"A on L{number + 1}"
                yield (
                    f"{circuit.label} is {-room:.1f} {unit} over its limit even with every car "
                    "paused: the building and what is reserved take more than it may carry."
                )
