"""A limit as somebody asks for it over HTTP, checked and turned into a `Limit`."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from loadmgr.model import UNLIMITED, Circuit, CircuitId, Limit
from loadmgr.units import PHASES, PerPhase

NAME = re.compile(r"[\w][\w.:-]{0,63}", re.ASCII)
OPERATOR = "operator"

_AMPERES = re.compile(r"(\d+(?:\.\d+)?)\s*A", re.ASCII)
_MOST = 100_000.0  # far above any fuse, far below what does not print


def _current(value: Any) -> PerPhase | None:
    """`25`, `"25 A"`, or `{"L1": 25, "L3": "16 A"}` (a phase left out is not limited)."""
    if value is None:
        return None
    if not isinstance(value, dict):
        each = _one(value)
        return (each, each, each)
    names = [phase.name for phase in PHASES]
    strange = [str(key)[:20] for key in value if key not in names]
    if strange or not value:
        raise ValueError(f"name the phases L1, L2, L3, for example {{'L1': 25}}, not {strange}")
    return (
        _one(value["L1"]) if "L1" in value else math.inf,
        _one(value["L2"]) if "L2" in value else math.inf,
        _one(value["L3"]) if "L3" in value else math.inf,
    )


def _one(value: Any) -> float:
    number: float | None = None
    if isinstance(value, str) and (match := _AMPERES.fullmatch(value.strip())):
        number = float(match[1])
    elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MOST:
        number = float(value)
    if number is None or not 0 <= number <= _MOST:
        raise ValueError("write amperes from 0 up, for example 25 or '25 A'")
    return number


def _kilowatts(value: Any) -> float | None:
    if value is None:
        return None
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST
    if not good:
        raise ValueError("write kilowatts from 0 up as a number, for example 40")
    return float(value)


def instant(value: Any) -> datetime | None:
    """An instant written with its offset, as UTC.

    Raises
    ------
    ValueError
        It has no offset, or is no time at all.
    """
    if value is None:
        return None
    example = "write a time with its offset, for example 2026-11-22T20:00:00+01:00 or …T19:00:00Z"
    if not isinstance(value, str) or len(value) > 40:
        raise ValueError(example)
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(example) from None
    if at.tzinfo is None:
        raise ValueError(f"{example}; {value!r} has none")
    if not 2000 <= at.year < 2200:
        raise ValueError(f"the year {at.year} cannot be meant")
    return at.astimezone(UTC)


class LimitRequest(BaseModel):
    """A ceiling on one circuit. It can only lower what may be drawn."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "circuit": "main",
                    "current": "25 A",
                    "valid_until": "2026-11-22T20:00:00+01:00",
                    "reason": "roof works",
                },
                {"circuit": "main", "max_power_kw": 40, "source": "dso"},
            ]
        },
    )

    circuit: str = Field(max_length=200)
    current: Annotated[
        PerPhase | None,
        BeforeValidator(_current, json_schema_input_type=float | str | dict[str, float | str]),
    ] = Field(None, description="ampere per phase: 25, '25 A' or {'L1': 25}")
    max_power_kw: Annotated[
        float | None, BeforeValidator(_kilowatts, json_schema_input_type=float)
    ] = Field(None, description="all phases together")
    valid_from: Annotated[
        datetime | None, BeforeValidator(instant, json_schema_input_type=datetime)
    ] = Field(None, description="with offset; left out: at once")
    valid_until: Annotated[
        datetime | None, BeforeValidator(instant, json_schema_input_type=datetime)
    ] = Field(None, description="with offset, exclusive; left out: until released")
    reason: str = Field("", max_length=500, description="shown to people")
    source: str = Field(OPERATOR, pattern=rf"^{NAME.pattern}$", description="who asks")

    @model_validator(mode="after")
    def _complete(self) -> LimitRequest:
        if self.current is None and self.max_power_kw is None:
            raise ValueError("current: give it (ampere per phase), or max_power_kw, or both")
        if self.source == OPERATOR and not self.reason.strip():
            raise ValueError("reason: a limit set by hand needs one, for those who read the page")
        start, end = self.valid_from, self.valid_until
        if start is not None and end is not None and end <= start:
            raise ValueError("valid_until: must be later than valid_from")
        return self

    def limit(self, name: str, now: datetime) -> Limit:
        return Limit(
            name=name,
            circuit=CircuitId(self.circuit),
            current_a=UNLIMITED if self.current is None else self.current,
            power_w=None if self.max_power_kw is None else 1000 * self.max_power_kw,
            source=self.source,
            reason=self.reason.strip(),
            valid_from=self.valid_from or now,
            valid_until=self.valid_until,
        )


def changes_nothing(limit: Limit, circuit: Circuit) -> bool:
    """It lies above everything the circuit may draw anyway."""
    power = circuit.max_power_w
    lower = limit.power_w is not None and (power is None or limit.power_w < power)
    return not lower and all(limit.current_a[p] >= circuit.usable_a[p] for p in PHASES)
