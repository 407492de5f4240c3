"""site.yaml as a tree whose every piece knows its line and column.

Only the plain part of YAML is taken: mappings, lists, scalars, anchors. Scalars keep
their text, so that a charger named 0012 or a version 1.6 stays what was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast
from unicodedata import category

from ruamel.yaml import YAML, events
from ruamel.yaml.error import FileMark, MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from loadmgr.config.errors import ConfigurationError, Place, Problem, SettingPath, did_you_mean

LARGEST_FILE = 4 * 1024 * 1024  # bytes; 10,000 chargers need about one
DEEPEST = 12  # levels; site.yaml uses six
MOST_PIECES = 200_000  # after aliases are followed
HOW_TO_BEGIN = "Start with `site:`, `circuits:` and `chargers:`."


@dataclass(frozen=True, slots=True)
class Span:
    """Where a piece stands, counted from 0 as the parser does."""

    line: int
    column: int
    width: int = 1


@dataclass(frozen=True, slots=True)
class Scalar:
    span: Span
    text: str
    plain: bool  # written without quotes
    size: int = 1  # pieces, aliases followed


@dataclass(frozen=True, slots=True)
class Listing:
    span: Span
    items: tuple[Node, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Table:
    span: Span
    entries: Mapping[str, Entry]
    size: int


class Entry(NamedTuple):
    name: Span
    value: Node


Node = Scalar | Listing | Table


@dataclass(frozen=True, slots=True)
class Source:
    """The text of one file and the tree in it."""

    path: Path
    lines: tuple[str, ...]
    tree: Table
    problems: tuple[Problem, ...] = ()  # names that stand twice; the first one counts

    def value(self, path: SettingPath) -> Place:
        """Where the value of a setting stands, or else the nearest piece around it."""
        return self._place(self._spans(path)[1])

    def name(self, path: SettingPath) -> Place:
        """Where the name of a setting stands, or else that of the nearest one around it."""
        return self._place(self._spans(path)[0])

    def _place(self, span: Span) -> Place:
        return _place(self.path, self.lines, span)

    def _spans(self, path: SettingPath) -> tuple[Span, Span]:
        name, node = self.tree.span, cast(Node, self.tree)
        for step in path:
            if isinstance(node, Table) and str(step) in node.entries:
                name, node = node.entries[str(step)]
            elif isinstance(node, Listing) and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
                name = node.span
            else:
                return name, name
        return name, node.span


def read(path: Path) -> Source:
    """Read and parse a file.

    Raises
    ------
    ConfigurationError
        The file is missing, not text, not YAML, too large or too deep.
    """
    text = _text(path)
    reading = _Reading(path, tuple(text.splitlines()))
    try:
        # ruamel reads YAML 1.2: `on` and `17:00` are text, as people expect.
        tree = reading.document(YAML(typ="safe", pure=True).parse(text))
    except ReaderError as error:
        before = text[: error.position]
        span = Span(before.count("\n"), len(before) - before.rfind("\n") - 1)
        message = f"a character that may not stand in text (number {error.character})"
        reading.stop(span, message, "Remove it; copying from a terminal often leaves such.")
    except MarkedYAMLError as error:
        mark, message, hint = _in_plain_words(error, reading.lines)
        reading.stop(Span(mark.line, mark.column), message, hint)
    except (YAMLError, ValueError) as error:  # ruamel lets some bad escapes out as ValueError
        reading.stop(Span(0, 0), f"not YAML: {str(error).splitlines()[0]}")
    return Source(path, reading.lines, tree, tuple(reading.problems))


def _text(path: Path) -> str:
    try:
        if path.is_file() and path.stat().st_size > LARGEST_FILE:
            _refuse(path, f"larger than {LARGEST_FILE // 2**20} MiB: this is no site description")
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        _refuse(path, "there is no such file", "Is it in another folder?")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        place = Place(file=str(path), line=line, column=column)
        message, hint = "not UTF-8 text", "Save the file as UTF-8."
        raise ConfigurationError([Problem(place=place, message=message, hint=hint)]) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        _refuse(path, f"cannot be read: {reason}")


def _refuse(path: Path, message: str, hint: str = "") -> NoReturn:
    place = Place(file=str(path))
    raise ConfigurationError([Problem(place=place, message=message, hint=hint)]) from None


def _place(file: Path, lines: tuple[str, ...], span: Span) -> Place:
    if not lines:
        return Place(file=str(file), line=1, column=1)
    line = min(span.line, len(lines) - 1)
    text = lines[line]
    column = min(span.column, len(text)) if line == span.line else len(text)
    width = max(1, min(span.width, len(text) - column))
    return Place(file=str(file), line=line + 1, column=column + 1, width=width, text=text)


def _in_plain_words(error: MarkedYAMLError, lines: tuple[str, ...]) -> tuple[Any, str, str]:
    """Where to look, what is wrong, and what to do."""
    problem = str(error.problem or error.context or "unreadable")
    mark = error.problem_mark or error.context_mark or FileMark("", 0, 0, 0)
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "\\t" in problem or "\t" in line[: len(line) - len(line.lstrip())]:
        return mark, "a tab stands where YAML wants spaces", "Indent with spaces."
    if "mapping values are not allowed" in problem:
        return mark, "a ':' where none can stand", 'Put text that has a colon in quotes: "17:00".'
    if "unexpected end of stream" in problem or "<stream end>" in problem:
        opened = error.context_mark or mark
        return opened, "what opens here is never closed", "Close the quote or bracket."
    return mark, f"not YAML: {problem}", "Check indentation, quotes and brackets around here."


class _Reading:
    """One pass over the parser's events. Stops at once at what is not plain YAML."""

    def __init__(self, file: Path, lines: tuple[str, ...]) -> None:
        self.file = file
        self.lines = lines
        self.problems: list[Problem] = []
        self._anchors: dict[str, Node] = {}
        self._path: list[str | int] = []

    def stop(self, span: Span, message: str, hint: str = "") -> NoReturn:
        self._complain(span, message, hint)
        raise ConfigurationError(self.problems) from None

    def _complain(self, span: Span, message: str, hint: str, path: SettingPath = ()) -> None:
        place = _place(self.file, self.lines, span)
        self.problems.append(Problem(place=place, path=path, message=message, hint=hint))

    def document(self, stream: Iterator[Any]) -> Table:
        next(stream)  # the start of the stream
        if isinstance(next(stream), events.StreamEndEvent):
            self.stop(Span(0, 0), "the file is empty", HOW_TO_BEGIN)
        tree = self._node(next(stream), stream)
        next(stream)  # the end of the document
        if not isinstance(after := next(stream), events.StreamEndEvent):
            self.stop(self._span(after), "a second YAML document", "Remove the line '---'.")
        if not isinstance(tree, Table):
            self.stop(tree.span, "a site is described by names and blocks", HOW_TO_BEGIN)
        return tree

    def _node(self, event: Any, stream: Iterator[Any]) -> Node:
        span = self._span(event)
        if getattr(event, "tag", None):
            self.stop(span, "a YAML tag ('!…') has no meaning here", "Remove it.")
        if len(self._path) > DEEPEST:
            self.stop(span, f"nested deeper than {DEEPEST} levels")
        match event:
            case events.AliasEvent():
                return self._alias(event.anchor, span)
            case events.MappingStartEvent():
                node: Node = self._table(span, stream)
            case events.SequenceStartEvent():
                node = self._listing(span, stream)
            case _:
                node = self._scalar(span, event)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _scalar(self, span: Span, event: Any) -> Scalar:
        for character in event.value:
            # Quotes let escapes through that would steer a terminal or break UTF-8.
            if category(character) in ("Cc", "Cs") and character not in "\t\n":
                self.stop(span, f"this text hides a character (number {ord(character)})")
        return Scalar(span, event.value, plain=event.style is None)

    def _alias(self, anchor: str, span: Span) -> Node:
        if anchor not in self._anchors:
            hint = did_you_mean(anchor, self._anchors)
            self.stop(span, f"nothing above is marked '&{anchor}'", hint)
        return self._anchors[anchor]

    def _table(self, span: Span, stream: Iterator[Any]) -> Table:
        entries: dict[str, Entry] = {}
        size = 1
        while not isinstance(event := next(stream), events.MappingEndEvent):
            if not isinstance(event, events.ScalarEvent):
                self.stop(self._span(event), "a name is needed here, not a list or a block")
            name, at = event.value, self._span(event)
            self._path.append(name)
            value = self._node(next(stream), stream)
            if name in entries:
                first = f"The first one is on line {entries[name].name.line + 1}. Keep one."
                self._complain(at, f"'{name}' stands here twice", first, tuple(self._path))
            entries.setdefault(name, Entry(at, value))
            self._path.pop()
            size = self._grown(size, value, at)
        return Table(span, entries, size)

    def _listing(self, span: Span, stream: Iterator[Any]) -> Listing:
        items: list[Node] = []
        size = 1
        while not isinstance(event := next(stream), events.SequenceEndEvent):
            self._path.append(len(items))
            items.append(self._node(event, stream))
            self._path.pop()
            size = self._grown(size, items[-1], self._span(event))
        return Listing(span, tuple(items), size)

    def _grown(self, size: int, node: Node, at: Span) -> int:
        if size + node.size > MOST_PIECES:
            self.stop(at, "too many settings", "Does an alias ('*…') repeat a large block?")
        return size + node.size

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        one_line = isinstance(event, events.ScalarEvent | events.AliasEvent) and (
            start.line == end.line
        )
        return Span(start.line, start.column, end.column - start.column if one_line else 1)
