"""Who may connect: decided before the 101."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import InvalidStatus

from connectors.ocpp import options
from connectors.ocpp.gateway import connect
from connectors.ocpp.security import Credentials, identity
from loadmgr.events import StationConnected
from loadmgr.ports import BadOption
from tests.connectors.ocpp.ground import NORTH, PASSWORDS, SOUTH, context, running, site
from tests.connectors.ocpp.station import V16, basic, station

BASIC: dict[str, Any] = {"security_profile": 1, "passwords": PASSWORDS}


async def test_the_right_password_opens_the_door() -> None:
    async with running(BASIC) as ground:
        async with station(ground.url, NORTH, V16, basic(NORTH, PASSWORDS[NORTH])) as raw:
            await raw.boot()
        assert (await ground.until(StationConnected)).station == NORTH


async def test_a_key_in_hex_may_travel_as_bytes() -> None:
    raw_key = bytes.fromhex(PASSWORDS[SOUTH])
    async with running(BASIC) as ground:
        async with station(ground.url, f"ocpp/{SOUTH}", V16, basic(SOUTH, raw_key)) as raw:
            await raw.boot()


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        (NORTH, None),
        (NORTH, basic(NORTH, "wrong-password-0123456789")),
        (NORTH, basic(NORTH, PASSWORDS[SOUTH])),
        (NORTH, basic(SOUTH, PASSWORDS[SOUTH])),
        (NORTH, basic(SOUTH, PASSWORDS[NORTH])),
        ("unheard-of", basic("unheard-of", PASSWORDS[NORTH])),
        ("", basic("", "")),
        (NORTH, {"Authorization": "Bearer abc"}),
        (NORTH, {"Authorization": "Basic"}),
        (NORTH, {"Authorization": "Basic !!!!"}),
        (NORTH, {"Authorization": "Basic " + "A" * 4000}),
        (NORTH, {"Authorization": "Basic " + base64.b64encode(b"no colon").decode()}),
    ],
)
async def test_everyone_else_gets_the_same_401(name: str, headers: dict[str, str] | None) -> None:
    async with running(BASIC) as ground:
        with pytest.raises(InvalidStatus) as refused:
            async with station(ground.url, name, V16, headers):
                pass
        response = refused.value.response
        assert response.status_code == 401
        assert (response.body, response.headers["WWW-Authenticate"]) == (
            b"Unauthorized\n",
            'Basic realm="ocpp", charset="UTF-8"',
        )
        assert ground.events == []


async def test_an_impostor_leaves_the_real_station_untouched() -> None:
    async with running(BASIC) as ground:
        async with station(ground.url, NORTH, V16, basic(NORTH, PASSWORDS[NORTH])) as raw:
            await raw.boot()
            with pytest.raises(InvalidStatus):
                async with station(ground.url, NORTH, V16, basic(NORTH, "x" * 20)):
                    pass
            await raw.ask("Heartbeat", {})
            assert len(ground.of(StationConnected)) == 1


async def test_without_passwords_a_station_of_another_site_stays_outside() -> None:
    async with running() as ground:
        with pytest.raises(InvalidStatus) as refused:
            async with station(ground.url, "unheard-of", V16):
                pass
        assert refused.value.response.status_code == 401


def test_an_unknown_station_takes_as_long_as_a_wrong_password() -> None:
    credentials = Credentials(PASSWORDS)

    took: dict[str, list[float]] = {NORTH: [], "norte": []}
    for _ in range(2000):  # in turns, and the quickest of each: the machine has other work
        for name, seconds in took.items():
            header = basic(name, "wrong-password-0123456789")["Authorization"]
            began = time.perf_counter()
            assert not credentials.admit(name, header)
            seconds.append(time.perf_counter() - began)
    assert 0.67 < min(took[NORTH]) / min(took["norte"]) < 1.5


@given(st.text(), st.text() | st.none())
def test_no_header_opens_the_door_or_breaks_it(name: str, header: str | None) -> None:
    assert not Credentials(PASSWORDS).admit(name, header)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/north", "north"),
        ("/ocpp/1.6/north", "north"),
        ("/north?token=x", "north"),
        ("/a%20b", "a b"),
        ("/%ff", "\ufffd"),
        ("//[x", "[x"),
        ("/", ""),
        ("", ""),
    ],
)
def test_the_identity_is_the_end_of_the_path(path: str, name: str) -> None:
    assert identity(path) == name


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    make = "openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=test"
    made = [*make.split(), "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*made, *files], check=True, capture_output=True)
    return certificate, key


async def test_profile_2_speaks_tls(certificate: tuple[Path, Path]) -> None:
    public, key = certificate
    given = {**BASIC, "security_profile": 2, "certificate_file": public, "key_file": key}
    trusting = ssl.create_default_context(cafile=public)
    headers = basic(NORTH, PASSWORDS[NORTH])
    async with running(given) as ground:
        assert ground.url.startswith("wss://")
        async with station(ground.url, NORTH, V16, headers, ssl=trusting) as raw:
            await raw.boot()


# ── Options ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "path", "words"),
    [
        ({}, ("passwords_file",), "missing"),
        ({"prot": 9000}, ("prot",), "Extra inputs"),
        ({"listen": "127.0.0.1:99999", **BASIC}, ("listen",), "99999"),
        ({"listen": "127.0.0.1"}, ("listen",), "is no address"),
        ({**BASIC, "versions": ["1.6", "2.1"]}, ("versions", "1"), "1.6"),
        ({"passwords": {NORTH: PASSWORDS[NORTH]}}, ("passwords",), f"no password for {SOUTH}"),
        ({"passwords": {**PASSWORDS, NORTH: "short"}}, ("passwords", NORTH), "16 to 64"),
        ({"passwords_file": "/nonexistent"}, ("passwords_file",), "cannot be read"),
        ({"security_profile": 0, "listen": "0.0.0.0:1"}, ("security_profile",), "can pose as"),
        ({"security_profile": 3}, ("security_profile",), "not available yet"),
        ({**BASIC, "security_profile": 2}, ("certificate_file",), "needs"),
        ({**BASIC, "balanced_stations": ["west"]}, ("balanced_stations",), "west"),
    ],
)
def test_a_bad_option_is_named(given: dict[str, Any], path: tuple[str, ...], words: str) -> None:
    with pytest.raises(BadOption) as bad:
        connect(given, context())
    assert bad.value.path == path
    assert words in str(bad.value)


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [("127.0.0.1:0", "127.0.0.1", 0), ("[::1]:9000", "::1", 9000), ("box:80", "box", 80)],
)
def test_a_host_and_a_port_to_listen_on(listen: str, host: str, port: int) -> None:
    parsed = options.parse({"type": "ocpp", "listen": listen, "security_profile": 0}, site())
    assert (parsed.host, parsed.port) == (host, port)


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_passwords_are_read_from_a_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"passwords.{suffix}"
    path.write_text(json.dumps(PASSWORDS))
    parsed = options.parse({"passwords_file": str(path)}, site())
    credentials = options.credentials(parsed, site())
    assert credentials is not None
    assert credentials.admit(NORTH, basic(NORTH, PASSWORDS[NORTH])["Authorization"])


@pytest.mark.parametrize("text", ["- a\n- b", "north: 12345678901234567890", "north: [", "\x00"])
def test_a_broken_password_file_is_named_and_never_quoted(text: str, tmp_path: Path) -> None:
    path = tmp_path / "passwords.yaml"
    path.write_text(text)
    parsed = options.parse({"passwords_file": str(path)}, site())
    with pytest.raises(BadOption) as bad:
        options.credentials(parsed, site())
    assert bad.value.path == ("passwords_file",)
    assert "1234567890" not in str(bad.value)
