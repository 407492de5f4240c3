"""The command line: what to measure, and how to say it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks import report, suites
from benchmarks.cases import Case, measure
from benchmarks.methods import METHODS

QUESTIONS = ("table", "sweep", "sessions", "fleet", "minimum")


def run(arguments: Sequence[str] | None) -> int:
    """Parse, measure, report. Exit status 1 if an answer of ours was not certified."""
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as ending:  # --help, or what it cannot read: both are said already
        return int(ending.code or 0)
    if options.question == "sessions" and options.csv is None:
        print("benchmarks: sessions needs --csv FILE", file=sys.stderr)
        return 2
    if options.csv is not None and not options.csv.is_file():
        print(f"benchmarks: no file {options.csv}", file=sys.stderr)
        return 2
    _say(options, json.dumps(report.machine()))
    if options.question in ("fleet", "minimum"):
        return _special(options)
    rows = _measured(options, _cases(options))
    if not options.json:
        print(report.as_table(rows))
    exponent = report.growth(rows)
    if exponent is not None:
        _say(options, json.dumps({"kind": "growth", "exponent": round(exponent, 3)}))
    if options.plot:
        report.plot(rows, options.plot)
    return int(any(r.outcome.refused for r in rows if r.case.method == "ours"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="loadmgr bench",
        description="Time the solver beside its alternatives; every answer is certified first.",
    )
    parser.add_argument("question", nargs="?", choices=QUESTIONS, default="table")
    parser.add_argument("--sizes", type=_integers, help="cars, such as 50,200,1000")
    parser.add_argument("--methods", type=_methods, help=f"of {', '.join(METHODS)}")
    parser.add_argument("--threads", type=int, default=2, help="cores to be pinned to")
    parser.add_argument("--repeat", type=int, default=5, help="problems of a case")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for one answer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv", type=Path, help="sessions to replay (columns of ACN-Data)")
    parser.add_argument("--json", action="store_true", help="JSON lines instead of a table")
    parser.add_argument("--plot", type=Path, help="write time against size as a picture")
    return parser


def _integers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _methods(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in METHODS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(METHODS)}")
    return names


def _cases(options: argparse.Namespace) -> Iterable[Case]:
    base = Case(
        subject="", verb="cold", method="ours", count=options.repeat, threads=options.threads,
        limit_s=options.limit, seed=options.seed,
    )  # fmt: skip
    if options.question == "sweep":
        return suites.sweep((options.sizes or (200,))[0], options.methods, base)
    if options.question == "sessions":
        return suites.sessions(options.csv, options.methods, base)
    return suites.table(options.sizes or suites.SIZES, options.methods, base)


def _measured(options: argparse.Namespace, cases: Iterable[Case]) -> list[report.Row]:
    rows = []
    for case in cases:
        row = report.Row(case, measure(case))
        rows.append(row)
        _say(options, report.as_json(row))
        if not options.json:
            print(f"… {case.subject} {row.cars or ''} {case.verb} {case.method}", file=sys.stderr)
    return rows


def _special(options: argparse.Namespace) -> int:
    from benchmarks import special

    if options.question == "fleet":
        found = special.fleet((options.sizes or (1000,))[0], options.threads, options.seed)
    else:
        found = special.minimum((options.sizes or (500,))[0], options.seed)
    print(json.dumps(found))
    return 0


def _say(options: argparse.Namespace, line: str) -> None:
    if options.json or '"kind": "case"' not in line:
        print(line, flush=True)
