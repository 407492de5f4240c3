"""Every event and every belief comes back from its text as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadmgr.core.state import State
from loadmgr.events import Event
from loadmgr.model import Limit
from loadmgr.store.codec import Undecodable, decode, decode_state, encode, encode_state
from tests.core.talk import MAIN, NOON, Talk, bay, site_of
from tests.strategies import talks

instants = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001
    max_value=datetime(2040, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
st.register_type_strategy(datetime, instants)
st.register_type_strategy(float, st.floats(min_value=0, max_value=1e9))
st.register_type_strategy(
    Limit,
    st.builds(Limit, power_w=st.floats(min_value=0, max_value=1e9), valid_from=instants),
)

kinds = pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
lightly = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@kinds
@lightly
@given(data=st.data())
def test_an_event_comes_back_as_it_was(kind: type, data: st.DataObject):
    event = data.draw(st.from_type(kind))
    assert decode(encode(event)) == event


@lightly
@given(talks())
def test_a_belief_comes_back_as_it_was(talk: Talk):
    assert decode_state(encode_state(talk.state)) == talk.state


def test_a_belief_with_everything_in_it_comes_back_as_it_was():
    talk = Talk(site_of(bay("A"), bay("B")))
    talk.ready("A", "B")
    talk.holds("A", 20.0)
    talk.holds("A", 10.0)
    talk.orders("B", 8.0)
    talk.limits(10.0, power_w=5000.0, lasts=60)
    for _ in range(4):
        talk.after(5).draws("A", 30.0, power_w=100.0, energy_wh=5.0)
    assert talk.of("A").quarantine is not None and talk.of("A").fading
    assert talk.of("B").in_flight is not None
    assert decode_state(encode_state(talk.state)) == talk.state


def test_a_limit_without_amperes_keeps_its_unlimited_phases():
    limit = Limit(name="n", circuit=MAIN, power_w=1.0, source="s", valid_from=NOON)
    state = State(evses={}, meters={}, limits={"n": limit})
    assert decode_state(encode_state(state)) == state


def test_a_text_is_one_line():
    talk = Talk(site_of(bay("A")))
    talk.ready("A")
    assert "\n" not in encode_state(talk.state)


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "{}", "[]", "null", '{"event": "Sent"}', '{"event": "Nonsense", "at": 1}'],
)
def test_what_is_not_ours_is_said_to_be_so(text: str):
    with pytest.raises(Undecodable):
        decode(text)


@pytest.mark.parametrize("text", ["", "nonsense", "{}", "null", '{"evses": 3, "meters": {}}'])
def test_what_is_no_belief_is_said_to_be_so(text: str):
    with pytest.raises(Undecodable):
        decode_state(text)
