"""What copper would say, by hand."""

import pytest

from loadmgr.config import Severity

REST = "ocpp: {listen: '127.0.0.1:0', security_profile: 0}\nsite: {name: A, timezone: UTC}\n"


@pytest.fixture
def errors(complaints):
    def errors(text: str) -> list[str]:
        return [p.message for p in complaints(text + REST) if p.severity is Severity.ERROR]

    return errors


@pytest.fixture
def doubts(complaints):
    def doubts(text: str) -> list[str]:
        found = complaints(text + REST)
        assert {p.severity for p in found} <= {Severity.WARNING}
        return [p.message for p in found]

    return doubts


def site(*, fallback: str = "6 A", building: str = "20 A", margin: str = "0 A") -> str:
    chargers = "".join(f"  CP{i}: {{circuit: main, phases: L1, max: 16 A}}\n" for i in range(2))
    return (
        f"circuits: {{main: {{fuse: 32 A, building: {building}, margin: {margin}}}}}\n"
        f"offline: {{charger_fallback: {fallback}}}\nchargers:\n{chargers}"
    )


def test_fallbacks_that_fill_a_fuse_exactly_are_right(errors):
    assert errors(site(building="20 A")) == []


def test_fallbacks_that_burn_a_fuse_are_refused_with_the_numbers(errors):
    (message,) = errors(site(building="20.1 A"))
    assert message == (
        "burns its fuse when nobody talks to the chargers: on L1 they draw 12 A (2 of them) and "
        "the building 20.1 A, together 32.1 A of 32 A (32 A fuse)"
    )


def test_the_margin_counts(errors):
    (message,) = errors(site(margin="3 A"))
    assert "together 32 A of 29 A (32 A fuse - 3 A margin)" in message


def test_a_fallback_of_nothing_burns_nothing(errors):
    assert errors(site(fallback="0 A", building="32 A", margin="3 A")) == []


def test_a_fallback_above_the_charger_counts_as_the_charger(errors):
    assert errors(site(fallback="30 A", building="0 A")) == []


def test_an_undeclared_building_may_fill_the_fuse(errors):
    (message,) = errors(
        "circuits: {main: {fuse: 32 A, margin: 2 A, meter: m}}\nmeters: {m: {type: http}}\n"
        "offline: {charger_fallback: 6 A}\nchargers: {CP: {circuit: main, phases: L2, max: 16 A}}\n"
    )
    assert "on L2 they draw 6 A (1 of them) and the building 30 A, together 36 A of 30 A" in message


def test_unknown_wiring_burns_on_every_phase(errors):
    text = (
        "circuits: {main: {fuse: {L1: 32 A, L2: 32 A, L3: 10 A}, building: {L3: 5 A}}}\n"
        "offline: {charger_fallback: 6 A}\nchargers: {CP: {circuit: main, %s max: 16 A}}\n"
    )
    assert errors(text % "phases: L1,") == []
    assert "on L3" in errors(text % "")[0]


def test_sub_circuits_add_up(errors):
    (message,) = errors(
        "circuits:\n  main: {fuse: 32 A}\n"
        "  a: {feeds_from: main, fuse: 25 A, building: 14 A}\n"
        "  b: {feeds_from: main, fuse: 25 A, building: 14 A}\n"
        "offline: {charger_fallback: 6 A}\nchargers: {CP: {circuit: a, phases: L1, max: 16 A}}\n"
    )
    assert "building 28 A, together 34 A of 32 A" in message


def test_a_two_phase_circuit_needs_to_know_the_phases(errors):
    (message,) = errors(
        "circuits: {main: {fuse: 32 A, phases: L1 L3}}\n"
        "chargers: {CP: {circuit: main, max: 16 A}}\n"
    )
    assert message == "'main' has L1 L3 only, so 'phases' is needed"


def test_a_burnt_fuse_is_found_beside_other_mistakes(errors):
    found = errors(site(building="21 A") + "  CP9: {circuit: main, mux: 16 A}\n")
    assert any("burns its fuse" in message for message in found) and len(found) == 2


