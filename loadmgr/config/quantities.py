"""Quantities as people write them: a number and its unit, "63 A", "40 kW", "15 min".

Each parser takes the text of a setting and raises `PydanticCustomError` with a
sentence and, as `hint` in its context, an example.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from loadmgr.config.errors import did_you_mean, shown
from loadmgr.units import PHASES, Phase

_WRITTEN = re.compile(r"([-+]?[0-9]+(?:\.[0-9]+)?|[-+]?\.[0-9]+)\s*([^\W\d_]*)")
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+\s*[^\W\d_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """What kind of quantity a setting is, and the units it may be written in."""

    name: str
    units: Mapping[str, float]  # to the unit of the domain types
    article: str = "a"


CURRENT = Dimension(name="current", units={"A": 1.0})
POWER = Dimension(name="power", units={"W": 1.0, "kW": 1e3, "MW": 1e6})
ENERGY = Dimension(name="energy", units={"Wh": 1.0, "kWh": 1e3, "MWh": 1e6}, article="an")
DURATION = Dimension(name="duration", units={"s": 1.0, "min": 60.0, "h": 3600.0})
VOLTAGE = Dimension(name="voltage", units={"V": 1.0, "kV": 1e3})
DIMENSIONS = (CURRENT, POWER, ENERGY, DURATION, VOLTAGE)


def wrong(message: str, hint: str = "") -> PydanticCustomError:
    """An error for a person: what is wrong, and what to do."""
    return PydanticCustomError("setting", "{message}", {"message": message, "hint": hint})


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A setting that holds one quantity between two bounds, in the unit of the domain types."""

    dimension: Dimension
    least: float
    most: float
    example: str
    above_least: bool = False  # `least` itself is not allowed
    why: str = ""  # the reason for `least`, a sentence

    def parse(self, written: object) -> float:
        if not isinstance(written, str):
            raise wrong(f"{self._needed()} is needed", f"Write it like {self.example}.")
        value = self._value(written.strip())
        if value < self.least or (self.above_least and value == self.least):
            bound = f"{'above' if self.above_least else 'at least'} {self._say(self.least)}"
            raise wrong(
                f"{shown(written)} is too small", f"It has to be {bound}. {self.why}".strip()
            )
        if value > self.most:
            raise wrong(
                f"{shown(written)} is too large", f"It can be {self._say(self.most)} at most."
            )
        return value

    def _value(self, text: str) -> float:
        units = self.dimension.units
        match = _WRITTEN.fullmatch(text)
        if match is None:
            if _DECIMAL_COMMA.fullmatch(text):
                raise wrong(f"{shown(text)} has a comma", f"Write '{text.replace(',', '.')}'.")
            raise wrong(f"{shown(text)} is not {self._needed()}", f"Write it like {self.example}.")
        number, unit = match.groups()
        if not unit:
            base = next(u for u in units if self.example.endswith(f" {u}"))
            either = f" if {base} is meant" if len(units) > 1 else ""
            raise wrong(f"{shown(text)} has no unit", f"Write '{text} {base}'{either}.")
        if unit not in units:
            raise self._unknown_unit(number, unit)
        return float(number) * units[unit]

    def _unknown_unit(self, number: str, unit: str) -> PydanticCustomError:
        for other in DIMENSIONS:
            if other is not self.dimension and unit in other.units:
                message = f"'{number} {unit}' is {other.article} {other.name}"
                return wrong(f"{message}, not {self._needed()}", f"Write it like {self.example}.")
        known = ", ".join(self.dimension.units)
        hint = did_you_mean(unit, self.dimension.units) or f"Write it in {known}."
        return wrong(f"unknown unit '{unit}'", hint)

    def _needed(self) -> str:
        return f"{self.dimension.article} {self.dimension.name}"

    def _say(self, value: float) -> str:
        fitting = [(u, f) for u, f in self.dimension.units.items() if f <= max(value, 1.0)]
        unit, factor = fitting[-1]
        return f"{value / factor:g} {unit}"

    @property
    def schema(self) -> dict[str, Any]:
        units = "|".join(self.dimension.units)
        pattern = rf"^\s*[+]?([0-9]+(\.[0-9]+)?|\.[0-9]+)\s*({units})\s*$"
        return {"type": "string", "pattern": pattern, "examples": [self.example]}

    @property
    def field(self) -> tuple[BeforeValidator, WithJsonSchema]:
        return BeforeValidator(self.parse), WithJsonSchema(self.schema)


MOST_A = 10_000.0  # no low-voltage board carries more; a slip of the pen does
LEAST_CAR_A = 6.0
NO_CAR_BELOW = "Below 6 A no car charges (IEC 61851-1)."
A_WEEK = 7 * 86_400.0

