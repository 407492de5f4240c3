import gzip
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import benchmarks
from benchmarks import report
from benchmarks.cases import Case, Outcome, measure
from benchmarks.sessions import read_sessions, trace
from benchmarks.subjects import Dials, site
from solver import solve


def test_the_same_seed_is_the_same_site():
    one, other = site(Dials(cars=30), 5).problem(), site(Dials(cars=30), 5).problem()
    np.testing.assert_array_equal(one.capacity, other.capacity)
    np.testing.assert_array_equal(one.upper, other.upper)
    assert not np.array_equal(one.upper, site(Dials(cars=30), 6).problem().upper)


@pytest.mark.parametrize("depth", range(1, 7))
def test_a_tree_has_the_depth_it_is_asked_for(depth):
    problem = site(Dials(cars=60, depth=depth, panel=4, feeder=2)).problem()
    assert max(len(problem.path[k]) for k in problem.circuit) == depth


def test_the_subject_binds_on_every_level_and_an_idle_one_on_none():
    problem = site(Dials(cars=400)).problem()
    full = problem.load(solve(problem, "highs").x) >= problem.capacity * (1 - 1e-6)
    level = np.array([len(path) for path in problem.path])
    assert all(full[level == deep].any() for deep in (1, 2, 3))
    idle = site(Dials(cars=400, binding=0.0)).problem()
    assert (idle.most <= idle.capacity).all()


def test_a_tick_changes_all_capacities_and_a_few_cars():
    first, second = site(Dials(cars=200)).ticks(2)
    changed = (first.rank != second.rank).sum()
    assert 1 <= changed <= 4
    assert 0 < np.abs(second.capacity / first.capacity - 1).max() < 0.03
    assert all(np.array_equal(a.circuit, b.circuit) for a, b in pairwise([first, second]))


def test_a_case_is_measured_in_a_process_of_its_own_and_certified():
    case = Case(subject="tree", verb="ticks", method="highs-warm", dials=Dials(cars=10), count=4)
    outcome = measure(case)
    assert len(outcome.seconds) == 3  # the first is cold
    assert outcome.refused == 0 and outcome.gap <= 1e-6 and not outcome.late


def test_a_hopeless_case_is_stopped():
    case = Case(
        subject="tree", verb="cold", method="highs-simplex", dials=Dials(cars=3000), limit_s=0.1
    )
    outcome = measure(case)
    assert outcome.late and not outcome.seconds


def test_a_table_says_how_many_times_slower_the_others_are():
    case = Case(subject="tree", verb="cold", method="ours", dials=Dials(cars=50))
    rows = [
        report.Row(case, Outcome(seconds=(0.001, 0.002, 0.003))),
        report.Row(replace(case, method="scipy"), Outcome(seconds=(0.05,))),
        report.Row(replace(case, method="pulp-cbc"), Outcome(late=True)),
    ]
    table = report.as_table(rows)
    assert "25.0×" in table and "over 120 s" in table
    line = json.loads(report.as_json(rows[0]))
    assert line["median_s"] == 0.002 and line["cars"] == 50


def test_growth_is_the_exponent_of_size():
    rows = [
        report.Row(
            Case(subject="tree", verb="cold", method="ours", dials=Dials(cars=n)),
            Outcome(seconds=(1e-6 * n**1.1,)),
        )
        for n in (50, 200, 10_000)
    ]
    assert report.growth(rows) == pytest.approx(1.1)


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "sessions.csv.gz"
    lines = ["arrival,departure,requested_energy (kWh),station_id"]
    lines += [
        f"2019-09-02 0{8 + k // 6}:{10 * (k % 6):02d}:00-07:00,2019-09-02 17:00:00-07:00,9.5,CA-{k}"
        for k in range(8)
    ]
    with gzip.open(path, "wt") as file:
        file.write("\n".join(lines))
    return path


def test_real_sessions_become_a_trace_in_which_cars_come_and_go(csv):
    problems = list(trace(read_sessions(csv)))
    assert problems[0].n == 1 and max(p.n for p in problems) == 8
    assert all(solve(p, "highs").status == "optimal" for p in problems[:3])


def test_the_command_speaks_json_lines(capfd):
    arguments = [
        "table", "--sizes", "5", "--methods", "highs-simplex", "--json", "--repeat", "2",
        "--threads", "1",
    ]  # fmt: skip
    assert benchmarks.main(arguments) == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["kind"] for line in lines] == ["machine", "case"]
    assert lines[1]["certified"] == 2


def test_time_against_size_is_drawn(tmp_path):
    rows = [
        report.Row(
            Case(subject="tree", verb=verb, method="ours", dials=Dials(cars=n)),
            Outcome(seconds=(1e-4 * n,)),
        )
        for n in (10, 100)
        for verb in ("cold", "ticks")
    ]
    report.plot(rows, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000


@pytest.mark.parametrize("arguments", [["sessions"], ["sessions", "--csv", "nowhere.csv"]])
def test_what_cannot_be_measured_is_said(arguments, capsys):
    assert benchmarks.main(arguments) == 2
    assert "benchmarks: " in capsys.readouterr().err


def test_sessions_are_replayed_those_of_a_real_garage_where_they_are_at_hand(csv):
    path = Path("../shared/data/acn/caltech-2019-09_2019-12.csv.gz")
    sessions = read_sessions(path if path.exists() else csv)
    problem = next(p for p in trace(sessions) if p.n > 5)
    assert solve(problem, "highs").status == "optimal"
