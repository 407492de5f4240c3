"""Names that lead nowhere, and circuits that are no tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any

from loadmgr.config.complaints import Complaints
from loadmgr.config.drafts import Draft
from loadmgr.config.errors import SettingPath, closest, did_you_mean, one_of, shown
from loadmgr.config.schema import CircuitBlock, RatingPerPhase

NO_CIRCUIT = "Begin with the grid connection: `main: {fuse: 63 A}`."

CONNECTORS = (
    ("meters", "meter", ("type", "when_lost", "feeds_in")),
    ("limits", "limit", ("type", "applies_to")),
)
"""Section, kind of entry point, and the settings there that are ours."""


def known_types(kind: str) -> frozenset[str]:
    """The types of `meter` or `limit` that are installed; empty where nothing is."""
    names = (point.name for point in entry_points(group="loadmgr.connectors"))
    return frozenset(n.removeprefix(f"{kind}.") for n in names if n.startswith(f"{kind}."))


def check_references(draft: Draft, complaints: Complaints) -> None:
    _check_tree(draft, complaints)
    _check_circuits(draft, complaints)
    _check_meters(draft, complaints)
    _check_currents(draft, complaints)
    _check_names(draft, complaints)
    _check_connectors(draft, complaints)


# ── Circuits ──────────────────────────────────────────────────────────────────────────────


def _check_tree(draft: Draft, complaints: Complaints) -> None:
    circuits = draft.file.circuits
    if not draft.written("circuits"):
        complaints.error(("circuits",), "no circuit is described", NO_CIRCUIT, name=True)
    roots = [name for name, circuit in circuits.items() if circuit.feeds_from is None]
    for name in roots[1:]:
        message = f"a second grid connection; the first is '{roots[0]}'"
        hint = f"Say which circuit feeds it: `feeds_from: {roots[0]}`."
        complaints.error(("circuits", name), message, hint, name=True)
    for loop in _loops(circuits):
        message = f"fed in a circle: {' from '.join((*loop, loop[0]))}"
        hint = "One circuit, the grid connection, has no `feeds_from`."
        complaints.error(("circuits", loop[0], "feeds_from"), message, hint)


def _loops(circuits: Mapping[str, CircuitBlock]) -> Iterator[tuple[str, ...]]:
    """Every circle of circuits, from its first member in the file."""
    seen: set[str] = set()
    for name in circuits:
        way: dict[str, int] = {}
        step = name
        while step in circuits and step not in seen and step not in way:
            way[step] = len(way)
            step = circuits[step].feeds_from or ""
        if step in way:
            yield tuple(way)[way[step] :]
        seen.update(way)


def _check_circuits(draft: Draft, complaints: Complaints) -> None:
    for name, circuit in draft.file.circuits.items():
        at = ("circuits", name)
        if isinstance(circuit.fuse, RatingPerPhase):
            written = frozenset(circuit.fuse.model_dump(exclude_none=True))
            if not written:
                complaints.error((*at, "fuse"), "no phase has a fuse", "Write it like 63 A.")
            elif circuit.phases and written != {phase.name for phase in circuit.phases}:
                hint = "Leave `phases` out: the fuse says which ones are there."
                complaints.error((*at, "phases"), "not the phases that have a fuse", hint)
        if circuit.meter is not None and circuit.building is not None:
            hint = f"Write it as `when_lost: {{assume: …}}` under meters.{circuit.meter}."
            message = "a metered circuit declares its building at the meter"
            complaints.error((*at, "building"), message, hint, name=True)


# ── Meters and chargers ───────────────────────────────────────────────────────────────────


def _check_meters(draft: Draft, complaints: Complaints) -> None:
    first: dict[str, str] = {}
    for name, circuit in draft.written("circuits").items():
        meter = circuit.get("meter")
        if isinstance(meter, str) and first.setdefault(meter, name) != name:
            message = f"{shown(meter)} already measures '{first[meter]}'"
            hint = "A meter measures one circuit; name another one here."
            complaints.error(("circuits", name, "meter"), message, hint)
    for name in draft.written("meters"):
        if name not in first:
            hint = f"Write `meter: {name}` at the circuit it measures."
            complaints.error(("meters", name), "no circuit names this meter", hint, name=True)


def _check_currents(draft: Draft, complaints: Complaints) -> None:
    for name in draft.file.chargers:
        for path, most, least in _outlets(draft, name):
            if most is None:
                hint = "The most it can draw: `max: 16 A`."
                complaints.error(path, "'max' is missing", hint, name=True)
            elif least > most:
                message = f"min ({least:g} A) is above max ({most:g} A)"
                complaints.error((*path, "min"), message, "It could never charge.")


def _outlets(draft: Draft, name: str) -> Iterator[tuple[SettingPath, float | None, float]]:
    """Path, most and least current of each outlet."""
    charger = draft.file.chargers[name]
    if not charger.outlets:
        yield ("chargers", name), charger.max, charger.min
    for number, outlet in charger.outlets.items():
        most, least = outlet.max or charger.max, outlet.min or charger.min
        yield ("chargers", name, "outlets", str(number)), most, least


# ── Names ─────────────────────────────────────────────────────────────────────────────────

# These read what was written, so that a mistake elsewhere in a block hides none of them.


def _check_names(draft: Draft, complaints: Complaints) -> None:
    for path, what, name in _named(draft):
        known = draft.written(f"{what}s")
        if name not in known:
            names = sorted(known)[:8]
            hint = did_you_mean(name, known) or one_of(names) or f"No {what} is described."
            complaints.error(path, f"there is no {what} {shown(name)}", hint)


def _named(draft: Draft) -> Iterator[tuple[SettingPath, str, str]]:
    """Every place where one block names another: path, what it names, and the name."""
    for path, what, block in _naming(draft):
        name = block.get(path[-1]) if isinstance(block, dict) else None
        if isinstance(name, str) and name:
            yield path, what, name


def _naming(draft: Draft) -> Iterator[tuple[SettingPath, str, Any]]:
    for name, circuit in draft.written("circuits").items():
        yield ("circuits", name, "feeds_from"), "circuit", circuit
        yield ("circuits", name, "meter"), "meter", circuit
    for name, charger in draft.written("chargers").items():
        yield ("chargers", name, "circuit"), "circuit", charger
        outlets = charger.get("outlets")
        for number, outlet in outlets.items() if isinstance(outlets, dict) else ():
            yield ("chargers", name, "outlets", number, "circuit"), "circuit", outlet
    for name, limit in draft.written("limits").items():
        yield ("limits", name, "applies_to"), "circuit", limit


def _check_connectors(draft: Draft, complaints: Complaints) -> None:
    for section, kind, ours in CONNECTORS:
        known = known_types(kind)
        for name, block in draft.written(section).items():
            written = block.get("type")
            if isinstance(written, str) and known and written not in known:
                hint = did_you_mean(written, known) or one_of(sorted(known))
                message = f"unknown type of {kind} {shown(written)}"
                complaints.error((section, name, "type"), message, hint)
            for option in block:
                # `when_lst` would else be lost among what only the connector knows.
                meant = closest(option, ours, cutoff=0.8)
                if meant and option not in ours:
                    hint = f"Did you mean '{meant}'?"
                    message = f"unknown setting {shown(option)}"
                    complaints.error((section, name, option), message, hint, name=True)