_current = Quantity(dimension=CURRENT, least=0.0, most=MOST_A, example="16 A")
_rating = Quantity(dimension=CURRENT, least=0.0, most=MOST_A, above_least=True, example="63 A")
_car_current = Quantity(
    dimension=CURRENT, least=LEAST_CAR_A, most=1000.0, example="16 A", why=NO_CAR_BELOW
)
_power = Quantity(dimension=POWER, least=0.0, most=1e9, above_least=True, example="40 kW")
_energy = Quantity(dimension=ENERGY, least=0.0, most=1e6, example="20 kWh")
_voltage = Quantity(dimension=VOLTAGE, least=100.0, most=1000.0, example="230 V")
_interval = Quantity(dimension=DURATION, least=1.0, most=60.0, example="5 s")
_silence = Quantity(dimension=DURATION, least=1.0, most=600.0, example="15 s")
_lasting = Quantity(dimension=DURATION, least=60.0, most=3600.0, example="5 min")
_heartbeat = Quantity(dimension=DURATION, least=5.0, most=86_400.0, example="300 s")
_answer = Quantity(dimension=DURATION, least=1.0, most=120.0, example="15 s")
_sample = Quantity(dimension=DURATION, least=1.0, most=300.0, example="5 s")
_turn = Quantity(dimension=DURATION, least=60.0, most=A_WEEK, example="15 min")


def _fallback(written: object) -> float:
    value = _current.parse(written)
    if 0.0 < value < LEAST_CAR_A:
        raise wrong(f"{shown(written)} is neither 0 A nor at least 6 A", NO_CAR_BELOW)
    return value


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A limit as somebody writes it: amperes per phase, or watts in all."""

    current_a: float = float("inf")
    power_w: float | None = None


def _ceiling(written: object) -> Ceiling:
    if isinstance(written, Ceiling):
        return written
    if isinstance(written, str) and written.strip().endswith("A"):
        return Ceiling(current_a=_current.parse(written))
    return Ceiling(power_w=_power.parse(written))


CeilingAW = Annotated[
    Ceiling,
    PlainValidator(_ceiling),
    WithJsonSchema({"anyOf": [_current.schema, _power.schema]}),
]
CurrentA = Annotated[float, *_current.field]
CarCurrentA = Annotated[float, *_car_current.field]
FallbackA = Annotated[float, BeforeValidator(_fallback), WithJsonSchema(_current.schema)]
RatingA = Annotated[float, *_rating.field]
PowerW = Annotated[float, *_power.field]
EnergyWh = Annotated[float, *_energy.field]
VoltageV = Annotated[float, *_voltage.field]
IntervalS = Annotated[float, *_interval.field]
SilenceS = Annotated[float, *_silence.field]
LastingS = Annotated[float, *_lasting.field]
HeartbeatS = Annotated[float, *_heartbeat.field]
AnswerS = Annotated[float, *_answer.field]
SampleS = Annotated[float, *_sample.field]
TurnS = Annotated[float, *_turn.field]


# ── Phases ────────────────────────────────────────────────────────────────────────────────

_SOME_PHASES = "L1, or L1 L2 L3, or rotated as L2 L3 L1"


def _phases(written: object) -> tuple[Phase, ...]:
    words = written if isinstance(written, list) else str(written or "").replace(",", " ").split()
    found = []
    for word in words:
        if word not in Phase.__members__:
            hint = did_you_mean(str(word), Phase.__members__) or f"Write {_SOME_PHASES}."
            raise wrong(f"{shown(word)} is not a phase", hint)
        found.append(Phase[word])
    if not found:
        raise wrong("no phase is named", f"Write {_SOME_PHASES}.")
    if len(set(found)) != len(found):
        raise wrong("a phase is named twice", f"Write {_SOME_PHASES}.")
    return tuple(found)


_ONE = "|".join(phase.name for phase in PHASES)
Phases = Annotated[
    tuple[Phase, ...],
    BeforeValidator(_phases),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^({_ONE})([ ,]+({_ONE})){{0,2}}$",
            "examples": ["L1 L2 L3"],
        }
    ),
]


# ── Time of day ───────────────────────────────────────────────────────────────────────────

_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


def _time_of_day(written: object) -> time:
    match = _CLOCK.fullmatch(written.strip()) if isinstance(written, str) else None
    if match is None:
        raise wrong(f"{shown(written)} is not a time of day", 'Write hours and minutes: "07:30".')
    return time(int(match[1]), int(match[2]))


TimeOfDay = Annotated[
    time,
    BeforeValidator(_time_of_day),
    WithJsonSchema({"type": "string", "pattern": rf"^{_CLOCK.pattern}$", "examples": ["07:30"]}),
]
