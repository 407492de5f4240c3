from __future__ import annotations

import gzip
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from connectors.meters.http import View, connect, homewizard_p1, number, parse, shelly_3em, steps
from connectors.meters.reading import NoReading
from loadmgr.ports import BadOption
from loadmgr.units import Phase

VIEW = View(voltage_v=230.0)

SHELLY = {
    "id": 0,
    "a_current": 4.029,
    "a_voltage": 236.1,
    "a_act_power": 951.2,
    "b_current": 11.0,
    "b_voltage": 236.2,
    "b_act_power": -2530.0,
    "c_current": 0.0,
    "c_voltage": 236.0,
    "c_act_power": 0.0,
    "total_act_power": -1578.8,
}
HOMEWIZARD = {
    "smr_version": 50,
    "active_power_w": -543,
    "active_power_l1_w": -676,
    "active_power_l2_w": 133,
    "active_power_l3_w": 4140,
    "active_current_l1_a": -4,
    "active_current_l2_a": 0,
    "active_current_l3_a": 18.5,
}

# ── Wire → domain ─────────────────────────────────────────────────────────────────────────


def test_a_shelly_feeds_in_where_its_power_is_negative():
    assert shelly_3em(SHELLY, VIEW).current_a == (4.029, -11.0, 0.0)


def test_a_reversed_shelly_is_turned_around():
    reversed_view = View(voltage_v=230.0, reverse=True, scale=2.0)
    assert shelly_3em(SHELLY, reversed_view).current_a == pytest.approx((-2 * 4.029, 22.0, 0.0))


def test_whole_amperes_of_a_smart_meter_never_round_a_load_away():
    l1, l2, l3 = homewizard_p1(HOMEWIZARD, VIEW).current_a
    assert l1 == pytest.approx(-676 / 230)
    assert l2 == pytest.approx(133 / 230)
    assert l3 == 18.5


def test_phases_the_site_does_not_have_are_not_asked_for():
    view = View(voltage_v=230.0, phases=frozenset({Phase.L1}))
    answer = {"active_power_l1_w": 230, "active_current_l1_a": 1}
    assert homewizard_p1(answer, view).current_a == (1.0, 0.0, 0.0)
    with pytest.raises(NoReading, match="active_current_l2_a"):
        homewizard_p1(answer, VIEW)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("total.l1", 1.5),
        ("$.total.l1", 1.5),
        ("emeters[1].current", 7),
        ("emeters.1.current", 7),
        ("em:0.a_current", -2),
        ("['a.b']", 3),
        ('["a.b"]', 3),
    ],
)
def test_a_path_finds_its_number(path, value):
    answer = {
        "total": {"l1": 1.5},
        "emeters": [{"current": 6}, {"current": 7}],
        "em:0": {"a_current": -2},
        "a.b": 3,
    }
    assert number(answer, path) == value


@pytest.mark.parametrize("path", ["", "$", "a..b", "a[x]", "a]"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ValueError, match="path"):
        steps(path)


@pytest.mark.parametrize("value", ["12.5", True, None, [], {}, 10**400])
def test_what_is_no_number_is_no_reading(value):
    with pytest.raises(NoReading, match="l1 is no number"):
        number({"l1": value}, "l1")


@pytest.mark.parametrize("path", ["l2", "l1.deeper", "list[9]", "list.first", "text[0]"])
def test_a_path_that_leads_nowhere_is_no_reading(path):
    with pytest.raises(NoReading):
        number({"l1": 1.0, "list": [1], "text": "abc"}, path)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"l1": NaN}', b'{"l1": -Infinity}', b"[" * 60_000, b"\xff\xfe", b'{"l1":'],
)
def test_what_is_not_json_is_no_reading(body):
    with pytest.raises(NoReading, match="not JSON"):
        parse(body)


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([])
shellies = st.fixed_dictionaries({}, optional={key: values for key in SHELLY})


