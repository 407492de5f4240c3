"""`kill -9` at random points, again and again, while the truth about every fuse is watched.

    python -m tests.faults.kill_loop --times 1000

Each round starts `loadmgr run` on the journal of the last, puts a limit that it acknowledges, and
kills it: at times in the middle of its start, at times after it has been in control. Then

* the rows of the journal: every limit that a station has received and that is higher than all it
  was known to have, and every limit of a person that was acknowledged, stands there (a decrease
  may leave before it is written down);
* the ledger that a restart would rebuild covers what every station holds;
* a transaction that a station has ended, and was answered, is over for a restart, too: it is
  killed in the moment of that answer;
* no fuse carried more than its rating in any second, by the truth;
* it is back in control within ten seconds of its start.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx

from loadmgr.core.ledger import worst_current
from loadmgr.core.observe import observe
from loadmgr.core.state import unseen
from loadmgr.events import Event, LimitSet, Restarted, Sent, SetLimit
from loadmgr.model import EvseId
from loadmgr.store.codec import decode, decode_state
from tests.app.product import Product, World, ended, world
from tests.faults.nursery import Nursery

IN_CONTROL_S = 10.0
WIRE_STEP_A = 0.1


@dataclass(slots=True)
class Tally:
    rounds: int = 0
    killed_in_start: int = 0
    rows: int = 0
    limits: int = 0
    acknowledged: int = 0
    ends: int = 0
    lost: list[str] = field(default_factory=list)
    uncovered: list[str] = field(default_factory=list)
    overload_s: float = 0.0
    control_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)  # used until then
    energy_wh: float = 0.0
    other_transactions: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Nothing lost, nothing overloaded. How soon it is back depends on the computer, too."""
        return not (self.lost or self.uncovered or self.overload_s or self.other_transactions)

    @property
    def late(self) -> int:
        return sum(seconds > IN_CONTROL_S for seconds in self.control_s)

    def text(self) -> str:
        times = sorted(self.control_s) or [0.0]
        return (
            f"{self.rounds} kills ({self.killed_in_start} during start), {self.rows} rows kept, "
            f"{self.limits} profiles received, {self.acknowledged} limits and {self.ends} ends "
            f"acknowledged, "
            f"{len(self.lost)} lost, {len(self.uncovered)} not covered by the ledger, "
            f"{self.overload_s:.0f} s of overload, {len(self.other_transactions)} transactions "
            f"changed, in control after {times[len(times) // 2]:.1f} s "
            f"(median; highest {times[-1]:.1f} s; {self.late} above {IN_CONTROL_S:.0f} s; "
            f"{max(self.cpu_s, default=0.0):.1f} s of a processor at most), "
            f"{self.energy_wh / 1000:.1f} kWh delivered"
        )


