import json
import sys

import pytest
from typer.testing import CliRunner

from loadmgr.cli import app

ONE_CASE = ["table", "--sizes", "5", "--methods", "highs-simplex", "--repeat", "2"]


def asked(*arguments):
    return CliRunner().invoke(app, ["bench", *arguments])


def test_loadmgr_bench_runs_the_benchmarks():
    outcome = asked(*ONE_CASE, "--threads", "1", "--json")
    assert outcome.exit_code == 0
    machine, case = map(json.loads, outcome.output.splitlines())
    assert machine["kind"] == "machine" and machine["cpu"]
    assert case["certified"] == 2


def test_help_is_that_of_the_benchmarks(capfd):
    assert asked("--help").exit_code == 0
    assert asked("--sizes", "many").exit_code == 2


@pytest.mark.parametrize("arguments", [["sessions"], ["sessions", "--csv", "nowhere.csv"]])
def test_its_exit_status_is_theirs(arguments):
    assert asked(*arguments).exit_code == 2


def test_where_the_benchmarks_are_missing_it_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "benchmarks", None)
    outcome = asked()
    assert outcome.exit_code == 1
    assert "pip install" in outcome.output
