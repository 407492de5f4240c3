"""Sites that the tests of the physics share."""

from __future__ import annotations

from loadmgr.model import Circuit, CircuitId, Evse, EvseId, Meter, MeterId, Site, StationId, Wiring
from loadmgr.units import Phase

L1, L2, L3 = Phase
MAIN, NORTH = CircuitId("main"), CircuitId("north")


def small_site() -> Site:
    """32 A above 20 A; A straight on both, B rotated below north, C one-phase on L3."""

    def evse(id: str, circuit: CircuitId, *terminals: Phase) -> Evse:
        return Evse(
            id=EvseId(id),
            station=StationId(id),
            circuit=circuit,
            wiring=Wiring(terminals),
            max_a=16.0,
        )

    return Site(
        name="Test",
        timezone="UTC",
        circuits=(
            Circuit(id=MAIN, label="", feeds_from=None, rating_a=(32.0,) * 3),
            Circuit(id=NORTH, label="", feeds_from=MAIN, rating_a=(20.0,) * 3),
        ),
        meters=(Meter(id=MeterId("grid"), circuit=MAIN, worst_building_a=(20.0,) * 3),),
        evses=(
            evse("A", NORTH, L1, L2, L3),
            evse("B", NORTH, L2, L3, L1),
            evse("C", MAIN, L3),
        ),
    )
