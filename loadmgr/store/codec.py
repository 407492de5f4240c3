"""Events and beliefs as JSON and back. Every event says its kind; times are UTC, ISO 8601."""

from __future__ import annotations

import json
from typing import Any

from cattrs.preconf.json import make_converter
from cattrs.strategies import configure_tagged_union

from loadmgr.core.state import State
from loadmgr.events import Event, Order

_converter = make_converter()
configure_tagged_union(Order, _converter, tag_name="order")
configure_tagged_union(Event, _converter, tag_name="event")


def _perhaps(order: Order | None) -> Any:
    return None if order is None else _converter.unstructure(order, unstructure_as=Order)


def _perhaps_order(value: Any, _: Any) -> Order | None:
    return None if value is None else _converter.structure(value, Order)  # type: ignore[arg-type]


# A union with None is another union: it has to be told as well how orders say their kind.
_converter.register_unstructure_hook(Order | None, _perhaps)
_converter.register_structure_hook(Order | None, _perhaps_order)


class Undecodable(ValueError):
    """The text is not an event or a belief of this version."""


def encode(event: Event) -> str:
    return json.dumps(_converter.unstructure(event, unstructure_as=Event))


def decode(text: str) -> Event:
    return _read(text, Event)  # type: ignore[no-any-return]


def encode_state(state: State) -> str:
    return json.dumps(_converter.unstructure(state))


def decode_state(text: str) -> State:
    return _read(text, State)  # type: ignore[no-any-return]


def _read(text: str, kind: Any) -> Any:
    try:
        return _converter.structure(json.loads(text), kind)
    except Exception as error:  # whatever stands there, it is not ours
        raise Undecodable(f"{error!r}: {text[:200]}") from error
