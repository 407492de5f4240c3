"""How smoothly cars are treated: how often one of them is paused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from loadmgr.core.state import State
from loadmgr.events import Event, Sent, SetLimit
from loadmgr.model import EvseId

HOUR = timedelta(hours=1)

Car = tuple[EvseId, str]  # where, and which transaction


class Comfort:
    """Watches the orders of an engine."""

    def __init__(self) -> None:
        self._limit_a: dict[Car, float] = {}
        self._stops: dict[Car, list[datetime]] = defaultdict(list)

    def watch(self, event: Event, state: State) -> None:
        if not isinstance(event, Sent) or not isinstance(event.order, SetLimit):
            return
        car = (event.order.evse, event.order.transaction_id)
        if event.order.current_a == 0 and self._limit_a.get(car, 0.0) > 0:
            self._stops[car].append(event.at)
        self._limit_a[car] = event.order.current_a

    def stops_an_hour(self) -> int:
        """The most times one car was paused within any hour."""
        return max((_in_an_hour(stops) for stops in self._stops.values()), default=0)


def _in_an_hour(stops: Sequence[datetime]) -> int:
    return max(sum(at <= later < at + HOUR for later in stops) for at in stops)
