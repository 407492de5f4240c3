"""Why a charger has what it has, in sentences: from rungs with codes and numbers.

The engine gives codes and numbers; what is said about them is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import assert_never

from loadmgr import gauge
from loadmgr.figures import amount, amperes, count, decimal, listing, local, sentence, unit
from loadmgr.gauge import APART, NOISE, Gauge, Split
from loadmgr.model import CircuitId, Code, EvseId, Limit, Rung
from loadmgr.snapshot import ChargerView, Snapshot, Standing
from loadmgr.units import Phase

_FINAL = APART | {Code.WAITING_TURN, Code.TARIFF_WAIT}
"""Reasons after which "and then?" has no answer in amperes."""


START_A = 6.0  # IEC 61851-1: with less a car does not charge
OVER_A, OVER = 1.0, 0.05  # above a limit by more than meters and pilots are off: 1 A and 5 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why one charger has what it has."""

    evse: EvseId
    current_a: float  # what the plan gives it
    brief: str  # the reason in as few words as will do
    sentence: str  # the reason with its numbers, and what comes after it
    rungs: tuple[str, ...]  # one sentence per rung, lowest first
    splits: tuple[Split | None, ...]  # beside each rung: who has what of its row
    between: str  # what still lies between plan and charger; "" when nothing does


def why(snapshot: Snapshot, evse: EvseId) -> Why:
    """Why `evse` has what it has.

    Raises
    ------
    KeyError
        There is no such charger.
    """
    scene = Scene(snapshot)
    return scene.why(scene.chargers[evse])


def whys(snapshot: Snapshot) -> Mapping[EvseId, Why]:
    """The same for all chargers at once, in the order of the site."""
    scene = Scene(snapshot)
    return {charger.id: scene.why(charger) for charger in snapshot.chargers}


@dataclass(frozen=True, slots=True)
class _Clause:
    """What a rung says: `North is full on L1`, who shares it, and who has how much of it."""

    head: str
    sharing: str = ""
    shares: str = ""

    @property
    def brief(self) -> str:
        return f"{self.head}: {self.sharing}" if self.sharing else self.head

    def __str__(self) -> str:
        return f"{self.brief} ({self.shares})" if self.shares else self.brief


