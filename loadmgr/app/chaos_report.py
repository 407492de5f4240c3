"""What many runs came to: one line for each, the bounds over all, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from loadmgr.app.chaos_runs import DAY_S, Known, Run, is_safe
from loadmgr.simulate.truth import Cause

HEADER = (
    f"{'seed':>6} {'bays':>4} {'days':>5} {'fault':>7} {'faults':>6} {'ours':>6} {'trips':>5} "
    f"{'building':>8} {'chargers':>8} {'reach':>6} {'meter':>6} {'kWh':>8} "
    f"{'of calm':>7} {'naive':>8}"
)

LEGEND = """\
One line for each site. Seconds above a rating, by whose they are: ours (there must be none), steps
of the building, chargers that take more than they may, chargers out of reach, a meter that lies.
trips: breakers that opened. of calm: energy beside the same day without faults (--calm). naive:
seconds of a controller that trusts every answer (--naive).
"""


def line(run: Run) -> str:
    """One run in one line; overload in seconds, over all fuses and phases."""
    lived, seconds = run.lived, run.lived.seconds
    share = _share(run)
    naive = "" if run.naive is None else f"{run.naive.summary.ours_s:.0f} s"
    return (
        f"{run.ask.seed:>6} {run.chargers:>4} {run.ask.seconds / DAY_S:>5.2f} "
        f"{run.faults_every_s:>5.0f} s {_struck(run):>6} {lived.summary.ours_s:>6.0f} "
        f"{len(lived.summary.tripped):>5} {seconds[Cause.BUILDING]:>8.0f} "
        f"{seconds[Cause.CHARGERS]:>8.0f} {seconds[Cause.REACH]:>6.0f} "
        f"{seconds[Cause.METER]:>6.0f} {lived.summary.energy_wh / 1000:>8.1f} "
        f"{'' if share is None else f'{100 * share:.1f} %':>7} {naive:>8}"
    )


def as_text(runs: Sequence[Run]) -> str:
    """What all runs came to together."""
    found = as_json(runs)
    bounds = found["bounds"]
    lines = [
        f"{found['site_days']:.2f} site-days, {found['faults']} faults, seeds "
        f"{found['seeds'][0]} to {found['seeds'][-1]}: "
        f"{found['overload_s']['ours']:.0f} s of overload of ours, "
        f"{found['trips']} breakers tripped",
        f"{found['site_days_per_core_minute']:.2f} site-days per minute and core",
    ]
    for name, bound in bounds.items():
        if bound["cases"]:
            lines.append(
                f"{name:<48} p99 {bound['p99']:6.1f} s  highest {bound['highest']:6.1f} s  "
                f"({bound['cases']} cases, bound {bound['bound']})"
            )
    apart_s = found["increases_apart_s"]
    lines.append(
        f"{found['stops_per_car_hour']:.2f} stops per car and hour, "
        + ("" if apart_s is None else f"increases at least {apart_s:.1f} s apart, ")
        + f"at most {found['orders_a_minute']} orders a minute to one charger"
    )
    if found["energy_of_calm"] is not None:
        lines.append(f"energy: {100 * found['energy_of_calm']:.1f} % of what calm days deliver")
    if found["of_optimum"] is not None:
        lines.append(
            f"without faults: {100 * found['of_optimum']:.1f} % of what was possible, "
            f"{100 * found['of_shares']:.1f} % of the same shares where all is known beforehand"
        )
    if found["naive_fails"] is not None:
        lines.append(f"naive controller: fails on {found['naive_fails']} of {len(runs)} seeds")
    lines += [f"NOT SAFE: seed {seed}" for seed in found["unsafe_seeds"]]
    return "\n".join(lines)


def as_json(runs: Sequence[Run]) -> dict[str, Any]:
    cpu_s = sum(run.cpu_s for run in runs)
    days = sum(run.ask.seconds for run in runs) / DAY_S
    apart = [s for run in runs for s in run.lived.observed.apart_s]
    hours = sum(run.lived.observed.car_hours for run in runs)
    calm = [run for run in runs if run.faultless_wh]
    naive = [run for run in runs if run.naive is not None]
    return {
        "site_days": days,
        "faults": sum(_struck(run) for run in runs),
        "faults_by_kind": dict(sum((Counter(_by_kind(run)) for run in runs), Counter())),
        "seeds": [run.ask.seed for run in runs],
        "unsafe_seeds": [run.ask.seed for run in runs if not run.safe],
        "overload_s": {
            cause.value: sum(run.lived.seconds[cause] for run in runs) for cause in Cause
        },
        "trips": sum(len(run.lived.summary.tripped) for run in runs),
        "energy_kwh": sum(run.lived.summary.energy_wh for run in runs) / 1000,
        "energy_of_calm": _ratio(
            sum(run.lived.summary.energy_wh for run in calm),
            sum(run.faultless_wh or 0.0 for run in calm),
        ),
        **_of_known([run.known for run in runs if run.known is not None]),
        "naive_fails": sum(not is_safe(r.naive) for r in naive if r.naive) if naive else None,
        "bounds": _bounds(runs),
        "stops_per_car_hour": sum(run.lived.observed.stops for run in runs) / max(hours, 1e-9),
        "increases_apart_s": min(apart, default=None),
        "orders_a_minute": max((run.lived.observed.orders_a_minute for run in runs), default=0),
        "site_days_per_core_minute": days / max(cpu_s / 60, 1e-9),
        "runs": [_run(run) for run in runs],
    }


BOUNDS = {
    "overload by a step of the building": "15 s after a sample",
    "overload by a charger that takes more": "55 s",
    "overload under a meter that lies": "45 s",
    "ignored limit to quarantine": "40 s",
    "meter lost to declared worst case": "30 s",
    "utility limit to currents below it": "15 s",
    "first call after a start to control": "10 s",
}


def _bounds(runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    took = [_took(run) for run in runs]
    return {
        name: _bound((s for one in took for s in one[name]), bound)
        for name, bound in BOUNDS.items()
    }


def _took(run: Run) -> dict[str, list[float]]:
    """How long each case took of what has a bound. [s]"""
    seen, spells = run.lived.observed, run.lived.spells

    def lasted(cause: Cause) -> list[float]:
        return [spell.to_s - spell.from_s for spell in spells if spell.cause is cause]

    found = (
        lasted(Cause.BUILDING),
        lasted(Cause.CHARGERS),
        lasted(Cause.METER),
        list(seen.quarantined_s),
        list(seen.capped_s),
        list(seen.limited_s),
        list(seen.in_control_s),
    )
    return dict(zip(BOUNDS, found, strict=True))


def _bound(seconds: Iterable[float], bound: str) -> dict[str, Any]:
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return {
        "cases": len(ordered),
        "p99": ordered[min(last, int(0.99 * len(ordered)))] if ordered else None,
        "highest": ordered[-1] if ordered else None,
        "bound": bound,
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "seed": run.ask.seed,
        "chargers": run.chargers,
        "days": run.ask.seconds / DAY_S,
        "faults_every_s": run.faults_every_s,
        "faults": _by_kind(run),
        "overload_s": {cause.value: seconds for cause, seconds in run.lived.seconds.items()},
        "overloads": [
            {
                "circuit": spell.circuit,
                "phase": spell.phase.name,
                "at_s": spell.from_s,
                "lasts_s": spell.to_s - spell.from_s,
                "above_a": round(spell.most_a, 2),
            }
            for spell in run.lived.spells
            if spell.cause is Cause.OURS
        ],
        "trips": len(run.lived.summary.tripped),
        "took_s": {name: [round(s, 1) for s in each] for name, each in _took(run).items()},
        "energy_kwh": run.lived.summary.energy_wh / 1000,
        "energy_of_calm": _share(run),
        **_of_known([] if run.known is None else [run.known]),
        "naive_overload_s": None if run.naive is None else run.naive.summary.ours_s,
        "ticks": run.lived.ticks,
        "orders": run.lived.orders,
        "orders_a_minute": run.lived.observed.orders_a_minute,
        "cpu_s": run.cpu_s,
    }


def _by_kind(run: Run) -> dict[str, int]:
    return {kind.value: count for kind, count in run.lived.struck.items() if count}


def _struck(run: Run) -> int:
    return sum(run.lived.struck.values())


def _share(run: Run) -> float | None:
    return _ratio(run.lived.summary.energy_wh, run.faultless_wh or 0.0)


def _of_known(known: Sequence[Known]) -> dict[str, float | None]:
    """Of what who knows all could have delivered, the share that was."""
    delivered_wh = sum(each.delivered_wh for each in known)
    return {
        "of_optimum": _ratio(delivered_wh, sum(each.most_wh for each in known)),
        "of_shares": _ratio(delivered_wh, sum(each.shared_wh for each in known)),
    }


def _ratio(one: float, other: float) -> float | None:
    return one / other if other else None
