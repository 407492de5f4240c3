"""Everything fails, at random and in virtual time, and no fuse is overloaded by us."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from loadmgr.app import chaos_report, chaos_runs
from loadmgr.app.chaos import START_S, live
from loadmgr.app.chaos_naive import Naive
from loadmgr.app.chaos_runs import Ask, asked, is_safe, play, play_all, prepared, shrink
from loadmgr.cli import app
from loadmgr.config.worst import offline_a, worst_building_a
from loadmgr.core.doubt import doubts_amount
from loadmgr.engine.engine import Engine
from loadmgr.events import SessionEnded
from loadmgr.simulate.chaos_faults import Kind, Mix, draw, only
from loadmgr.simulate.chaos_site import world
from loadmgr.simulate.truth import Cause
from loadmgr.units import PHASES

SMALL = Ask(seed=7, seconds=1800.0, chargers=4, faults_every_s=20.0)


@pytest.mark.timeout(600)
def test_ten_thousand_faults_overload_no_fuse_of_ours() -> None:
    """Dense enough that every kind meets every other; a failing seed is in the message."""
    asks = [
        Ask(seed=seed, seconds=4.5 * 3600.0, chargers=3 + seed % 4, faults_every_s=2.5)
        for seed in range(1, 4)
    ]
    runs = list(play_all(asks, jobs=2))
    found = chaos_report.as_json(runs)
    assert found["faults"] >= 10_000
    assert not found["unsafe_seeds"], chaos_report.as_text(runs)
    assert found["increases_apart_s"] >= 12.0
    assert found["orders_a_minute"] <= 30, "a charger is a small computer"


def test_the_same_seed_gives_the_same_run() -> None:
    one, other = play(SMALL), play(SMALL)
    assert one.lived == other.lived


def test_a_longer_run_begins_as_a_shorter_one() -> None:
    _, faults, _ = prepared(SMALL)
    _, more, _ = prepared(replace(SMALL, seconds=7200.0))
    assert more[: len(faults)] == faults and len(more) > len(faults)


def test_a_naive_controller_overloads_fuses_in_the_same_world() -> None:
    ask = replace(SMALL, seed=3, seconds=3600.0, chargers=8)
    built, faults, _ = prepared(ask)
    assert not is_safe(live(built, faults, seconds=ask.seconds, make_engine=Naive))


def test_what_breaks_in_a_world_ends_it_at_once() -> None:
    class Broken(Naive):
        async def run(self) -> None:
            await asyncio.sleep(100.0)
            raise ZeroDivisionError(f"after {self.clock.monotonic():g} s")

    built, _, _ = prepared(SMALL)
    with pytest.raises(ZeroDivisionError, match="after 100 s"):
        live(built, (), seconds=SMALL.seconds, make_engine=Broken)


def test_every_random_site_is_one_that_check_would_pass() -> None:
    for seed in range(60):
        site = world(seed, start_s=START_S, seconds=3600.0, warm_up_s=240.0).site
        building = worst_building_a(site)
        for circuit in site.circuits:
            alone = offline_a(site, circuit.id)
            for phase in PHASES:
                total = building[circuit.id][phase] + alone[phase]
                assert total <= circuit.usable_a[phase] + 1e-6, (seed, circuit.id)


def test_a_slow_site_is_the_same_but_for_the_time_it_takes() -> None:
    quick, faults, _ = prepared(SMALL)
    slow, same, _ = prepared(replace(SMALL, slow=True))
    assert slow.site == quick.site and same == faults
    assert {temper.reaction_s for temper in slow.tempers.values()} == {7.0}
    assert {visit.car.reaction_s for visit in slow.visits} == {5.0}
    assert is_safe(play(replace(SMALL, slow=True)).lived)


def test_faults_can_be_left_out_by_kind() -> None:
    _, faults, _ = prepared(SMALL)
    assert {f.kind for f in only(faults, frozenset({Kind.DROP}))} == {Kind.DROP}
    run = play(replace(SMALL, kinds=frozenset({Kind.DROP})))
    assert {kind for kind, count in run.lived.struck.items() if count} <= {Kind.DROP}


def test_every_kind_of_fault_is_drawn_and_some_hours_are_quiet() -> None:
    site = world(37, start_s=START_S, seconds=3600.0, warm_up_s=240.0).site  # with a utility
    faults = draw(site, Mix(every_s=20.0), seed=1, seconds=86_400.0)
    assert {fault.kind for fault in faults} == set(Kind)
    hours = {int(fault.at_s // 3600) for fault in faults}
    assert len(hours) < 24


def test_a_list_of_faults_is_made_as_short_as_it_can_be() -> None:
    ask = replace(SMALL, seconds=900.0, faults_every_s=60.0)
    _, faults, _ = prepared(ask)
    wanted = faults[len(faults) // 2].kind
    short = shrink(ask, breaks=lambda lived: bool(lived.struck[wanted]))
    assert [fault.kind for fault in short] == [wanted]


def test_a_run_without_faults_delivers_at_least_what_one_with_them_does() -> None:
    run = play(replace(SMALL, seconds=3600.0, faultless=True))
    assert run.faultless_wh is not None and run.faultless_wh > 0
    assert run.lived.summary.energy_wh <= 1.05 * run.faultless_wh


def test_site_days_are_cut_into_sites_with_a_seed_each() -> None:
    assert [ask.seed for ask in asked(1.0, 5)] == [5, 6, 7, 8]
    assert sum(ask.seconds for ask in asked(0.1, 5)) == pytest.approx(8640.0)


def test_the_command_prints_seeds_figures_and_how_it_went() -> None:
    args = "simulate --chaos --days 0.01 --seed 7 --chargers 4 --faults-every 30s".split()
    answer = CliRunner().invoke(app, [*args, "-o", "json"])
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.stdout)
    assert found["seeds"] == [7] and found["overload_s"][Cause.OURS] == 0
    assert found["faults"] == sum(found["faults_by_kind"].values()) > 0


def test_an_unsafe_seed_is_told_with_the_faults_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaos_runs, "is_safe", lambda lived: not lived.struck[Kind.REJECT])
    args = "simulate --chaos --days 0.01 --seed 7 --chargers 4 --faults-every 30s".split()
    answer = CliRunner().invoke(app, [*args, "--shrink", "-o", "json"])
    assert answer.exit_code == 3
    found = json.loads(answer.stdout)
    assert found["unsafe_seeds"] == [7]
    assert [fault["kind"] for fault in found["shrunk"]["7"]] == [Kind.REJECT]


def test_what_did_not_happen_has_no_figure() -> None:
    """JSON knows no infinity."""
    found = chaos_report.as_json([play(replace(SMALL, seconds=60.0))])
    assert found["increases_apart_s"] is None
    assert json.dumps(found, allow_nan=False)
    assert "inf" not in chaos_report.as_text([play(replace(SMALL, seconds=60.0))])


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--faults-only=dorp", "no kind of fault is called dorp"),
        ("--fallback=7A", "0A and 6A are possible"),
        ("--faults-every=5", "number with its unit"),
    ],
)
def test_a_wrong_option_is_named(option: str, says: str) -> None:
    answer = CliRunner().invoke(app, ["simulate", "--chaos", option])
    assert answer.exit_code == 2 and says in answer.output


def test_a_silent_utility_leaves_its_fail_safe_limit_in_force() -> None:
    silent = frozenset({Kind.UTILITY_SILENT})
    ask = replace(SMALL, seed=37, seconds=5400.0, faults_every_s=8.0, kinds=silent)
    assert prepared(ask)[0].site.failsafes
    lived = play(ask).lived
    assert lived.struck[Kind.UTILITY_SILENT] > 0 and is_safe(lived)
    assert lived.observed.limited_s and max(lived.observed.limited_s) <= 15.0


def test_an_end_that_was_not_stored_is_told_again_after_a_kill() -> None:
    """A station is answered when it is stored, and until then it repeats itself."""
    built, faults, _ = prepared(SMALL)
    ends_s = min(visit.leaves_s for visit in built.visits) - START_S
    full = replace(faults[0], kind=Kind.DISK_FULL, at_s=ends_s - 30.0, lasts_s=90.0)
    kill = replace(faults[0], kind=Kind.KILL, at_s=ends_s + 30.0, chance=0.0)
    told: list[tuple[int, str]] = []
    lives: list[Engine] = []

    def watched(*args: object, **more: object) -> Engine:
        engine = Engine(*args, **more)  # type: ignore[arg-type] # as it is made by `live`
        lives.append(engine)
        life = len(lives)

        def watch(event: object, state: object) -> None:
            if isinstance(event, SessionEnded):
                told.append((life, event.transaction_id))

        engine.on_event.append(watch)
        return engine

    live(built, (full, kill), seconds=ends_s + 600.0, make_engine=watched)
    (_, first), *_ = told
    assert {life for life, id in told if id == first} == {1, 2}
    assert len(told) == len(set(told)), "and what was stored is not"


def test_a_meter_with_a_wrong_ratio_is_believed_again_once_it_shows_its_cars() -> None:
    ask = Ask(seed=2004, seconds=5400.0, chargers=6, fallback_a=0.0)
    built, faults, _ = prepared(ask)
    meter = built.site.meters[0].id
    fault = replace(
        faults[0], kind=Kind.METER_SCALED, at_s=2000.0, lasts_s=60.0, meter=meter, chance=0.4
    )
    doubted: list[float] = []

    def watched(*args: object, **more: object) -> Engine:
        engine = Engine(*args, **more)  # type: ignore[arg-type] # as it is made by `live`
        engine.on_tick.append(
            lambda state, plan: (
                doubted.append(plan.at.timestamp() - START_S)
                if doubts_amount(state.meters[meter])
                else None
            )
        )
        return engine

    assert is_safe(live(built, (fault,), seconds=ask.seconds, make_engine=watched))
    assert 2000.0 < min(doubted) < 2030.0
    assert 2060.0 < max(doubted) < 2000.0 + 1500.0, "not for ever, and not by time alone"
