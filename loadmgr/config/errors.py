"""What is wrong with a file, and how it is shown: place, line, caret, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Any

SettingPath = tuple[str | int, ...]
"""The way to a setting: ("circuits", "north", "fuse")."""

LONGEST_SOURCE_LINE = 160  # characters; a caret further right helps nobody

LONGEST_QUOTE = 40  # characters of somebody's text within a sentence


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A stretch of one line of a file. Lines and columns count from 1."""

    file: str
    line: int = 0  # 0: the file as a whole
    column: int = 0
    width: int = 1  # characters, at least 1
    text: str = ""  # the whole line


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One complaint about one place."""

    severity: Severity = Severity.ERROR
    place: Place
    path: SettingPath = ()
    message: str
    hint: str = ""  # what to do about it, a sentence

    def __str__(self) -> str:
        at = f":{self.place.line}:{self.place.column}" if self.place.line else ""
        what = f"{dotted(self.path)}: {self.message}" if self.path else self.message
        return printable(f"{self.place.file}{at}: {self.severity}: {what}")

    def as_json(self) -> dict[str, Any]:
        """For programs: `line` and `column` are null where it is about the file as a whole."""
        return {
            "severity": self.severity.value,
            "file": self.place.file,
            "line": self.place.line,
            "column": self.place.column,
            "path": dotted(self.path),
            "message": self.message,
            "hint": self.hint,
        }


class ConfigurationError(Exception):
    """The file cannot be used. All that is wrong with it, in the order of its lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = in_order(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @property
    def file(self) -> Path:
        return Path(self.problems[0].place.file)


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sorted by place; of several equal complaints about one place the first stays."""
    found: dict[tuple[int, int, str], Problem] = {}
    for problem in problems:
        key = (problem.place.line, problem.place.column, problem.message)
        found.setdefault(key, problem)
    return tuple(sorted(found.values(), key=lambda p: (p.place.line, p.place.column)))


def dotted(path: SettingPath) -> str:
    """`circuits.north.fuse`; a place in a list counts from 1: `tariff.prices[2].from`."""
    text = ""
    for step in path:
        text += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def printable(text: str) -> str:
    """The same text with anything that could steer a terminal written as an escape."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def shown(written: object) -> str:
    """What somebody wrote, short enough for a sentence."""
    if isinstance(written, str):
        return f"'{written}'" if len(written) <= LONGEST_QUOTE else f"'{written[:LONGEST_QUOTE]}…'"
    return "a list" if isinstance(written, list) else "a block" if written else "nothing"


def closest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word that was probably meant."""
    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower()[:64], by_lower, n=1, cutoff=cutoff)
    return by_lower[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion from the known words, or "" when none is close."""
    meant = closest(word, known)
    return f"Did you mean '{meant}'?" if meant is not None else ""


def one_of(known: Sequence[str]) -> str:
    """A sentence that lists what may stand here."""
    return f"One of: {', '.join(known)}." if known else ""


def render(problems: Iterable[Problem]) -> str:
    """All complaints for a terminal: the line, a caret below it, and what to do."""
    return "\n".join(_drawn(problem) for problem in problems)


def _drawn(problem: Problem) -> str:
    lines = [str(problem)]
    place = problem.place
    if place.line and place.column <= LONGEST_SOURCE_LINE:
        line = place.text[:LONGEST_SOURCE_LINE]
        number = f"{place.line:5d}"
        # A tab stays a tab, so that the caret stands below what it points at.
        lead = "".join("\t" if c == "\t" else " " for c in line[: place.column - 1])
        width = max(1, min(place.width, len(line) - place.column + 1))
        lines += [f"{number} | {line}", f"{' ' * len(number)} | {lead}{'^' * width}"]
    if problem.hint:
        lines.append(f"        {printable(problem.hint)}")
    return "\n".join(lines)
