"""A problem in which some hold a floor, written as one in which nobody does.

What is sure is taken out of capacities, energies and rewards, and added to the plan again.
"""

from __future__ import annotations

from copy import copy

import numpy as np

from solver.problem import Floats, Problem, Reward


def has_floors(problem: Problem) -> bool:
    """Whether anybody must take something."""
    return bool((problem.lower > 0).any())


def without_floors(problem: Problem) -> Problem:
    """The problem of what is left after everybody has its `lower`, if that is above 0."""
    floor = np.maximum(problem.lower, 0.0)
    sure = problem.charge(floor)
    changed = {
        "capacity": np.maximum(problem.capacity - problem.load(floor), 0.0),
        "upper": problem.upper - floor,
        "energy": np.maximum(problem.energy - sure, 0.0),
    }
    shifted = copy(problem)
    for name in ("most", "lower"):
        shifted.__dict__.pop(name, None)
    shifted.__dict__.update(_read_only(changed))
    if problem.reward is not None:
        shifted.__dict__["reward"] = _climbed(problem.reward, sure)
    return shifted


def _climbed(reward: Reward, sure: Floats) -> Reward:
    """The reward from a point further up on it."""
    end = np.cumsum(reward.width, axis=1)
    begin = end - reward.width
    with np.errstate(invalid="ignore"):
        left = np.maximum(end - np.maximum(begin, sure[:, None]), 0.0)
    width = np.where(np.isinf(reward.width), np.inf, left)
    return Reward(**_read_only({"width": width, "slope": reward.slope}))


def _read_only(arrays: dict[str, Floats]) -> dict[str, Floats]:
    for array in arrays.values():
        array.flags.writeable = False
    return arrays
