"""What is solved: random sites and days, each made from one seed and a few dials.

A `Site` is copper and cars as plain arrays; `problem()` writes it down for the solver and
`ticks()` lets its day go on: capacities flicker, some cars leave and others come.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from solver import Problem

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dials:
    """What a random site looks like. The defaults are the subject of the table of figures."""

    cars: int = 200
    panel: int = 20  # cars on a panel
    feeder: int = 10  # circuits on one of the next level
    depth: int = 3  # levels: panel, feeder, …, root; 1 is one circuit for all
    steps: int = 96
    three_phase: float = 0.6  # share of the cars; the others are on one phase
    skew: float = 0.0  # share of the one-phase cars that are all on L1
    binding: float = 1.0  # 1: every level binds at times; 0: none ever does
    hunger: float = 0.15  # mean of what a car needs, as a share of what its stay would allow
    present: float = 0.0  # share of the cars that are there at the first step
    ties: float = 0.0  # share of the cars with the same priority and the same stay


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Site:
    """Copper and the cars at it."""

    dials: Dials
    parent: Ints
    capacity: Floats
    circuit: Ints
    coupling: Floats
    upper: Floats
    energy: Floats
    priority: Floats
    price: Floats
    step_h: Floats
    rank: Ints
    rng: np.random.Generator = field(repr=False)

    def problem(self) -> Problem:
        return Problem(
            step_h=self.step_h,
            parent=self.parent,
            capacity=self.capacity,
            circuit=self.circuit,
            coupling=self.coupling,
            upper=self.upper,
            energy=self.energy,
            value=self.priority[:, None] - self.price,
            rank=self.rank,
        )

    def ticks(self, count: int, noise: float = 0.01, replaced: float = 0.01) -> Iterator[Problem]:
        """The problem again and again, each with fresh noise on all capacities and new cars.

        Below one car a tick, one comes now and then.
        """
        site, n = self, len(self.circuit)
        for _ in range(count):
            flicker = 1.0 + noise * site.rng.uniform(-1.0, 1.0, site.capacity.shape)
            yield replace(site, capacity=site.capacity * flicker).problem()
            many = int(replaced * n + site.rng.random())
            site = site._with_new_cars(site.rng.choice(n, size=min(many, n), replace=False))

    def _with_new_cars(self, who: Ints) -> Site:
        upper, energy, priority, coupling, rank = (
            array.copy()
            for array in (self.upper, self.energy, self.priority, self.coupling, self.rank)
        )
        upper[who], energy[who], priority[who], coupling[who] = _cars(
            self.dials, self.rng, self.step_h, len(who)
        )
        rank[who] = self.rank.max(initial=-1) + 1 + np.arange(len(who))
        return replace(
            self, upper=upper, energy=energy, priority=priority, coupling=coupling, rank=rank
        )


def site(dials: Dials, seed: int = 0) -> Site:
    """A random tree of circuits with cars on its panels."""
    rng = np.random.default_rng(seed)
    parent, circuit = _tree(dials)
    step_h = np.full(dials.steps, 24.0 / dials.steps)
    upper, energy, priority, coupling = _cars(dials, rng, step_h, dials.cars)
    made = Site(
        dials=dials,
        parent=parent,
        capacity=np.full((len(parent), 3, dials.steps), np.inf),
        circuit=circuit,
        coupling=coupling,
        upper=upper,
        energy=energy,
        priority=priority,
        price=rng.uniform(0.05, 0.4, dials.steps),
        step_h=step_h,
        rank=np.arange(dials.cars),
        rng=rng,
    )
    return replace(made, capacity=_copper(made))


def _tree(dials: Dials) -> tuple[Ints, Ints]:
    """Panels under feeders under … under the root, numbered from the root down."""
    many = [max(1, -(-dials.cars // dials.panel))]
    for _ in range(dials.depth - 2):
        many.append(max(1, -(-many[-1] // dials.feeder)))
    levels = [1] if dials.depth == 1 else [1, *reversed(many)]
    first = np.concatenate(([0], np.cumsum(levels)))
    parent = [-1]
    for level in range(1, len(levels)):
        width = dials.feeder if levels[level - 1] > 1 else levels[level]
        parent += [int(first[level - 1]) + j // width for j in range(levels[level])]
    panel = np.minimum(np.arange(dials.cars) // dials.panel, levels[-1] - 1)
    return np.array(parent), first[len(levels) - 1] + panel


def _cars(
    dials: Dials, rng: np.random.Generator, step_h: Floats, many: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Upper bounds, energies, priorities and couplings of new cars."""
    steps = len(step_h)
    length = np.clip(rng.gamma(4.0, steps / 12.0, many).astype(int), 1, steps)
    arrive = rng.integers(0, np.maximum(1, steps - length // 2))
    arrive[rng.random(many) < dials.present] = 0
    priority = rng.uniform(0.5, 2.0, many)
    alike = rng.random(many) < dials.ties
    arrive[alike], length[alike], priority[alike] = steps // 8, steps // 2, 1.0
    t = np.arange(steps)
    inside = (t >= arrive[:, None]) & (t < (arrive + length)[:, None])
    amps = rng.choice([16.0, 32.0], many)
    amps[alike] = 16.0
    upper = np.where(inside, amps[:, None], 0.0)
    energy = (upper @ step_h) * dials.hunger * rng.uniform(0.3, 1.7, many)
    energy[alike] = 0.5 * (upper @ step_h)[alike]
    coupling = np.ones((many, 3))
    single = rng.random(many) >= dials.three_phase
    phase = np.where(rng.random(many) < dials.skew, 0, rng.integers(0, 3, many))
    coupling[single] = np.eye(3)[phase[single]]
    return upper, energy, priority, coupling


def _copper(made: Site) -> Floats:
    """Ratings below what the cars could draw, so that each level binds somewhere."""
    most = made.problem().most
    circuits, _, steps = most.shape
    tight = 1.0 - made.dials.binding * made.rng.uniform(0.35, 0.65, circuits)
    rating = most.max(axis=(1, 2)) * tight
    # Above a level, ratings are of what the level below lets through, or only panels would bind.
    for k in range(circuits - 1, -1, -1):
        below = made.parent == k
        if below.any():
            rating[k] = rating[below].sum() * (
                1.0 - made.dials.binding * made.rng.uniform(0.1, 0.3)
            )
    building = made.rng.uniform(0.0, 0.15, (circuits, 3, steps))
    copper: Floats = rating[:, None, None] * (1.0 - building)
    if made.dials.binding == 0.0:
        copper = np.maximum(copper, 1.1 * most)
    return copper
