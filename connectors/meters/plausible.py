"""Can this reading be true? Pure: the readings come in, a verdict goes out."""

from __future__ import annotations

import math
from dataclasses import dataclass

from connectors.meters.reading import Reading

DRAW_AT_MOST = 20.0
"""Times the rating. A type D breaker trips at once by 20×In (IEC 60898-1, table 7), so no
circuit carries more until the next poll."""

FEED_IN_AT_MOST = 2.0
"""Times the rating. Inverters limit their current, so a fault cannot drive it up, and a steady
1.45×In trips the breaker. Tighter than drawing because believing it lends out capacity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What is plausible on one circuit."""

    rating_a: float  # of its strongest phase
    frozen_after: int  # equal readings in a row; 0: a steady load is normal here


@dataclass(frozen=True, slots=True)
class Track:
    """What was read before: the last number, and how often it has come."""

    last: Reading | None = None
    times: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a reading is news, and why it is not believed ("" if it is)."""

    fresh: bool
    doubt: str = ""

    @property
    def good(self) -> bool:
        return self.fresh and not self.doubt


def judge(track: Track, reading: Reading, bounds: Bounds) -> tuple[Track, Verdict]:
    """Judge one reading by those before it.

    A time stamp that comes again makes the reading old news: not fresh, and in doubt only
    once it has come as often as a frozen value would. A stamp that runs backwards is fresh:
    the meter's clock was set.
    """
    if doubt := _magnitude_doubt(reading, bounds):
        return track, Verdict(fresh=True, doubt=doubt)  # nonsense between does not thaw a value
    fresh = not _same_stamp(track, reading)
    again = not fresh or (track.last is not None and track.last.current_a == reading.current_a)
    track = Track(reading, track.times + 1 if again else 1)
    return track, Verdict(fresh=fresh, doubt=_frozen_doubt(reading, track.times, bounds))


def _same_stamp(track: Track, reading: Reading) -> bool:
    return (
        track.last is not None
        and reading.sampled_at is not None
        and track.last.sampled_at == reading.sampled_at
    )


def _magnitude_doubt(reading: Reading, bounds: Bounds) -> str:
    for number, current_a in enumerate(reading.current_a, start=1):
        if not math.isfinite(current_a):
            return f"L{number} is no number: {current_a}"
        if current_a > DRAW_AT_MOST * bounds.rating_a:
            return f"L{number} draws {current_a:.6g} A on a circuit of {bounds.rating_a:g} A"
        if current_a < -FEED_IN_AT_MOST * bounds.rating_a:
            return f"L{number} feeds in {-current_a:.6g} A on a circuit of {bounds.rating_a:g} A"
    return ""


def _frozen_doubt(reading: Reading, times: int, bounds: Bounds) -> str:
    if not bounds.frozen_after or times < bounds.frozen_after:
        return ""
    l1, l2, l3 = reading.current_a
    return f"frozen: {l1:g}/{l2:g}/{l3:g} A came {bounds.frozen_after} times and more"
