"""OCPP-J framing: whatever arrives, a frame or `Malformed`."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.ocpp.frames import Call, CallError, CallResult, Malformed, read, write

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
payloads = st.dictionaries(
    st.text(),
    st.integers(-(2**63), 2**63 - 1) | st.text() | st.floats(allow_nan=False, allow_infinity=False),
)
ids = st.text(min_size=1, max_size=36)

POISON = [
    "",
    "[",
    "{}",
    "null",
    "[]",
    "[2]",
    '[2,"1"]',
    '[2,"1","Heartbeat"]',
    '[2,"1","Heartbeat",[]]',
    '[2,"1","Heartbeat",{},{}]',
    '[2,"","Heartbeat",{}]',
    '[2,7,"Heartbeat",{}]',
    '[2,null,"Heartbeat",{}]',
    '[2,"1",7,{}]',
    '[true,"1","Heartbeat",{}]',
    '[2.0,"1","Heartbeat",{}]',
    '["2","1","Heartbeat",{}]',
    '[3,"1"]',
    '[3,"1",[]]',
    '[4,"1"]',
    '[4,"1",{}]',
    '[5,"1","X","",{}]',
    '[6,"1","X",{}]',
    '[2,"1","Heartbeat",{"a":NaN}]',
    '[2,"1","Heartbeat",{"a":-Infinity}]',
    '[2,"1","Heartbeat",{"a":1e999}]',
    '[2,"1","Heartbeat",{"a":' + "9" * 5000 + "}]",
    '[2,"1","Heartbeat",{"a":' + "9" * 20 + "}]",
    '[2,"1","Heartbeat",{"a":"\\ud800"}]',
    '[2,"' + "x" * 60_000 + '","Heartbeat",{}]',
    '[2,"1","' + "x" * 60_000 + '",{}]',
    "[" * 100_000,
    '[2,"1","Heartbeat",' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "]",
    "\x00",
    "[2,",
]


@pytest.mark.parametrize("text", POISON, ids=range(len(POISON)))
def test_poison_is_malformed_and_nothing_else(text: str) -> None:
    with pytest.raises(Malformed):
        read(text)


@given(st.text())
def test_any_text_is_a_frame_or_malformed(text: str) -> None:
    try:
        read(text)
    except Malformed:
        pass


@given(st.lists(json_values, max_size=6) | json_values)
@example([2, "1", "Heartbeat", {}])
def test_any_json_is_a_frame_or_malformed(value: object) -> None:
    try:
        frame = read(json.dumps(value))
    except Malformed:
        return
    assert frame.id


@given(ids, ids, payloads)
def test_what_is_written_is_read_again(id: str, action: str, payload: dict[str, object]) -> None:
    for frame in (Call(id, action, payload), CallResult(id, payload)):
        assert read(write(frame)) == frame
    assert read(write(CallError(id, action, "why"))) == CallError(id, action, "why")


def test_a_broken_answer_is_not_to_be_answered_but_a_broken_call_is() -> None:
    for text, answerable in (('[2,"7","X"]', True), ('[3,"7"]', False), ('[4,"7"]', False)):
        with pytest.raises(Malformed) as fault:
            read(text)
        assert (fault.value.answerable, fault.value.id) == (answerable, "7")


def test_a_callerror_needs_no_description() -> None:
    assert read('[4,"1","GenericError"]') == CallError("1", "GenericError")
    assert read('[4,"1","GenericError",null,{}]') == CallError("1", "GenericError")