def test_one_phase_chargers_spread_over_phases_raise_no_doubt(doubts):
    text = "circuits: {main: {fuse: 63 A, building: 5 A}}\nchargers:\n"
    text += "  A: {circuit: main, phases: L1, max: 32 A}\n"
    assert doubts(text) == []
    assert doubts(text + "  B: {circuit: main, phases: L2, max: 32 A}\n") == []
    assert doubts(text + "  B: {circuit: main, phases: L1, max: 32 A}\n") == [
        "all 2 one-phase chargers are on L1"
    ]


def test_one_phase_sites_have_no_choice_of_phase(doubts):
    assert not doubts(
        "circuits: {main: {fuse: {L1: 63 A}, building: 5 A}}\nchargers:\n"
        "  A: {circuit: main, phases: L1, max: 32 A}\n  B: {circuit: main, max: 32 A}\n"
    )


def test_a_building_that_fills_everything_is_a_doubt_not_an_error(doubts):
    assert doubts(
        "circuits: {main: {fuse: 32 A, building: 40 A}}\n"
        "chargers: {CP: {circuit: main, phases: L1, max: 16 A}}\n"
    ) == ["the building alone may draw 40 A on L1, where there are 32 A"]


def test_currents_on_phases_that_are_not_there_are_refused(errors):
    assert errors("circuits: {main: {fuse: {L1: 9 A}, building: {L2: 5 A}}}\n") == [
        "the circuit has no L2"
    ]
    assert errors(
        "circuits: {main: {fuse: {L1: 9 A}, meter: m}}\n"
        "meters: {m: {type: http, when_lost: {assume: {L3: 5 A}}}}\n"
    ) == ["'main' has no L3"]


def test_phases_come_from_the_circuit_above(read):
    circuits = read(
        "circuits:\n  main: {fuse: 32 A, phases: L2, building: 1 A}\n"
        "  sub: {feeds_from: main, fuse: 16 A}\n" + REST
    ).site.circuit
    assert circuits["sub"].rating_a == (0, 16, 0)


@pytest.mark.parametrize(
    ("ocpp", "said"),
    [
        ("{listen: '127.0.0.1:0', security_profile: 0}", None),
        ("{listen: '[::1]:9000', security_profile: 0}", None),
        (
            "{listen: 'localhost:9000', security_profile: 1}",
            "security profile 1 needs 'passwords_file'",
        ),
        ("{listen: '127.0.0.1:0'}", "security profile 1 needs 'passwords_file'"),
        (
            "{listen: '10.1.2.3:0', security_profile: 0}",
            "anyone on this network can pose as a charger",
        ),
        (
            "{listen: '0.0.0.0:0', security_profile: 0}",
            "anyone on any network could pose as a charger",
        ),
        (
            "{listen: '[::]:0', security_profile: 0}",
            "anyone on any network could pose as a charger",
        ),
        (
            "{listen: '0.0.0.0:0', security_profile: 1, passwords_file: p}",
            "passwords of chargers can be read on this network",
        ),
        (
            "{listen: '0.0.0.0:0', certificate_file: c, key_file: k}",
            "security profile 2 needs 'passwords_file'",
        ),
        (
            "{listen: '0.0.0.0:0', security_profile: 3, certificate_file: c, key_file: k}",
            "security profile 3 needs 'client_ca_file'",
        ),
        ("{listen: '0.0.0.0:0', certificate_file: c, key_file: k, passwords_file: p}", None),
    ],
)
def test_who_can_pose_as_a_charger(ocpp, said, complaints):
    found = complaints(
        "site: {name: A, timezone: UTC}\ncircuits: {main: {fuse: 32 A, building: 1 A}}\n"
        f"chargers: {{CP: {{circuit: main, phases: L1, max: 16 A}}}}\nocpp: {ocpp}\n"
    )
    assert [p.message for p in found] == ([said] if said else [])


@pytest.mark.parametrize(
    ("identity", "refused"),
    [
        ("CP01", False),
        ("a*b-c_d=e+f@g.h", False),
        ("x" * 48, False),
        ("x" * 49, True),
        ("CP:1", True),
        ("CP/1", True),
        ("CP 1", True),
        ("Ladesäule", True),
        ("..", True),
        ("", True),
    ],
)
def test_the_name_of_a_charger_fits_into_its_address(identity, refused, errors):
    charger = "{circuit: main, phases: L1, max: 16 A}"
    text = f"circuits: {{main: {{fuse: 32 A}}}}\nchargers: {{'{identity}': {charger}}}\n"
    assert bool(errors(text)) is refused
