"""What is asked of the solver: one charging problem, as arrays.

    max   Σ_it value_it x_it Δ_t + Σ_i U_i(Σ_t x_it Δ_t) − price · peak
    s.t.  0 ≤ x_it ≤ upper_it                          the cell
          Σ_t x_it Δ_t ≤ energy_i                      the car
          Σ_{i below k} coupling_ir x_it ≤ capacity_krt   the copper
          x_i0 = 0  or  x_i0 ≥ min_now_i               what can be commanded now

Every array is checked once, here; the methods trust them. x = 0 is always feasible,
so there is no such thing as an infeasible problem.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solver.check import Check, Optional, ProblemError
from solver.features import Floats, Ints, Peak, Reward, Storage, utility

__all__ = ["Floats", "Ints", "Peak", "Problem", "ProblemError", "Reward", "Storage", "utility"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """One charging problem; see the module for its meaning.

    Arrays are taken as read-only copies in float64 or int64; what was passed in is never
    written to. A negative capacity counts as 0 and is named in `notes`.

    Parameters
    ----------
    step_h : (T,) array, > 0
        Length of each step. [h]
    parent : (K,) int array
        Circuit that feeds circuit k: parent[k] < k, or −1 at a root.
    capacity : (K, R, T) array
        What each row of each circuit carries in each step; inf where nothing limits. [A or W]
    circuit : (n,) int array
        Circuit each participant hangs on.
    coupling : (n, R) array
        Load on each row per ampere of x. May be negative (sides of a polygon).
    upper : (n, T) array, ≥ 0
        The most x may be; 0 outside the stay. [A]
    energy : (n,) array, ≥ 0
        The most a participant can take over the horizon; inf where nothing limits. [Ah]
    value : (n, T) array
        Worth per ampere hour; negative is a price. [1/Ah]
    min_now : (n,) array, ≥ 0, optional
        In step 0, x is 0 or at least this. [A]
    reward, peak, storage : optional
        See the classes.
    rank : (n,) int array, optional
        Order of the participants' identifiers, all different. Ties are broken by it at
        last, so that the order of the rows never matters. Default: the order of the rows.

    Raises
    ------
    ProblemError
        Names array, index and value of everything that is wrong, at once.
    """

    step_h: Floats
    parent: Ints
    capacity: Floats
    circuit: Ints
    coupling: Floats
    upper: Floats
    energy: Floats
    value: Floats
    min_now: Floats | None = None
    reward: Reward | None = None
    peak: Peak | None = None
    storage: Storage | None = None
    rank: Ints | None = None
    notes: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        check = Check()
        step_h = check.floats("step_h", self.step_h, 1)
        parent = check.ints("parent", self.parent)
        capacity = check.floats("capacity", self.capacity, 3)
        circuit = check.ints("circuit", self.circuit)
        upper = check.floats("upper", self.upper, 2)
        energy = check.floats("energy", self.energy, 1)
        value = check.floats("value", self.value, 2)
        coupling = check.floats("coupling", self.coupling, 2)
        optional = Optional(check, self.min_now, self.rank, self.reward, self.peak, self.storage)
        check.raise_if_any()

        n, steps, circuits, rows = len(circuit), len(step_h), len(parent), coupling.shape[1]
        if n == 0 and rows == 0:
            rows = capacity.shape[1]
            coupling = coupling.reshape(0, rows)
        check.shape("capacity", capacity, (circuits, rows, steps))
        check.shape("coupling", coupling, (n, rows))
        check.shape("upper", upper, (n, steps))
        check.shape("energy", energy, (n,))
        check.shape("value", value, (n, steps))
        optional.check_shapes(n, steps)
        check.raise_if_any()

        check.all("step_h", step_h, (step_h > 0) & np.isfinite(step_h), "must be finite and > 0")
        check.all(
            "parent",
            parent,
            (parent >= -1) & (parent < np.arange(circuits)),
            "must be −1 or a circuit with a smaller number",
        )
        check.all(
            "circuit", circuit, (circuit >= 0) & (circuit < circuits), f"must be 0 … {circuits - 1}"
        )
        check.all("capacity", capacity, capacity > -np.inf, "must be a number or inf")
        check.all("coupling", coupling, np.isfinite(coupling), "must be finite")
        check.all("upper", upper, (upper >= 0) & np.isfinite(upper), "must be finite and ≥ 0")
        check.all("energy", energy, energy >= 0, "must be ≥ 0 (inf is allowed)")
        check.all("value", value, np.isfinite(value), "must be finite")
        optional.check_values(circuits, rows)
        check.raise_if_any()

        below = capacity < 0
        notes = tuple(
            f"capacity[{k}, {r}] is negative in {np.count_nonzero(below[k, r])} step(s), "
            f"lowest {capacity[k, r].min():g}: counted as 0"
            for k, r in np.argwhere(below.any(axis=2))
        )
        fields: dict[str, Any] = {
            "step_h": step_h,
            "parent": parent,
            "capacity": np.where(below, 0.0, capacity) if notes else capacity,
            "circuit": circuit,
            "coupling": coupling,
            "upper": upper,
            "energy": energy,
            "value": value,
            "notes": notes,
            **optional.fields,
        }
        for name, given in fields.items():
            if isinstance(given, np.ndarray):
                given.flags.writeable = False
            object.__setattr__(self, name, given)

    @property
    def n(self) -> int:
        """How many participants."""
        return len(self.circuit)

    @property
    def steps(self) -> int:
        """How many steps."""
        return len(self.step_h)

    @cached_property
    def path(self) -> tuple[tuple[int, ...], ...]:
        """For each circuit, what feeds it up to the root, itself first."""
        paths: list[tuple[int, ...]] = []
        for k, up in enumerate(self.parent.tolist()):
            paths.append((k,) if up < 0 else (k, *paths[up]))
        return tuple(paths)

    @cached_property
    def lower(self) -> Floats:
        """(n, T) the least x may be: 0, minus what storage may give, or a floor. [A]"""
        lower = np.zeros_like(self.upper)
        if self.storage is not None:
            lower[self.storage.participant] = -self.storage.discharge
        lower.flags.writeable = False
        return lower

    def switched(self, on: NDArray[np.bool_], off: NDArray[np.bool_]) -> Problem:
        """The same problem with `min_now` decided: on (n,) holds at least it, off takes nothing.

        The others are free. Here x = 0 need not be feasible any more.
        """
        assert self.min_now is not None
        upper, lower = self.upper.copy(), self.lower.copy()
        upper[off, 0] = 0.0
        lower[on, 0] = self.min_now[on]
        upper.flags.writeable = lower.flags.writeable = False
        decided = copy(self)
        for name in ("most", "lower"):
            decided.__dict__.pop(name, None)
        decided.__dict__.update(upper=upper, lower=lower, min_now=None)
        return decided

    def relaxed(self) -> Problem:
        """The same problem with `min_now` left out."""
        relaxed = copy(self)
        relaxed.__dict__["min_now"] = None
        return relaxed

    def load(self, x: Floats) -> Floats:
        """What each row of each circuit carries under x: (n, T) → (K, R, T). [A or W]"""
        return self.gather(self.coupling, x)

    @cached_property
    def most(self) -> Floats:
        """(K, R, T) the most each row could carry if every car did its worst. [A or W]"""
        most = self.gather(np.maximum(self.coupling, 0.0), self.upper)
        if (self.coupling < 0).any() or self.storage is not None:
            most += self.gather(np.maximum(-self.coupling, 0.0), -np.minimum(self.lower, 0.0))
        return most

    def gather(self, coupling: Floats, x: Floats) -> Floats:
        """The same for another coupling (n, R)."""
        circuits, rows, steps = self.capacity.shape
        load = np.zeros((circuits, rows, steps))
        order = np.argsort(self.circuit, kind="stable")
        held, start = np.unique(self.circuit[order], return_index=True)
        if len(held):
            for r in range(rows):
                load[held, r] = np.add.reduceat(coupling[order, r, None] * x[order], start, axis=0)
        for k in range(circuits - 1, 0, -1):
            if self.parent[k] >= 0:
                load[self.parent[k]] += load[k]
        return load

    def charge(self, x: Floats) -> Floats:
        """What each participant takes in all under x: (n, T) → (n,). [Ah]"""
        charge: Floats = x @ self.step_h
        return charge

    def worth(self, x: Floats) -> float:
        """The objective at x."""
        total = float(np.einsum("it,it,t->", self.value, x, self.step_h))
        if self.reward is not None:
            total += float(utility(self.reward, self.charge(x)[:, None]).sum())
        if self.peak is not None:
            load = self.load(x)[self.peak.circuit, self.peak.row]
            total -= self.peak.price * max(0.0, float(load.max()) - self.peak.level)
        return total
