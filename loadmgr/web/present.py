"""From a snapshot to answers: pure."""

from __future__ import annotations

import math
from dataclasses import asdict

from loadmgr import gauge, model, snapshot, wording
from loadmgr.snapshot import Snapshot
from loadmgr.units import PerPhase, Phase
from loadmgr.web import answers


def tick(shown: Snapshot) -> answers.Tick:
    return answers.Tick(site=site(shown), chargers=chargers(shown))


def site(shown: Snapshot) -> answers.Site:
    return answers.Site(
        at=shown.at,
        number=shown.number,
        name=shown.name,
        timezone=shown.timezone,
        voltage_v=shown.voltage_v,
        dry_run=shown.dry_run,
        overview=wording.overview(shown),
        circuits=_circuits(shown),
        limits=limits(shown),
        shortfalls=_shortfalls(shown),
        solve=_solve(shown),
        pace=answers.Pace(**asdict(shown.pace)),
        alarms=list(shown.alarms),
        news=[answers.News(**asdict(news)) for news in shown.news],
    )


def _circuits(shown: Snapshot) -> list[answers.Circuit]:
    gauges, paths = gauge.gauges(shown), gauge.path(shown)
    return [
        answers.Circuit(
            id=view.circuit.id,
            label=view.circuit.label or view.circuit.id,
            feeds_from=view.circuit.feeds_from,
            depth=len(paths[view.circuit.id]) - 1,
            rating_a=_phases(view.circuit.rating_a),
            margin_a=view.circuit.margin_a,
            max_power_w=view.circuit.max_power_w,
            meter=_meter(view),
            rows=[_row(g) for g in gauges[view.circuit.id]],
        )
        for view in shown.circuits
    ]


def _meter(view: snapshot.CircuitView) -> answers.Meter | None:
    if view.meter is None:
        return None
    return answers.Meter(
        id=view.meter,
        current_a=None if view.measured_a is None else _phases(view.measured_a),
        measured_at=view.measured_at,
        lost=view.meter_lost,
    )


def _row(g: gauge.Gauge) -> answers.Row:
    return answers.Row(
        phase=_phase(g.row.phase),
        unit="W" if g.row.phase is None else "A",
        rating=g.row.rating,
        usable=g.row.usable,
        building=g.row.building,
        cars=g.cars,
        used=g.used,
        metered=g.metered,
        reserved=g.row.reserved,
        planned=g.row.planned,
        level=g.level,
        level_words=wording.LEVEL[g.level],
        limited_by=g.row.limited_by,
    )


def _phases(current_a: PerPhase) -> answers.Phases:
    return answers.Phases(L1=current_a[0], L2=current_a[1], L3=current_a[2])


def _phase(phase: Phase | None) -> answers.PhaseName | None:
    names: tuple[answers.PhaseName, ...] = ("L1", "L2", "L3")
    return None if phase is None else names[phase]


# ── Chargers ──────────────────────────────────────────────────────────────────────────────


def chargers(shown: Snapshot) -> list[answers.Charger]:
    reasons = wording.whys(shown)
    labels = _labels(shown)
    return [_charger(view, reasons[view.id], labels[view.circuit]) for view in shown.chargers]


def charger(shown: Snapshot, view: snapshot.ChargerView) -> answers.Charger:
    return _charger(view, wording.why(shown, view.id), _labels(shown)[view.circuit])


def _charger(view: snapshot.ChargerView, why: wording.Why, circuit_label: str) -> answers.Charger:
    return answers.Charger(
        id=view.id,
        station=view.station,
        label=view.label,
        circuit=view.circuit,
        circuit_label=circuit_label,
        standing=view.standing,
        standing_words=wording.STANDING[view.standing],
        status=view.status,
        session=_session(view),
        target_a=view.target_a,
        ordered_a=view.ordered_a,
        confirmed_a=view.confirmed_a,
        measured_a=None if view.measured_a is None else _phases(view.measured_a),
        measured_at=view.measured_at,
        reserved_a=_phases(view.reserved_a),
        max_a=view.max_a,
        code=view.ladder[0].code if view.ladder else None,
        brief=why.brief,
        sentence=why.sentence,
        between=why.between,
    )


def _session(view: snapshot.ChargerView) -> answers.Session | None:
    """Without the token: it opens the charger to whoever reads it."""
    if view.session is None:
        return None
    return answers.Session(
        started_at=view.session.started_at,
        energy_wh=view.energy_wh,
        asked_wh=view.session.needs.energy_wh,
        departure=view.session.needs.departure,
    )


def why(shown: Snapshot, view: snapshot.ChargerView) -> answers.Why:
    reason = wording.why(shown, view.id)
    labels = _labels(shown)
    ladder = zip(view.ladder, reason.rungs, reason.splits, strict=True)
    return answers.Why(
        charger=view.id,
        at=shown.at,
        number=shown.number,
        target_a=view.target_a,
        sentence=reason.sentence,
        between=reason.between,
        ladder=[_rung(rung, said, split, labels) for rung, said, split in ladder],
    )


def _rung(
    rung: model.Rung, said: str, split: gauge.Split | None, labels: dict[model.CircuitId, str]
) -> answers.Rung:
    return answers.Rung(
        code=rung.code,
        amps_a=rung.amps_a,
        sentence=said,
        circuit=rung.circuit,
        circuit_label=None if rung.circuit is None else labels.get(rung.circuit, rung.circuit),
        phase=_phase(rung.phase),
        split=None
        if split is None
        else answers.Split(unit="kW" if rung.phase is None else "A", **asdict(split)),
        sharing=list(rung.sharing),
        source=rung.source,
        until=rung.until,
        position=rung.position,
    )


def _labels(shown: Snapshot) -> dict[model.CircuitId, str]:
    return {view.circuit.id: view.circuit.label or view.circuit.id for view in shown.circuits}


# ── Limits and plan ───────────────────────────────────────────────────────────────────────


def limits(shown: Snapshot) -> list[answers.Limit]:
    found = sorted(shown.limits.values(), key=lambda limit: limit.name)
    return [limit(shown, one) for one in found]


def limit(shown: Snapshot, asked: model.Limit, note: str = "") -> answers.Limit:
    bounded = any(map(math.isfinite, asked.current_a))
    return answers.Limit(
        name=asked.name,
        circuit=asked.circuit,
        circuit_label=_labels(shown).get(asked.circuit, asked.circuit),
        current_a=_phases(asked.current_a) if bounded else None,
        power_w=asked.power_w,
        source=asked.source,
        reason=asked.reason,
        valid_from=asked.valid_from,
        valid_until=asked.valid_until,
        in_force=asked.in_force(shown.at),
        sentence=wording.limit(shown, asked),
        note=note,
    )


def plan(shown: Snapshot) -> answers.Plan:
    ahead = shown.forecast
    return answers.Plan(
        at=shown.at,
        number=shown.number,
        starts=[] if ahead is None else list(ahead.starts),
        step_s=[] if ahead is None else list(ahead.step_s),
        current_a={} if ahead is None else {evse: list(a) for evse, a in ahead.current_a.items()},
        shortfalls=_shortfalls(shown),
        solve=_solve(shown),
    )


def _shortfalls(shown: Snapshot) -> list[answers.Shortfall]:
    return [
        answers.Shortfall(
            charger=one.evse,
            missing_wh=one.missing_wh,
            departure=one.departure,
            sentence=wording.shortfall(shown, one),
        )
        for one in shown.shortfalls
    ]


def _solve(shown: Snapshot) -> answers.Solve:
    return answers.Solve(**asdict(shown.solve))
