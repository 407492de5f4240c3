"""Who may connect: HTTP Basic as of OCPP security profiles 1 and 2, checked before the 101.

OCPP 1.6 security whitepaper section 3.2, OCPP 2.0.1 part 2 use case A00: the user name is the
identity at the end of the URL.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import string
from collections.abc import Mapping
from urllib.parse import unquote

SHORTEST_PASSWORD, LONGEST_PASSWORD = 16, 64
_LONGEST_HEADER = 1024


def identity(path: str) -> str:
    """The last segment of the URL, whatever stands before it."""
    return unquote(path.partition("?")[0].rpartition("/")[2])


class Credentials:
    """Passwords of stations, kept as keyed digests.

    They are random and long, so a fast digest with a key of this process is right: a slow one
    would let a reconnect storm stall the whole site.
    """

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self._key = secrets.token_bytes(32)
        self._digests = {name: self._spellings(password) for name, password in passwords.items()}
        self._nobody = self._spellings(secrets.token_hex(20))

    def admit(self, identity: str, authorization: str | None) -> bool:
        """Same work and same time, whichever part is wrong."""
        user, password = _basic(authorization)
        given = self._digest(password)
        expected = self._digests.get(identity, self._nobody)
        matches = [hmac.compare_digest(given, digest) for digest in expected]
        named = hmac.compare_digest(self._digest(user), self._digest(identity.encode()))
        return any(matches) and named and identity in self._digests

    def _spellings(self, password: str) -> tuple[bytes, bytes]:
        """A key written in hex may travel as the bytes it means (1.6 whitepaper, A00.FR.205)."""
        text = password.encode()
        even_hex = len(password) % 2 == 0 and set(password) <= set(string.hexdigits)
        return self._digest(text), self._digest(bytes.fromhex(password) if even_hex else text)

    def _digest(self, secret: bytes) -> bytes:
        return hmac.digest(self._key, secret, "sha256")


def _basic(authorization: str | None) -> tuple[bytes, bytes]:
    """(user, password) of an Authorization header; empty when there is none to be read."""
    if authorization is None or len(authorization) > _LONGEST_HEADER:
        return b"", b""
    scheme, _, encoded = authorization.partition(" ")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
    except ValueError:
        return b"", b""
    user, colon, password = decoded.partition(b":")
    return (user, password) if scheme.lower() == "basic" and colon else (b"", b"")
