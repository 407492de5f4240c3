"""The meaning, written to be read: the whole model in PuLP, one block per line of the mathematics.

Slow on purpose. The other methods are held against it.
"""

from __future__ import annotations

import numpy as np
import pulp

from solver.problem import Problem
from solver.raw import Raw


def solve_reference(
    problem: Problem, backend: str = "HiGHS", deadline_s: float | None = None
) -> Raw:
    """Solve by PuLP with CBC or HiGHS; `min_now` makes it a MIP, which has no prices."""
    model = pulp.LpProblem("charging", pulp.LpMaximize)
    n, steps = problem.upper.shape
    hours = problem.step_h

    x = {
        (i, t): model.add_variable(f"x_{i}_{t}", problem.lower[i, t], problem.upper[i, t])
        for i in range(n)
        for t in range(steps)
        if problem.upper[i, t] > 0 or problem.lower[i, t] < 0
    }
    charge = [pulp.lpSum(x[i, t] * hours[t] for t in range(steps) if (i, t) in x) for i in range(n)]
    load = _loads(problem, x)
    worth = [problem.value[i, t] * hours[t] * cell for (i, t), cell in x.items()]

    for i in range(n):
        if np.isfinite(problem.energy[i]):
            model += charge[i] <= problem.energy[i], f"energy_{i}"

    for (k, r, t), cells in load.items():
        if np.isfinite(problem.capacity[k, r, t]):
            model += cells <= problem.capacity[k, r, t], f"row_{k}_{r}_{t}"

    if problem.reward is not None:
        for i in range(n):
            parts = []
            for s, (width, slope) in enumerate(
                zip(problem.reward.width[i], problem.reward.slope[i], strict=True)
            ):
                high = width if np.isfinite(width) else None
                parts.append(model.add_variable(f"s_{i}_{s}", None if s == 0 else 0, high))
                worth.append(slope * parts[-1])
            if parts:
                model += pulp.lpSum(parts) <= charge[i], f"reward_{i}"

    if problem.peak is not None:
        above = model.add_variable("above", 0)
        worth.append(-problem.peak.price * above)
        for t in range(steps):
            cells = load.get((problem.peak.circuit, problem.peak.row, t))
            if cells is not None:
                model += cells - above <= problem.peak.level, f"peak_{t}"

    if problem.storage is not None:
        storage = problem.storage
        for s, i in enumerate(storage.participant.tolist()):
            held = pulp.LpAffineExpression(constant=float(storage.stored[s]))
            for t in range(steps):
                held = held + (x[i, t] * hours[t] if (i, t) in x else 0)
                if np.isfinite(storage.low[s, t]):
                    model += held >= storage.low[s, t], f"low_{s}_{t}"
                if np.isfinite(storage.high[s, t]):
                    model += held <= storage.high[s, t], f"high_{s}_{t}"

    if problem.min_now is not None:
        for i in range(n):
            least = problem.min_now[i]
            if least <= 0 or (i, 0) not in x:
                continue
            on = model.add_variable(f"on_{i}", cat="Binary")
            model += x[i, 0] >= least * on, f"least_{i}"
            model += x[i, 0] <= problem.upper[i, 0] * on, f"off_{i}"

    model += pulp.lpSum(worth)
    model.solve(_backend(backend, deadline_s))
    return _read(problem, model, x)


def _loads(
    problem: Problem, x: dict[tuple[int, int], pulp.LpVariable]
) -> dict[tuple[int, int, int], pulp.LpAffineExpression]:
    """What each row of each circuit carries, for those that carry anything."""
    terms: dict[tuple[int, int, int], list[tuple[pulp.LpVariable, float]]] = {}
    for (i, t), cell in x.items():
        for k in problem.path[problem.circuit[i]]:
            for r, coupling in enumerate(problem.coupling[i].tolist()):
                if coupling:
                    terms.setdefault((k, r, t), []).append((cell, coupling))
    return {key: pulp.LpAffineExpression(cells) for key, cells in terms.items()}


def _backend(name: str, deadline_s: float | None) -> pulp.LpSolver:
    if name == "CBC":
        bundled = pulp.PULP_CBC_CMD.pulp_cbc_path
        return pulp.COIN_CMD(path=bundled, msg=False, timeLimit=deadline_s)
    return pulp.HiGHS(msg=False, timeLimit=deadline_s)


def _read(
    problem: Problem, model: pulp.LpProblem, x: dict[tuple[int, int], pulp.LpVariable]
) -> Raw:
    plan = np.zeros(problem.upper.shape)
    for (i, t), cell in x.items():
        plan[i, t] = cell.value() or 0.0
    row_dual = np.zeros(problem.capacity.shape)
    energy_dual = np.zeros(problem.n)
    for row in model.constraints():
        # CBC and HiGHS differ in the sign of .pi; every one of ours is ≥ 0.
        price = abs(row.pi or 0.0)
        kind, *where = row.name.split("_")
        if kind == "row":
            k, r, t = map(int, where)
            row_dual[k, r, t] += price
        elif kind == "peak" and problem.peak is not None:
            row_dual[problem.peak.circuit, problem.peak.row, int(where[0])] += price
        elif kind == "energy":
            energy_dual[int(where[0])] = price
    return Raw(
        x=plan, row_dual=row_dual, energy_dual=energy_dual, optimal=model.status == 1, warm=None
    )
