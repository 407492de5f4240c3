"""How a station departs from what it should do. Everything stands here, nothing is hidden."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Zero(StrEnum):
    """What a station makes of a limit of 0 A, or of one below the minimum."""

    STOPS = "stops"  # as it should
    REJECTED = "rejected"
    IGNORED = "ignored"  # accepted, and the limit before stays in force
    UNLIMITED = "unlimited"
    MINIMUM = "minimum"  # 6 A go on flowing


@dataclass(frozen=True, slots=True, kw_only=True)
class Temper:
    """One station's manners. The defaults are those of a good one."""

    reaction_s: float = 2.0  # from an accepted limit to a changed pilot; KEBA: up to 7 s
    answer_s: float = 0.05  # until it answers a call
    zero: Zero = Zero.STOPS
    ignores_limits: bool = False  # gives what the hardware can
    deaf: bool = False  # accepts a new limit and keeps to the one it has
    stores_profiles: bool = True  # False: says Accepted and forgets at once
    rejects_profiles: bool = False
    keeps_default: bool = True  # over a reboot; TxProfiles never survive one
    relative_from_receipt: bool = False
    whole_amperes: bool = False  # floors a limit
    boot_s: float = 20.0  # without power and link after a reset
    drops_link_every_s: float | None = None  # on average
    away_s: float = 30.0  # how long a dropped link stays down
    loses_orders: float = 0.0  # share of calls that never reach it
    loses_answers: float = 0.0  # share of calls it acts on without an answer arriving
    meter_scale: float = 1.0  # what it reports, over the truth
    reports_current: bool = True
    reports_power: bool = True

    def __post_init__(self) -> None:
        if min(self.reaction_s, self.answer_s, self.boot_s, self.away_s) < 0:
            raise ValueError("temper: a time below 0 s")
        if not (0 <= self.loses_orders <= 1 and 0 <= self.loses_answers <= 1):
            raise ValueError("temper: a share outside 0 to 1")
        if self.drops_link_every_s is not None and not self.drops_link_every_s > 0:
            raise ValueError("temper: drops_link_every_s must be more than 0 s")


GOOD = Temper()
