"""What `loadmgr check` tells about a site that is right."""

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from loadmgr.config import consequences, load, render_consequences
from loadmgr.config.headcount import most_cars
from loadmgr.model import Circuit, CircuitId, Evse, EvseId, Site, StationId, Wiring
from loadmgr.units import NOTHING, PHASES, add, on_each, power_w

from .conftest import FILES

EXPECTED = """\
Acme Car Park
  main (Grid connection): fuse 3 × 63 A
    Worst case L1 35/63 A, L2 35/63 A, L3 35/63 A.
    At most 6 of 7 cars at once at 6 A with the building at its worst, 7 without it.
    south: fuse 3 × 40 A
      Worst case L1 0/40 A, L2 4/40 A, L3 0/40 A.
      At most 5 of 5 cars at once at 6 A.
      annex: fuse 20 A on L2
        Worst case L2 4/20 A.
        At most 1 of 1 car at once at 6 A.
    north: fuse 3 × 32 A
      Worst case L1 0/32 A, L2 0/32 A, L3 0/32 A.
      At most 2 of 2 cars at once at 6 A.
  If main-meter is silent for 15 s: the building on main is taken to draw 3 × 35 A, 6 cars at once.
  If a charger is silent for 40 s: its last limit ends by itself within 5 min, then it stops charging.
  May be lowered by: evening (schedule)."""  # noqa: E501


def test_the_consequences_of_a_site_are_told_in_sentences():
    assert render_consequences(consequences(load(FILES / "good.yaml"))) == EXPECTED


def test_the_consequences_are_json():
    told = json.loads(json.dumps(consequences(load(FILES / "good.yaml")).as_json()))
    assert told["circuits"][0]["cars_at_worst"] == 6
    assert told["circuits"][0]["phases"][0] == {
        "phase": "L1",
        "building_a": 35,
        "chargers_a": 0,
        "worst_a": 35,
        "usable_a": 60,
        "fuse_a": 63,
    }


def test_chargers_that_go_on_alone_stand_in_the_worst_case(read):
    told = consequences(
        read(
            "site: {name: A, timezone: UTC}\nocpp: {listen: '127.0.0.1:0', security_profile: 0}\n"
            "circuits: {main: {fuse: 63 A, building: 49 A}}\noffline: {charger_fallback: 6 A}\n"
            "chargers: {A: {circuit: main, max: 16 A}, B: {circuit: main, phases: L1, max: 16 A}}\n"
        )
    )
    assert [row.worst_a for row in told.circuits[0].phases] == [61, 55, 55]
    text = render_consequences(told)
    assert "Worst case L1 61/63 A" in text and "may go on with 6 A, which stays reserved" in text
    assert "Phases unknown, counted on all three: A." in text


# ── Counting cars ─────────────────────────────────────────────────────────────────────────


@st.composite
def sites(draw: st.DrawFn) -> Site:
    amps = st.sampled_from([6.0, 8.0, 13.0, 16.0, 20.0, 32.0])
    circuits: list[Circuit] = []
    for i in range(draw(st.integers(1, 4))):
        above = draw(st.sampled_from(circuits)).id if circuits else None
        circuits.append(
            Circuit(
                id=CircuitId(f"c{i}"),
                label="",
                feeds_from=above,
                rating_a=draw(st.tuples(amps, amps, amps)),
                max_power_w=draw(st.none() | st.sampled_from([4000.0, 9000.0])),
                building_a=draw(st.tuples(*[st.sampled_from([0.0, 2.0, 7.0])] * 3)),
            )
        )
    evses = tuple(
        Evse(
            id=EvseId(f"e{i}"),
            station=StationId(f"e{i}"),
            circuit=draw(st.sampled_from(circuits)).id,
            wiring=Wiring(draw(st.sampled_from([PHASES, PHASES[:1], PHASES[1:2], PHASES[2:]]))),
            max_a=32.0,
            min_a=draw(st.sampled_from([6.0, 8.0])),
        )
        for i in range(draw(st.integers(0, 6)))
    )
    return Site(name="", timezone="UTC", circuits=tuple(circuits), evses=evses)


def fits(site: Site, cars: tuple[Evse, ...]) -> bool:
    """Whether all of these may have their minimum, buildings as declared on each circuit itself."""
    for circuit in site.circuits:
        here = [evse for evse in cars if circuit.id in site.path[evse.circuit]]
        load = NOTHING
        for evse in here:
            load = add(load, on_each(evse.min_a, evse.wiring.terminals))
        for phase in PHASES:
            room = max(0.0, circuit.rating_a[phase] - circuit.building_a[phase])
            if load[phase] > room + 1e-9:
                return False
        if circuit.max_power_w is not None:
            room_w = max(0.0, circuit.max_power_w - power_w(circuit.building_a, site.voltage_v))
            if power_w(load, site.voltage_v) > room_w + 1e-9:
                return False
    return True


@given(sites())
def test_the_count_of_cars_is_that_of_the_best_choice(site):
    building = {circuit.id: circuit.building_a for circuit in site.circuits}
    for circuit in site.circuits:
        below = site.below[circuit.id]
        best = max(
            len(cars)
            for n in range(len(below) + 1)
            for cars in itertools.combinations(below, n)
            if fits(site, cars)
        )
        assert most_cars(site, circuit.id, building) == best
