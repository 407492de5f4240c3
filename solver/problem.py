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
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class ProblemError(ValueError):
    """The arrays do not describe a problem. `complaints` says everything that is wrong."""

    def __init__(self, complaints: list[str]) -> None:
        self.complaints = tuple(complaints)
        super().__init__("; ".join(complaints))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reward:
    """Concave worth of a participant's total charge: U_i climbs slope by slope.

    The first `width[i, 0]` ampere hours are worth `slope[i, 0]` each, the next
    `width[i, 1]` are worth `slope[i, 1]`, and so on; beyond the last width more is worth
    nothing. Below zero (storage that gives) the first slope continues.

    Parameters
    ----------
    width : (n, S) array, ≥ 0
        Length of each segment; inf is allowed. [Ah]
    slope : (n, S) array, ≥ 0, falling along each row
        Worth per ampere hour within the segment. [1/Ah]
    """

    width: Floats
    slope: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """A price on the highest value one row of one circuit reaches above a level.

    Costs `price · max(0, max_t load − level)`.
    """

    price: float  # ≥ 0, per A (or W, in the unit of the row)
    level: float  # ≥ 0, what is paid for already
    row: int
    circuit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Storage:
    """Participants that may also give: batteries, vehicle to grid.

    Parameters
    ----------
    participant : (s,) int array
        Which participants these are, each once.
    discharge : (s, T) array, ≥ 0
        The most each may give: x ≥ −discharge. [A]
    stored : (s,) array
        What each holds now. [Ah]
    low, high : (s, T) arrays, low ≤ stored ≤ high
        Bounds of what it holds at the end of each step. As `stored` lies between them at
        every step, doing nothing is always allowed; needs belong in `Reward`. [Ah]
    """

    participant: Ints
    discharge: Floats
    stored: Floats
    low: Floats
    high: Floats


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
        check = _Check()
        step_h = check.floats("step_h", self.step_h, 1)
        parent = check.ints("parent", self.parent)
        capacity = check.floats("capacity", self.capacity, 3)
        circuit = check.ints("circuit", self.circuit)
        upper = check.floats("upper", self.upper, 2)
        energy = check.floats("energy", self.energy, 1)
        value = check.floats("value", self.value, 2)
        coupling = check.floats("coupling", self.coupling, 2)
        optional = _Optional(self, check)
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


def utility(reward: Reward, charge: Floats) -> Floats:
    """U_i at several totals each: (n, m) → (n, m). [Ah]"""
    total = np.zeros_like(charge)
    left = charge
    for s in range(reward.width.shape[1]):
        taken = np.clip(left, -np.inf if s == 0 else 0.0, reward.width[:, s, None])
        total += taken * reward.slope[:, s, None]
        left = left - taken
    return total


class _Check:
    """Collects complaints; what is asked first is answered first."""

    def __init__(self) -> None:
        self.complaints: list[str] = []

    def raise_if_any(self) -> None:
        if self.complaints:
            raise ProblemError(self.complaints)

    def floats(self, name: str, given: ArrayLike, ndim: int) -> Floats:
        try:
            array = np.array(given, dtype=np.float64, order="C")
        except (TypeError, ValueError) as error:
            self.complaints.append(f"{name}: not an array of numbers ({error})")
            return np.empty((0,) * ndim)
        if array.ndim != ndim:
            self.complaints.append(f"{name}: {ndim} dimension(s) needed, it has {array.ndim}")
            return np.empty((0,) * ndim)
        if np.isnan(array).any():
            self.all(name, array, ~np.isnan(array), "is not a number")
        return array

    def ints(self, name: str, given: ArrayLike) -> Ints:
        array = self.floats(name, given, 1)
        whole = np.isfinite(array) & (array == np.round(array))
        self.all(name, array, whole | np.isnan(array), "must be a whole number")
        return np.where(whole, array, 0).astype(np.int64)

    def shape(self, name: str, array: NDArray[Any], wanted: tuple[int, ...]) -> None:
        if array.shape != wanted:
            self.complaints.append(f"{name}: shape {wanted} needed, it has {array.shape}")

    def all(self, name: str, array: NDArray[Any], good: NDArray[np.bool_], rule: str) -> None:
        if good.all():
            return
        bad = np.argwhere(~good)
        first = tuple(int(i) for i in bad[0])
        where = ", ".join(map(str, first))
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        self.complaints.append(f"{name}[{where}] = {array[first]:g}: {rule}{more}")


