"""What a version of OCPP has to offer to the gateway. `v16` and `v201` are two such modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from connectors.ocpp.schedule import RateUnit, Span
from connectors.ocpp.transactions import Transactions
from loadmgr.events import Event
from loadmgr.model import Evse, StationId

Payload = Mapping[str, Any]
"""A decoded JSON object, spelled as in the standard."""


@dataclass(frozen=True, slots=True)
class Request:
    """A CALL of ours."""

    action: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Heard:
    """What a CALL of a station means, and our answer to it."""

    reply: dict[str, Any]
    events: tuple[Event, ...] = ()
    final: bool = False
    """The station forgets it once it is answered, and nobody tells it a second time."""


class Wrong(Exception):
    """A CALL that is answered with a CALLERROR of this code."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """Whose CALL it is, and when it came."""

    station: StationId
    connection: int
    evses: Mapping[int, Evse]  # by the station's own number
    at: datetime
    heartbeat_s: int

    def evse(self, number: int) -> Evse | None:
        """None for the station as a whole (0) and for outlets that the site does not have."""
        if number < 0:
            raise Wrong("PropertyConstraintViolation", f"outlet {number} is below 0")
        return self.evses.get(number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """What a station was found to take. Nothing is assumed of one that does not say."""

    units: tuple[str, ...] = ("A", "W")  # what a limit may be written in, best first
    max_stack_level: int | None = None
    relative_default: bool = True  # it can tell what a relative default profile comes to


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something to ask a station after it connects: the first alternative it accepts will do."""

    alternatives: tuple[Request, ...]


class Dialect(Protocol):
    """A module that translates one version. Every function is pure but for `known`."""

    @property
    def SUBPROTOCOL(self) -> str: ...
    @property
    def HEARD(self) -> frozenset[str]:
        """The actions it has an answer for."""
        ...

    def hear(self, action: str, payload: Payload, who: Speaker, known: Transactions) -> Heard:
        """One CALL of a station.

        Raises
        ------
        Wrong
            It is to be answered with a CALLERROR; nothing happened.
        """
        ...

    def limit(
        self,
        evse: Evse,
        transaction_id: str,
        unit: RateUnit,
        current_a: float,
        span: Span,
        level: int,
    ) -> Request | None:
        """A TxProfile for one transaction; None when this version cannot name it."""
        ...

    def fallback(self, evse: Evse, unit: RateUnit, current_a: float, relative: bool) -> Request:
        """A TxDefaultProfile without end."""
        ...

    def clear_defaults(self, level: int) -> Request:
        """Remove every TxDefaultProfile of one stack level, whoever wrote it."""
        ...

    def composite(self, evse: Evse, seconds: int, unit: RateUnit) -> Request: ...

    def stop(self, transaction_id: str) -> Request | None: ...

    def availability(self, evse: Evse, operative: bool) -> Request: ...

    def reading(self, evse: Evse) -> Request:
        """Asks for a reading of the running transaction now."""
        ...

    def highest_from(
        self, answer: Payload, after_s: float, units: Mapping[str, RateUnit]
    ) -> float | None:
        """The highest limit of a composite schedule from `after_s` on, None: it cannot say. [A]"""
        ...

    def questions(self) -> tuple[Request, ...]:
        """What to ask a station about itself."""
        ...

    def learn(self, ability: Ability, answer: Payload) -> Ability: ...

    def instructions(self, evses: Mapping[int, Evse], sample_every_s: int) -> tuple[Step, ...]:
        """How it is to report, and what it is to report at once."""
        ...
