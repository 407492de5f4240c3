"""The site in a terminal: fuses with a bar per phase, chargers with what they have and why.

Colours come beside words and go away with NO_COLOR, which rich obeys by itself.
All text is shown as it is: neither markup nor escape sequences in a label take effect.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from loadmgr import gauge, wording
from loadmgr.figures import amount, decimal, local, on_display, plain
from loadmgr.gauge import Gauge, Level
from loadmgr.ports import Desk
from loadmgr.snapshot import ChargerView, CircuitView, Snapshot, Standing
from loadmgr.units import PHASES

WIDE = 100  # columns; below it the figures that matter less give way
NEWS = 4

_LEVEL_STYLE = {
    Level.FREE: "",
    Level.FULL: "bold",
    Level.ABOVE: "yellow",
    Level.OVER: "bold red",
}
_STANDING_STYLE = {
    Standing.CHARGING: "green",
    Standing.WAITING: "yellow",
    Standing.UNPROVEN: "yellow",
    Standing.OFFLINE: "red",
    Standing.NEVER_SEEN: "red",
    Standing.QUARANTINED: "bold red",
    Standing.READY: "dim",
}


class Board:
    """A snapshot as rich draws it, as wide as the terminal is."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._shown = snapshot

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.max_width >= WIDE
        yield _head(self._shown)
        yield _circuits(self._shown, bar=max(6, min(24, options.max_width // 5 - 4)))
        yield _chargers(self._shown, wide=wide)
        yield from _notes(self._shown)


async def watch(desk: Desk, console: Console) -> None:
    """Keep the board on the screen up to date until cancelled."""
    number = -1
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while True:
            snapshot = await desk.newer_than(number)
            number = snapshot.number
            live.update(Board(snapshot), refresh=True)


def _head(shown: Snapshot) -> RenderableType:
    title = Text(plain(shown.name), style="bold")
    title.append(f"  {local(shown.at, shown.at, shown.timezone, seconds=True)}", style="dim")
    if shown.dry_run:
        title.append("  DRY RUN: nothing is sent", style="bold yellow")
    return Group(title, Text(plain(wording.overview(shown)), style="dim"))


# ── Fuses ─────────────────────────────────────────────────────────────────────────────────


def _circuits(shown: Snapshot, *, bar: int) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), show_header=False)
    table.add_column(overflow="fold", min_width=9)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(overflow="fold")
    gauges, paths = gauge.gauges(shown), gauge.path(shown)
    for view in shown.circuits:
        depth = len(paths[view.circuit.id]) - 1
        for first, g in _first(gauges[view.circuit.id]):
            name = "  " * depth + plain(view.circuit.label or view.circuit.id) if first else ""
            table.add_row(
                Text(name, style="bold"),
                g.row.phase.name if g.row.phase is not None else "All",
                _bar(g, bar),
                Text(_used(g), style=_LEVEL_STYLE[g.level]),
                Text(_remark(view, g), style=_LEVEL_STYLE[g.level]),
            )
    return table


def _first(its: tuple[Gauge, ...]) -> Iterator[tuple[bool, Gauge]]:
    return ((place == 0, g) for place, g in enumerate(its))


def _used(g: Gauge) -> str:
    most = g.row.rating if g.level is Level.OVER else g.row.usable
    return f"{decimal(on_display(g.used, g.row.phase))}/{amount(most, g.row.phase)}"


def _remark(view: CircuitView, g: Gauge) -> str:
    remarks = [wording.LEVEL[g.level]]
    remarks += [f"limit by {plain(g.row.limited_by)}"] if g.row.limited_by else []
    remarks += ["meter silent"] if view.meter_lost else []
    return ", ".join(remarks)


def _bar(g: Gauge, width: int) -> Text:
    """Building, cars, what else is reserved, and what is free, as characters of one width."""
    full = max(g.row.rating, g.used, 1e-9)
    ends = [g.row.building, g.row.building + g.cars, max(g.worst, g.row.building + g.cars), full]
    places = [min(width, max(0, round(width * end / full))) for end in ends]
    serious = g.level in {Level.ABOVE, Level.OVER}
    cars = _LEVEL_STYLE[g.level] if serious else "green"
    bar, start = Text(), 0
    signs = (("▓", "blue"), ("█", cars), ("▒", "dim"), ("░", "dim"))
    for end, (sign, style) in zip(places, signs, strict=True):
        bar.append(sign * (end - start), style=style)
        start = max(start, end)
    return bar


# ── Chargers ──────────────────────────────────────────────────────────────────────────────


def _chargers(shown: Snapshot, *, wide: bool) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("Charger", overflow="fold")
    table.add_column("State", no_wrap=True)
    table.add_column("Plan", justify="right", no_wrap=True)
    if wide:
        table.add_column("Ordered", justify="right", no_wrap=True)
        table.add_column("Confirmed", justify="right", no_wrap=True)
    table.add_column("Draws L1 L2 L3" if wide else "Draws", justify="right", no_wrap=True)
    table.add_column("Why", overflow="fold", ratio=1)
    reasons = wording.whys(shown)
    for view in shown.chargers:
        why = reasons[view.id]
        said = Text(plain(why.brief))
        if why.between:
            said.append(f" {plain(why.between)}", style="yellow")
        figures = [decimal(view.ordered_a), _known(view.confirmed_a)] if wide else []
        table.add_row(
            Text(plain(view.id), style="bold"),
            Text(wording.STANDING[view.standing], style=_STANDING_STYLE[view.standing]),
            Text(decimal(view.target_a), style="bold"),
            *figures,
            _draws(view, wide=wide),
            said,
        )
    return table


def _known(current_a: float | None) -> str:
    return "–" if current_a is None else decimal(current_a)


def _draws(view: ChargerView, *, wide: bool) -> str:
    """Per phase; where there is no room for three, the highest."""
    if view.measured_a is None:
        return "–"
    if not wide:
        return decimal(max(view.measured_a))
    return " ".join(f"{decimal(view.measured_a[phase]):>4}" for phase in PHASES)


# ── The rest ──────────────────────────────────────────────────────────────────────────────


def _notes(shown: Snapshot) -> Iterator[Text]:
    for name in sorted(shown.limits):
        yield Text(f"Limit: {plain(wording.limit(shown, shown.limits[name]))}", style="cyan")
    for alarm in (*shown.alarms, *(wording.shortfall(shown, s) for s in shown.shortfalls)):
        yield Text(f"⚠ {plain(alarm)}", style="red")
    for news in shown.news[:NEWS]:
        at = local(news.at, shown.at, shown.timezone)
        yield Text(f"{at} {plain(news.text)}", style="bold" if news.serious else "dim")
