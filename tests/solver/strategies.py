"""Random charging problems, small enough to be held against the reference."""

import numpy as np
from hypothesis import strategies as st

from solver import Peak, Problem, Reward, Storage


def random_problem(
    rng,
    n=8,
    steps=6,
    circuits=5,
    rows=3,
    depth=5,
    reward=False,
    peak=False,
    storage=False,
    min_now=False,
    scale=1.0,
):
    """A site whose rows bind here and there, with nested circuits to `depth`."""
    parent, level = [-1], [1]
    for k in range(1, circuits):
        up = int(rng.choice([j for j in range(k) if level[j] < depth] or [-1]))
        parent.append(up)
        level.append(1 if up < 0 else level[up] + 1)
    step_h = rng.choice([1 / 60, 0.25, 0.25, 0.5, 1.0], steps)
    coupling = np.ones((n, rows))
    single = rng.random(n) < 0.4
    coupling[single] = np.eye(rows)[rng.integers(0, rows, int(single.sum()))]
    arrive = rng.integers(0, max(1, steps // 2), n) * (rng.random(n) < 0.5)
    leave = np.minimum(steps, arrive + 1 + rng.integers(0, steps, n))
    t = np.arange(steps)
    inside = (t >= arrive[:, None]) & (t < leave[:, None])
    upper = np.where(
        inside, rng.choice([16.0, 32.0, 20.0, 0.0], n, p=[0.4, 0.4, 0.15, 0.05])[:, None], 0
    )
    energy = upper @ step_h * rng.uniform(0.2, 1.3, n)
    energy[rng.random(n) < 0.1] = np.inf
    price = rng.uniform(0.05, 0.5, steps)
    value = rng.uniform(0.1, 2.0, n)[:, None] - price
    problem = Problem(
        step_h=step_h, parent=np.array(parent), capacity=np.full((circuits, rows, steps), np.inf),
        circuit=rng.integers(0, circuits, n), coupling=coupling, upper=upper, energy=energy,
        value=value,
    )  # fmt: skip
    capacity = problem.most * rng.uniform(0.2, 1.1, problem.capacity.shape)
    capacity[rng.random((circuits, rows)) < 0.15] = np.inf
    extra = {}
    if reward:
        segments = 3
        extra["reward"] = Reward(
            width=rng.uniform(0, 20, (n, segments)),
            slope=-np.sort(-rng.uniform(0, 2, (n, segments)), axis=1),
        )
    if peak:
        extra["peak"] = Peak(
            price=float(rng.uniform(0, 5)),
            level=float(rng.uniform(0, 40)),
            row=int(rng.integers(rows)),
        )
    if storage:
        who = rng.choice(n, size=min(2, n), replace=False)
        stored = rng.uniform(5, 20, len(who))
        low = np.maximum(stored[:, None] - rng.uniform(0, 20, (len(who), steps)), 0)
        high = stored[:, None] + rng.uniform(0, 20, (len(who), steps))
        discharge = np.where(inside[who], rng.uniform(0, 16, (len(who), 1)), 0)
        extra["storage"] = Storage(
            participant=who, discharge=discharge, stored=stored, low=low, high=high
        )
    if min_now:
        extra["min_now"] = np.where(rng.random(n) < 0.9, 6.0, 0.0)
    return Problem(
        step_h=step_h, parent=np.array(parent), capacity=capacity * scale,
        circuit=problem.circuit, coupling=coupling, upper=upper * scale, energy=energy * scale,
        value=value, **extra,
    )  # fmt: skip


@st.composite
def problems(draw, **fixed):
    """Any random problem, features on and off; `fixed` holds some."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = {
        "n": draw(st.integers(1, 10)),
        "steps": draw(st.integers(1, 8)),
        "circuits": draw(st.integers(1, 8)),
        "rows": draw(st.integers(1, 4)),
        "depth": draw(st.integers(1, 5)),
    }
    features = {name: draw(st.booleans()) for name in ("reward", "peak", "storage")}
    return random_problem(rng, **{**shape, **features, **fixed})
