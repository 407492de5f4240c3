"""Whatever somebody does to a right file: a configuration, or complaints with places."""

import re
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from loadmgr.config import (
    Configuration,
    ConfigurationError,
    Severity,
    consequences,
    load,
    render,
    render_consequences,
)

from .conftest import FILES

GOOD = (FILES / "good.yaml").read_text(encoding="utf-8")
LINES = GOOD.splitlines()
UNIT = re.compile(r"(?<=[0-9]) (A|kWh|kW|V|s|min)\b")

scalars = st.sampled_from(
    [
        "",
        "~",
        "null",
        "0",
        "-1",
        "63",
        "63 A",
        "6 a",
        "1e400",
        ".nan",
        "0x1F",
        "true",
        "L1",
        "L2 L1",
        "main",
        "CP01",
        "[]",
        "{}",
        "[L1, L2]",
        "{L1: 63 A}",
        "{1: {}}",
        "07:30",
        "25:00",
        "'",
        '"',
        "*a",
        "&a b",
        "!!int 3",
        "<<",
        "?",
        "|",
        ">",
        "- a",
        "#",
        "@",
        "9" * 5000,
        "\u202e",
        "\x85",
        "\ud7ff",
    ]
) | st.text(max_size=8)


@st.composite
def replaced(draw: st.DrawFn) -> str:
    """One word of the file becomes something else."""
    words = GOOD.replace("{", "{\0").replace(",", "\0,").replace("}", "\0}").replace(": ", ": \0")
    pieces = words.replace("\n", "\0\n").split("\0")
    pieces[draw(st.integers(0, len(pieces) - 1))] = draw(scalars)
    return "".join(pieces)


@st.composite
def misspelt(draw: st.DrawFn) -> str:
    """One character is dropped, doubled, or another one: key typos, units lost, brackets open."""
    place = draw(st.integers(0, len(GOOD) - 1))
    return (
        GOOD[:place]
        + draw(st.sampled_from(["", "xx", " ", "\t", ":", ",", "9"]))
        + GOOD[place + 1 :]
    )


@st.composite
def torn(draw: st.DrawFn) -> str:
    """Lines are lost, repeated or moved, or the file ends too early."""
    lines = draw(st.lists(st.sampled_from(LINES), min_size=1, max_size=len(LINES)))
    keep = [line for line in LINES if draw(st.integers(0, 9))]
    return "\n".join(draw(st.sampled_from([keep, keep + lines, lines, keep[: len(keep) // 2]])))


def read(text: str) -> Configuration | None:
    """What becomes of a text; complaints are checked to have a place and to be readable."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "site.yaml"
        file.write_text(text, encoding="utf-8", newline="")
        try:
            return load(file)
        except ConfigurationError as error:
            problems = error.problems
    assert any(problem.severity is Severity.ERROR for problem in problems)
    for problem in problems:
        assert 1 <= problem.place.line and 1 <= problem.place.column
        assert problem.message and str(problem).isprintable()
    assert render(problems)
    return None


@settings(deadline=None, max_examples=300)
@given(replaced() | misspelt() | torn())
@example(GOOD.replace("63 A", "63"))
@example(GOOD.replace("circuits:", "circuit:"))
@example(GOOD.replace("feeds_from: main", "feeds_from: annex"))
def test_a_mutated_file_gives_a_configuration_or_complaints_with_places(text):
    configuration = read(text)
    if configuration is not None:
        assert render_consequences(consequences(configuration))


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=60))
def test_any_text_gives_complaints_with_places(text):
    assert read(text) is None


def test_without_any_one_unit_the_file_is_refused():
    # What stands under `limits:` is for connectors to check.
    units = [u for u in UNIT.finditer(GOOD) if "evening:" not in GOOD[: u.end()].splitlines()[-1]]
    assert len(units) > 20
    for unit in units:
        assert read(GOOD[: unit.start()] + GOOD[unit.end() :]) is None, unit
