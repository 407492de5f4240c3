"""OCPP-J framing: text to CALL, CALLRESULT, CALLERROR and back. Pure.

OCPP-J 1.6 and OCPP 2.0.1 part 4, section 4. Whatever arrives, `read` returns a frame or raises
`Malformed`, and nothing else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

CALL, CALLRESULT, CALLERROR = 2, 3, 4

LONGEST_ID = 128
"""The standard ends at 36; some stations number their messages with longer names."""

_WHOLE_LIMIT = 2**63


@dataclass(frozen=True, slots=True)
class Call:
    id: str
    action: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CallResult:
    id: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CallError:
    id: str
    code: str
    description: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


Frame = Call | CallResult | CallError


class Malformed(Exception):
    """Not a frame of OCPP-J.

    `answerable` says whether the peer waits for an answer: a CALLERROR must never be
    answered with another. `id` is None when it could not be read.
    """

    def __init__(
        self,
        why: str,
        *,
        id: str | None = None,
        answerable: bool = True,
        kind_unknown: bool = False,
    ) -> None:
        super().__init__(why)
        self.id = id
        self.answerable = answerable
        self.kind_unknown = kind_unknown  # a message type that this version does not have


def read(text: str) -> Frame:
    """The frame in one text message.

    Raises
    ------
    Malformed
        For everything else that bytes can spell.
    """
    match _decode(text):
        case [kind, *rest] if isinstance(kind, int) and not isinstance(kind, bool):
            return _frame(kind, rest)
        case _:
            raise Malformed("a message is an array that begins with its type")


def write(frame: Frame) -> str:
    match frame:
        case Call():
            parts: list[object] = [CALL, frame.id, frame.action, frame.payload]
        case CallResult():
            parts = [CALLRESULT, frame.id, frame.payload]
        case CallError():
            parts = [CALLERROR, frame.id, frame.code, frame.description[:255], frame.details]
    return json.dumps(parts, separators=(",", ":"), allow_nan=False)


def _frame(kind: int, rest: list[Any]) -> Frame:
    if kind not in (CALL, CALLRESULT, CALLERROR):
        raise Malformed(f"message type {kind} is unknown", id=_id(rest), kind_unknown=True)
    id = _id(rest)
    answerable = kind == CALL
    if id is None:
        raise Malformed("the message id is missing or is no text", answerable=answerable)
    match kind, rest[1:]:
        case 2, [str(action), dict(payload)] if len(action) <= LONGEST_ID:
            return Call(id, action, payload)
        case 3, [dict(payload)]:
            return CallResult(id, payload)
        case 4, [str(code), *more]:
            return CallError(id, code, more[0] if more and isinstance(more[0], str) else "")
        case _:
            raise Malformed(f"message type {kind} has other elements", id=id, answerable=answerable)


def _id(rest: list[Any]) -> str | None:
    match rest:
        case [str(id), *_] if 0 < len(id) <= LONGEST_ID:
            return id
        case _:
            return None


# ── JSON, without what no station has reason to send ──────────────────────────────────────


def _decode(text: str) -> Any:
    try:
        decoded = json.loads(
            text, parse_int=_whole, parse_float=_finite, parse_constant=_no_constant
        )
        if "\\u" in text:  # an escape may hide half a character, which no text file can hold
            json.dumps(decoded, ensure_ascii=False).encode()
    except RecursionError:
        raise Malformed("nested too deeply") from None
    except ValueError as error:  # includes JSONDecodeError and UnicodeEncodeError
        raise Malformed(f"not JSON: {str(error)[:80]}") from None
    return decoded


def _whole(digits: str) -> int:
    if len(digits) > 20 or not -_WHOLE_LIMIT <= (number := int(digits)) < _WHOLE_LIMIT:
        raise ValueError("an integer of more than 64 bits")
    return number


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number beyond all measure")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")
