"""The settings of site.yaml: what may stand where, and what it means.

These models check one setting at a time; what several settings mean together is
checked in `references` and `physics`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    FiniteFloat,
    Tag,
    WithJsonSchema,
)
from pydantic.json_schema import GenerateJsonSchema

from loadmgr.config.addresses import Listen, ListenAddress
from loadmgr.config.errors import did_you_mean
from loadmgr.config.quantities import (
    AnswerS,
    CarCurrentA,
    CeilingAW,
    CurrentA,
    EnergyWh,
    FallbackA,
    HeartbeatS,
    IntervalS,
    LastingS,
    Phases,
    PowerW,
    RatingA,
    SampleS,
    SilenceS,
    TimeOfDay,
    TurnS,
    VoltageV,
    wrong,
)
from loadmgr.model import Share
from loadmgr.units import PerPhase, Phase

# ── Names ─────────────────────────────────────────────────────────────────────────────────

_NAME = re.compile(r"[^\W_][\w.-]{0,63}")  # they stand in addresses and on the command line
# OCPP 2.0.1 part 4 takes an identifierString of at most 48 characters; a colon would end the
# user name in HTTP Basic. Of the rest, what the path of a URL takes as it is.
_IDENTITY = re.compile(r"[A-Za-z0-9*_=+@.-]{1,48}")


def _name(written: str) -> str:
    if not _NAME.fullmatch(written):
        hint = "Use letters, digits, '-', '_' and '.', and begin with a letter or digit."
        raise wrong("this cannot be a name", hint)
    return written


def _identity(written: str) -> str:
    if len(written) > 48:
        raise wrong("longer than 48 characters, the most an OCPP identity can have")
    if not _IDENTITY.fullmatch(written) or set(written) == {"."}:
        hint = "It ends the address the charger calls: A-Z a-z 0-9 * - _ = + @ . only."
        raise wrong("this cannot be an OCPP identity", hint)
    return written


def _timezone(written: str) -> str:
    known = available_timezones()
    if written not in known:
        hint = did_you_mean(written, known) or "Write it like Europe/Amsterdam."
        raise wrong(f"unknown time zone '{written}'", hint)
    return written


Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string"})]
Identity = Annotated[str, AfterValidator(_identity), WithJsonSchema({"type": "string"})]
Timezone = Annotated[str, AfterValidator(_timezone), WithJsonSchema({"type": "string"})]
Text = Annotated[str, Field(max_length=200)]
FileName = Annotated[str, Field(min_length=1, max_length=1000)]


class Block(BaseModel):
    """Settings under one name; one that nobody knows is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ConnectorSettings(BaseModel):
    """Settings of which a connector knows the most; it checks them itself."""

    model_config = ConfigDict(extra="allow", frozen=True)


# ── The same on every phase, or not ───────────────────────────────────────────────────────


class RatingPerPhase(Block):
    L1: RatingA | None = Field(None, description="Rated current of L1")
    L2: RatingA | None = Field(None, description="Rated current of L2")
    L3: RatingA | None = Field(None, description="Rated current of L3")


class CurrentPerPhase(Block):
    L1: CurrentA = Field(0.0, description="Current on L1")
    L2: CurrentA = Field(0.0, description="Current on L2")
    L3: CurrentA = Field(0.0, description="Current on L3")


ALL_PHASES, EACH_PHASE = "<all phases>", "<each phase>"
"""Which way a current was written. Pydantic puts these among the names of a path."""


def _way(written: object) -> str:
    return EACH_PHASE if isinstance(written, dict | Block) else ALL_PHASES


Rating = Annotated[
    Annotated[RatingA, Tag(ALL_PHASES)] | Annotated[RatingPerPhase, Tag(EACH_PHASE)],
    Discriminator(_way),
]
Current = Annotated[
    Annotated[CurrentA, Tag(ALL_PHASES)] | Annotated[CurrentPerPhase, Tag(EACH_PHASE)],
    Discriminator(_way),
]


def per_phase(
    written: float | RatingPerPhase | CurrentPerPhase, phases: frozenset[Phase]
) -> PerPhase:
    """What was written, on the phases that are there. [A]"""
    if isinstance(written, float):
        l1, l2, l3 = (written if phase in phases else 0.0 for phase in Phase)
        return (l1, l2, l3)
    return (written.L1 or 0.0, written.L2 or 0.0, written.L3 or 0.0)


# ── The blocks ────────────────────────────────────────────────────────────────────────────


class SiteBlock(Block):
    name: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="What people call this place"
    )
    timezone: Timezone = Field(
        description="Time zone of all times of day in this file", examples=["Europe/Amsterdam"]
    )
    voltage: VoltageV = Field(230.0, description="Nominal voltage, line to neutral")
    interval: IntervalS = Field(5.0, description="How often limits are recomputed")