@given(st.binary() | shellies.map(lambda document: json.dumps(document).encode()))
def test_no_answer_whatever_breaks_the_translation(body):
    try:
        measured = shelly_3em(parse(body), VIEW)
    except NoReading:
        return
    assert len(measured.current_a) == 3


# ── Options ───────────────────────────────────────────────────────────────────────────────

GENERIC = {"type": "http", "url": "http://127.0.0.1/m", "paths": {"L1": "a", "L2": "b", "L3": "c"}}
SHELLY_AT = {"type": "http", "device": "shelly-3em", "host": "127.0.0.1"}


@pytest.mark.parametrize(
    ("options", "path", "says"),
    [
        ({"type": "http"}, ("url",), "give a device: and host:"),
        ({"type": "http", "url": "http://x/"}, ("paths",), "paths: into its answer"),
        (GENERIC | {"paths": {"L1": "a", "L2": "b"}}, ("paths", "L3"), "missing"),
        (GENERIC | {"paths": {"L1": "a..b", "L2": "b", "L3": "c"}}, ("paths", "L1"), "no path"),
        (GENERIC | {"url": "ftp://x/"}, ("url",), "write it like http://"),
        (GENERIC | {"url": "meter"}, ("url",), "write it like http://"),
        (GENERIC | {"url": "http://[::1/"}, ("url",), "no address"),
        (GENERIC | {"url": "http://admin:hunter2@x/"}, ("url",), "password_file"),
        (GENERIC | {"host": "x"}, ("host",), "a host needs a device"),
        (GENERIC | {"unit": "VA"}, ("unit",), "'A', 'mA', 'W' or 'kW'"),
        (SHELLY_AT | {"device": "shelly-em"}, ("device",), "Did you mean 'shelly-3em'"),
        ({"type": "http", "device": "shelly-3em"}, ("host",), "192.168.1.20"),
        (SHELLY_AT | {"url": "http://x/"}, ("url",), "give its host only"),
        (SHELLY_AT | {"password": "hunter2"}, ("password",), "name a file"),
        (SHELLY_AT | {"password_file": "/no/such/file"}, ("password_file",), "No such file"),
    ],
)
def test_a_bad_option_is_named_with_what_to_do(context, options, path, says):
    with pytest.raises(BadOption, match=re.escape(says)) as caught:
        connect(options, context)
    assert caught.value.path == path
    assert "hunter2" not in str(caught.value)


def test_one_path_is_enough_on_a_one_phase_site(one_phase_context):
    connect(GENERIC | {"paths": {"L1": "a"}}, one_phase_context)


# ── Over a socket ─────────────────────────────────────────────────────────────────────────


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", "")
    return "\r\n".join(lines).encode() + body


def generic(port: int, **more: object) -> dict[str, object]:
    url = f"http://127.0.0.1:{port}/m"
    return {**GENERIC, "url": url, "poll": "200 ms", "timeout": "300 ms", **more}


GOOD_BODY = json.dumps({"a": 1.0, "b": -2.0, "c": 3.5}).encode()


async def test_it_reads_three_paths_of_any_answer(context, listen, strange_server):
    async with strange_server(lambda request: http(GOOD_BODY)) as port:
        async with listen(connect(generic(port), context)) as ear:
            measured = await ear.next()
    assert measured.current_a == (1.0, -2.0, 3.5)


@pytest.mark.parametrize(
    ("unit", "one_ampere"), [("A", 1.0), ("mA", 1000.0), ("W", 230.0), ("kW", 0.23)]
)
async def test_it_takes_what_unit_the_meter_has(unit, one_ampere, context, listen, strange_server):
    body = json.dumps({"a": one_ampere, "b": 0, "c": -one_ampere}).encode()
    async with strange_server(lambda request: http(body)) as port:
        async with listen(connect(generic(port, unit=unit, reverse=True), context)) as ear:
            measured = await ear.next()
    assert measured.current_a == pytest.approx((-1.0, 0.0, 1.0))


