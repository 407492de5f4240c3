"""Where Modbus meters keep currents and powers. Data; addresses count from 0 as on the wire.

To add a meter, add a `Profile`: find current and active power of each phase in the maker's
register list, and mind whether that list counts from 0 or from 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Addresses = tuple[int, int, int]
"""First register of L1, L2, L3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How one family of meters speaks. Every value takes two registers."""

    device: str  # as written in site.yaml
    function: Literal[3, 4]  # holding or input registers
    encoding: Literal["FLOAT32", "INT32"] = "FLOAT32"
    word_order: Literal["big", "little"] = "big"
    current: Addresses
    ampere: float = 1.0  # in one unit of the register
    power: Addresses  # active, drawing positive
    watt: float = 1.0

    @property
    def blocks(self) -> tuple[tuple[int, int], ...]:
        """(first register, count) of each read, none across a gap: some meters refuse those."""
        runs: list[tuple[int, int]] = []
        for address in sorted((*self.current, *self.power)):
            if runs and address == sum(runs[-1]):
                runs[-1] = (runs[-1][0], runs[-1][1] + 2)
            else:
                runs.append((address, 2))
        return tuple(runs)


def _carlo_gavazzi(device: str) -> Profile:
    return Profile(
        device=device,
        function=4,
        encoding="INT32",
        word_order="little",
        current=(0x0C, 0x0E, 0x10),
        ampere=1e-3,
        power=(0x12, 0x14, 0x16),
        watt=0.1,
    )


PROFILES = {
    profile.device: profile
    for profile in (
        Profile(
            device="eastron-sdm630",
            function=4,
            current=(0x06, 0x08, 0x0A),
            power=(0x0C, 0x0E, 0x10),
        ),
        _carlo_gavazzi("carlo-gavazzi-em340"),
        _carlo_gavazzi("carlo-gavazzi-em24"),
        Profile(
            device="siemens-pac2200",
            function=4,
            current=(13, 15, 17),
            power=(25, 27, 29),
        ),
        Profile(
            device="janitza-b23",
            function=3,
            current=(0x4A44, 0x4A46, 0x4A48),
            power=(0x4A4C, 0x4A4E, 0x4A50),
        ),
        Profile(
            device="schneider-iem3000",
            function=3,
            current=(0x0BB7, 0x0BB9, 0x0BBB),
            power=(0x0BED, 0x0BEF, 0x0BF1),
            watt=1e3,
        ),
    )
}