class CircuitBlock(Block):
    label: Text = Field("", description="What people call it")
    feeds_from: Name | None = Field(
        None, description="The circuit above it; none for the grid connection"
    )
    fuse: Rating = Field(
        description="What the protection carries for ever, per phase: 63 A, or for phases that "
        "differ or are missing {L1: 63 A, L2: 63 A, L3: 50 A}"
    )
    phases: Phases | None = Field(
        None, description="Which phases it has; those of the circuit above if not said"
    )
    meter: Name | None = Field(
        None, description="The meter, under `meters`, that measures all that flows through here"
    )
    max_power: PowerW | None = Field(None, description="Contract, all phases together")
    margin: CurrentA = Field(0.0, description="Kept free below the fuse, for steps of the building")
    building: Current | None = Field(
        None, description="The most that unmetered consumers on this circuit draw, per phase"
    )


class WhenLost(Block):
    after: SilenceS = Field(15.0, description="Silent for this long, the meter is lost")
    assume: Current | None = Field(
        None,
        description="The most the building ever draws, per phase: what is assumed while "
        "the meter is lost. The whole fuse if not said",
    )


class MeterBlock(ConnectorSettings):
    type: Name = Field(description="What kind of meter", examples=["modbus", "http"])
    when_lost: WhenLost = Field(
        default_factory=lambda: WhenLost.model_validate({}),
        description="What to assume while the meter is silent or talks nonsense",
    )
    feeds_in: bool = Field(
        True,
        description="Whether anything behind it may feed in (solar, batteries). If not, a meter "
        "that shows less than its cars draw is not believed",
    )


class OutletBlock(Block):
    circuit: Name | None = Field(None, description="The circuit that feeds this outlet")
    phases: Phases | None = Field(
        None, description="The site's phases in the order of the outlet's terminals"
    )
    max: CarCurrentA | None = Field(None, description="The most this outlet can draw, per phase")
    min: CarCurrentA | None = Field(None, description="Below this it does not charge")
    priority: Annotated[FiniteFloat, Field(gt=0, le=1000)] | None = Field(
        None, description="3 weighs as much as three chargers of priority 1"
    )
    label: Text | None = Field(None, description="What people call it")


class ChargerBlock(Block):
    circuit: Name = Field(description="The circuit that feeds it")
    phases: Phases | None = Field(
        None,
        description="The site's phases in the order of the charger's terminals, L2 L3 L1 for "
        "rotated wiring. Not said: the worst is assumed",
    )
    max: CarCurrentA | None = Field(
        None, description="The most it can draw, per phase: cable, contactor, setting"
    )
    min: CarCurrentA = Field(6.0, description="Below this it does not charge")
    priority: Annotated[FiniteFloat, Field(gt=0, le=1000)] = Field(
        1.0, description="3 weighs as much as three chargers of priority 1"
    )
    label: Text = Field("", description="What people call it")
    balanced: bool = Field(False, description="It loads all its phases alike, as DC chargers do")
    outlets: dict[Annotated[int, Field(ge=1, le=999)], OutletBlock] = Field(
        default_factory=dict,
        description="Outlets of one station, by the station's own numbers; what an outlet "
        "does not say is taken from the charger",
    )


class OfflineBlock(Block):
    charger_fallback: FallbackA = Field(
        0.0, description="What a charger may draw that nobody talks to: 0 A, or 6 A and more"
    )
    charger_lost_after: SilenceS = Field(40.0, description="Silent for this long, it is lost")
    limit_lasts: LastingS = Field(
        180.0, description="Any limit above the fallback ends by itself after this"
    )


class LimitBlock(ConnectorSettings):
    type: Name = Field(description="Who sends the limit", examples=["schedule"])
    applies_to: Name | None = Field(None, description="The circuit it lowers")
    failsafe: CeilingAW | None = Field(
        None, description="What holds while it is silent; left only when it speaks again"
    )
    heartbeat: SilenceS = Field(120.0, description="Longest silence before the failsafe holds")


class PriceBlock(Block):
    starts: TimeOfDay = Field(alias="from", description="From this time of day, local")
    price: FiniteFloat = Field(description="Price per kWh", ge=-1000, le=1000)


class TariffBlock(Block):
    type: Literal["time_of_use"] = Field(description="How prices come about")
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = Field(
        description="ISO 4217", examples=["EUR"]
    )
    prices: list[PriceBlock] = Field(
        description="Each price holds from its time to the next", min_length=1, max_length=96
    )


class ReadyByBlock(Block):
    default: TimeOfDay = Field(description="When cars leave whose drivers said nothing")
    energy: EnergyWh = Field(description="What such a car needs")


class PolicyBlock(Block):
    share: Share = Field(Share.FAIR, description="How cars share what there is")
    rotate_every: TurnS = Field(
        900.0, description="When not all can charge at once, cars take turns this long"
    )
    ready_by: ReadyByBlock | None = Field(
        None, description="What is assumed about a car whose driver said nothing"
    )
    trust_measured_phases: bool = Field(
        False, description="Count a car only on the phases it was measured on; lends out more"
    )


