"""A building load replayed from a CSV file, over and over: for trials without a meter.

Columns: `time` (ISO 8601) or `seconds`; then `l1_a,l2_a,l3_a`, or `kW` shared by three phases.
Others are ignored. A row holds until the next one; the last one for the step before it.
"""

from __future__ import annotations

import csv
import math
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from connectors.meters.polled import (
    READ_BY_OTHERS,
    Ask,
    PolledMeter,
    bounds_here,
    check_rhythm,
)
from connectors.meters.reading import NoReading, Reading
from connectors.options import OptionsModel, Seconds, checked
from loadmgr.model import MeterId
from loadmgr.ports import BadOption, Clock, Context, Options, Source
from loadmgr.units import PerPhase

COMPLAINTS_AT_ONCE = 5


class CsvOptions(OptionsModel):
    """The block of a `type: csv` meter."""

    file: str
    poll: Seconds = 1.0


def connect(options: Options, context: Context) -> Source:
    """A replay of `file`, which is read through once here and then row by row as time goes.

    Raises
    ------
    BadOption
        With the line numbers of the first rows that are not right.
    """
    chosen = checked(CsvOptions, options, read_by_others=READ_BY_OTHERS)
    check_rhythm(context, chosen.poll)
    replay = Replay(Path(chosen.file), context.site.voltage_v)
    try:
        period_s = replay.survey()
    except BadTable as error:
        raise BadOption(("file",), str(error)) from None
    return PolledMeter(
        meter=MeterId(context.name),
        link=Player(replay, period_s, context.clock).open,
        every_s=chosen.poll,
        timeout_s=10.0,
        bounds=bounds_here(context, frozen_after=0),
        clock=context.clock,
    )


class BadTable(Exception):
    """A file that cannot be replayed. The message says where and why."""


@dataclass(frozen=True, slots=True)
class Row:
    line: int
    seconds: float  # on the file's own scale
    current_a: PerPhase


# ── Text → domain ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Columns:
    """How the rows of one file are to be read."""

    seconds: Callable[[Mapping[str, str]], float]
    current_a: Callable[[Mapping[str, str]], PerPhase]


def columns(names: list[str], voltage_v: float) -> Columns:
    """The meaning of a header, in lower case.

    Raises
    ------
    ValueError
    """
    wanted = "time or seconds, and l1_a, l2_a, l3_a or kW, with commas between them"
    if "seconds" in names:
        seconds = _seconds
    elif "time" in names:
        seconds = _timestamp
    else:
        raise ValueError(f"no column for time; needed are {wanted}; found: {', '.join(names)}")
    if {"l1_a", "l2_a", "l3_a"} <= set(names):
        return Columns(seconds, _amperes)
    if "kw" in names:
        return Columns(seconds, lambda cells: _balanced(cells, voltage_v))
    raise ValueError(f"no column for the load; needed are {wanted}; found: {', '.join(names)}")


def _seconds(cells: Mapping[str, str]) -> float:
    return _number(cells, "seconds")


def _timestamp(cells: Mapping[str, str]) -> float:
    written = cells.get("time") or ""
    try:
        stamp = datetime.fromisoformat(written)
    except ValueError:
        raise ValueError(f"time: {written!r} is no ISO 8601 time") from None
    return (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()


def _amperes(cells: Mapping[str, str]) -> PerPhase:
    return (_number(cells, "l1_a"), _number(cells, "l2_a"), _number(cells, "l3_a"))


def _balanced(cells: Mapping[str, str], voltage_v: float) -> PerPhase:
    each_a = _number(cells, "kw") * 1e3 / 3 / voltage_v
    return (each_a, each_a, each_a)


def _number(cells: Mapping[str, str], column: str) -> float:
    written = cells.get(column) or ""
    try:
        value = float(written)
    except ValueError:
        raise ValueError(f"{column}: {written!r} is no number") from None
    if not math.isfinite(value):
        raise ValueError(f"{column}: {written!r} is not finite")
    return value


# ── The file ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Replay:
    """A table on disk, read row by row: it may be longer than memory."""

    file: Path
    voltage_v: float

    def rows(self) -> Iterator[Row | str]:
        """Each row, or the complaint about it.

        Raises
        ------
        BadTable
            There is no table to read.
        """
        try:
            # `utf-8-sig`: spreadsheets put a byte order mark before the first column.
            with self.file.open(newline="", encoding="utf-8-sig") as text:
                reader = csv.DictReader(text)
                header = [name.strip().lower() for name in reader.fieldnames or ()]
                reader.fieldnames = header
                meaning = columns(header, self.voltage_v)
                for cells in reader:
                    yield self._row(reader.line_num, cells, meaning)
        except (OSError, UnicodeError, ValueError, csv.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise BadTable(f"{self.file}: {reason}") from None

    def survey(self) -> float:
        """Read everything once. Returns how long one round takes. [s]

        Raises
        ------
        BadTable
            With the first complaints, each with its line.
        """
        first: Row | None = None
        last: Row | None = None
        step_s = 0.0
        complaints: list[str] = []
        for row in self.rows():
            if isinstance(row, str):
                complaints.append(row)
            elif last is not None and row.seconds <= last.seconds:
                complaints.append(f"{self.file}:{row.line}: not later than line {last.line}")
            else:
                step_s = row.seconds - last.seconds if last is not None else 0.0
                first, last = first or row, row
            if len(complaints) == COMPLAINTS_AT_ONCE:
                break
        if complaints:
            raise BadTable("; ".join(complaints))
        if first is None or last is None:
            raise BadTable(f"{self.file}: no rows below the header")
        return last.seconds - first.seconds + (step_s or 1.0)

    def _row(self, line: int, cells: Mapping[str, str], meaning: Columns) -> Row | str:
        try:
            return Row(line, meaning.seconds(cells), meaning.current_a(cells))
        except ValueError as error:
            return f"{self.file}:{line}: {error}"


@dataclass(slots=True)
class Player:
    """A replay in step with the clock: the first row counts from the first poll on."""

    replay: Replay
    period_s: float  # after which it begins again
    clock: Clock
    _began: datetime = field(init=False)
    _frames: Generator[Frame, None, None] | None = field(default=None, init=False)
    _present: Frame = field(init=False)
    _following: Frame = field(init=False)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Ask]:
        try:
            yield self.ask
        finally:
            self._rewind()

    async def ask(self) -> Reading:
        try:
            return Reading(self._load_a(self.clock.now()))
        except BadTable as error:
            self._rewind()
            raise NoReading(str(error)) from None

    def _load_a(self, now: datetime) -> PerPhase:
        if self._frames is None:
            self._began = now
            self._frames = frames(self.replay, self.period_s)
            self._following = next(self._frames)
        elapsed_s = (now - self._began).total_seconds()
        while self._following[0] <= elapsed_s:
            self._present = self._following
            self._following = next(self._frames)
        return self._present[1]

    def _rewind(self) -> None:
        if self._frames is not None:
            self._frames.close()
            self._frames = None


Frame = tuple[float, PerPhase]
"""Seconds since the replay began, and the load from there on."""


def frames(replay: Replay, period_s: float) -> Generator[Frame, None, None]:
    """The rows for ever, round after round.

    Raises
    ------
    BadTable
        The file has changed for the worse since it was surveyed.
    """
    for round_number in count():
        first: Row | None = None
        for row in replay.rows():
            if isinstance(row, str):
                raise BadTable(row)
            first = first or row
            yield round_number * period_s + row.seconds - first.seconds, row.current_a
        if first is None:
            raise BadTable(f"{replay.file}: no rows below the header")
