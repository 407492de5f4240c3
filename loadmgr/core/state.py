"""What we believe right now. Frozen; only `observe` makes a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import permutations

from loadmgr.events import CircuitMeasured, EvseMeasured, Order
from loadmgr.model import ConnectorStatus, EvseId, Limit, MeterId, Session, Site
from loadmgr.units import NOTHING, PHASES, PerPhase, Phase

Places = tuple[Phase, ...]
ORDERS: tuple[Places, ...] = tuple(permutations(PHASES))
"""Every way in which the conductors of a meter can be connected; the first one is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A limit that was sent to an EVSE. It is in force, or it may be."""

    serial: int
    connection: int
    current_a: float
    sent_at: datetime
    ends_at: datetime  # from here on it has surely ended by itself, and its car has followed
    transaction_id: str
    first_at: datetime | None = None  # of the limits that it replaced one after the other

    @property
    def limits_since(self) -> datetime:
        """Since when its transaction has been limited without a break."""
        return self.first_at or self.sent_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Fading:
    """A higher limit that was replaced: charger and car may still follow it until then.

    Where the charger meters its car, the car has to be seen below the new limit
    as well: "Accepted" is not yet a smaller current, and neither is the nothing of a car
    that took nothing before.
    """

    current_a: float
    until: datetime
    replaced_by_a: float | None = None  # None: time alone decides
    outlasts: datetime | None = None  # until then it holds where the new limit was not taken
    in_use: bool = False  # its car was seen to take something


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """A charger that draws more than it may. It counts at its hardware maximum."""

    since: datetime
    reason: str
    tried: int = 0  # how many orders were given to bring it back
    next_try: datetime
    obeying_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What a car drew on its fullest phase, or the least that it can have been. [A]"""

    at: datetime
    current_a: float
    beyond: bool = False  # all that it could have been allowed in that moment


