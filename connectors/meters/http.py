"""Meters that answer HTTP with JSON."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar

import httpx
from pydantic import Field

from connectors.meters.polled import (
    READ_BY_OTHERS,
    Ask,
    PolledMeter,
    bounds_here,
    check_rhythm,
    metered_circuit,
)
from connectors.meters.reading import NoReading, Reading, signed_a
from connectors.options import OptionsModel, Seconds, checked, suggestion
from loadmgr.model import MeterId
from loadmgr.ports import BadOption, Context, Options, Source
from loadmgr.units import PHASES, Phase

LARGEST_ANSWER = 64 * 1024
"""Bytes. What meters send is a hundredth of it."""

Json = Any
Translate = Callable[[Json], Reading]

T = TypeVar("T")


class Paths(OptionsModel):
    """Where in the answer each phase stands."""

    L1: str | None = None
    L2: str | None = None
    L3: str | None = None


class HttpOptions(OptionsModel):
    """The block of a `type: http` meter: a `device` at a `host`, or `paths` into a `url`."""

    device: str | None = None
    host: str | None = None
    url: str | None = None
    paths: Paths | None = None
    unit: Literal["A", "mA", "W", "kW"] = "A"  # of what stands at `paths`
    user: str = "admin"
    password_file: str | None = None
    auth: Literal["basic", "digest"] = "digest"
    poll: Seconds = 1.0
    timeout: Annotated[Seconds, Field(gt=0)] = 3.0
    reverse: bool = False
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    frozen_after: Annotated[int, Field(ge=0)] = 60


def connect(options: Options, context: Context) -> Source:
    """A meter that answers HTTP with JSON.

    Raises
    ------
    BadOption
    """
    if "password" in options:
        raise BadOption(("password",), "secrets do not stand here; name a file: password_file:")
    chosen = checked(HttpOptions, options, read_by_others=READ_BY_OTHERS)
    check_rhythm(context, chosen.poll)
    url, translate = _preset(chosen, context) if chosen.device else _generic(chosen, context)
    return PolledMeter(
        meter=MeterId(context.name),
        link=HttpLink(url, _auth(chosen), translate).open,
        every_s=chosen.poll,
        timeout_s=chosen.timeout,
        bounds=bounds_here(context, chosen.frozen_after),
        clock=context.clock,
    )


# ── Wire → domain ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """From which side the numbers are to be seen."""

    voltage_v: float  # line to neutral
    phases: frozenset[Phase] = frozenset(PHASES)  # the others carry 0 and are not asked for
    reverse: bool = False
    scale: float = 1.0

    @property
    def towards(self) -> float:
        return -self.scale if self.reverse else self.scale

    def reading(self, of_phase: Callable[[Phase], float]) -> Reading:
        l1, l2, l3 = (of_phase(phase) if phase in self.phases else 0.0 for phase in PHASES)
        return Reading((l1, l2, l3))


def shelly_3em(answer: Json, view: View) -> Reading:
    """`EM.GetStatus` of the second generation (Pro 3EM, 3EM): phases a, b, c."""

    def of_phase(phase: Phase) -> float:
        letter = "abc"[phase]
        current_a = number(answer, f"{letter}_current") * view.scale
        power_w = number(answer, f"{letter}_act_power") * view.towards
        return signed_a(current_a, power_w, view.voltage_v)

    return view.reading(of_phase)


def homewizard_p1(answer: Json, view: View) -> Reading:
    """`/api/v1/data` of the HomeWizard P1 meter.

    Smart meters give whole amperes to this port; where active power asks for more, it is right.
    """

    def of_phase(phase: Phase) -> float:
        rough_a = number(answer, f"active_current_{phase.name.lower()}_a") * view.scale
        power_w = number(answer, f"active_power_{phase.name.lower()}_w") * view.towards
        current_a = max(abs(rough_a), abs(power_w) / view.voltage_v)
        return signed_a(current_a, power_w, view.voltage_v)

    return view.reading(of_phase)


DEVICES: Mapping[str, tuple[str, Callable[[Json, View], Reading]]] = {
    "shelly-3em": ("/rpc/EM.GetStatus?id=0", shelly_3em),
    "homewizard-p1": ("/api/v1/data", homewizard_p1),
}


def number(answer: Json, path: str) -> float:
    """The number at a path like `emeters[0].current`, `$.total.l1` or `em:0.a_current`.

    Raises
    ------
    NoReading
        There is nothing, or no number: text, true and null are not numbers.
    """
    found = answer
    for step in steps(path):
        try:
            found = found[int(step)] if isinstance(found, list) else found[step]
        except (KeyError, IndexError, ValueError, TypeError):
            raise NoReading(f"the answer has no {path}") from None
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise NoReading(f"{path} is no number: {_shortened(found)}")
    try:
        return float(found)
    except OverflowError:
        raise NoReading(f"{path} is no number: {_shortened(found)}") from None


_STEP = re.compile(r"""\[(\d+)\]|\[(?:'([^']+)'|"([^"]+)")\]|\.?([^.\[\]]+)""")


