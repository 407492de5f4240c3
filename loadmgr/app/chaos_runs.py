"""Many sites, each from one seed, on as many cores as asked for; and a failing one made small."""

from __future__ import annotations

import logging
import math
import multiprocessing
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import structlog

from loadmgr.app.chaos import START_S, Lived, live
from loadmgr.app.chaos_naive import Naive
from loadmgr.app.chaos_optimum import most_wh
from loadmgr.app.chaos_shares import shared_wh
from loadmgr.model import Share
from loadmgr.simulate.chaos_faults import Fault, Kind, Mix, draw, only
from loadmgr.simulate.chaos_site import Wishes, World, world

SITE_DAYS = 0.25
"""How long one site lives before the next seed takes over: many small worlds show more."""

FAULTS_EVERY_S = (20.0, 3600.0)
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One site to be played. None: by chance, from its seed."""

    seed: int
    seconds: float
    faults_every_s: float | None = None
    chargers: int | None = None
    fallback_a: float | None = None
    kinds: frozenset[Kind] | None = None
    naive: bool = False  # beside the engine
    faultless: bool = False  # once more without faults, for the energy
    optimum: bool = False  # and beside what could have been delivered then by who knows all
    slow: bool = False  # whoever has to follow takes the time that it may take
    steady: bool = False  # nothing in the buildings switches


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A run in which nothing goes wrong, beside those that know everything beforehand. [Wh]"""

    delivered_wh: float
    most_wh: float  # whoever gets it
    shared_wh: float  # by the shares of the site


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What became of it."""

    ask: Ask
    chargers: int
    faults_every_s: float
    lived: Lived
    cpu_s: float  # of the run with faults
    faultless_wh: float | None
    known: Known | None
    naive: Lived | None

    @property
    def safe(self) -> bool:
        return is_safe(self.lived)


def is_safe(lived: Lived) -> bool:
    return lived.summary.ours_s == 0 and not lived.summary.tripped


def asked(days: float, seed: int, **more: object) -> list[Ask]:
    """Site-days cut into sites, one seed each."""
    count = max(1, math.ceil(days / SITE_DAYS - 1e-9))
    seconds = days / count * DAY_S
    return [Ask(seed=seed + k, seconds=seconds, **more) for k in range(count)]  # type: ignore[arg-type] # as named by the caller


def play(ask: Ask) -> Run:
    """Play one site; the same ask gives the same run."""
    built, faults, every_s = prepared(ask)
    began = time.process_time()
    lived = live(built, faults, seconds=ask.seconds)
    return Run(
        ask=ask,
        chargers=len(built.site.evses),
        faults_every_s=every_s,
        lived=lived,
        cpu_s=time.process_time() - began,
        faultless_wh=_faultless_wh(ask, built, faults) if ask.faultless else None,
        known=_known(ask, built) if ask.optimum else None,
        naive=live(built, faults, seconds=ask.seconds, make_engine=Naive) if ask.naive else None,
    )


def prepared(ask: Ask) -> tuple[World, tuple[Fault, ...], float]:
    """The world, its faults, and their mean distance."""
    least_s, most_s = FAULTS_EVERY_S
    chance = random.Random(f"density:{ask.seed}").random()
    every_s = ask.faults_every_s or least_s * (most_s / least_s) ** chance
    mix = Mix(every_s=every_s)
    built = world(
        ask.seed,
        start_s=START_S,
        seconds=ask.seconds,
        warm_up_s=mix.warm_up_s,
        wishes=Wishes(
            chargers=ask.chargers, fallback_a=ask.fallback_a, slow=ask.slow, steady=ask.steady
        ),
    )
    faults = draw(built.site, mix, seed=ask.seed, seconds=ask.seconds)
    return built, faults if ask.kinds is None else only(faults, ask.kinds), every_s


def _faultless_wh(ask: Ask, built: World, faults: Sequence[Fault]) -> float:
    """Energy of the same site and the same people, where only utility and drivers act."""
    expected = only(faults, frozenset({Kind.LIMIT, Kind.UNPLUG, Kind.CAR_PHASES}))
    return live(built, expected, seconds=ask.seconds).summary.energy_wh


def _known(ask: Ask, built: World) -> Known:
    """Nothing at all goes wrong.

    Who waits for a lower price delivers less on purpose: here everybody shares at once.
    """
    if built.site.policy.share is Share.CHEAPEST:
        policy = replace(built.site.policy, share=Share.FAIR)
        built = replace(built, site=replace(built.site, policy=policy))
    return Known(
        delivered_wh=live(built, (), seconds=ask.seconds).summary.energy_wh,
        most_wh=most_wh(built, start_s=START_S, seconds=ask.seconds),
        shared_wh=shared_wh(built, start_s=START_S, seconds=ask.seconds),
    )


def play_all(asks: Sequence[Ask], jobs: int) -> Iterator[Run]:
    """Runs in the order of their asks, as they come."""
    if jobs <= 1 or len(asks) == 1:
        with _quiet():
            yield from map(play, asks)
        return
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(min(jobs, len(asks)), initializer=_quieten) as pool:
        yield from pool.imap(play, asks)


@contextmanager
def _quiet() -> Iterator[None]:
    before = structlog.get_config()
    _quieten()
    try:
        yield
    finally:
        structlog.configure(**before)


def _quieten() -> None:
    """A thousand failed orders a minute are no news here."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


# ── Making it small ───────────────────────────────────────────────────────────────────────


def shrink(
    ask: Ask, *, breaks: Callable[[Lived], bool] | None = None, most_plays: int = 60
) -> tuple[Fault, ...]:
    """A short list of faults that still breaks it: none of them can be left out alone.

    Delta debugging (A. Zeller, R. Hildebrandt, IEEE TSE 28(2), 2002, section 3), on the part of
    the list before the first overload.
    """
    breaks = breaks or (lambda lived: not is_safe(lived))
    built, faults, _ = prepared(ask)
    plays = 0

    def fails(part: Sequence[Fault]) -> bool:
        nonlocal plays
        plays += 1
        with _quiet():
            return breaks(live(built, part, seconds=ask.seconds))

    kept = list(faults)
    if not fails(kept):
        return ()
    parts = 2
    while len(kept) > 1 and plays < most_plays:
        size = math.ceil(len(kept) / parts)
        without = [kept[:k] + kept[k + size :] for k in range(0, len(kept), size)]
        smaller = next((rest for rest in without if plays < most_plays and fails(rest)), None)
        if smaller is not None:
            kept, parts = smaller, max(2, parts - 1)
        elif size == 1:
            break
        else:
            parts = min(len(kept), 2 * parts)
    return tuple(kept)
