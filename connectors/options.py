"""Options of a connector: quantities that carry their unit, and complaints a person can act on."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from loadmgr.ports import BadOption, Options

_WRITTEN = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


def quantity(units: Mapping[str, float], example: str) -> Callable[[object], float]:
    """A reader of `"25 kW"` and the like; `units` says what one of each is worth.

    A number without its unit is refused: nobody can see whether 25 means W or kW.
    """

    def read(written: object) -> float:
        match = _WRITTEN.fullmatch(written) if isinstance(written, str) else None
        if match is None or match[2] not in units:
            raise ValueError(
                f"{written!r} is no quantity in {', '.join(units)}; write it like {example!r}"
            )
        value = float(match[1]) * units[match[2]]
        if not math.isfinite(value):
            raise ValueError(f"{written!r} is not finite")
        return value

    return read


Seconds = Annotated[
    float,
    BeforeValidator(quantity({"s": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0}, "1 s")),
]
Amperes = Annotated[float, BeforeValidator(quantity({"A": 1.0, "kA": 1e3}, "50 A"))]
Watts = Annotated[float, BeforeValidator(quantity({"W": 1.0, "kW": 1e3, "MW": 1e6}, "25 kW"))]


class OptionsModel(BaseModel):
    """The block of one connector: every setting known, every value of its own type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


M = TypeVar("M", bound=OptionsModel)


def checked(model: type[M], options: Options, *, read_by_others: Collection[str]) -> M:
    """The options as `model`, less those settings of the block that others read.

    Raises
    ------
    BadOption
        It leads to the first complaint; the others follow in its message.
    """
    own = {key: value for key, value in options.items() if key not in read_by_others}
    try:
        return model.model_validate(own)
    except ValidationError as error:
        (path, message), *more = [
            (tuple(str(part) for part in problem["loc"]), _sentence(model, dict(problem)))
            for problem in error.errors()
        ]
        also = "".join(f"; also {'.'.join(where)}: {what}" for where, what in more)
        raise BadOption(path, message + also) from None


def suggestion(written: str, known: Collection[str]) -> str:
    """`Did you mean …?`, or what there is to choose from."""
    close = get_close_matches(written.lower(), known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(sorted(known))}"


def _sentence(model: type[OptionsModel], problem: Mapping[str, Any]) -> str:
    setting = str(problem["loc"][-1]) if problem["loc"] else ""
    if problem["type"] == "missing":
        return "this setting is missing"
    if problem["type"] == "extra_forbidden" and len(problem["loc"]) == 1:
        names = {field.alias or name for name, field in model.model_fields.items()}
        return f"unknown setting {setting!r}. {suggestion(setting, names)}"
    return str(problem["msg"]).removeprefix("Value error, ")
