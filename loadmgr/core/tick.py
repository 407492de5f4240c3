"""The tick: from what was built and what is believed to what is to be done. Start reading here.

    grounds   what each fuse and contract has left           (envelope)
              the most each charger could draw now           (ledger)
              who takes part, and what each could use        (claims)
    question  the day ahead as a linear program              (assemble → solver)
    settled   turns, fair shares, ramps and rounding         (settle)
    plan      what each charger is to have, and why          (explain)

No clock, no socket, no database: the same arguments give the same plan. What is
sent, and when it is safe to send it, is decided in `dispatch`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import numpy as np

import solver
from loadmgr.core import envelope, explain
from loadmgr.core.alarms import alarms
from loadmgr.core.assemble import assemble
from loadmgr.core.claims import reserved
from loadmgr.core.envelope import Row, load_on
from loadmgr.core.grounds import Grounds, grounds
from loadmgr.core.ledger import per_circuit
from loadmgr.core.outlook import forecast, shortfalls
from loadmgr.core.settle import Settled, settle
from loadmgr.core.state import State
from loadmgr.model import CircuitId, EvseId, Plan, RowUse, Site, SolveReport
from loadmgr.units import PerPhase
from solver import Problem, Solution
from solver.certify import FEASIBLE, violation
from solver.problem import Floats

Solve = Callable[[Problem], Solution]


def tick(
    site: Site,
    state: State,
    now: datetime,
    solve: Solve = solver.solve,
    seen: Grounds | None = None,
    *,
    at_most: bool = False,
) -> Plan:
    """Decide what every EVSE is to have from now on.

    Parameters
    ----------
    site, state
        What was built, and what is believed about it.
    now
        UTC, on the steady clock.
    solve
        Answers the linear program. Not trusted: an answer without a certificate,
        or none at all, leaves the decision to the rule (fair shares of this moment).
    seen
        The grounds of this very moment, where somebody has looked already.
    at_most
        Of the building count all that the gate counts, because it keeps somebody out.
    """
    seen = seen or grounds(site, state, now)
    rows = envelope.rows(site, state, now, at_most=True) if at_most else seen.rows
    ledger, sharing, lost = seen.ledger, seen.claims, seen.lost
    question = assemble(site, state, now, rows, sharing, reserved(sharing, ledger))
    solution, report = _ask(solve, question.problem)
    settled = settle(site, sharing, question, None if solution is None else solution.x[:, 0], now)
    return Plan(
        at=now,
        allocations=explain.allocations(site, state, now, rows, sharing, settled, lost),
        rows=_row_uses(site, rows, ledger, settled),
        forecast=forecast(site, question, sharing, solution, settled),
        shortfalls=shortfalls(site, question, sharing, solution, now),
        solve=report,
        alarms=alarms(site, state, question, lost),
    )


def _ask(solve: Solve, problem: Problem) -> tuple[Solution | None, SolveReport]:
    if problem.n == 0:
        return None, SolveReport(method="none", status="ok")
    try:
        answer = solve(problem)
    except Exception as error:  # the solver is not trusted, whatever it raises
        return None, SolveReport(method="rule", status=f"solver failed: {error!r}"[:200])
    if not _feasible(problem, answer.x):
        return None, SolveReport(method="rule", status=f"{answer.method} answered nonsense")
    status = "ok" if answer.status is solver.Status.OPTIMAL else str(answer.status)
    report = SolveReport(
        method=answer.method,
        status=status,
        seconds=answer.seconds,
        gap=answer.gap,
        infeasibility=answer.infeasibility,
    )
    return (None if answer.status is solver.Status.RULE else answer), report


def _feasible(problem: Problem, x: Floats) -> bool:
    """Judged here once more: what answers may not be our solver at all."""
    if np.shape(x) != problem.upper.shape or not np.isfinite(x).all():
        return False
    return violation(problem, x)[0] <= FEASIBLE


def _row_uses(
    site: Site,
    rows: Mapping[CircuitId, tuple[Row, ...]],
    ledger: Mapping[EvseId, PerPhase],
    settled: Settled,
) -> tuple[RowUse, ...]:
    """How full every row is that limits anything: by the ledger, and by this plan."""
    uses: list[RowUse] = []
    ordered = {name: site.evse[name].worst_a(a) for name, a in settled.current_a.items()}
    reserved, planned = per_circuit(site, ledger), per_circuit(site, ordered)
    for circuit, its_rows in rows.items():
        for row in its_rows:
            if envelope.unlimited(row):
                continue
            uses.append(
                RowUse(
                    circuit=circuit,
                    phase=row.phase,
                    rating=row.rating,
                    usable=row.usable,
                    building=row.building,
                    reserved=load_on(site, reserved[circuit], row.number),
                    planned=load_on(site, planned[circuit], row.number),
                    limited_by=row.limit.source if row.limit is not None else "",
                )
            )
    return tuple(uses)
