"""The structured method: restarted Halpern PDHG over a tree of circuits.

    supports(problem) -> bool
        No peak, no storage, no negative coupling. `min_now` is not looked at.
    solve_kernel(problem, *, warm=None, tol=1e-6, deadline_s=None, threads=2) -> KernelResult
        A feasible plan, prices that prove how good it is, and a hint for the next call.

Each participant's polytope {0 ≤ e ≤ room, Σe ≤ energy} and its concave reward are projected
on exactly, so only circuit rows have prices. The plan that comes back is feasible to
rounding, the bound holds for the prices beside it, and both are certified again by whoever
asks. See `solver/README.md` for the mathematics.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from solver.layout import Layout, lay_out
from solver.pdhg_kernel import State, new_state
from solver.pdhg_loop import FLAGS, STOP, Outcome, run

if TYPE_CHECKING:
    from solver.problem import Problem

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SMALL_CELLS = 5_000  # below, a second thread costs more than it brings
PARTS = 2  # fixed, so that the number of threads changes nothing
MOST_SWEEPS = 100_000
# Up to here a warm start is not used: the optimal face is wide, and what is commanded must not
# hang on where the last call ended. It would save a fifth of the sweeps.
COLD_UP_TO = 1_000
WEIGHT = 0.15  # primal weight, in units of a cell's typical worth


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Warm:
    """Where the last call ended. Means nothing to anyone else."""

    x: Floats  # (n, T) [A]
    row_dual: Floats  # (K, R, T) [1/A]
    omega: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KernelResult:
    """A plan and its proof.

    Attributes
    ----------
    x : (n, T) array
        Feasible to rounding. [A]
    row_dual : (K, R, T) array, ≥ 0
        Prices that prove `bound`. [1/A]
    energy_dual : (n,) array, ≥ 0
        Best price of each energy row under them. [1/Ah]
    objective, bound : float
        Worth of x, and what no plan exceeds.
    iterations : int
        Sweeps over all cells.
    converged : bool
        bound − objective ≤ tol · |objective|.
    warm : Warm
        For the next call.
    """

    x: Floats
    row_dual: Floats
    energy_dual: Floats
    objective: float
    bound: float
    iterations: int
    converged: bool
    warm: Warm


def supports(problem: Problem) -> bool:
    """Whether the structured method can take this problem."""
    return (
        problem.peak is None
        and problem.storage is None
        and not bool((problem.coupling < 0.0).any())
    )


def solve_kernel(
    problem: Problem,
    *,
    warm: Warm | None = None,
    tol: float = 1e-6,
    deadline_s: float | None = None,
    threads: int = 2,
) -> KernelResult:
    """Solve a problem that `supports` accepts, to a relative gap of tol or to the deadline."""
    begin = time.perf_counter()
    layout = lay_out(problem, PARTS)
    state = new_state(layout)
    omega = layout.scale * WEIGHT
    started = False
    if warm is not None and problem.n > COLD_UP_TO:
        started = _begin_at(warm, problem, layout, state)
        omega = warm.omega if started else omega
    if not len(layout.who):
        outcome = Outcome(0.0, 0.0, 0, omega, True)
    else:
        if deadline_s is not None:
            # Reading the answer out takes about as long as laying the problem out.
            deadline_s -= 2.0 * (time.perf_counter() - begin)
        outcome, _ = iterate(
            layout,
            state,
            omega,
            tol=tol,
            deadline_s=deadline_s,
            threads=1 if len(layout.cells.room) < SMALL_CELLS else min(threads, PARTS),
            warm=started,
        )
    return _result(problem, layout, state, outcome)


def iterate(
    layout: Layout,
    state: State,
    omega: float,
    *,
    tol: float,
    deadline_s: float | None = None,
    threads: int = 1,
    warm: bool = False,
    most: int = MOST_SWEEPS,
) -> tuple[Outcome, Floats]:
    """Run the loop on its threads; what it found is in `state`. Also the trace of proofs."""
    flag = np.zeros(FLAGS, dtype=np.int64)
    trace = np.zeros((500, 4))
    outcome: list[Any] = []

    def work(me: int) -> None:
        try:
            found = run(
                layout.cells, layout.cars, layout.tree, state, flag, trace,
                me, threads, warm, layout.scale * WEIGHT, float(omega), float(tol), most,
            )  # fmt: skip
            if me == 0:
                outcome.append(found)
        except BaseException:
            flag[STOP] = 2  # or the others would wait for ever
            raise

    helpers = [threading.Thread(target=work, args=(me,)) for me in range(1, threads)]
    timer = None
    if deadline_s is not None:
        timer = threading.Timer(max(deadline_s, 0.0), flag.__setitem__, (STOP, 1))
        timer.start()
    for helper in helpers:
        helper.start()
    work(0)
    for helper in helpers:
        helper.join()
    if timer is not None:
        timer.cancel()
    return Outcome(*outcome[0]), trace[trace[:, 0] > 0]


def _begin_at(warm: Warm, problem: Problem, layout: Layout, state: State) -> bool:
    """Start from an old plan and old prices, cut to what now fits; whether they are usable."""
    if warm.x.shape != problem.upper.shape or warm.row_dual.shape != problem.capacity.shape:
        return False
    car, step, inside = _places(layout, problem.steps)
    old = warm.x[layout.who[car[inside]], step[inside]] * problem.step_h[step[inside]]
    state.x[inside] = np.minimum(old, layout.cells.room[inside])
    tree = layout.tree
    y = state.y.reshape(tree.capacity.shape)
    y[:, :, : problem.steps] = warm.row_dual[layout.circuit] / problem.step_h
    y[tree.pace <= 0.0] = 0.0
    state.anchor_x[:] = state.x
    state.anchor_y[:] = state.y
    state.next_x[:] = state.x
    state.next_y[:] = state.y
    return True


def _places(layout: Layout, steps: int) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Car and step of each cell, and whether that step is one of the problem's."""
    cars = layout.cars
    car = np.repeat(np.arange(len(layout.who)), cars.size)
    step = np.arange(len(car)) - cars.start[car] + cars.first[car]
    return car, step, step < steps


def _result(problem: Problem, layout: Layout, state: State, outcome: Outcome) -> KernelResult:
    x = np.zeros(problem.upper.shape)
    tree, steps = layout.tree, problem.steps
    y = np.zeros(problem.capacity.shape)
    energy = np.zeros(problem.n)
    if len(layout.who):
        car, step, inside = _places(layout, steps)
        x[layout.who[car[inside]], step[inside]] = (
            state.best_plan[inside] / problem.step_h[step[inside]]
        )
        np.minimum(x, problem.upper, out=x)
        y[layout.circuit] = state.best_y.reshape(tree.capacity.shape)[:, :, :steps] * problem.step_h
        energy[layout.who] = np.maximum(state.multiplier, 0.0)
    return KernelResult(
        x=x,
        row_dual=y,
        energy_dual=energy,
        objective=outcome.objective,
        bound=outcome.bound,
        iterations=outcome.sweeps,
        converged=outcome.converged,
        warm=Warm(x=x, row_dual=y, omega=outcome.omega),
    )
