"""The settings that can be understood, and complaints about the others.

A block with a mistake in it is left out, so that the rest can still be checked and
one pass finds everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from loadmgr.config.complaints import Complaints
from loadmgr.config.errors import SettingPath, closest, did_you_mean, one_of, shown
from loadmgr.config.schema import ALL_PHASES, EACH_PHASE, SiteFile, description_at, settings_at
from loadmgr.config.source import Listing, Node, Scalar, Table
from loadmgr.config.values import as_text

OF_NAMES = frozenset({"circuits", "meters", "chargers", "limits"})
"""Sections that hold one block for each name."""

SOME_SITE = {"name": "?", "timezone": "UTC"}
"""Stands in for a `site:` with mistakes; no check below depends on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """All blocks without a mistake in themselves."""

    file: SiteFile
    data: Mapping[str, Any]  # all of it as text, mistakes included
    left_out: frozenset[SettingPath]  # ("circuits", "north"), ("offline",)

    def written(self, section: str) -> Mapping[str, Mapping[str, Any]]:
        """All blocks of a section of names, right or wrong."""
        blocks = self.data.get(section)
        if not isinstance(blocks, dict):
            return {}
        return {name: block if isinstance(block, dict) else {} for name, block in blocks.items()}


def draft(complaints: Complaints) -> Draft | None:
    """Check every setting by itself. None if too little is left to go on."""
    tree = complaints.source.tree
    empty = frozenset(_empty(tree, ()))
    for path in empty:
        _complain_of_nothing(complaints, path)
    data = as_text(tree)
    left_out = {_block(path) for path in empty}
    try:
        SiteFile.model_validate(data)
    except ValidationError as error:
        found = [(_path(details), details) for details in error.errors(include_url=False)]
        left_out |= {_block(path) for path, _ in found}
        meant = {_meant(path) for path, details in found if details["type"] == "extra_forbidden"}
        for path, details in found:
            if path not in empty and not (details["type"] == "missing" and path in meant):
                _complain(complaints, path, details)
    try:
        file = SiteFile.model_validate(_without(data, left_out))
    except ValidationError:  # `circuits:` is no block at all, and that was reported above
        return None
    return Draft(file=file, data=data, left_out=frozenset(left_out))


def _empty(node: Node, path: SettingPath) -> Iterator[SettingPath]:
    match node:
        case Scalar(text="", plain=True):
            yield path
        case Table(entries=entries):
            for name, entry in entries.items():
                yield from _empty(entry.value, (*path, name))
        case Listing(items=items):
            for place, item in enumerate(items):
                yield from _empty(item, (*path, place))


def _block(path: SettingPath) -> SettingPath:
    """The smallest block that can be left out whole."""
    return path[: 2 if path and path[0] in OF_NAMES else 1]


def _without(data: Any, left_out: set[SettingPath]) -> Any:
    kept = {
        section: {n: block for n, block in value.items() if (section, n) not in left_out}
        if section in OF_NAMES and isinstance(value, dict)
        else value
        for section, value in data.items()
        if (section,) not in left_out
    }
    return {"site": SOME_SITE, **kept}


# ── Pydantic's findings in plain words ────────────────────────────────────────────────────


def _path(details: ErrorDetails) -> SettingPath:
    return tuple(s for s in details["loc"] if s not in (ALL_PHASES, EACH_PHASE, "[key]"))


def _complain(complaints: Complaints, path: SettingPath, details: ErrorDetails) -> None:
    kind, context = details["type"], details.get("ctx", {})
    written, block = details["input"], path[:-1]
    if kind == "missing":
        complaints.error(block, f"'{path[-1]}' is missing", _what_it_is(path), name=True)
    elif kind == "extra_forbidden":
        known = settings_at(block)
        hint = did_you_mean(str(path[-1]), known) or f"Known here: {', '.join(known)}."
        complaints.error(path, f"unknown setting {shown(path[-1])}", hint, name=True)
    elif kind == "setting":
        is_name = details["loc"][-1] == "[key]"
        complaints.error(path, context["message"], context["hint"], name=is_name)
    elif kind in ("enum", "literal_error"):
        known = tuple(re.findall(r"'([^']+)'", str(context["expected"])))
        hint = did_you_mean(written, known) if isinstance(written, str) else ""
        complaints.error(path, f"{shown(written)} is not possible here", hint or one_of(known))
    else:
        message, hint = _in_plain_words(kind, context, written, settings_at(path))
        complaints.error(path, message, hint, name=details["loc"][-1] == "[key]")


def _complain_of_nothing(complaints: Complaints, path: SettingPath) -> None:
    glued = str(path[-1]).endswith(":")
    hint = "A ':' needs a space after it." if glued else "Write a value, or remove the line."
    complaints.error(path, "nothing stands here", hint, name=True)


def _meant(path: SettingPath) -> SettingPath:
    """The setting that somebody misspelt; itself where nothing is close."""
    return (*path[:-1], closest(str(path[-1]), settings_at(path[:-1])) or path[-1])


def _what_it_is(path: SettingPath) -> str:
    said = description_at(path)
    return f"{path[-1]}: {said}." if said else ""


def _in_plain_words(
    kind: str, context: dict[str, Any], written: object, known: tuple[str, ...]
) -> tuple[str, str]:
    bound = next((context[b] for b in ("gt", "ge", "lt", "le") if b in context), "")
    match kind:
        case "model_type" | "model_attributes_type" | "dict_type":
            hint = f"Known here: {', '.join(known)}." if known else "Each name needs a block."
            return f"a block of settings is needed here, not {shown(written)}", hint
        case "list_type":
            return f"a list is needed here, not {shown(written)}", "Write it like [a, b]."
        case "string_type":
            return f"text is needed here, not {shown(written)}", ""
        case "int_parsing" | "int_type" | "int_from_float" | "int_parsing_size":
            return f"{shown(written)} is not a whole number", ""
        case "float_parsing" | "float_type" | "finite_number":
            return f"{shown(written)} is not a number", ""
        case "bool_parsing" | "bool_type":
            return f"{shown(written)} is neither true nor false", ""
        case "greater_than":
            return f"{shown(written)} is too small", f"It has to be above {bound:g}."
        case "greater_than_equal":
            return f"{shown(written)} is too small", f"It has to be at least {bound:g}."
        case "less_than" | "less_than_equal":
            return f"{shown(written)} is too large", f"It can be {bound:g} at most."
        case "too_short":
            return "nothing is in here", "At least one is needed."
        case "too_long":
            return "too many are in here", f"{context['max_length']} at most."
        case "string_too_short":
            return "the text is empty", ""
        case "string_too_long":
            return "the text is too long", f"{context['max_length']} characters at most."
        case "string_pattern_mismatch":
            return f"{shown(written)} is not a currency", "Three capital letters, such as EUR."
    return kind.replace("_", " "), ""
