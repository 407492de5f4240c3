"""What people read when site.yaml is wrong: whole files against whole outputs."""

import os

import pytest

from loadmgr.config import ConfigurationError, Severity, load, render

from .conftest import FILES


def shown(name: str) -> str:
    """All complaints about a file, as `loadmgr check` prints them."""
    try:
        problems = load(FILES / f"{name}.yaml").warnings
    except ConfigurationError as error:
        problems = error.problems
    return render(problems).replace(f"{FILES}{os.sep}", "") + "\n"


@pytest.mark.parametrize("name", ["typos", "copper", "doubts"])
def test_a_bad_file_is_answered_in_one_pass(name):
    expected = FILES / f"{name}.expected"
    assert shown(name) == expected.read_text(encoding="utf-8")


def test_complaints_come_in_the_order_of_lines():
    with pytest.raises(ConfigurationError) as caught:
        load(FILES / "typos.yaml")
    places = [(p.place.line, p.place.column) for p in caught.value.problems]
    assert places == sorted(places) and len(places) > 30


def test_a_wrong_setting_hides_no_mistake_in_the_same_block(complaints):
    found = complaints(
        "site: {name: A, timezone: Europe/Amsterdam}\n"
        "circuits:\n"
        "  main: {fuse: 63, meter: grid}\n"
        "  north: {feeds_from: mian, fuse: 32 A, fuze: 1 A}\n"
        "ocpp: {listen: '127.0.0.1:0', security_profile: 0}\n"
    )
    assert [(p.place.line, p.message) for p in found] == [
        (3, "'63' has no unit"),
        (3, "there is no meter 'grid'"),
        (4, "there is no circuit 'mian'"),
        (4, "unknown setting 'fuze'"),
    ]


def test_the_caret_stands_below_the_mistake(complaints):
    (problem,) = complaints(
        "site: {name: A, timezone: Europe/Amsterdam}\n"
        "circuits:\n"
        "  main: {fuse: 63 A, building: 5 A}\n"
        "  north:\n"
        "    feeds_from: main\n"
        "    fuze: 32 A\n"
        "ocpp: {listen: '127.0.0.1:0', security_profile: 0}\n"
    )
    said = render([problem]).split("site.yaml")[-1]
    assert said == (
        ":6:5: error: circuits.north.fuze: unknown setting 'fuze'\n"
        "    6 |     fuze: 32 A\n"
        "      |     ^^^^\n"
        "        Did you mean 'fuse'?"
    )


def test_a_file_with_warnings_alone_can_be_used():
    warnings = load(FILES / "doubts.yaml").warnings
    assert warnings and {problem.severity for problem in warnings} == {Severity.WARNING}


def test_nothing_in_a_complaint_can_steer_a_terminal(complaints):
    # U+202E turns the direction of writing; YAML lets it through.
    found = complaints("site: {name: A, timezone: Europe/Amsterdam, '\u202eevil': 1}\n")
    assert "\u202e" not in " ".join(str(problem) for problem in found)
