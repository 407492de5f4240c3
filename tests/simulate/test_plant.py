"""The whole site: skipping quiet time changes nothing."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadmgr.model import CircuitId, EvseId, Wiring
from loadmgr.simulate.arrivals import from_rows, synthetic
from loadmgr.simulate.building import ConstantLoad, MovingLoad
from loadmgr.simulate.car import CarSpec
from loadmgr.simulate.plant import Plant
from loadmgr.simulate.profiles import Period, Profile, Purpose
from loadmgr.units import Phase
from tests.simulate.sites import small_site

T0 = 1_000_000.0
MAIN, NORTH = CircuitId("main"), CircuitId("north")


def charge(plant: Plant, evse: str, car: CarSpec, now_s: float) -> None:
    plant.advance(now_s)
    station = plant.stations[plant.site.evse[EvseId(evse)].station]
    station.plug(1, car, now_s)
    station.begin(1, now_s, id=evse, token="")


def test_currents_add_up_through_the_tree_on_the_phases_they_really_load(site):
    plant = Plant(site, start_s=T0, building={MAIN: ConstantLoad((1.0, 2.0, 3.0))})
    charge(plant, "A", CarSpec(phases=3, max_a=10.0), T0)
    charge(plant, "B", CarSpec(phases=1, max_a=7.0), T0)  # rotated: loads L2
    charge(plant, "C", CarSpec(phases=3, max_a=9.0), T0)  # one terminal, on L3
    plant.advance(T0 + 60)
    assert plant.circuit_a(NORTH) == pytest.approx((10.0, 17.0, 10.0))
    assert plant.circuit_a(MAIN) == pytest.approx((11.0, 19.0, 22.0))
    assert plant.building_a(MAIN) == (1.0, 2.0, 3.0)
    assert plant.building_a(NORTH) == (0.0, 0.0, 0.0)


def test_the_true_wiring_counts_not_the_declared_one(site):
    true = {EvseId("A"): Wiring((Phase.L3, Phase.L1, Phase.L2))}
    plant = Plant(site, start_s=T0, wiring=true)
    charge(plant, "A", CarSpec(phases=1, max_a=16.0), T0)
    plant.advance(T0 + 60)
    assert plant.circuit_a(MAIN) == (0.0, 0.0, 16.0)


def test_an_uncontrolled_site_overloads_and_it_is_ours(site):
    plant = Plant(site, start_s=T0)
    charge(plant, "A", CarSpec(), T0)
    charge(plant, "B", CarSpec(), T0)
    plant.advance(T0 + 600)
    north = [row for row in plant.summary().rows if row.circuit == NORTH]
    assert all(row.ours_s > 500 and row.max_a == 32.0 for row in north)
    assert all(row.tripped_at_s is not None for row in north)  # 1.6 times the rating


def test_the_summary_counts_energy_and_sessions(site):
    plant = Plant(site, start_s=T0)
    charge(plant, "A", CarSpec(wanted_wh=1000.0), T0)
    charge(plant, "C", CarSpec(wanted_wh=0.0), T0)
    plant.advance(T0 + 3600)
    plant.stations[site.evse[EvseId("A")].station].unplug(1, T0 + 3600)
    summary = plant.summary()
    assert summary.energy_wh == pytest.approx(1000.0)
    assert (summary.sessions, summary.sessions_served, summary.seconds) == (2, 1, 3600.0)


def test_the_truth_is_told_only_what_changes(site, monkeypatch):
    plant = Plant(site, start_s=T0, building={MAIN: ConstantLoad((1.0, 2.0, 3.0))})
    account, told_s = plant.truth.account, []
    monkeypatch.setattr(plant.truth, "account", lambda *a: (told_s.append(a[0] - T0), account(*a)))
    charge(plant, "A", CarSpec(), T0)
    for second in range(1, 601):
        plant.advance(T0 + second)
    assert told_s and max(told_s) < 20  # it follows the pilot, and then nothing moves
    assert plant.circuit_a(MAIN) == (17.0, 18.0, 19.0)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 400), st.floats(0.0, 20.0)), min_size=1, max_size=8),
    st.integers(0, 10),
)
def test_long_jumps_and_single_seconds_tell_the_same_truth(told, seed):
    def live(jumps: bool) -> Plant:
        plant = Plant(small_site(), start_s=T0, building={MAIN: MovingLoad(seed=seed)})
        for evse, car in {"A": CarSpec(wanted_wh=900.0), "B": CarSpec(phases=1)}.items():
            charge(plant, evse, car, T0)
        now_s = T0
        for number, (wait_s, limit_a) in enumerate(told):
            for second in () if jumps else range(wait_s):
                plant.advance(now_s + second)
            now_s += wait_s
            plant.advance(now_s)
            limit = Profile(
                id=1,
                level=0,
                purpose=Purpose.DEFAULT,
                periods=(Period(0.0, limit_a),),
                start_s=now_s,
                duration_s=100.0 if number % 2 else None,
            )
            plant.stations[plant.site.evse[EvseId("A")].station].set_profile(1, limit, now_s)
        for second in () if jumps else range(200):
            plant.advance(now_s + second)
        plant.advance(now_s + 200)
        return plant

    jumped, walked = live(True).summary(), live(False).summary()
    assert jumped.energy_wh == pytest.approx(walked.energy_wh, abs=0.5)
    for one, other in zip(jumped.rows, walked.rows, strict=True):
        assert one.ours_s == other.ours_s and one.building_s == other.building_s
        assert one.max_a == pytest.approx(other.max_a, abs=0.11)


def test_synthetic_visits_repeat_with_their_seed_and_never_overlap(site):
    one = synthetic(site.evses, seed=4, start_s=T0, seconds=5 * 86_400)
    assert one == synthetic(site.evses, seed=4, start_s=T0, seconds=5 * 86_400)
    assert one != synthetic(site.evses, seed=5, start_s=T0, seconds=5 * 86_400)
    assert 10 < len(one) < 60
    for evse in site.evses:
        own = [visit for visit in one if visit.evse == evse.id]
        assert all(a.leaves_s < b.arrives_s for a, b in pairwise(own))


def test_real_sessions_take_the_first_free_evse_and_the_rest_drive_on(site):
    rows = [{"arrives_s": 10.0 + n, "leaves_s": 100.0, "energy_wh": 500.0} for n in range(4)]
    rows.append({"arrives_s": 100.0, "leaves_s": 200.0, "energy_wh": 70_000.0})
    visits = from_rows(rows, site.evses, CarSpec())
    assert [visit.evse for visit in visits] == ["A", "B", "C", "A"]
    assert visits[-1].car.wanted_wh == 70_000.0
