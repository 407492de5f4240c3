"""Many sites in one call, on all cores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from solver.problem import Problem
from solver.solution import Solution
from solver.workspace import Workspace


class Fleet:
    """Sites that share nothing but the machine; each keeps a workspace of its own.

    The compiled methods and HiGHS let go of the interpreter while they work, so threads
    are enough.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or len(os.sched_getaffinity(0))
        self._workspaces: list[Workspace] = []

    def solve(
        self,
        problems: Sequence[Problem],
        method: str = "auto",
        tol: float = 1e-6,
        deadline_s: float | None = None,
    ) -> list[Solution]:
        """Solve all; the answer of a site stands where its problem does.

        Parameters
        ----------
        problems : sequence of Problem
            One per site, the same site at the same place in each call.
        deadline_s : float, optional
            For each site alone. [s]
        """
        while len(self._workspaces) < len(problems):
            self._workspaces.append(Workspace(threads=1))
        answers: list[Solution | None] = [None] * len(problems)

        places = iter(range(len(problems)))  # whoever is free takes the next site

        def work(_: int) -> None:
            for s in places:
                answers[s] = self._workspaces[s].solve(problems[s], method, tol, deadline_s)

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(work, range(self.threads)))
        return [answer for answer in answers if answer is not None]
