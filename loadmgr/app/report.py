"""What a story came to, as text and as JSON."""

from __future__ import annotations

from typing import Any

from loadmgr.app.stage import Outcome


def as_text(outcome: Outcome) -> str:
    summary = outcome.summary
    lines = [
        f"{outcome.story.name}: {summary.seconds / 60:.0f} min, seed {outcome.story.seed}",
        f"energy delivered   {summary.energy_wh / 1000:.1f} kWh to {summary.sessions_served} "
        f"of {summary.sessions} cars",
        f"overload seconds   {summary.ours_s:.0f} ours, {summary.building_s:.0f} from steps of the "
        "building, on true currents",
    ]
    for row in summary.rows:
        name = f"{row.circuit} L{int(row.phase) + 1}"
        lines.append(f"  {name:<16} highest {row.max_a:5.1f} A of {row.rating_a:g} A")
    lines.append(
        f"ticks              {outcome.pace.ticks}, {outcome.orders} orders, "
        f"p50 {outcome.pace.p50_s * 1000:.1f} ms, p99 {outcome.pace.p99_s * 1000:.1f} ms"
    )
    lines.append(f"comfort            stopped {outcome.stops_an_hour} times an hour at most")
    lines += [f"BROKEN: {sentence}" for sentence in outcome.broken]
    return "\n".join(lines)


def as_json(outcome: Outcome) -> dict[str, Any]:
    summary = outcome.summary
    return {
        "story": outcome.story.name,
        "seed": outcome.story.seed,
        "seconds": summary.seconds,
        "energy_kwh": round(summary.energy_wh / 1000, 3),
        "cars": summary.sessions,
        "cars_served": summary.sessions_served,
        "overload_s": {"ours": summary.ours_s, "building": summary.building_s},
        "rows": [
            {
                "circuit": row.circuit,
                "phase": f"L{int(row.phase) + 1}",
                "highest_a": round(row.max_a, 2),
                "rating_a": row.rating_a,
                "ours_s": row.ours_s,
                "building_s": row.building_s,
            }
            for row in summary.rows
        ],
        "served_kwh": {name: round(wh / 1000, 3) for name, wh in outcome.served.items()},
        "ticks": outcome.pace.ticks,
        "orders": outcome.orders,
        "stops_an_hour": outcome.stops_an_hour,
        "felt_s": outcome.felt_s,
        "tick_ms": {
            "p50": round(outcome.pace.p50_s * 1000, 2),
            "p99": round(outcome.pace.p99_s * 1000, 2),
        },
        "broken": list(outcome.broken),
    }
