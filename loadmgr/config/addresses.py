"""Where a server listens, and who can reach it there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from loadmgr.config.errors import shown
from loadmgr.config.quantities import wrong

_LISTEN = re.compile(r"(?:\[([0-9A-Fa-f:.%]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Listen:
    """Host and port; port 0 lets the system choose one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Only programs on this very machine get here."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def is_everywhere(self) -> bool:
        """Every interface of this machine, the ones added later too."""
        try:
            return ip_address(self.host).is_unspecified
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _listen(written: object) -> Listen:
    if isinstance(written, Listen):
        return written
    match = _LISTEN.fullmatch(written.strip()) if isinstance(written, str) else None
    if match is None or int(match[3]) > 65_535:
        hint = 'Write an address and a port: "127.0.0.1:9000".'
        raise wrong(f"{shown(written)} is not an address to listen on", hint)
    return Listen(match[1] or match[2], int(match[3]))


ListenAddress = Annotated[
    Listen,
    BeforeValidator(_listen),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(\[.+\]|[^:]+):[0-9]{1,5}$",
            "examples": ["127.0.0.1:9000"],
        }
    ),
]