class OcppBlock(Block):
    listen: ListenAddress = Field(
        Listen("127.0.0.1", 9000), description="Where chargers connect", validate_default=True
    )
    versions: list[Literal["1.6", "2.0.1", "2.1"]] = Field(
        ["1.6", "2.0.1"], description="OCPP versions to offer", min_length=1
    )
    security_profile: Annotated[int, Field(ge=0, le=3)] | None = Field(
        None,
        description="0 none, 1 password, 2 TLS and password, 3 TLS and client certificate. "
        "Not said: 1 on the loopback interface, 2 elsewhere",
    )
    passwords_file: FileName | None = Field(
        None, description="Passwords of the chargers, profiles 1 and 2"
    )
    certificate_file: FileName | None = Field(
        None, description="The server's certificate chain (PEM), profiles 2 and 3"
    )
    key_file: FileName | None = Field(None, description="The private key of that certificate (PEM)")
    client_ca_file: FileName | None = Field(
        None, description="Who signs the chargers' certificates (PEM), profile 3"
    )
    heartbeat_s: HeartbeatS | None = Field(
        None, alias="heartbeat", description="How often a charger says that it is there"
    )
    answer_s: AnswerS | None = Field(
        None, alias="answer_within", description="An order not answered by then is lost"
    )
    sample_every_s: SampleS | None = Field(
        None, alias="sample_every", description="How often a charger reports what it measures"
    )


class DashboardBlock(Block):
    listen: ListenAddress = Field(Listen("127.0.0.1", 8080), description="Where the page is served")
    login: Literal["none"] | None = Field(
        None,
        description="`none`: whoever reaches the address may see and lower limits; has to be "
        "said where others can reach it",
    )


class SiteFile(Block):
    """A site: what was built, who charges there, and who may lower its limits."""

    site: SiteBlock = Field(description="The place")
    circuits: dict[Name, CircuitBlock] = Field(
        description="Everything with a fuse or breaker of its own, as a tree"
    )
    meters: dict[Name, MeterBlock] = Field(
        default_factory=dict, description="Live meters of circuits"
    )
    chargers: dict[Identity, ChargerBlock] = Field(
        default_factory=dict, description="Charging stations, by their OCPP identity"
    )
    offline: OfflineBlock = Field(
        default_factory=lambda: OfflineBlock.model_validate({}),
        description="What holds while nobody talks to a charger",
    )
    limits: dict[Name, LimitBlock] = Field(
        default_factory=dict, description="Who else may lower a circuit; the lowest wins"
    )
    tariff: TariffBlock | None = Field(None, description="Prices of energy")
    policy: PolicyBlock = Field(
        default_factory=lambda: PolicyBlock.model_validate({}), description="Who gets how much"
    )
    ocpp: OcppBlock = Field(
        default_factory=lambda: OcppBlock.model_validate({}), description="Where chargers connect"
    )
    dashboard: DashboardBlock = Field(
        default_factory=lambda: DashboardBlock.model_validate({}), description="The page"
    )
    store: FileName | None = Field(None, description="Folder of the journal and the history")


# ── For editors and suggestions ───────────────────────────────────────────────────────────


@cache
def _schema() -> dict[str, Any]:
    return SiteFile.model_json_schema(by_alias=True)


def json_schema() -> dict[str, Any]:
    """JSON Schema of site.yaml (draft 2020-12), for completion in editors."""
    return {"$schema": GenerateJsonSchema.schema_dialect, **_schema(), "title": "loadmgr site"}


def settings_at(path: tuple[str | int, ...]) -> tuple[str, ...]:
    """The names that may stand in the block at `path`; none for a block of free names."""
    return tuple(name for place in _places(path) for name in place.get("properties", ()))


def description_at(path: tuple[str | int, ...]) -> str:
    """What the setting at `path` means."""
    places = [inner for place in _places(path[:-1]) for inner in _inside(place, path[-1])]
    return next((place["description"] for place in places if "description" in place), "")


def _places(path: tuple[str | int, ...]) -> list[dict[str, Any]]:
    places = _ways(_schema())
    for step in path:
        inner = [found for place in places for found in _inside(place, step)]
        places = [way for place in inner for way in _ways(place)]
    return places


def _inside(place: dict[str, Any], step: str | int) -> list[dict[str, Any]]:
    inner = place.get("items") if isinstance(step, int) else place.get("properties", {}).get(step)
    inner = inner or place.get("additionalProperties")
    return [inner] if isinstance(inner, dict) else []


def _ways(place: dict[str, Any]) -> list[dict[str, Any]]:
    """A place in the schema with references and alternatives followed."""
    if "$ref" in place:
        return _ways(_schema()["$defs"][place["$ref"].rpartition("/")[2]])
    ways = place.get("anyOf", place.get("oneOf"))
    return [place] if ways is None else [found for way in ways for found in _ways(way)]
