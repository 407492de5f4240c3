"""Star, line-to-line and mixed wiring, as rows of a `Problem`.

A charger between two lines (North America, 208 V) draws a current that is out of phase with
one between a line and neutral, so what a line carries is the length of a sum of phasors,

    |Σ_i z_ia x_i| ≤ C_a ,

and not a sum of lengths. The circle is replaced by a polygon *inside* it: safety does not
depend on the approximation. The polygon's corners lie where pure wiring points (multiples of
30°), so that a site wired in one way only gives nothing away, and a mixed one at most
1 − cos(π/sides).

Phasors are relative to the voltage of L1 to neutral, at unity power factor.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from solver.problem import Floats

Phasors = NDArray[np.complex128]

LINES = ("L1", "L2", "L3")
SIDES = 24


def _turned(degrees: float) -> complex:
    return complex(np.exp(1j * np.deg2rad(degrees)))


_TO_NEUTRAL = {"L1": _turned(0.0), "L2": _turned(-120.0), "L3": _turned(120.0)}


def phasors(connections: Sequence[str]) -> Phasors:
    """Current on each line per ampere of x.

    Parameters
    ----------
    connections : sequence of str
        The lines each charger sits between: "L1" (to neutral), "L1-L2" (line to line, 30°
        ahead of its first line), "L1-L2-L3" (three-phase, x is the current of each line).
        Two-line names may be in either order.

    Returns
    -------
    phasors : (n, 3) complex array

    Raises
    ------
    ValueError
        Names the entry that is none of these.
    """
    table = np.zeros((len(connections), 3), dtype=np.complex128)
    for i, connection in enumerate(connections):
        lines = connection.split("-")
        known = all(line in LINES for line in lines) and len(set(lines)) == len(lines) <= 3
        if not known:
            raise ValueError(
                f"connections[{i}] = {connection!r}: must be one to three different lines "
                'of L1, L2, L3, such as "L1", "L1-L2" or "L1-L2-L3"'
            )
        if len(lines) == 2:
            first, second = (_TO_NEUTRAL[line] for line in lines)
            across = (first - second) / abs(first - second)
            table[i, LINES.index(lines[0])] = across
            table[i, LINES.index(lines[1])] = -across
        else:
            for line in lines:
                table[i, LINES.index(line)] = _TO_NEUTRAL[line]
    return table


def through_delta(secondary: Phasors, ratio: float) -> Phasors:
    """Currents on the lines before a delta-wye transformer.

    Parameters
    ----------
    secondary : (n, 3) complex array
        Line currents on the wye side per ampere of x.
    ratio : float
        Line-to-neutral voltage of the wye side over line-to-line voltage of the delta side,
        e.g. 120/480.

    Returns
    -------
    primary : (n, 3) complex array
        Each line of the delta feeds two windings: the difference of their currents.
    """
    primary: Phasors = ratio * (secondary - np.roll(secondary, -1, axis=1))
    return primary


def polygon_coupling(currents: Phasors, sides: int = SIDES) -> Floats:
    """Load of each side of each line's polygon per ampere of x: (n, L) → (n, L·sides)."""
    normal = np.exp(-1j * np.pi * (2.0 * np.arange(sides) + 1.0) / sides)
    load: Floats = (currents[:, :, None] * normal).real
    load[np.abs(load) < 1e-12] = 0.0
    return load.reshape(len(currents), -1)


def polygon_capacity(capacity: Floats, sides: int = SIDES) -> Floats:
    """What each side carries: (K, L, T) → (K, L·sides, T). [A]"""
    apothem = np.cos(np.pi / sides)
    inside: Floats = np.repeat(capacity * apothem, sides, axis=1)
    return inside


def line_currents(currents: Phasors, x: Floats) -> Floats:
    """True RMS current of each line under x: (n, L), (n, T) → (L, T). [A]"""
    true: Floats = np.abs(np.einsum("nl,nt->lt", currents, x))
    return true
