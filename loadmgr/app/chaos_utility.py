"""The grid operator of a chaotic site: it lives while engines come and go, and limits any time."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any

from loadmgr.app.chaos_observer import Observer
from loadmgr.events import Heartbeat, LimitReleased, LimitSet
from loadmgr.model import UNLIMITED, Limit, Site
from loadmgr.ports import Clock
from loadmgr.simulate.chaos_faults import Fault

BEATS_S = 40.0  # a third of what it is allowed
KEPT_S = 15.0  # a limit is to be kept by then; a silence that is no longer shows nothing


class Utility:
    """Tells the engine of the moment; `engine` is None while there is none."""

    def __init__(
        self, site: Site, loop: asyncio.AbstractEventLoop, clock: Clock, observer: Observer
    ) -> None:
        self.engine: Any = None
        self._site, self._loop, self._clock, self._observer = site, loop, clock, observer
        self._silent_until_s = float("-inf")

    async def live(self) -> None:
        """Let every engine hear of it and of its limits, unless something keeps it from that."""
        told: Any = None
        while self._site.failsafes:
            await asyncio.sleep(BEATS_S)
            if self._loop.time() < self._silent_until_s:
                told = None
                continue
            if self.engine is None:
                continue
            at = self.engine.clock.now()
            for failsafe in self._site.failsafes:
                if told is not self.engine:
                    self.engine.emit(LimitReleased(at=at, name=failsafe.name, source="utility"))
                self.engine.emit(Heartbeat(at=at, name=failsafe.name))
            told = self.engine

    async def fall_silent(self, fault: Fault) -> None:
        """Nothing is heard of it: from its heartbeat's end its fail-safe limit holds."""
        self._silent_until_s = max(self._silent_until_s, self._loop.time() + fault.lasts_s)
        for failsafe in self._site.failsafes:
            if fault.lasts_s <= failsafe.heartbeat_s + KEPT_S:
                continue
            await asyncio.sleep(failsafe.heartbeat_s)
            now = self._clock.now()
            limit = Limit(
                name=failsafe.name,
                circuit=failsafe.circuit,
                current_a=failsafe.current_a,
                power_w=failsafe.power_w,
                source="utility",
                valid_from=now,
                valid_until=now + timedelta(seconds=fault.lasts_s - failsafe.heartbeat_s),
            )
            self._observer.limited(limit, now.timestamp())

    def limit(self, fault: Fault) -> None:
        """Limit some circuit to a share of its rating, if there is an engine to hear of it."""
        if self.engine is None:
            return
        rng = random.Random(f"limit:{fault.number}")
        circuit = rng.choice(self._site.circuits)
        share = fault.chance
        now = self.engine.clock.now()
        watts = rng.random() < 0.5
        limit = Limit(
            name=f"chaos-{rng.randrange(3)}",
            circuit=circuit.id,
            current_a=UNLIMITED if watts else (share * circuit.rating_a[0],) * 3,
            power_w=share * sum(circuit.rating_a) * self._site.voltage_v if watts else None,
            source="utility",
            valid_from=now,
            valid_until=now + timedelta(seconds=2 * fault.lasts_s),
        )
        self._observer.limited(limit, self._clock.now().timestamp())
        self.engine.emit(LimitSet(at=now, limit=limit))
