"""A story in a file: a site, what happens on it and when, and what must be true of it.

The same file is played in virtual time by `loadmgr simulate` and over real
sockets by the tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loadmgr.config.errors import ConfigurationError, Problem
from loadmgr.config.quantities import DURATION, CurrentA, EnergyWh, PowerW, Quantity
from loadmgr.config.source import read
from loadmgr.config.values import as_text
from loadmgr.units import PerPhase


class Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_A_YEAR = 366 * 86_400.0
_moment = Quantity(dimension=DURATION, least=0.0, most=_A_YEAR, example="5 min")
_span = Quantity(dimension=DURATION, least=0.1, most=_A_YEAR, example="5 min")

Moment = Annotated[float, *_moment.field]  # since the story began [s]
Span = Annotated[float, *_span.field]  # [s]


class Amperes(Block):
    L1: CurrentA = 0.0
    L2: CurrentA = 0.0
    L3: CurrentA = 0.0

    @property
    def per_phase(self) -> PerPhase:
        return (self.L1, self.L2, self.L3)


class Building(Block):
    """What a circuit carries apart from cars."""

    base: Amperes = Amperes()
    swing: Amperes = Amperes()  # on top, at the height of the day
    noise: CurrentA = 0.0  # up and down, drawn anew every minute
    steps: dict[Moment, Amperes] = Field(default_factory=dict)  # from then on, instead of all that


class Visitor(Block):
    """One car."""

    bay: str
    at: Moment = 0.0
    stays: Span = 86_400.0
    phases: Literal["1", "2", "3"] = "3"
    max: CurrentA = 16.0
    wants: EnergyWh = 30_000.0
    reaction: Span = 3.0  # of the car, from a changed pilot


class Crowd(Block):
    """Cars that come by chance."""

    visits_per_bay_and_day: Annotated[float, Field(gt=0, le=200)] = 2.0
    one_phase_share: Annotated[float, Field(ge=0, le=1)] = 0.3
    shortest_stay: Span = 3600.0
    longest_stay: Span = 9 * 3600.0
    least: EnergyWh = 4_000.0
    most: EnergyWh = 35_000.0


class Temper(Block):
    """How a charger departs from what it should do, from the start or from a moment on."""

    reaction: Span | None = None
    answers_after: Span | None = None
    ignores_limits: bool | None = None
    deaf: bool | None = None
    stores_profiles: bool | None = None
    rejects_profiles: bool | None = None
    keeps_default: bool | None = None
    zero: Literal["stops", "rejected", "ignored", "unlimited", "minimum"] | None = None
    loses_orders: Annotated[float, Field(ge=0, le=1)] | None = None
    loses_answers: Annotated[float, Field(ge=0, le=1)] | None = None


class Happening(Block):
    """One thing that happens. Exactly one of its verbs is written."""

    at: Moment
    limit: str | None = None  # a circuit, to `current` or `power`, for `lasts`
    current: CurrentA | None = None
    power: PowerW | None = None
    release: str | None = None  # the limit on a circuit
    drop: str | None = None  # a charger's link, for `lasts`
    reboot: str | None = None  # a charger
    temper: str | None = None  # a charger changes its manners, to `becomes`
    becomes: Temper | None = None
    silence: str | None = None  # a meter, for `lasts`
    kill: Literal["engine"] | None = None  # without warning; back after `lasts`
    lasts: Span = 60.0

    @property
    def verb(self) -> str:
        verbs = ("limit", "release", "drop", "reboot", "temper", "silence", "kill")
        written = [verb for verb in verbs if getattr(self, verb) is not None]
        if len(written) != 1:
            raise ValueError(f"write exactly one of {', '.join(verbs)}")
        return written[0]


class Must(Block):
    """What has to be true at the end."""

    overload: Span | Literal["none"] = "none"  # of ours, on true currents
    energy_at_least: EnergyWh = 0.0
    everybody_charged: bool = False  # every car had a turn
    decreases_felt_within: Span | None = None
    stops_per_car_and_hour: Annotated[int, Field(ge=0)] | None = None


class Story(Block):
    """A file of a story."""

    name: str
    site: str  # a site.yaml beside this file
    lasts: Span
    seed: int = 1
    building: dict[str, Building] = Field(default_factory=dict)
    cars: list[Visitor] = Field(default_factory=list)
    crowd: Crowd | None = None
    tempers: dict[str, Temper] = Field(default_factory=dict)
    happens: list[Happening] = Field(default_factory=list)
    must: Must = Must()


def tell(path: Path) -> Story:
    """Read a story. Raises `ConfigurationError` with everything that is wrong with it."""
    source = read(path)
    if "circuits" in source.tree.entries:
        message, hint = "this is a site, not a story", "`loadmgr check` reads it; a story names it."
        raise ConfigurationError([Problem(place=source.value(()), message=message, hint=hint)])
    try:
        story = Story.model_validate(as_text(source.tree))
    except ValidationError as errors:
        raise ConfigurationError(
            Problem(
                place=source.value(tuple(details["loc"])),
                path=tuple(details["loc"]),
                message=str(details.get("ctx", {}).get("message") or details["msg"]),
                hint=str(details.get("ctx", {}).get("hint", "")),
            )
            for details in errors.errors(include_url=False)
        ) from None
    wrong = [
        Problem(place=source.value(("happens", i)), path=("happens", i), message=str(error))
        for i, happening in enumerate(story.happens)
        if (error := _objection(happening)) is not None
    ]
    if wrong:
        raise ConfigurationError(wrong)
    return story


def _objection(happening: Happening) -> str | None:
    try:
        verb = happening.verb
    except ValueError as error:
        return str(error)
    if verb == "limit" and happening.current is None and happening.power is None:
        return "a limit needs `current` or `power`"
    if verb == "temper" and happening.becomes is None:
        return "say what it `becomes`"
    return None