@dataclass(frozen=True, slots=True, kw_only=True)
class EvseState:
    """Belief about one EVSE."""

    # Link. None: no connection stands.
    connection: int | None = None
    seen: bool = False  # it has connected at least once
    offline_since: datetime | None = None
    status: ConnectorStatus | None = None
    rests_since: datetime | None = None  # by its status nothing flows

    # The ledger's evidence.
    fallback_a: float | None = None  # as read back since the last boot
    fallback_written: int | None = None  # on which connection it was last accepted
    fallback_checked: int | None = None  # on which connection it was last read back
    fallback_asked_a: float | None = None  # what was accepted
    unproved: int = 0  # how often in a row it was read back on it, and was not there
    prove_at: datetime | None = None  # then it is written once more
    in_force: Grant | None = None  # the last one that was confirmed
    unknown: tuple[Grant, ...] = ()  # sent, and how it went is not known
    fading: tuple[Fading, ...] = ()
    in_flight: Order | None = None
    failures: int = 0  # refusals and losses in a row
    failed_at: datetime | None = None  # the last of them
    failed_a: float | None = None  # the lowest limit among them
    retry_at: datetime | None = None
    quarantine: Quarantine | None = None
    withdrawn: bool = False  # told to take no car, and not yet told otherwise

    # The car.
    session: Session | None = None
    session_start_wh: float | None = None  # register at the first reading of the session
    energy_wh: float | None = None  # register now
    readings: tuple[EvseMeasured, ...] = ()  # the last few, oldest first
    drawn: Drawn | None = None  # by the last reading that told a current or a power
    took_a: float = 0.0  # by the last such reading of this session, however old
    unmoved_a: float | None = None  # the lowest limit below that which was accepted meanwhile
    metered: bool = False  # it has ever told what its car draws
    phases: frozenset[Phase] | None = None  # measured to be used; None: not known
    draws_less_since: datetime | None = None  # below its limit without a break
    over_since: datetime | None = None  # above its limit without a break
    over_count: int = 0

    # Turns.
    on_since: datetime | None = None  # allowed to charge since; None: paused or never allowed
    off_since: datetime | None = None
    stops: tuple[datetime, ...] = ()  # the last two times it was paused, in this session
    raised_at: datetime | None = None
    raised_from_a: float = 0.0

    # Readings on demand.
    asked_at: datetime | None = None
    declined: int = 0  # how often in a row it has said that it does not do that

    @property
    def standing(self) -> tuple[Grant, ...]:
        """Every limit that was given and not replaced: it is in force, or may be."""
        return self.unknown if self.in_force is None else (self.in_force, *self.unknown)

    @property
    def proved_a(self) -> float:
        """The limit that was confirmed last; 0 where there is none. [A]"""
        return self.in_force.current_a if self.in_force is not None else 0.0

    @property
    def commanded_a(self) -> float:
        """The limit that was sent last, confirmed or not; 0 where there is none. [A]"""
        return self.unknown[-1].current_a if self.unknown else self.proved_a


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A sample of a circuit's meter at a moment in which every car below held still."""

    at: datetime
    shown_a: PerPhase
    cars_a: PerPhase  # of those that are heard, by their own readings
    unheard: frozenset[EvseId]  # whose cars are not among them


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The last moments in which every car below a meter held still."""

    firm: Mark | None = None  # the last one
    open: Mark | None = None  # the next one, once the cars have said that they still held still


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A circuit meter that told what is not, and what it has shown since to be believed again."""

    since: datetime  # the last time that something spoke against it
    amount: bool  # True: nothing it says is believed. False: all but on which phase it is
    power: int = 0  # of ten, by which its numbers changed in one step: with 0, that was not why
    proved: tuple[int, int, int] = (0, 0, 0)  # changes of its cars that each phase has shown since
    orders: tuple[Places, ...] = ORDERS  # the places of its phases that fit all those


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterState:
    """Belief about one circuit meter, and the building's load behind it."""

    current_a: PerPhase = NOTHING  # the last good sample
    at: datetime | None = None  # when it came; None: never
    sampled_at: datetime | None = None  # by the meter's own clock, where it has one
    good_in_a_row: int = 0
    building_a: PerPhase = NOTHING  # best estimate of what is not steered
    at_most_a: PerPhase = NOTHING  # and the most it can be, if the cars draw the least they can
    # The most that each car can have drawn when the last sample came.
    cars_most_a: Mapping[EvseId, PerPhase] = field(default_factory=dict)
    cars_least_a: Mapping[EvseId, PerPhase] = field(default_factory=dict)  # and the least
    loose_a: PerPhase = NOTHING  # what cars can draw on each phase that may as well be on another
    shade_a: PerPhase | None = None  # how much of that is taken to be there, once it has settled
    peaks: tuple[tuple[datetime, PerPhase], ...] = ()  # of the last half minute, in buckets
    calm_peaks: tuple[tuple[datetime, PerPhase], ...] = ()  # of the last quarter of an hour
    contradicted: CircuitMeasured | None = None  # a sample of less than its cars seem to draw
    marks: Marks = Marks()
    part: float | None = None  # of the last change of its cars, where it showed but a part
    elsewhere: tuple[Places, ...] = ()  # in which that change showed, if not in the right one
    doubt: Doubt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """When a channel that has a fail-safe limit was last heard."""

    at: datetime
    said: bool  # since it was last lost, it has said what holds


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    evses: Mapping[EvseId, EvseState]
    meters: Mapping[MeterId, MeterState]
    limits: Mapping[str, Limit] = field(default_factory=dict)
    contacts: Mapping[str, Contact] = field(default_factory=dict)  # by the name of the channel
    last_serial: int = 0


def unseen(site: Site) -> State:
    """The belief before anything was heard: every charger at its worst, every meter lost."""
    return State(
        evses={evse.id: EvseState() for evse in site.evses},
        meters={meter.id: MeterState() for meter in site.meters},
    )
