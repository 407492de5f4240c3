"""The standard's own JSON schemas, as the `ocpp` library ships them. Pure once loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ocpp.messages import MessageType, get_validator

from connectors.ocpp.dialect import Wrong

_VERSIONS = {"ocpp1.6": "1.6", "ocpp2.0.1": "2.0.1"}

# OCPP-J 1.6 section 4.2.3 spells two of its codes in its own way; 2.0.1 corrected them.
_CODES = {
    "ocpp1.6": {"type": "TypeConstraintViolation", "required": "OccurenceConstraintViolation"},
    "ocpp2.0.1": {"type": "TypeConstraintViolation", "required": "OccurrenceConstraintViolation"},
}
MALFORMED = {"ocpp1.6": "FormationViolation", "ocpp2.0.1": "FormatViolation"}


def load(subprotocol: str, actions: Iterable[str]) -> None:
    """Read the schemas now: the library would do so at the first message, from disk."""
    for action in actions:
        get_validator(MessageType.Call, action, _VERSIONS[subprotocol])


def check(subprotocol: str, action: str, payload: Mapping[str, Any]) -> None:
    """
    Raises
    ------
    Wrong
        The payload of a known action is not what the standard asks for.
    """
    validator = get_validator(MessageType.Call, action, _VERSIONS[subprotocol])
    fault = next(validator.iter_errors(payload), None)
    if fault is None:
        return
    code = _CODES[subprotocol].get(fault.validator)
    if code is None:
        surplus = fault.validator == "additionalProperties"
        code = MALFORMED[subprotocol] if surplus else "PropertyConstraintViolation"
    place = "/".join(str(step) for step in fault.absolute_path) or "payload"
    raise Wrong(code, f"{place}: breaks the schema's rule on {fault.validator}")