class Loop:
    """One site, killed again and again."""

    def __init__(self, product: Product, around: World, nursery: Nursery, seed: int) -> None:
        self.product = product
        self.around = around
        self.nursery = nursery
        self.chance = random.Random(seed)
        self.tally = Tally()
        self._written: set[tuple[str, float]] = set()  # EVSE and limit, since the last start
        self._standing_a: dict[str, float] = {}  # the highest limit known at the last start
        self._limits: dict[str, float] = {}
        self.transactions: dict[str, str] = {}  # that go on
        self._heard = 0
        self._acknowledged: dict[str, float] = {}
        self._gone: dict[EvseId, str] = {}  # the transaction that was answered to be over

    async def commission(self) -> None:
        """Once: every station gets its fallback, then cars arrive."""
        self._start()
        await self.product.in_control(60.0)
        self.around.plug()
        await asyncio.sleep(3.0)
        self._kill()
        self.transactions = self.around.transactions()

    async def round(self) -> None:
        started = time.monotonic()
        self._start()
        if self.chance.random() < 0.25:
            await asyncio.sleep(self.chance.uniform(0.0, 2.0))
            self.tally.killed_in_start += 1
        else:
            await self.product.in_control(60.0)
            self.tally.control_s.append(time.monotonic() - started)
            self.tally.cpu_s.append(self._cpu_s())
            self._meet_who_came()
            await asyncio.sleep(self.chance.uniform(0.2, 2.0))
            if self.chance.random() < 0.5:
                await self._limit()
            else:
                await self._goodbye()
        self._kill()
        self.tally.rounds += 1

    def _start(self) -> None:
        product = self.product
        product.process = self.nursery.start(product.site_file, product.folder)  # type: ignore[assignment]

    def _cpu_s(self) -> float:
        """What the process has used of a processor so far (proc(5), fields 14 and 15)."""
        assert self.product.process is not None
        stat = Path(f"/proc/{self.product.process.pid}/stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    async def _limit(self) -> None:
        """A person lowers the site for a while; what is answered must not be forgotten."""
        current_a = round(self.chance.uniform(40.0, 63.0), 1)
        name = f"k{self.tally.rounds % 7}"
        async with httpx.AsyncClient(trust_env=False, timeout=5.0) as client:
            answer = await client.put(
                f"{self.product.url}/api/v1/limits/{name}",
                json={"circuit": "main", "current": f"{current_a} A", "reason": "a trial"},
            )
        assert answer.is_success, answer.text
        self._acknowledged[name] = current_a

    async def _goodbye(self) -> None:
        """A car leaves; what its station was answered must not be forgotten."""
        evse = self.chance.choice([e for e in self.around.site.evses if e.id in self.transactions])
        del self.transactions[evse.id]
        self._gone[evse.id] = await self.around.leaves(evse)

    def _meet_who_came(self) -> None:
        """The next car stands where one has left, and has its transaction."""
        for evse, id in self.around.transactions().items():
            if id and evse not in self.transactions:
                self.transactions[evse] = id

    def _kill(self) -> None:
        self.product.kill()
        self._look()
        for evse in self._gone:
            self.around.plug_at(self.around.site.evse[evse])
        self._gone.clear()

    # ── After the kill ──

    def _look(self) -> None:
        tally = self.tally
        for event in self._rows():
            tally.rows += 1
            if isinstance(event, Sent) and isinstance(event.order, SetLimit):
                order = event.order
                self._written.add((str(order.evse), order.current_a))
            if isinstance(event, LimitSet):
                self._limits[event.limit.name] = event.limit.current_a[0]
        for name, current_a in self._acknowledged.items():
            tally.acknowledged += 1
            if self._limits.get(name) != current_a:
                tally.lost.append(f"limit {name} of {current_a} A")
        self._acknowledged.clear()
        self._look_at_raises()
        self._look_at_ledger()
        tally.overload_s = sum(row.ours_s for row in self.around.simulated.summary().rows)
        tally.energy_wh = self.around.energy_wh()
        now = self.around.transactions()
        if any(now.get(evse) != id for evse, id in self.transactions.items()):
            tally.other_transactions.append(str(now))

    def _rows(self) -> Iterator[Event]:
        """What a restart would read; a reader of its own, which changes nothing."""
        with closing(sqlite3.connect(f"file:{self.product.journal}?mode=ro", uri=True)) as db:
            for (body,) in db.execute("SELECT body FROM event ORDER BY number"):
                yield decode(body)

    def _look_at_raises(self) -> None:
        """What raised a station above all that was known of it is written down."""
        new, self._heard = self.around.received[self._heard :], len(self.around.received)
        for one in (each for each in new if each.is_limit):
            known_a = [limit_a for evse, limit_a in self._written if evse == one.station]
            known_a.append(self._standing_a.get(one.station, 0.0))
            self.tally.limits += 1
            if one.limit_a > max(known_a) + WIRE_STEP_A:
                self.tally.lost.append(f"{one.station} received {one.limit_a} A")
        self._written.clear()

    def _look_at_ledger(self) -> None:
        """The ledger of a restart reckons with at least what the stations hold."""
        site, now = self.around.site, datetime.now(UTC)
        with closing(sqlite3.connect(f"file:{self.product.journal}?mode=ro", uri=True)) as db:
            kept = db.execute("SELECT upto, body FROM checkpoint").fetchone()
            upto, state = (0, unseen(site)) if kept is None else (kept[0], decode_state(kept[1]))
            rows = db.execute("SELECT body FROM event WHERE number > ? ORDER BY number", (upto,))
            for (body,) in rows:
                state = observe(site, state, decode(body))
        for gone, id in self._gone.items():
            self.tally.ends += 1
            session = state.evses[gone].session
            if session is not None and session.transaction_id == id:
                self.tally.lost.append(f"the end of transaction {id} on {gone}")
        state = observe(site, state, Restarted(at=now))
        for evse in site.evses:
            standing = state.evses[evse.id].standing
            self._standing_a[evse.id] = max((grant.current_a for grant in standing), default=0.0)
            outlet = self.around.simulated.plant.outlets[evse.id]
            held_a = outlet.commanded_a(self.around.simulated.clock.now_s())
            covered_a = worst_current(evse, state.evses[evse.id], now)
            if max(held_a, outlet.pilot_a) > covered_a + WIRE_STEP_A:
                self.tally.uncovered.append(f"{evse.id}: holds {held_a}, ledger {covered_a}")


async def play(folder: Path, times: int, seed: int, report_every: int = 0) -> Tally:
    """So many kills of one site. Raises nothing for what is found: it stands in the tally."""
    product = Product(folder)
    with Nursery() as nursery, ended(product):
        async with world(product) as around:
            loop = Loop(product, around, nursery, seed)
            await loop.commission()
            for _ in range(times):
                await loop.round()
                if report_every and loop.tally.rounds % report_every == 0:
                    print(loop.tally.text(), flush=True)
                if not loop.tally.good:
                    break
            return loop.tally


async def side_by_side(times: int, seed: int, sites: int) -> list[Tally]:
    with tempfile.TemporaryDirectory() as folder:
        folders = [Path(folder) / str(n) for n in range(sites)]
        for each in folders:
            each.mkdir()
        share = -(-times // sites)
        return await asyncio.gather(
            *(play(each, share, seed + n, 25) for n, each in enumerate(folders))
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sites", type=int, default=1, help="side by side")
    wish = parser.parse_args()
    logging.disable(logging.ERROR)  # a meter notes every poll that a kill has cut off
    tallies = asyncio.run(side_by_side(wish.times, wish.seed, wish.sites))
    for tally in tallies:
        print(tally.text())
        for line in (*tally.lost, *tally.uncovered, *tally.other_transactions):
            print("  ", line)
    sys.exit(0 if all(tally.good for tally in tallies) else 3)


if __name__ == "__main__":
    main()