async def test_a_shelly_with_a_password_is_read_by_digest(
    context, listen, strange_server, tmp_path
):
    requests = []

    def answer(request: bytes) -> bytes:
        requests.append(request.decode())
        if "Authorization: Digest" in requests[-1]:
            return http(json.dumps(SHELLY).encode())
        return http(
            b"",
            "401 Unauthorized",
            'WWW-Authenticate: Digest qop="auth", realm="shellypro3em", nonce="17", '
            "algorithm=SHA-256",
        )

    secret = tmp_path / "password"
    secret.write_text("hunter2\n")
    async with strange_server(answer) as port:
        options = SHELLY_AT | {"host": f"127.0.0.1:{port}", "password_file": str(secret)}
        async with listen(connect(options, context)) as ear:
            measured = await ear.next()
    assert measured.current_a == (4.029, -11.0, 0.0)
    assert requests[0].startswith("GET /rpc/EM.GetStatus?id=0 ")
    assert 'username="admin"' in requests[1] and "hunter2" not in requests[1]


@pytest.mark.parametrize(
    "challenge",
    [
        'Digest realm="x"',
        'Digest realm="x", nonce="1", algorithm=ROT13',
        'Digest realm="x", nonce="1", qop="auth-int"',
        "Digest what?",
    ],
)
async def test_a_challenge_that_nobody_understands_is_no_reading(
    challenge, context, listen, report, strange_server, tmp_path
):
    secret = tmp_path / "password"
    secret.write_text("hunter2")
    refusal = http(b"", "401 Unauthorized", f"WWW-Authenticate: {challenge}")
    with capture_logs() as logs:
        async with strange_server(lambda request: refusal) as port:
            async with listen(connect(generic(port, password_file=str(secret)), context)) as ear:
                await report(logs, "meter fails")
                assert not ear.heard
    assert "hunter2" not in str(logs)


FAILURES = {
    "not found": (http(b"{}", "404 Not Found"), "HTTP 404"),
    "a redirect": (http(b"", "302 Found", "Location: http://127.0.0.1:1/"), "HTTP 302"),
    "a page": (http(b"<html>"), "not JSON"),
    "no HTTP": (b"\x00\x01\x02\x03 what?\r\n\r\n", "no connection"),
    "too long": (http(b" " * 200_000), "longer than 65536"),
    "packed": (http(gzip.compress(GOOD_BODY), "200 OK", "Content-Encoding: gzip"), "packed"),
    "half an answer": (http(GOOD_BODY)[:-5], "no answer within 0.3 s"),
    "silence": (b"", "no answer within 0.3 s"),
    "hanging up": (None, "no connection"),
    "text for a number": (http(b'{"a": "1", "b": 1, "c": 1}'), "a is no number"),
    "a missing phase": (http(b'{"a": 1, "b": 1}'), "has no c"),
    "an absurd number": (http(b'{"a": 1, "b": 1, "c": 1e999}'), "L3 is no number"),
}


@pytest.mark.parametrize("kind", FAILURES)
async def test_a_bad_answer_is_no_reading_and_its_reason_is_told_once(
    kind, context, listen, report, strange_server
):
    answer, reason = FAILURES[kind]
    state = {"answer": answer}
    with capture_logs() as logs:
        async with strange_server(lambda request: state["answer"]) as port:
            async with listen(connect(generic(port), context)) as ear:
                await report(logs, "meter fails")
                assert not ear.heard
                state["answer"] = http(GOOD_BODY)
                await ear.next()
                await report(logs, "meter is back")
    assert reason in logs[0]["reason"]
    assert [entry["event"] for entry in logs] == ["meter fails", "meter is back"]


async def test_a_meter_that_is_not_there_is_no_reading(context, listen, report, strange_server):
    async with strange_server(lambda request: None) as port:
        pass
    with capture_logs() as logs:
        async with listen(connect(generic(port), context)) as ear:
            await report(logs, "meter fails")
            assert not ear.heard
    assert f"no connection to 127.0.0.1:{port}" in logs[0]["reason"]