class _Optional:
    """The fields a problem may do without, checked like the others."""

    def __init__(self, problem: Problem, check: _Check) -> None:
        self.check = check
        self.peak = problem.peak
        self.fields: dict[str, Any] = {}
        if problem.min_now is not None:
            self.fields["min_now"] = check.floats("min_now", problem.min_now, 1)
        if problem.rank is not None:
            self.fields["rank"] = check.ints("rank", problem.rank)
        if problem.reward is not None:
            self.fields["reward"] = Reward(
                width=check.floats("reward.width", problem.reward.width, 2),
                slope=check.floats("reward.slope", problem.reward.slope, 2),
            )
        if problem.storage is not None:
            given = problem.storage
            self.fields["storage"] = Storage(
                participant=check.ints("storage.participant", given.participant),
                discharge=check.floats("storage.discharge", given.discharge, 2),
                stored=check.floats("storage.stored", given.stored, 1),
                low=check.floats("storage.low", given.low, 2),
                high=check.floats("storage.high", given.high, 2),
            )

    def check_shapes(self, n: int, steps: int) -> None:
        for name in ("min_now", "rank"):
            if name in self.fields:
                self.check.shape(name, self.fields[name], (n,))
        if "reward" in self.fields:
            reward: Reward = self.fields["reward"]
            wanted = (n, reward.width.shape[1])
            self.check.shape("reward.width", reward.width, wanted)
            self.check.shape("reward.slope", reward.slope, wanted)
        if "storage" in self.fields:
            storage: Storage = self.fields["storage"]
            many = len(storage.participant)
            self.check.shape("storage.stored", storage.stored, (many,))
            for name in ("discharge", "low", "high"):
                self.check.shape(f"storage.{name}", getattr(storage, name), (many, steps))
        self.n = n
        self.steps = steps

    def check_values(self, circuits: int, rows: int) -> None:
        check = self.check
        if "min_now" in self.fields:
            least = self.fields["min_now"]
            check.all("min_now", least, (least >= 0) & np.isfinite(least), "must be finite and ≥ 0")
        if "rank" in self.fields:
            rank = self.fields["rank"]
            first = np.zeros(len(rank), dtype=bool)
            first[np.unique(rank, return_index=True)[1]] = True
            check.all("rank", rank, first, "stands there twice")
        if "reward" in self.fields:
            self._check_reward(self.fields["reward"])
        if "storage" in self.fields:
            self._check_storage(self.fields["storage"])
        if self.peak is not None:
            self._check_peak(self.peak, circuits, rows)
        for given in self.fields.values():
            for array in _arrays(given):
                array.flags.writeable = False

    def _check_reward(self, reward: Reward) -> None:
        check = self.check
        width, slope = reward.width, reward.slope
        check.all("reward.width", width, width >= 0, "must be ≥ 0")
        check.all(
            "reward.slope", slope, (slope >= 0) & np.isfinite(slope), "must be finite and ≥ 0"
        )
        falling = np.ones(slope.shape, dtype=bool)
        falling[:, 1:] = slope[:, 1:] <= slope[:, :-1]
        check.all("reward.slope", slope, falling, "must not exceed the slope before it")

    def _check_storage(self, storage: Storage) -> None:
        check = self.check
        who = storage.participant
        inside = (who >= 0) & (who < self.n)
        check.all("storage.participant", who, inside, f"must be 0 … {self.n - 1}")
        first = np.zeros(len(who), dtype=bool)
        first[np.unique(who, return_index=True)[1]] = True
        check.all("storage.participant", who, first, "stands there twice")
        give = storage.discharge
        check.all(
            "storage.discharge", give, (give >= 0) & np.isfinite(give), "must be finite and ≥ 0"
        )
        check.all("storage.stored", storage.stored, np.isfinite(storage.stored), "must be finite")
        held = storage.stored[:, None]
        check.all("storage.low", storage.low, storage.low <= held, "must not exceed what is stored")
        check.all(
            "storage.high", storage.high, storage.high >= held, "must not be below what is stored"
        )

    def _check_peak(self, peak: Peak, circuits: int, rows: int) -> None:
        complaints = self.check.complaints
        for name, given in (("price", peak.price), ("level", peak.level)):
            if not (np.isfinite(given) and given >= 0):
                complaints.append(f"peak.{name} = {given:g}: must be finite and ≥ 0")
        for name, given, many in (("circuit", peak.circuit, circuits), ("row", peak.row, rows)):
            if not 0 <= given < many:
                complaints.append(f"peak.{name} = {given}: must be 0 … {many - 1}")


def _arrays(given: object) -> list[NDArray[Any]]:
    if isinstance(given, np.ndarray):
        return [given]
    if isinstance(given, Reward):
        return [given.width, given.slope]
    if isinstance(given, Storage):
        return [given.participant, given.discharge, given.stored, given.low, given.high]
    return []
