"""Questions and requests to a running loadmgr, over its API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx

from loadmgr.app.durations import ceiling, seconds

TIMEOUT_S = 10.0

BY_HAND = "operator-"  # and the circuit: a limit without a name replaces none on another circuit
REPLACED = 200  # the answer to a limit in the place of another; 201 to a new one


class NoAnswer(Exception):
    """Nobody is there, or the answer is no. Says which and what to do."""


def ask_why(url: str, charger: str, at: str) -> dict[str, Any]:
    """The reason of one charger, now or at an instant."""
    params = {"at": _instant(at)} if at else {}
    answer = _call(url, "GET", f"/api/v1/chargers/{quote(charger, safe='')}/why", params=params)
    found: dict[str, Any] = answer.json()
    return found


def as_text(answer: dict[str, Any]) -> str:
    """The reason, what lies between plan and charger, and the ladder, lowest rung first."""
    lines = [f"{answer['charger']}: {answer['sentence']}"]
    if answer["between"]:
        lines.append(f"  {answer['between']}")
    lines += [f"  {rung['amps_a']:5.1f} A  {rung['sentence']}" for rung in answer["ladder"]]
    return "\n".join(lines)


def set_limit(url: str, name: str, circuit: str, to: str, lasts: str, reason: str) -> str:
    current_a, power_kw = ceiling(to)
    if not reason.strip():
        raise ValueError('say why, for those who read the page: --reason "roof works"')
    body: dict[str, Any] = {"circuit": circuit, "reason": reason, "source": "operator"}
    if current_a is not None:
        body["current"] = current_a
    if power_kw is not None:
        body["max_power_kw"] = power_kw
    if lasts:
        until = datetime.now(UTC) + timedelta(seconds=seconds(lasts))
        body["valid_until"] = until.isoformat()
    name = name or f"{BY_HAND}{circuit}"
    answer = _call(url, "PUT", f"/api/v1/limits/{quote(name, safe='')}", json=body)
    lines = [f"{circuit} is limited to {to}" + (f" for {lasts}" if lasts else " until released")]
    if answer.status_code == REPLACED:
        lines[0] += f", in place of the limit {name} that was there"
    if note := answer.json().get("note"):
        lines.append(note)
    lines.append(f"`loadmgr release {name}` takes it back")
    return "\n".join(lines)


def release_limit(url: str, asked: str) -> str:
    """Take a limit back, by its name or its circuit; the only one where nothing is said."""
    by_hand = [each for each in _call(url, "GET", "/api/v1/limits").json() if _is_by_hand(each)]
    names = [each["name"] for each in by_hand]
    if asked:
        name = asked if asked in names else f"{BY_HAND}{asked}"
        name = name if name in names else asked
    elif len(names) == 1:
        (name,) = names
    else:
        raise NoAnswer(
            f"there are several limits, say which: {', '.join(names)}"
            if names
            else "no limit was set by hand: there is nothing to release"
        )
    _call(url, "DELETE", f"/api/v1/limits/{quote(name, safe='')}")
    return f"limit {name} is released"


def _is_by_hand(limit: dict[str, Any]) -> bool:
    return bool(limit["source"] == "operator")


def _instant(at: str) -> str:
    """`17:42` is today's, in the time zone of this computer; an ISO instant stays one."""
    if len(at) == 5 and at[2] == ":":
        hour, minute = at.split(":")
        try:
            today = datetime.now().astimezone()
            return today.replace(
                hour=int(hour), minute=int(minute), second=0, microsecond=0
            ).isoformat()
        except ValueError:
            raise NoAnswer(f"{at!r} is not a time of day: write 17:42") from None
    return at


def _call(url: str, method: str, path: str, **arguments: Any) -> httpx.Response:
    try:
        answer = httpx.request(method, url + path, timeout=TIMEOUT_S, trust_env=False, **arguments)
    except httpx.InvalidURL as error:
        raise NoAnswer(f"{url} is not an address: {error}") from error
    except httpx.HTTPError as error:
        raise NoAnswer(
            f"no loadmgr answers at {url} ({error}); start one with `loadmgr run` or "
            "`loadmgr demo`, or name another with --url"
        ) from error
    if answer.is_success:
        return answer
    raise NoAnswer(_complaint(answer))


def _complaint(answer: httpx.Response) -> str:
    try:
        said = answer.json()
    except ValueError:
        return f"{answer.status_code} {answer.reason_phrase}"
    if isinstance(said, dict):
        said = said.get("errors", said.get("detail", said.get("message", said)))
    if isinstance(said, list):
        said = "; ".join(
            str(one.get("message", one)) if isinstance(one, dict) else str(one) for one in said
        )
    return str(said)
