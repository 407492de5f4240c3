"""A controller that sends everything at once and trusts every answer: what the tests must break.

It plans as ours does, on what it believes: a limit holds from the moment it is sent, who is
offline draws nothing, and a restart begins with an empty page.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from loadmgr.core.state import EvseState, State, unseen
from loadmgr.engine.engine import Engine
from loadmgr.events import Confirmed, Order, ReadFallback, Sent, SetFallback, SetLimit
from loadmgr.model import Evse, Plan, Site


class NaiveEngine(Engine):
    """In place of the ledger and the gate: trust."""

    def __init__(self, site: Site, **parts: object) -> None:
        super().__init__(site, **parts)  # type: ignore[arg-type]
        decide = self._decide

        async def trusting(site: Site, state: State, now: datetime) -> Plan:
            return await decide(site, _trusted(state), now)

        self._decide = trusting

    def restore(self) -> None:
        self.state = unseen(self.site)

    async def _dispatch(self) -> None:
        for evse in self.site.evses:
            for order in self._wanted(evse):
                self.emit(Sent(at=self.clock.now(), order=order))
                self._believe(order)
                self._orders.create_task(self._send(order))

    async def _send(self, order: Order) -> None:
        await self._gateway.execute(order)

    def _wanted(self, evse: Evse) -> list[Order]:
        belief = self.state.evses[evse.id]
        if belief.connection is None:
            return []
        head = {"evse": evse.id, "connection": belief.connection}
        serial = self.state.last_serial + 1
        if belief.fallback_checked != belief.connection:
            return [
                SetFallback(serial=serial, current_a=self.site.offline.fallback_a, **head),
                ReadFallback(serial=serial + 1, after_s=360.0, **head),
            ]
        allocation = self.plan.allocations.get(evse.id) if self.plan is not None else None
        if belief.session is None or allocation is None or not allocation.steered:
            return []
        known = belief.in_force
        old = known is None or (self.clock.now() - known.sent_at).total_seconds() > 150
        if not old and known is not None and known.current_a == allocation.current_a:
            return []
        return [
            SetLimit(
                serial=serial,
                current_a=allocation.current_a,
                lasts_s=self.site.offline.limit_lasts_s,
                transaction_id=belief.session.transaction_id,
                **head,
            )
        ]

    def _believe(self, order: Order) -> None:
        reads = isinstance(order, ReadFallback)
        self.emit(
            Confirmed(
                at=self.clock.now(),
                serial=order.serial,
                evse=order.evse,
                connection=order.connection,
                current_a=self.site.offline.fallback_a if reads else None,
            )
        )


def _trusted(state: State) -> State:
    return replace(state, evses={name: _trust(b) for name, b in state.evses.items()})


def _trust(belief: EvseState) -> EvseState:
    """Nobody disobeys, and nobody who is away draws anything."""
    belief = replace(belief, quarantine=None, unknown=(), fading=())
    if belief.connection is None:
        return replace(belief, in_force=None, fallback_a=0.0)
    return replace(belief, fallback_a=belief.fallback_a or 0.0)
