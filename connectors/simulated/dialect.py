"""What the two protocol versions have in common, as a station sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from connectors.simulated.moments import Moment
from connectors.simulated.settings import Settings
from connectors.simulated.wire import Payload, Reply
from loadmgr.model import ConnectorStatus
from loadmgr.simulate.station import Station

Call = tuple[str, Payload]


class Body(Protocol):
    """What a call of the back end may do to a station."""

    model: Station
    settings: Settings

    def now_s(self) -> float:
        """Model time; everything physical has been brought up to it."""
        ...

    def start_remotely(self, number: int | None, token: str) -> int | None:
        """Accept a remote start: the EVSE it will be on, None if there is none for it."""
        ...

    async def begin_remotely(self, number: int, token: str) -> None: ...

    async def stop_remotely(self, number: int) -> None: ...

    async def report(self, message: str, number: int | None) -> None:
        """Send what a TriggerMessage asked for."""
        ...

    async def restart(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One version of OCPP: pure builders of calls, and the rules for calls that come in."""

    version: str
    subprotocol: str
    boot: Callable[[], Call]
    heartbeat: Callable[[], Call]
    authorize: Callable[[str], Call]
    status: Callable[[int, ConnectorStatus, float], Call]
    moment: Callable[[Moment, Settings, int], Call]  # the last: live terminals of the EVSE
    heard: Callable[[Payload], tuple[str | None, bool]]  # (id given, token accepted)
    rules: Mapping[str, Callable[[Body, Payload], Reply]]
    named_by_back_end: bool  # 1.6: the back end gives transactions their ids


VENDOR, MODEL = "loadmgr", "simulated"
