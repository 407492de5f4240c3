"""Dry run: everything is computed and shown, nothing is sent."""

from __future__ import annotations

from dataclasses import replace

from loadmgr.core.observe import observe as believe
from loadmgr.core.state import State
from loadmgr.engine.clock import SteadyClock
from loadmgr.events import Confirmed, Event, EvseMeasured, Order, Outcome, ReadFallback
from loadmgr.model import Site
from loadmgr.ports import Emit, Gateway, Kept


class Pretending:
    """A gateway that listens to the stations and keeps every order to itself.

    Each order counts as confirmed, so that the plan shows what it would come to.
    """

    def __init__(self, gateway: Gateway, site: Site, clock: SteadyClock) -> None:
        self._gateway = gateway
        self._site = site
        self._clock = clock

    async def run(self, emit: Emit, kept: Kept) -> None:
        await self._gateway.run(emit, kept)

    async def execute(self, order: Order) -> Outcome:
        reads = isinstance(order, ReadFallback)
        return Confirmed(
            at=self._clock.now(),
            serial=order.serial,
            evse=order.evse,
            connection=order.connection,
            current_a=self._site.offline.fallback_a if reads else None,
        )

    async def close(self, station: str, reason: str) -> None:
        """Nothing is closed in a dry run."""


def observe(site: Site, state: State, event: Event) -> State:
    """As in earnest, but nobody disobeys an order that was never sent."""
    state = believe(site, state, event)
    if not isinstance(event, EvseMeasured) or event.evse not in state.evses:
        return state
    belief = replace(state.evses[event.evse], quarantine=None, over_since=None, over_count=0)
    return replace(state, evses={**state.evses, event.evse: belief})
