"""What is not as it should be, in sentences for people. A transition under way is no alarm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loadmgr.core.assemble import Question
from loadmgr.core.conduct import STUBBORN
from loadmgr.core.doubt import doubts_amount, is_mixed_up
from loadmgr.core.envelope import POWER
from loadmgr.core.marks import CLEAR_A
from loadmgr.core.proof import ENOUGH
from loadmgr.core.state import EvseState, MeterState, State
from loadmgr.model import CircuitId, Evse, Meter, Site


def alarms(
    site: Site,
    state: State,
    question: Question,
    lost_meters: Sequence[CircuitId],
) -> tuple[str, ...]:
    """Meters that are silent, chargers that are not in hand, and fuses that pausing cannot save."""
    found: list[str] = []
    for meter in site.meters:
        found.extend(_meter(site, meter, state.meters[meter.id], meter.circuit in lost_meters))
    for evse in site.evses:
        found.extend(_charger(evse, state.evses[evse.id]))
    found.extend(_overdrawn(site, question))
    return tuple(found)


def _meter(site: Site, meter: Meter, known: MeterState, lost: bool) -> Iterator[str]:
    label = site.circuit[meter.circuit].label
    if doubts_amount(known):
        yield (
            f"What the meter of {label} tells cannot be true: its worst case counts until it "
            f"has shown, on each phase, {ENOUGH} changes of its cars by {CLEAR_A:g} A or more as "
            "the cars tell them, or has not contradicted them for half an hour. If this comes "
            "again, its clamps and its ratio have to be looked at."
        )
    elif lost:
        yield (
            f"The meter of {label} is silent, or tells nothing that can be used: its declared "
            "worst case counts."
        )
    if is_mixed_up(known):
        yield (
            f"The meter of {label} may have exchanged its phases: the highest counts on all of "
            "them until it has shown changes of its cars on the phases they were on. If this "
            "comes again, it or a charger is connected to other phases than site.yaml says."
        )


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