def steps(path: str) -> tuple[str, ...]:
    """Keys and places of a dotted path; `['a.b']` quotes a key with a dot in it.

    Raises
    ------
    ValueError
        Not a path.
    """
    rest, found = path.removeprefix("$"), []
    while rest:
        match = _STEP.match(rest)
        if match is None:
            raise ValueError(f"{path!r} is no path; write it like 'meters[0].current'")
        found.append(next(group for group in match.groups() if group is not None))
        rest = rest[match.end() :]
    if not found:
        raise ValueError("an empty path; write it like 'meters[0].current'")
    return tuple(found)


def parse(body: bytes) -> Json:
    """JSON as RFC 8259 has it: NaN and Infinity are not numbers there.

    Raises
    ------
    NoReading
    """
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise NoReading(f"the answer is not JSON: {_shortened(body)}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _shortened(value: object) -> str:
    try:
        written = repr(value)
    except ValueError:  # an integer of thousands of digits does not print
        written = "a huge integer"
    return written if len(written) <= 60 else written[:59] + "…"


# ── Options ───────────────────────────────────────────────────────────────────────────────


def _preset(options: HttpOptions, context: Context) -> tuple[httpx.URL, Translate]:
    device = options.device or ""
    if device not in DEVICES:
        raise BadOption(("device",), f"no meter {device!r}. {suggestion(device, DEVICES)}")
    for setting in ("url", "paths"):
        if getattr(options, setting) is not None:
            raise BadOption((setting,), f"{device} knows its own {setting}; give its host only")
    if not options.host:
        raise BadOption(("host",), f"where is the {device}? Write e.g. host: 192.168.1.20")
    path, translate = DEVICES[device]
    view = _view(options, context)
    url = _url(("host",), f"http://{options.host}{path}")
    return url, lambda answer: translate(answer, view)


def _generic(options: HttpOptions, context: Context) -> tuple[httpx.URL, Translate]:
    if options.host is not None:
        raise BadOption(("host",), "a host needs a device; without one, give url: and paths:")
    if options.url is None or options.paths is None:
        missing = "url" if options.url is None else "paths"
        raise BadOption(
            (missing,), "give a device: and host:, or a url: and paths: into its answer"
        )
    view = _view(options, context)
    paths = {phase: getattr(options.paths, phase.name) for phase in PHASES}
    for phase in sorted(view.phases):
        if paths[phase] is None:
            raise BadOption(("paths", phase.name), "missing, and this circuit has that phase")
        try:
            steps(paths[phase])
        except ValueError as error:
            raise BadOption(("paths", phase.name), str(error)) from None
    ampere = {"A": 1.0, "mA": 1e-3, "W": 1 / view.voltage_v, "kW": 1e3 / view.voltage_v}
    factor = ampere[options.unit] * view.towards
    return _url(("url",), options.url), lambda answer: view.reading(
        lambda phase: number(answer, paths[phase]) * factor
    )


def _view(options: HttpOptions, context: Context) -> View:
    rating_a = metered_circuit(context).rating_a
    return View(
        voltage_v=context.site.voltage_v,
        phases=frozenset(phase for phase in PHASES if rating_a[phase] > 0),
        reverse=options.reverse,
        scale=options.scale,
    )


def _url(path: tuple[str, ...], written: str) -> httpx.URL:
    try:
        url = httpx.URL(written)
    except httpx.InvalidURL as error:
        raise BadOption(path, f"{written!r} is no address: {error}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise BadOption(path, f"{written!r} is no address; write it like http://192.168.1.20/meter")
    if url.userinfo:
        raise BadOption(path, "secrets do not stand here; use user: and password_file:")
    return url


def _auth(options: HttpOptions) -> httpx.Auth | None:
    if options.password_file is None:
        return None
    try:
        password = Path(options.password_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise BadOption(("password_file",), f"{options.password_file}: {reason}") from None
    kind = httpx.DigestAuth if options.auth == "digest" else httpx.BasicAuth
    return kind(options.user, password)


# ── The connection ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class HttpLink:
    """One kept-alive connection to one address."""

    url: httpx.URL
    auth: httpx.Auth | None
    translate: Translate

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Ask]:
        # `PolledMeter` holds the time-out of the whole poll, a trickle of bytes included. And a
        # meter in the cellar is not behind the proxy that the environment may name.
        async with httpx.AsyncClient(
            auth=self.auth,
            timeout=None,
            trust_env=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        ) as client:

            async def ask() -> Reading:
                return self.translate(parse(await self._body(client)))

            yield ask

    async def _body(self, client: httpx.AsyncClient) -> bytes:
        try:
            async with client.stream("GET", self.url) as response:
                if response.status_code != httpx.codes.OK:
                    raise NoReading(f"HTTP {response.status_code} {response.reason_phrase}".strip())
                return await _limited(response)
        except (KeyError, ValueError, NotImplementedError):
            # httpx leaks these from a digest challenge that it does not know.
            raise NoReading("the meter asks for the password in an unknown way") from None
        except httpx.HTTPError as error:
            raise NoReading(f"no connection to {self.url.netloc.decode()}: {error}") from None


async def _limited(response: httpx.Response) -> bytes:
    """The body as sent: a packed one could unpack to anything."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise NoReading("the answer is packed, though it was asked for plain")
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > LARGEST_ANSWER:
            raise NoReading(f"the answer is longer than {LARGEST_ANSWER} bytes")
    return bytes(body)
