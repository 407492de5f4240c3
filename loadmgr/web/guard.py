"""Who may talk to the API from a browser, and what a browser may do with the answers.

A page of another site must neither read nor change anything: not by its own
requests (Origin), not by giving its own name our address (DNS rebinding, Host),
not by framing us. These checks stand before every route.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loadmgr.web.answers import Complaint, Complaints

MOST_BYTES = 16 * 1024
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; object-src 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """ASGI middleware. Refuses with the same shape of complaint as the routes.

    Parameters
    ----------
    hosts
        Names this server may be called by, besides localhost and plain addresses
        (an address in `Host` cannot come from DNS rebinding).
    origins
        Origins besides our own that may use the API.
    token
        When given, writes need `Authorization: Bearer …`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str] = (),
        origins: Collection[str] = (),
        token: str | None = None,
    ) -> None:
        self._app = app
        self._hosts = {"localhost", *(host.lower() for host in hosts)}
        self._origins = {origin.rstrip("/").lower() for origin in origins}
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope["method"], Headers(scope=scope))

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await (refusal or self._app)(scope, receive, guarded)

    def _refusal(self, method: str, headers: Headers) -> JSONResponse | None:
        """Why a request goes no further; None: it may."""
        host = headers.get("host", "")
        if not self._known(host):
            return _refuse(421, "Host", f"this server is not called {host[:100]!r}")
        origin = headers.get("origin")
        if origin is not None and not self._same(origin, host):
            return _refuse(403, "Origin", "pages of another site may not use this API")
        if method not in WRITES:
            return None
        if origin is None and headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return _refuse(403, "Sec-Fetch-Site", "pages of another site may not use this API")
        return self._unauthorised(headers) or _unfit(method, headers)

    def _known(self, host: str) -> bool:
        name = (urlsplit(f"//{host}").hostname or "") if _is_netloc(host) else ""
        return name in self._hosts or _is_address(name)

    def _same(self, origin: str, host: str) -> bool:
        return (
            origin.lower() in self._origins or urlsplit(origin).netloc.lower() == host.lower() != ""
        )

    def _unauthorised(self, headers: Headers) -> JSONResponse | None:
        if self._token is None:
            return None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        good = hmac.compare_digest(given.strip().encode(), self._token.encode())
        if scheme.lower() == "bearer" and good:
            return None
        return _refuse(
            401,
            "Authorization",
            "changes need a token: 'Authorization: Bearer …'",
            {"WWW-Authenticate": "Bearer"},
        )


def _unfit(method: str, headers: Headers) -> JSONResponse | None:
    """A body that is not ours to read. DELETE has none, and is never sent without a preflight."""
    if method == "DELETE":
        return None
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        return _refuse(415, "Content-Type", "send application/json")
    length = headers.get("content-length", "")
    if not length.isdecimal():
        return _refuse(411, "Content-Length", "say how long the body is")
    if len(length) > 9 or int(length) > MOST_BYTES:
        return _refuse(413, "Content-Length", f"at most {MOST_BYTES} bytes")
    return None


def _is_netloc(host: str) -> bool:
    return not set(host) & set("/?#@\\ ") and host.count("[") == host.count("]") <= 1


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _refuse(
    status: int, field: str, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    complaint = Complaint(field=field, message=message)
    return JSONResponse(Complaints(errors=[complaint]).model_dump(), status, headers)
