"""The ladder of one charger in a terminal: why not more, and what comes after that."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from loadmgr import wording
from loadmgr.figures import amperes, local, plain
from loadmgr.model import EvseId, Rung
from loadmgr.snapshot import Snapshot

SCALE = 16  # characters


def ladder(snapshot: Snapshot, evse: EvseId) -> RenderableType:
    """The reason, what lies between plan and charger, and each rung, lowest first.

    Raises
    ------
    KeyError
        There is no such charger.
    """
    why = wording.why(snapshot, evse)
    view = next(charger for charger in snapshot.chargers if charger.id == evse)
    at = local(snapshot.at, snapshot.at, snapshot.timezone, seconds=True)
    title = Text(plain(evse), style="bold").append(f"  at {at}", style="dim")
    lines: list[RenderableType] = [title, Text(plain(why.sentence))]
    if why.between:
        lines.append(Text(plain(why.between), style="yellow"))
    return Group(*lines, _rungs(view.ladder, why.rungs, view.max_a))


def _rungs(rungs: tuple[Rung, ...], said: tuple[str, ...], max_a: float) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), show_header=False)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    for rung, words in zip(rungs, said, strict=True):
        filled = round(SCALE * min(1.0, rung.amps_a / max_a)) if max_a > 0 else 0
        text = Text(plain(words.partition(": ")[2]))
        if rung.sharing:
            text.append(f" Sharing: {plain(', '.join(rung.sharing))}.", style="dim")
        scale = Text("█" * filled, style="green").append("░" * (SCALE - filled), style="dim")
        table.add_row(amperes(rung.amps_a), scale, text)
    return table
