"""A tree as plain values: as text for what site.yaml defines, as YAML types for connectors."""

from __future__ import annotations

import re
from typing import Any

from loadmgr.config.source import Listing, Node, Scalar, Table

# YAML 1.2.2, section 10.3.2 (core schema). Longer numbers are names of something.
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,16}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,18}|[0-9]{1,18}(\.[0-9]{0,18})?)([eE][-+]?[0-9]{1,2})?")


def as_text(node: Node) -> Any:
    """Every scalar as it was written, and None for nothing."""
    match node:
        case Scalar(text=text, plain=plain):
            return None if plain and text in _NULL else text
        case Listing(items=items):
            return [as_text(item) for item in items]
        case Table(entries=entries):
            return {name: as_text(entry.value) for name, entry in entries.items()}


def as_data(node: Node) -> Any:
    """Every scalar as YAML means it; one in quotes stays text."""
    match node:
        case Scalar(text=text, plain=plain):
            return _resolved(text) if plain else text
        case Listing(items=items):
            return [as_data(item) for item in items]
        case Table(entries=entries):
            return {name: as_data(entry.value) for name, entry in entries.items()}


def _resolved(text: str) -> str | int | float | bool | None:
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        return int(text)
    if _HEX.fullmatch(text):
        return int(text, 16)
    return float(text) if _FLOAT.fullmatch(text) else text
