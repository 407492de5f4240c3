"""Durations and ceilings as people type them at a prompt: `120s`, `2 h`, `32A`, `25 kW`."""

from __future__ import annotations

import re

_WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")
_SECONDS = {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}


def seconds(written: str) -> float:
    """Raises `ValueError` with what to write instead."""
    number, unit = _split(written, "120s, 5min or 2h")
    if unit not in _SECONDS:
        raise ValueError(f"unknown unit {unit!r} in {written!r}: write 120s, 5min or 2h")
    return number * _SECONDS[unit]


def ceiling(written: str) -> tuple[float | None, float | None]:
    """(ampere per phase, kilowatt), one of them None. Raises `ValueError`."""
    number, unit = _split(written, "32A or 25kW")
    match unit:
        case "A":
            return number, None
        case "kW":
            return None, number
        case "W":
            return None, number / 1000
        case _:
            raise ValueError(f"unknown unit {unit!r} in {written!r}: write 32A or 25kW")


def _split(written: str, example: str) -> tuple[float, str]:
    match = _WRITTEN.fullmatch(written)
    if match is None:
        raise ValueError(f"{written!r} is not a number with its unit: write {example}")
    return float(match[1]), match[2]
