"""`loadmgr simulate --chaos`: from what was written at the prompt to runs, and back to words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from loadmgr.app import chaos_report
from loadmgr.app.chaos_runs import Ask, Run, asked, play_all, shrink
from loadmgr.app.durations import seconds
from loadmgr.simulate.chaos_faults import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """As it stands on the command line."""

    days: float
    seed: int
    jobs: int
    chargers: int | None
    faults_every: str
    fallback: str
    faults_only: str
    naive: bool
    calm: bool
    optimum: bool
    slow: bool
    steady: bool
    shrink: bool


def perform(asked: Asked, say: Callable[[str], Any] | None) -> tuple[bool, dict[str, Any]]:
    """Play it; `say` hears each line as it comes. Returns whether all was safe, and the figures.

    Raises
    ------
    ValueError
        Something on the command line makes no sense; says what.
    """
    runs: list[Run] = []
    sites = asks(asked)
    if say is not None:
        say(chaos_report.LEGEND)
        say(chaos_report.HEADER)
    for run in play_all(sites, asked.jobs):
        runs.append(run)
        if say is not None:
            say(chaos_report.line(run))
    if say is not None:
        say(chaos_report.as_text(runs))
    found = chaos_report.as_json(runs)
    unsafe = [run.ask for run in runs if not run.safe]
    if asked.shrink:
        if say is not None and not unsafe:
            say("all seeds are safe: there is nothing to shrink")
        found["shrunk"] = {ask.seed: _shrunk(ask, say) for ask in unsafe}
    elif unsafe and say is not None:
        say("--shrink finds the few faults that it takes")
    return not unsafe, found


def _shrunk(ask: Ask, say: Callable[[str], Any] | None) -> list[dict[str, Any]]:
    """The few faults without which an unsafe site would be safe, for a test to be made of them."""
    faults = shrink(ask)
    if say is not None:
        say(f"seed {ask.seed} takes no more than these faults:")
        for fault in faults:
            say(f"  {fault}")
    return [asdict(fault) for fault in faults]


def asks(wish: Asked) -> list[Ask]:
    return asked(
        wish.days,
        wish.seed,
        chargers=wish.chargers,
        faults_every_s=_every_s(wish.faults_every),
        fallback_a=_fallback_a(wish.fallback),
        kinds=_kinds(wish.faults_only),
        naive=wish.naive,
        faultless=wish.calm,
        optimum=wish.optimum,
        slow=wish.slow,
        steady=wish.steady,
    )


def _every_s(text: str) -> float | None:
    if not text:
        return None
    every_s = seconds(text)
    if not 1.0 <= every_s <= 1e6:
        raise ValueError(f"--faults-every {text}: 1s to 10d are possible")
    return every_s


def _fallback_a(text: str) -> float | None:
    if not text:
        return None
    number = text.strip().lower().removesuffix("a").strip()
    if number not in {"0", "6"}:
        raise ValueError(f"--fallback {text}: 0A and 6A are possible")
    return float(number)


def _kinds(text: str) -> frozenset[Kind] | None:
    if not text:
        return None
    names = {name.strip() for name in text.split(",")}
    unknown = sorted(names - set(Kind))
    if unknown:
        raise ValueError(
            f"--faults-only: no kind of fault is called {', '.join(unknown)}; "
            f"there are {', '.join(Kind)}"
        )
    return frozenset(Kind(name) for name in names)
