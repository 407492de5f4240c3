"""Every array is looked at once, and everything that is wrong is said at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from solver.features import Floats, Ints, Peak, Reward, Storage


class ProblemError(ValueError):
    """The arrays do not describe a problem. `complaints` says everything that is wrong."""

    def __init__(self, complaints: list[str]) -> None:
        self.complaints = tuple(complaints)
        super().__init__("; ".join(complaints))


class Check:
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


class Optional:
    """The fields a problem may do without, checked like the others."""

    def __init__(
        self,
        check: Check,
        min_now: ArrayLike | None,
        rank: ArrayLike | None,
        reward: Reward | None,
        peak: Peak | None,
        storage: Storage | None,
    ) -> None:
        self.check = check
        self.peak = peak
        self.fields: dict[str, Any] = {}
        if min_now is not None:
            self.fields["min_now"] = check.floats("min_now", min_now, 1)
        if rank is not None:
            self.fields["rank"] = check.ints("rank", rank)
        if reward is not None:
            self.fields["reward"] = Reward(
                width=check.floats("reward.width", reward.width, 2),
                slope=check.floats("reward.slope", reward.slope, 2),
            )
        if storage is not None:
            self.fields["storage"] = Storage(
                participant=check.ints("storage.participant", storage.participant),
                discharge=check.floats("storage.discharge", storage.discharge, 2),
                stored=check.floats("storage.stored", storage.stored, 1),
                low=check.floats("storage.low", storage.low, 2),
                high=check.floats("storage.high", storage.high, 2),
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
