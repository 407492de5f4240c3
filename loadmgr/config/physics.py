"""What copper would say: checks on the site as it is built.

Every check that can only find more when more is known runs on an incomplete site
too; warnings about the whole wait until the rest is right.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

from loadmgr.config.complaints import Complaints
from loadmgr.config.errors import SettingPath
from loadmgr.config.schema import SiteFile
from loadmgr.config.worst import offline_a, worst_building_a
from loadmgr.model import Circuit, Evse, Share, Site
from loadmgr.units import NOTHING, PHASES, PerPhase, Phase, power_w

SLACK_A = 1e-6  # of sums of written numbers


def setting_of(evse: Evse) -> SettingPath:
    """Where an EVSE stands in the file."""
    name, _, outlet = evse.id.partition(":")
    return ("chargers", name, "outlets", outlet) if outlet else ("chargers", name)


def phases_of(current_a: PerPhase) -> frozenset[Phase]:
    return frozenset(phase for phase in PHASES if current_a[phase] > 0)


def named(phases: frozenset[Phase]) -> str:
    return " ".join(phase.name for phase in sorted(phases))


def check_faults(site: Site, complaints: Complaints) -> None:
    """What cannot be built or burns fuses: errors."""
    building = worst_building_a(site)
    for circuit in site.circuits:
        _check_phases_above(site, circuit, complaints)
        _check_building_phases(site, circuit, complaints)
        _check_margin(circuit, complaints)
        _check_alone(site, circuit, building[circuit.id], complaints)
    for evse in site.evses:
        _check_phases_of_evse(site, evse, complaints)


def check_doubts(site: Site, file: SiteFile, complaints: Complaints) -> None:
    """What works but is hardly meant: warnings."""
    building = worst_building_a(site)
    for circuit in site.circuits:
        _doubt_rating(site, circuit, complaints)
        _doubt_room(circuit, building[circuit.id], complaints)
    _doubt_buildings(site, file, complaints)
    for evse in site.evses:
        _doubt_evse(site, evse, complaints)
    _doubt_rotation(site, complaints)
    if not site.evses:
        complaints.warning(("chargers",), "no charger is described", "There is nothing to steer.")
    if site.policy.share is Share.CHEAPEST and site.tariff is None:
        hint = "Describe prices under `tariff:`."
        complaints.warning(("policy", "share"), "without prices no hour is cheaper", hint)


# ── Faults ────────────────────────────────────────────────────────────────────────────────


def _check_phases_above(site: Site, circuit: Circuit, complaints: Complaints) -> None:
    if circuit.feeds_from is None:
        return
    above = phases_of(site.circuit[circuit.feeds_from].rating_a)
    if missing := phases_of(circuit.rating_a) - above:
        message = f"'{circuit.feeds_from}', which feeds it, has no {named(missing)}"
        hint = f"It can have {named(above)}: write `phases: {named(above)}`."
        complaints.error(("circuits", circuit.id), message, hint, name=True)


def _check_building_phases(site: Site, circuit: Circuit, complaints: Complaints) -> None:
    there = phases_of(circuit.rating_a)
    hint = f"It has {named(there)}."
    if missing := phases_of(circuit.building_a) - there:
        at: SettingPath = ("circuits", circuit.id, "building")
        complaints.error(at, f"the circuit has no {named(missing)}", hint)
    if circuit.meter is None:
        return
    if missing := phases_of(site.meter[circuit.meter].worst_building_a) - there:
        at = ("meters", circuit.meter, "when_lost", "assume")
        complaints.error(at, f"'{circuit.id}' has no {named(missing)}", hint)


def _check_margin(circuit: Circuit, complaints: Complaints) -> None:
    least = min(circuit.rating_a[phase] for phase in phases_of(circuit.rating_a))
    if circuit.margin_a >= least:
        message = f"a margin of {circuit.margin_a:g} A leaves nothing of a fuse of {least:g} A"
        complaints.error(("circuits", circuit.id, "margin"), message)


def _check_alone(site: Site, circuit: Circuit, building: PerPhase, complaints: Complaints) -> None:
    """Chargers that nobody talks to, and the building at its worst, must not burn a fuse."""
    alone, usable = offline_a(site, circuit.id), circuit.usable_a
    over = {p: building[p] + alone[p] - usable[p] for p in PHASES if alone[p] > 0 < usable[p]}
    if not over or max(over.values()) <= SLACK_A:
        return
    phase = max(over, key=lambda p: over[p])
    count = sum(1 for evse in site.below[circuit.id] if evse.worst_a(1.0)[phase])
    margin = f" - {circuit.margin_a:g} A margin" if circuit.margin_a else ""
    message = (
        f"burns its fuse when nobody talks to the chargers: on {phase.name} they draw "
        f"{alone[phase]:g} A ({count} of them) and the building {building[phase]:g} A, "
        f"together {building[phase] + alone[phase]:g} A of {usable[phase]:g} A "
        f"({circuit.rating_a[phase]:g} A fuse{margin})"
    )
    hint = "Set offline.charger_fallback to 0 A, or move chargers to another circuit or phase."
    complaints.error(("circuits", circuit.id), message, hint, name=True)


def _check_phases_of_evse(site: Site, evse: Evse, complaints: Complaints) -> None:
    there = phases_of(site.circuit[evse.circuit].rating_a)
    at = (*setting_of(evse), "phases")
    if not evse.wiring.known and len(there) < len(PHASES):
        hint = f"Say which of {named(there)} it uses."
        message = f"'{evse.circuit}' has {named(there)} only, so 'phases' is needed"
        complaints.error(setting_of(evse), message, hint, name=True)
    elif evse.wiring.known and (missing := frozenset(evse.wiring.terminals) - there):
        message = f"'{evse.circuit}', which feeds it, has no {named(missing)}"
        complaints.error(at, message, f"It has {named(there)}.")


# ── Doubts ────────────────────────────────────────────────────────────────────────────────


def _doubt_rating(site: Site, circuit: Circuit, complaints: Complaints) -> None:
    at = ("circuits", circuit.id)
    if circuit.feeds_from is not None:
        above = site.circuit[circuit.feeds_from]
        for phase in PHASES:
            if circuit.rating_a[phase] > above.rating_a[phase] > 0:
                message = (
                    f"{circuit.rating_a[phase]:g} A on {phase.name} is above the "
                    f"{above.rating_a[phase]:g} A of '{above.id}', which feeds it"
                )
                complaints.warning((*at, "fuse"), message, f"'{above.id}' will be the limit.")
                break
    most_w = power_w(circuit.rating_a, site.voltage_v)
    if circuit.max_power_w is not None and circuit.max_power_w > most_w:
        message = f"{circuit.max_power_w / 1e3:g} kW is more than its fuse carries"
        hint = f"The fuse ends at {most_w / 1e3:.1f} kW."
        complaints.warning((*at, "max_power"), message, hint)


def _doubt_room(circuit: Circuit, building_a: PerPhase, complaints: Complaints) -> None:
    for phase in PHASES:
        if building_a[phase] > circuit.usable_a[phase] + SLACK_A:
            message = (
                f"the building alone may draw {building_a[phase]:g} A on {phase.name}, where "
                f"there are {circuit.usable_a[phase]:g} A"
            )
            hint = "Then no car charges, and nothing here can help the fuse."
            complaints.warning(("circuits", circuit.id), message, hint, name=True)
            return


def _doubt_buildings(site: Site, file: SiteFile, complaints: Complaints) -> None:
    root = site.circuits[0]
    if root.meter is None and worst_building_a(site)[root.id] == NOTHING:
        hint = "Name a meter, or declare the most it draws: `building: 20 A`."
        message = "nothing measures the building here; it is taken to draw 0 A"
        complaints.warning(("circuits", root.id), message, hint, name=True)
    for meter in site.meters:
        if file.meters[meter.id].when_lost.assume is None:
            hint = "Declare the most the building draws: `when_lost: {assume: 50 A}`."
            message = "while it is lost the building is taken to fill the fuse: no car charges"
            complaints.warning(("meters", meter.id), message, hint, name=True)
        else:
            _doubt_assumption(site, site.circuit[meter.circuit], meter.worst_building_a, complaints)


def _doubt_assumption(
    site: Site, circuit: Circuit, assumed_a: PerPhase, complaints: Complaints
) -> None:
    at = ("meters", str(circuit.meter), "when_lost", "assume")
    below = worst_building_a(site)[circuit.id]
    for phase in PHASES:
        if below[phase] > assumed_a[phase]:
            hint = "The higher of the two is used."
            message = (
                f"the circuits below '{circuit.id}' declare {below[phase]:g} A on {phase.name}"
            )
            complaints.warning(at, message, hint)
            return


def _doubt_evse(site: Site, evse: Evse, complaints: Complaints) -> None:
    at = setting_of(evse)
    if not evse.wiring.known:
        hint = "Write them in the order of the terminals: `phases: L1 L2 L3`."
        message = "its phases are not known, so it counts on all three at its worst"
        complaints.warning(at, message, hint, name=True)
    if 0 < site.offline.fallback_a < evse.min_a:
        message = f"offline it may draw {site.offline.fallback_a:g} A but needs {evse.min_a:g} A"
        complaints.warning((*at, "min"), message, "Alone it will not charge.")
    used = phases_of(evse.worst_a(1.0))
    for circuit in (site.circuit[name] for name in site.path[evse.circuit]):
        most = min((circuit.usable_a[phase] for phase in used), default=0.0)
        if evse.max_a > most + SLACK_A and circuit.margin_a < min(
            circuit.rating_a[p] for p in used
        ):
            message = f"{evse.max_a:g} A is more than the {most:g} A that '{circuit.id}' has"
            complaints.warning((*at, "max"), message, "It will never have all of it.")
            return


def _doubt_rotation(site: Site, complaints: Complaints) -> None:
    """One-phase chargers all on one phase, where there are three."""
    ones = [
        evse
        for evse in site.evses
        if len(evse.wiring.terminals) == 1
        and phases_of(site.circuit[evse.circuit].rating_a) == frozenset(PHASES)
    ]
    phases = {evse.wiring.terminals[0] for evse in ones}
    if len(ones) > 1 and len(phases) == 1:
        proposed = ", ".join(f"{evse.id} {phase.name}" for evse, phase in _spread(ones))
        message = f"all {len(ones)} one-phase chargers are on {named(frozenset(phases))}"
        at = (*setting_of(ones[0]), "phases")
        complaints.warning(at, message, f"Spread them when they are wired: {proposed}.")


def _spread(evses: list[Evse]) -> Iterator[tuple[Evse, Phase]]:
    first = evses[0].wiring.terminals[0]
    order = (*PHASES[first:], *PHASES[:first])
    yield from zip(evses, cycle(order), strict=False)