class Scene:
    """One snapshot with the look-ups its sentences need, each made once."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.chargers = {charger.id: charger for charger in snapshot.chargers}
        self.circuits = {view.circuit.id: view.circuit for view in snapshot.circuits}

    @cached_property
    def gauges(self) -> Mapping[CircuitId, tuple[Gauge, ...]]:
        return gauge.gauges(self.snapshot)

    @cached_property
    def _fed(self) -> Mapping[CircuitId, tuple[ChargerView, ...]]:
        return gauge.fed(self.snapshot)

    @cached_property
    def _path(self) -> Mapping[CircuitId, tuple[CircuitId, ...]]:
        return gauge.path(self.snapshot)

    @cached_property
    def _held(self) -> Mapping[tuple[CircuitId, Phase | None], tuple[float, list[EvseId]]]:
        """On each row: what is reserved for chargers that take no part, and for which."""
        held: dict[tuple[CircuitId, Phase | None], tuple[float, list[EvseId]]] = {}
        apart = [c for c in self.snapshot.chargers if c.ladder and c.ladder[0].code in APART]
        for charger in apart:
            for circuit in self._path[charger.circuit]:
                for phase in (*Phase, None):
                    load = gauge.on_row(charger.reserved_a, phase, self.snapshot.voltage_v)
                    if load > 0:
                        total, names = held.get((circuit, phase), (0.0, []))
                        held[circuit, phase] = (total + load, [*names, charger.id])
        return held

    @cached_property
    def _queue(self) -> int:
        """How many wait for their turn."""
        ladders = (charger.ladder for charger in self.snapshot.chargers)
        turns = [rung for ladder in ladders for rung in ladder if rung.code is Code.WAITING_TURN]
        return max([len(turns), *(rung.position or 0 for rung in turns)])

    # ── The ladder ────────────────────────────────────────────────────────────────────────

    def why(self, charger: ChargerView) -> Why:
        splits = tuple(self._split(rung) for rung in charger.ladder)
        clauses = [
            self._clause(charger, rung, split)
            for rung, split in zip(charger.ladder, splits, strict=True)
        ]
        return Why(
            evse=charger.id,
            current_a=charger.target_a,
            brief=sentence(clauses[0].brief) if clauses else "Nothing is in the way of more.",
            sentence=self._reason(charger, clauses),
            rungs=tuple(
                f"{amperes(rung.amps_a)}: {clause}."
                for rung, clause in zip(charger.ladder, clauses, strict=True)
            ),
            splits=splits,
            between=self._between(charger),
        )

    def _reason(self, charger: ChargerView, clauses: Sequence[_Clause]) -> str:
        ladder = charger.ladder
        if not ladder:
            return f"{amperes(charger.target_a)}; nothing is in the way of more."
        if ladder[0].code in APART:
            return sentence(str(clauses[0]))
        reason = f"{amperes(charger.target_a)} because {clauses[0]}"
        level = [i for i, rung in enumerate(ladder) if rung.amps_a <= ladder[0].amps_a + NOISE]
        then = [i for i in range(len(ladder)) if i not in level]
        final = any(ladder[i].code in _FINAL for i in level)
        if not final:
            reason += "".join(f", and {clauses[i].head} too" for i in level[1:])
        if final or not then:
            return reason + "."
        remedy = " and ".join(dict.fromkeys(self._remedy(ladder[i]) for i in level))
        after = ladder[then[0]]
        return f"{reason}. {amperes(after.amps_a)} if {remedy}; then {clauses[then[0]].head}."

    def _clause(self, charger: ChargerView, rung: Rung, split: Split | None) -> _Clause:
        """What one rung says. Every `Code` has its words: the type checker sees to it."""
        held = amperes(rung.cars_a) if rung.cars_a is not None else "its share"
        match rung.code:
            case Code.NO_CAR:
                kept = f"; {held} stay reserved for it" if rung.cars_a else ""
                return _Clause(f"no car is plugged in{kept}")
            case Code.OFFLINE:
                never = charger.standing is Standing.NEVER_SEEN
                said = "it has never connected" if never else "it is not connected"
                return _Clause(f"{said}; {held} are reserved for it, which it may draw alone")
            case Code.NOT_CONFIRMED:
                said = "it has not shown yet what it draws when left alone"
                return _Clause(f"{said}; {held} are reserved for it")
            case Code.INSISTS:
                return _Clause("the charger has not taken lower limits: it keeps what it has")
            case Code.UNHEARD:
                return _Clause("the charger does not tell what its car draws")
            case Code.QUARANTINE:
                seen = f" ({rung.source})" if rung.source else ""
                said = f"it draws more than it may{seen}; it is told to stop"
                return _Clause(f"{said}, and {held} are reserved for it")
            case Code.HARDWARE_MAX:
                what = "the car is" if rung.source == "car" else "charger and cable are"
                return _Clause(f"{what} made for no more")
            case Code.CAR_DRAWS_LESS:
                return _Clause("the car draws less than it may; this leaves it room to come back")
            case Code.CAR_FINISHED:
                return _Clause("the car takes nothing now: it is full, or waits by itself")
            case Code.TARIFF_WAIT:
                return _Clause(f"it waits for a cheaper hour{self._cheaper(charger, rung)}")
            case Code.RAMP:
                return _Clause(self._ramp(rung))
            case Code.ROUNDING:
                return _Clause("limits are rounded down to what the charger takes")
            case Code.SOLVER_FALLBACK:
                said = "the optimiser gave no proved answer"
                return _Clause(f"{said}, and fair shares of this moment hold")
            case (
                Code.CIRCUIT_FULL
                | Code.POWER_CAP
                | Code.EXTERNAL_LIMIT
                | Code.METER_LOST
                | Code.WAITING_TURN
                | Code.LEDGER_RESERVE
            ):
                return _Clause(self._row_head(rung, split), *self._shares(rung, split))
            case _:
                assert_never(rung.code)

    def _row_head(self, rung: Rung, split: Split | None) -> str:
        """What stands in the way on one row of one circuit."""
        name, on = self._label(rung), _on(rung)
        full = "is full" if split is None or split.free < NOISE else "would be full"
        match rung.code:
            case Code.EXTERNAL_LIMIT:
                most = amount(rung.capacity_a or 0.0, rung.phase)
                return f"{name} may draw no more than {most}{on}{self._asked(rung)}"
            case Code.POWER_CAP:
                return f"the contract of {name} {full}"
            case Code.METER_LOST:
                return (
                    f"the meter of {name} is silent or not believed, and its worst case counts{on}"
                )
            case Code.WAITING_TURN:
                place = f"number {rung.position} of {self._queue}" if rung.position else ""
                swap = f"next change about {self._clock(rung.until)}" if rung.until else ""
                when = ", ".join(filter(None, (place, swap)))
                lasting = split is not None and rung.phase is not None and split.free >= START_A
                room = (
                    f"{name} has not had room for one more car{on} for long enough"
                    if lasting
                    else f"{name} has no room for one more car{on}"
                )
                return f"it waits for its turn{f' ({when})' if when else ''}; {room}"
            case Code.LEDGER_RESERVE:
                return f"limits that others have not confirmed yet fill {name}{on}"
            case _:
                return f"{name} {full}{on}"

    def _shares(self, rung: Rung, split: Split | None) -> tuple[str, str]:
        """`3 cars and the building share 32 A`, `building 4.2 A, cars 27.8 A`: adds up."""
        if split is None:
            return "", ""
        ours = unit(rung.phase)
        names = self._held.get((rung.circuit or CircuitId(""), rung.phase), (0.0, []))[1]
        parts = [
            (split.building, "building"),
            (split.cars, "cars"),
            (split.held, f"kept for {listing(names)}" if names else "kept"),
            (split.free, "free"),
        ]
        said = [f"{words} {decimal(part)} {ours}" for part, words in parts if part >= NOISE]
        if split.free <= -NOISE:
            said.append(f"{decimal(-split.free)} {ours} too many")
        sharers = [count(len(rung.sharing), "car")] if rung.sharing else []
        sharers += ["the building"] if split.building >= NOISE else []
        verb = "share" if len(rung.sharing) + (split.building >= NOISE) > 1 else "has"
        whose = " and ".join(sharers) or "nobody"
        return f"{whose} {verb} {decimal(split.capacity)} {ours}", ", ".join(said)

    def _remedy(self, rung: Rung) -> str:
        """What would have to change for this rung to go away."""
        name = self._label(rung)
        match rung.code:
            case Code.EXTERNAL_LIMIT:
                return f"the limit by {asker(rung.source)} ended"
            case Code.POWER_CAP:
                return f"the contract of {name} allowed more"
            case Code.METER_LOST:
                return f"the meter of {name} answered"
            case Code.RAMP if rung.until is not None and rung.until > self.snapshot.at:
                return "that time has come"
            case Code.RAMP:
                return "the gain were larger"
            case Code.CAR_DRAWS_LESS | Code.CAR_FINISHED:
                return "the car drew more"
            case Code.HARDWARE_MAX:
                return "car, cable and charger took more"
            case Code.INSISTS:
                return "the charger took a limit again"
            case Code.UNHEARD:
                return "it told that"
            case Code.ROUNDING:
                return "it took finer steps"
            case Code.SOLVER_FALLBACK:
                return "the optimiser answered"
            case Code.LEDGER_RESERVE:
                return "those others drew less"
            case _:
                return f"{name} had more room"

    def _split(self, rung: Rung) -> Split | None:
        if rung.circuit is None:
            return None
        return gauge.split(rung, self._held.get((rung.circuit, rung.phase), (0.0, []))[0])

    def _label(self, rung: Rung) -> str:
        if rung.circuit is None:
            return "the site"
        circuit = self.circuits.get(rung.circuit)
        return circuit.label or circuit.id if circuit is not None else rung.circuit

    def _asked(self, rung: Rung) -> str:
        """Who asked for a limit, why, and until when."""
        until = f" until {self._clock(rung.until)}" if rung.until is not None else ""
        limit = self._limit(rung)
        reason = f", “{limit.reason}”" if limit is not None and limit.reason else ""
        return f"{until} (limit by {asker(rung.source)}{reason})"

    def _limit(self, rung: Rung) -> Limit | None:
        for limit in self.snapshot.limits.values():
            same = (limit.circuit, limit.source, limit.valid_until)
            if same == (rung.circuit, rung.source, rung.until):
                return limit
        return None

    def _ramp(self, rung: Rung) -> str:
        if rung.until is not None and rung.until > self.snapshot.at:
            return f"raises are kept apart, the next is due at {self._clock(rung.until, True)}"
        return "the gain would be too small to be worth a change"

    def _cheaper(self, charger: ChargerView, rung: Rung) -> str:
        """From when the plan lets it charge."""
        start, forecast = rung.until, self.snapshot.forecast
        if start is None and forecast is not None:
            planned = forecast.current_a.get(charger.id, ())
            later = zip(forecast.starts, planned, strict=False)
            start = next((at for at, a in later if a > NOISE and at > self.snapshot.at), None)
        return f", planned from {self._clock(start)}" if start is not None else ""

    def _clock(self, at: datetime, seconds: bool = False) -> str:
        return local(at, self.snapshot.at, self.snapshot.timezone, seconds=seconds)

    # ── Between plan and charger ──────────────────────────────────────────────────────────

    def _between(self, charger: ChargerView) -> str:
        """`8 A planned, 6 A in force: waits until CP02 has confirmed its decrease.`"""
        if charger.standing not in {Standing.CHARGING, Standing.WAITING, Standing.QUARANTINED}:
            return ""
        said = [self._on_the_way(charger), self._disobeys(charger)]
        return " ".join(sentence(part) for part in said if part)

    def _on_the_way(self, charger: ChargerView) -> str:
        planned, ordered = charger.target_a, charger.ordered_a
        in_force = charger.confirmed_a or 0.0
        if _same(planned, ordered) and _same(ordered, in_force):
            return ""
        figures = f"{amperes(planned)} planned"
        if not _same(ordered, in_force) and not _same(ordered, planned):
            figures += f", {amperes(ordered)} ordered"
        figures += f", {amperes(in_force)} in force"
        if self.snapshot.dry_run:
            return f"{figures}: this is a dry run, nothing is sent"
        if not _same(ordered, in_force):
            most = amperes(max(charger.reserved_a))
            return f"{figures}: waits for the charger's answer; until then {most} are reserved"
        if planned < ordered:
            return f"{figures}: the decrease is on its way"
        blockers = self._blockers(charger, planned - in_force)
        if not blockers:
            return f"{figures}: the increase is on its way"
        verb = "has" if len(blockers) == 1 else "have"
        whose = "its decrease" if len(blockers) == 1 else "their decreases"
        return f"{figures}: waits until {listing(blockers)} {verb} confirmed {whose}"

    def _blockers(self, charger: ChargerView, raise_a: float) -> list[EvseId]:
        """Who may still draw more than planned for, on a row that has no room for the raise."""
        found: dict[EvseId, None] = {}
        for circuit in self._path[charger.circuit]:
            for g in self.gauges[circuit]:
                phase = g.row.phase
                rise = gauge.on_row((raise_a,) * 3, phase, self.snapshot.voltage_v)
                if g.worst + rise > g.row.usable:
                    found |= dict.fromkeys(self._yielding.get((circuit, phase), ()))
        found.pop(charger.id, None)
        return list(found)

    @cached_property
    def _yielding(self) -> Mapping[tuple[CircuitId, Phase | None], list[EvseId]]:
        """On each row: who is to have less than it may still draw."""
        found: dict[tuple[CircuitId, Phase | None], list[EvseId]] = {}
        for charger in self.snapshot.chargers:
            if charger.ladder and charger.ladder[0].code in APART:
                continue
            for phase in Phase:
                if charger.reserved_a[phase] > charger.target_a + NOISE:
                    for circuit in self._path[charger.circuit]:
                        found.setdefault((circuit, phase), []).append(charger.id)
                        found.setdefault((circuit, None), []).append(charger.id)
        return found

    def _disobeys(self, charger: ChargerView) -> str:
        """Above its limit, and not because a higher one was in force a moment ago."""
        limit = max(charger.confirmed_a or 0.0, charger.ordered_a)
        known = charger.standing is Standing.QUARANTINED
        lawful = limit if known else max(limit, *charger.reserved_a)
        drawn = max(charger.measured_a or (0.0,))
        if drawn <= lawful + OVER_A + OVER * lawful:
            return ""
        return f"it draws {amperes(drawn)}, more than its {amperes(limit)}"


def _on(rung: Rung) -> str:
    return f" on {rung.phase.name}" if rung.phase is not None else ""


def asker(source: str) -> str:
    """`schedule:evening` → `the schedule evening`."""
    kind, _, name = source.partition(":")
    if name:
        return f"the {kind} {name}"
    return {"dso": "the grid operator", "operator": "the operator"}.get(
        source, source or "somebody"
    )


def _same(one_a: float, other_a: float) -> bool:
    return abs(one_a - other_a) <= NOISE
