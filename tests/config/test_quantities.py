"""Quantities are a number and a unit; anything else gets an example."""

import pytest
from pydantic import TypeAdapter, ValidationError

from loadmgr.config.quantities import (
    NO_CAR_BELOW,
    CarCurrentA,
    CurrentA,
    EnergyWh,
    FallbackA,
    Phases,
    PowerW,
    RatingA,
    TimeOfDay,
    TurnS,
    VoltageV,
)
from loadmgr.units import Phase


def parsed(kind: object, text: object) -> object:
    return TypeAdapter(kind).validate_python(text)


def refusal(kind: object, text: object) -> str:
    with pytest.raises(ValidationError) as caught:
        parsed(kind, text)
    context = caught.value.errors()[0]["ctx"]
    return f"{context['message']}: {context['hint']}"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (RatingA, "63 A", 63.0),
        (RatingA, " 63A ", 63.0),
        (CurrentA, "0 A", 0.0),
        (CurrentA, ".5 A", 0.5),
        (PowerW, "40 kW", 40_000.0),
        (PowerW, "4140 W", 4140.0),
        (EnergyWh, "20 kWh", 20_000.0),
        (TurnS, "15 min", 900.0),
        (TurnS, "1.5 h", 5400.0),
        (VoltageV, "0.23 kV", 230.0),
        (FallbackA, "6 A", 6.0),
        (FallbackA, "0 A", 0.0),
    ],
)
def test_a_number_and_its_unit_are_a_quantity(kind, text, value):
    assert parsed(kind, text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (RatingA, "63", "'63' has no unit: Write '63 A'."),
        (PowerW, "40", "'40' has no unit: Write '40 kW' if kW is meant."),
        (PowerW, "40 A", "'40 A' is a current, not a power: Write it like 40 kW."),
        (PowerW, "40 KW", "unknown unit 'KW': Did you mean 'kW'?"),
        (RatingA, "63 parsec", "unknown unit 'parsec': Write it in A."),
        (RatingA, "2,5 A", "'2,5 A' has a comma: Write '2.5 A'."),
        (RatingA, "0 A", "'0 A' is too small: It has to be above 0 A."),
        (CurrentA, "-3 A", "'-3 A' is too small: It has to be at least 0 A."),
        (RatingA, "63000 A", "'63000 A' is too large: It can be 10000 A at most."),
        (RatingA, "nan A", "'nan A' is not a current: Write it like 63 A."),
        (RatingA, "1e3 A", "'1e3 A' is not a current: Write it like 63 A."),
        (RatingA, "3x63 A", "'3x63 A' is not a current: Write it like 63 A."),
        (RatingA, ["63 A"], "a current is needed: Write it like 63 A."),
        (EnergyWh, None, "an energy is needed: Write it like 20 kWh."),
        (FallbackA, "4 A", f"'4 A' is neither 0 A nor at least 6 A: {NO_CAR_BELOW}"),
        (CarCurrentA, "5.9 A", f"'5.9 A' is too small: It has to be at least 6 A. {NO_CAR_BELOW}"),
        (TurnS, "30 s", "'30 s' is too small: It has to be at least 1 min."),
        (TimeOfDay, "25:00", "'25:00' is not a time of day: Write hours and minutes: \"07:30\"."),
        (Phases, "L1 L4", "'L4' is not a phase: Write L1, or L1 L2 L3, or rotated as L2 L3 L1."),
        (Phases, "L1 L1", "a phase is named twice: Write L1, or L1 L2 L3, or rotated as L2 L3 L1."),
    ],
)
def test_anything_else_is_refused_with_an_example(kind, text, said):
    assert refusal(kind, text) == said


def test_an_endless_number_is_too_large_and_quoted_short():
    said = refusal(RatingA, "9" * 5000 + " A")
    assert "is too large" in said and len(said) < 120


@pytest.mark.parametrize("written", ["L2 L3 L1", "L2, L3, L1", ["L2", "L3", "L1"]])
def test_phases_stand_in_the_order_of_the_terminals(written):
    assert parsed(Phases, written) == (Phase.L2, Phase.L3, Phase.L1)
