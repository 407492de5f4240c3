"""The terminal: everything is there at any width, and nothing in it is obeyed."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace

import pytest
from rich.console import Console

from loadmgr.model import EvseId
from loadmgr.show.table import Board, watch
from loadmgr.show.why import ladder
from loadmgr.wording import why
from tests.web.snapshots import FakeDesk, car_park


def _drawn(thing: object, width: int, **options: object) -> str:
    out = io.StringIO()
    Console(file=out, width=width, **options).print(thing)  # type: ignore[arg-type]
    return out.getvalue()


def _words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_every_circuit_and_charger_is_shown_at_any_width(width: int) -> None:
    drawn = _drawn(Board(car_park()), width)
    assert all(len(line) <= width for line in drawn.splitlines())
    for name in ("North", "South", *(f"CP0{n}" for n in range(1, 8))):
        assert name in drawn
    for words in ("27.7/32 A", "full", "disobeys", "offline", "Limit:", "⚠"):
        assert words in drawn


def test_a_wide_terminal_shows_ordered_confirmed_and_each_phase() -> None:
    drawn = _drawn(Board(car_park()), 140)
    assert "11.8 8 8 7.9 0 0 North is full on L1" in _words(drawn)
    assert "L1" in drawn and "All" in drawn and "limit by dso" in drawn


def test_dry_run_is_said_at_the_top() -> None:
    drawn = _drawn(Board(replace(car_park(), dry_run=True)), 100)
    assert "DRY RUN" in drawn.splitlines()[0]


def test_no_color_leaves_words_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = {"force_terminal": True, "color_system": "standard"}
    assert "\x1b[32m" in _drawn(Board(car_park()), 100, **terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = _drawn(Board(car_park()), 100, **terminal)
    assert not any(f"\x1b[3{color}m" in plain for color in range(8))


def test_markup_and_escape_sequences_in_a_label_stay_text() -> None:
    snapshot = replace(car_park(), name="[red]Acme[/red]\x1b[2J", alarms=("[bold]x\x1b]0;y\x07",))
    drawn = _drawn(Board(snapshot), 100)
    assert "[red]Acme[/red]·[2J" in drawn and "[bold]x·]0;y·" in drawn
    assert "\x1b" not in drawn


def test_bars_grow_with_what_flows() -> None:
    def cars(snapshot: object) -> int:
        return _drawn(snapshot, 140).count("█")

    idle = replace(car_park(), chargers=())
    assert cars(Board(car_park())) > cars(Board(idle)) == 0


def test_the_ladder_is_told_in_full() -> None:
    said = why(car_park(), EvseId("CP01"))
    drawn = _words(_drawn(ladder(car_park(), EvseId("CP01")), 200))
    assert said.sentence in drawn
    for rung in said.rungs:
        assert rung.partition(": ")[2] in drawn
    assert "Sharing: CP01, CP02, CP03." in drawn


def test_an_unknown_charger_has_no_ladder() -> None:
    with pytest.raises(KeyError):
        ladder(car_park(), EvseId("CP99"))


class _Screen(io.StringIO):
    """Remembers what was drawn and tells whoever waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self._drawn = asyncio.Event()

    def write(self, text: str, /) -> int:
        self._drawn.set()
        return super().write(text)

    async def shows(self, text: str) -> None:
        while text not in self.getvalue():
            self._drawn.clear()
            await self._drawn.wait()


async def test_the_board_follows_the_ticks_until_it_is_cancelled() -> None:
    desk, screen = FakeDesk(car_park()), _Screen()
    watching = asyncio.create_task(
        watch(desk, Console(file=screen, width=100, force_terminal=True))
    )
    async with asyncio.timeout(10):
        await screen.shows("Acme Car Park")
        desk.show(replace(car_park(), number=2, name="Second tick"))
        await screen.shows("Second tick")
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
