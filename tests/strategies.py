"""Random sites, and random beliefs about them, for all tests that hold properties."""

from __future__ import annotations

from hypothesis import strategies as st

from loadmgr.model import (
    Circuit,
    CircuitId,
    Evse,
    EvseId,
    Meter,
    MeterId,
    Offline,
    Policy,
    Share,
    Site,
    StationId,
    Wiring,
)
from loadmgr.units import Phase
from tests.core.talk import Talk

L1, L2, L3 = Phase

WIRINGS = (
    Wiring((L1, L2, L3)),
    Wiring((L2, L3, L1)),
    Wiring((L3, L1, L2)),
    Wiring((L1,)),
    Wiring((L2,)),
    Wiring((L3,)),
    Wiring((L1, L2)),
    Wiring((L1,), known=False),
)

amperes = st.sampled_from([6.0, 10.0, 13.0, 16.0, 20.0, 25.0, 32.0, 40.0, 63.0])


@st.composite
def sites(draw: st.DrawFn, *, equals: bool = False) -> Site:
    """A tree of up to four circuits with up to seven chargers; `equals`: nobody has priority."""
    circuits = draw(st.integers(1, 4))
    bays = draw(st.integers(1, 7))
    fallback_a = draw(st.sampled_from([0.0, 0.0, 6.0]))
    share = Share.FAIR if equals else draw(st.sampled_from(list(Share)))
    return Site(
        name="Any",
        timezone="Europe/Amsterdam",
        circuits=tuple(draw(_circuit(k)) for k in range(circuits)),
        meters=(Meter(id=MeterId("grid"), circuit=CircuitId("c0"), worst_building_a=(15.0,) * 3),),
        evses=tuple(draw(_evse(i, circuits, equals)) for i in range(bays)),
        policy=Policy(share=share, trust_measured_phases=draw(st.booleans())),
        offline=Offline(fallback_a=fallback_a),
    )


@st.composite
def _circuit(draw: st.DrawFn, number: int) -> Circuit:
    contract = draw(st.sampled_from([None, None, 10_000.0, 17_250.0]))
    return Circuit(
        id=CircuitId(f"c{number}"),
        label=f"Board {number}",
        feeds_from=CircuitId(f"c{draw(st.integers(0, number - 1))}") if number else None,
        rating_a=(draw(amperes),) * 3,
        margin_a=draw(st.sampled_from([0.0, 0.0, 2.0])),
        max_power_w=contract,
        meter=MeterId("grid") if number == 0 else None,
        building_a=(0.0, 0.0, 0.0) if number == 0 else (draw(st.sampled_from([0.0, 1.5])),) * 3,
    )


@st.composite
def _evse(draw: st.DrawFn, number: int, circuits: int, equals: bool) -> Evse:
    return Evse(
        id=EvseId(f"e{number}"),
        station=StationId(f"s{number}"),
        circuit=CircuitId(f"c{draw(st.integers(0, circuits - 1))}"),
        wiring=draw(st.sampled_from(WIRINGS)),
        max_a=draw(st.sampled_from([16.0, 20.0, 32.0])),
        priority=1.0 if equals else draw(st.sampled_from([1.0, 1.0, 2.0, 5.0])),
    )


@st.composite
def talks(draw: st.DrawFn, *, equals: bool = False, calm: bool = False) -> Talk:
    """A site and what has been heard of it: some are there, some are not, some hold limits.

    `calm`: everybody is proved and nobody holds a limit yet.
    """
    talk = Talk(draw(sites(equals=equals)))
    base = draw(st.sampled_from([0.0, 1.0, 4.7, 12.0]))
    for evse in talk.site.evses:
        how = 5 if calm else draw(st.integers(0, 7))
        if how == 0:
            continue
        talk.connects(evse.station)
        if how == 1:
            continue
        talk.proves(evse.id, talk.site.offline.fallback_a)
        if how >= 3:
            talk.plugs(evse.id, f"t-{evse.id}")
    talk.after(60)
    if not calm:
        for evse in talk.site.evses:
            belief = talk.of(evse.id)
            if belief.session is None or belief.connection is None:
                continue
            how = draw(st.integers(0, 5))
            amps = draw(st.sampled_from([0.0, 6.0, 7.3, 11.0, 16.0]))
            if how >= 1:
                order = talk.orders(evse.id, amps)
                if how >= 3:
                    talk.confirms(order)
                elif how == 2:
                    talk.loses(order)
            if how == 5:
                talk.drops(evse.station)
        talk.after(draw(st.sampled_from([0, 5, 20, 200, 400])))
    if draw(st.booleans()):
        talk.limits(draw(st.sampled_from([0.0, 5.0, 9.0, 14.0])), circuit="c0")
    if draw(st.booleans()):
        for _ in range(4):
            talk.after(1).meter(base)
    return talk
